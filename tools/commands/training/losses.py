"""Options that change the loss: `--label-smoothing` and `--class-weights`."""

from dataclasses import replace
from typing import Any

import click

from graphcnn.data.weights import BALANCED
from graphcnn.learning.aim import Losses
from graphcnn.learning.losses import LOSSES, Loss

_SMOOTHED = [name for name, loss in LOSSES.items() if hasattr(loss, "label_smoothing")]


def smoothed(loss: Losses, amount: float) -> Losses:
    """The loss with that label smoothing. One that has none is wrong use."""
    known: Any = LOSSES.get(loss) if isinstance(loss, str) else loss
    name = known.name if isinstance(known, Loss) else "several losses"
    if name not in _SMOOTHED:
        raise click.UsageError(
            f"--label-smoothing has no meaning for {name}; it is for {' and '.join(_SMOOTHED)}"
        )
    found: Losses = replace(known, label_smoothing=amount)
    return found


def _class_weights(context: Any, parameter: Any, text: str | None) -> str | dict[str, float] | None:
    """`balanced`, or `cat=2, dog=0.5`."""
    if text is None or text == BALANCED:
        return text
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, weight = (word.strip() for word in part.rpartition("="))
        try:
            number = float(weight)
        except ValueError:
            equals = ""
        if not equals or not name or name in found:
            raise click.BadParameter(
                f'{text!r} must be spelled {BALANCED}, or CLASS=WEIGHT, as in "cat=2, dog=0.5"'
            )
        found[name] = number
    return found


label_smoothing_option = click.option(
    "--label-smoothing", type=click.FloatRange(0, 1, max_open=True), metavar="X",
    help="Spread this part of each target evenly over all classes, as in 0.1. Of "
    f"{' and '.join(_SMOOTHED)}. Default: none, or that of a saved MODEL.",
)  # fmt: skip

class_weights_option = click.option(
    "--class-weights", metavar="WEIGHTS", callback=_class_weights,
    help="How much images count in the loss by their class: balanced, those of rare classes more, "
    'so that all classes count alike; or CLASS=WEIGHT, as in "cat=2, dog=0.5", 1 for others. '
    "Measuring counts all images alike.",
)  # fmt: skip
