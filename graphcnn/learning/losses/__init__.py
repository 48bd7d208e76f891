"""Losses: functions of predictions and targets, and objects with settings, as `loss=` takes them.

    model.fit(train, loss=cnn.losses.CrossEntropy(label_smoothing=0.1))
    model.fit(train, loss={"digit": "cross_entropy", "angle": cnn.losses.Huber(delta=0.5)})

Each is the mean over the items, and takes `weights` of them.
"""

from graphcnn.language.loss import binary_cross_entropy, cross_entropy, l1, mse
from graphcnn.learning.losses.base import Loss, WithoutTarget
from graphcnn.learning.losses.known import LOSSES
from graphcnn.learning.losses.of_classes import CrossEntropy, Focal, Hinge, focal, hinge
from graphcnn.learning.losses.of_codes import Elbo, elbo
from graphcnn.learning.losses.of_each import (
    BinaryCrossEntropy,
    BinaryFocal,
    BinaryHinge,
    binary_focal,
    binary_hinge,
)
from graphcnn.learning.losses.of_numbers import (
    L1,
    MSE,
    CosineSimilarity,
    Huber,
    KLDivergence,
    Poisson,
    SmoothL1,
    cosine_similarity,
    huber,
    kl_divergence,
    poisson,
    smooth_l1,
)
from graphcnn.learning.losses.of_pairs import Contrastive, Triplet, contrastive, triplet
from graphcnn.learning.losses.of_pixels import PixelNLL, pixel_nll
from graphcnn.learning.losses.of_regions import (
    BinaryDice,
    BinaryJaccard,
    Dice,
    Jaccard,
    binary_dice,
    binary_jaccard,
    dice,
    jaccard,
)
from graphcnn.learning.losses.of_sequences import CTC

__all__ = [
    "CTC",
    "L1",
    "LOSSES",
    "MSE",
    "BinaryCrossEntropy",
    "BinaryDice",
    "BinaryFocal",
    "BinaryHinge",
    "BinaryJaccard",
    "Contrastive",
    "CosineSimilarity",
    "CrossEntropy",
    "Dice",
    "Elbo",
    "Focal",
    "Hinge",
    "Huber",
    "Jaccard",
    "KLDivergence",
    "Loss",
    "PixelNLL",
    "Poisson",
    "SmoothL1",
    "Triplet",
    "WithoutTarget",
    "binary_cross_entropy",
    "binary_dice",
    "binary_focal",
    "binary_hinge",
    "binary_jaccard",
    "contrastive",
    "cosine_similarity",
    "cross_entropy",
    "dice",
    "elbo",
    "focal",
    "hinge",
    "huber",
    "jaccard",
    "kl_divergence",
    "l1",
    "mse",
    "pixel_nll",
    "poisson",
    "smooth_l1",
    "triplet",
]
