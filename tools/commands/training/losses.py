"""Options that change the loss: `--label-smoothing` and `--class-weights`."""

import click

from graphcnn.learning.losses import LOSSES

_SMOOTHED = [name for name, loss in LOSSES.items() if hasattr(loss, "label_smoothing")]


label_smoothing_option = click.option(
    "--label-smoothing", type=click.FloatRange(0, 1, max_open=True), metavar="X",
    help="Spread this part of each target evenly over all classes, as in 0.1. Of "
    f"{' and '.join(_SMOOTHED)}. Default: none, or that of a saved MODEL.",
)  # fmt: skip

class_weights_option = click.option(
    "--class-weights", metavar="WEIGHTS",
    help="How much images count in the loss by their class: balanced, those of rare classes more, "
    'so that all classes count alike; or CLASS=WEIGHT, as in "cat=2, dog=0.5", 1 for others. '
    "Measuring counts all images alike.",
)  # fmt: skip
