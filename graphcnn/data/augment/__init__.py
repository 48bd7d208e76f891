"""Augmentation: images changed at random on their way to training.

    train.augmented(flip(), crop(4), cutout(8))

Every number is drawn for (seed, epoch, index of the image in the data set, place of the transform)
by a counter-based generator: order, threads, the size of a batch, and where a run was resumed
change nothing, and no two epochs are alike. Measuring and predicting see images as they are.
"""

from graphcnn.data.augment.affine import random_resized_crop, rotation, scale, shear, shift
from graphcnn.data.augment.colour import brightness, colour_jitter, contrast, hue, saturation
from graphcnn.data.augment.crops import crop
from graphcnn.data.augment.draw import Draw
from graphcnn.data.augment.erase import cutout, random_erasing
from graphcnn.data.augment.flips import alternating_flip, flip, flip_vertical
from graphcnn.data.augment.mix import cutmix, mixup
from graphcnn.data.augment.noise import noise
from graphcnn.data.augment.normalise import normalise
from graphcnn.data.augment.own import function
from graphcnn.data.augment.preview import preview
from graphcnn.data.augment.transform import Moving, Subject, Transform

__all__ = [
    "Draw",
    "Moving",
    "Subject",
    "Transform",
    "alternating_flip",
    "brightness",
    "colour_jitter",
    "contrast",
    "crop",
    "cutmix",
    "cutout",
    "flip",
    "flip_vertical",
    "function",
    "hue",
    "mixup",
    "noise",
    "normalise",
    "preview",
    "random_erasing",
    "random_resized_crop",
    "rotation",
    "saturation",
    "scale",
    "shear",
    "shift",
]
