"""`--augment "flip, crop(4), cutout(8)"`."""

import click

from graphcnn.recipes.transforms import TRANSFORMS

augment_option = click.option(
    "--augment", metavar='"T, T(X)"',
    help="Change the training images at random, anew in every epoch, by these transforms of "
    'cnn.augment in their order: "flip, crop(4), cutout(8)". Measuring sees the images as they '
    f"are. Known are {', '.join(TRANSFORMS)}.",
)  # fmt: skip
