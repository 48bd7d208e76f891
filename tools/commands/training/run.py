"""Options of a run: how long, in which order, and what is kept of it."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from graphcnn.recipes.aims import TENSORBOARD
from graphcnn.recipes.training import BATCH_SIZE
from graphcnn.training.resuming import CHANGES

F = TypeVar("F", bound=Callable[..., Any])


def run_options(function: F) -> F:
    """Those of the tables `run` and `output` of a recipe, and the folder of the run."""
    options = (
        click.option(
            "--epochs", type=click.IntRange(min=1), metavar="N",
            help="Passes over the training images, counted from the start of a resumed run. "
            "[default: 1]",
        ),
        click.option(
            "--batch-size", type=click.IntRange(min=1), metavar="N",
            help=f"Images in one step. Default: {BATCH_SIZE}, or all where there are fewer.",
        ),
        click.option(
            "--shards", type=click.IntRange(min=1), metavar="N",
            help="Cut every batch into N parts and add up their gradients: batches larger than "
            "memory. [default: 1]",
        ),
        click.option(
            "--seed", type=click.IntRange(min=0), metavar="N",
            help="Of the first weights, the order of the images, augmentation and dropout. The "
            "same seed gives the same weights, bit for bit. [default: 0]",
        ),
        click.option(
            "--validation-fraction", type=click.FloatRange(0, 1, max_open=True), metavar="X",
            help="Part of the training images set aside, to be measured after every epoch. Images "
            "that DATA itself sets aside (a folder val) are measured without it.",
        ),
        click.option(
            "--early-stopping", type=click.IntRange(min=1), metavar="N",
            help="Stop after N epochs without a lower validation loss, and keep the best "
            "weights. Needs images for validation.",
        ),
        click.option(
            "--monitor", metavar="NAME",
            help="What --early-stopping watches in place of the validation loss, as in "
            "val_accuracy or val_f1; NAME:min or NAME:max where the name does not tell which is "
            "better. best.safetensors is the best by it.",
        ),
        click.option(
            "--run", type=click.Path(file_okay=False), metavar="DIR",
            help="A new folder for all that comes of this run: its recipe with all defaults, log, "
            "curves, checkpoints, model, and run.json, which says how to repeat it. Go on with it "
            "with --resume DIR; compare such folders with graphcnn runs.",
        ),
        click.option(
            "--checkpoint", type=click.Path(file_okay=False), metavar="DIR",
            help="Folder for last.safetensors, written after every epoch and at Ctrl-C, and "
            "best.safetensors, a saved model.",
        ),
        click.option(
            "--checkpoint-every", type=click.IntRange(min=1), metavar="N",
            help="Write last.safetensors after every N steps too.",
        ),
        click.option(
            "--resume", type=click.Path(file_okay=False), metavar="DIR",
            help="Go on with the run whose checkpoint is in DIR, to the same weights as if it "
            "had never stopped; without one there, begin a run that writes there. Of a folder that "
            "--run wrote, nothing else need be said.",
        ),
        click.option(
            "--changing", type=click.Choice(tuple(CHANGES)), metavar="WHAT", multiple=True,
            help="What is other than in the run of --resume on purpose: one of "
            f"{', '.join(CHANGES)}. May be repeated.",
        ),
        click.option(
            "--log", "logs", metavar="WHERE", multiple=True,
            help="Write a line after every epoch to a table FILE.csv, to FILE.jsonl, or to "
            f"{TENSORBOARD}DIR, as TensorBoard reads it. A run that goes on has none twice. May "
            "be repeated.",
        ),
        click.option(
            "--fast-dev-run", type=click.IntRange(min=1), metavar="[N]", is_flag=False,
            flag_value=1, default=None,
            help="Rehearse the run: its first step, or N, validation and all that comes at the end "
            "of an epoch, so that what would fail later fails now. Nothing is written.",
        ),
        click.option("--no-progress", is_flag=True, help="No bar, and no line per epoch."),
    )  # fmt: skip

    result: Any = function
    for option in reversed(options):
        result = option(result)
    return result  # type: ignore[no-any-return]
