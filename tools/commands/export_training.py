"""`graphcnn export --training`: the options that say how is trained, and what the command does."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from graphcnn.errors import VerifyError
from graphcnn.learning.losses import LOSSES
from graphcnn.learning.optimizers import OPTIMIZERS
from graphcnn.model import Model
from graphcnn.tools.commands.training.optimizing import make_optimizer

F = TypeVar("F", bound=Callable[..., Any])

#: Options of the one file that the folder does without, by their names in Python.
_OF_ONE_FILE = {
    "target": "--target", "float16": "--float16", "fold_batch_norm": "--fold-batch-norm",
    "external_data": "--external-data", "report": "--report",
}  # fmt: skip


@dataclass(frozen=True)
class Training:
    """How is trained. Only `wanted` matters where the command writes one file."""

    wanted: bool
    loss: str | None
    optimizer: str | None
    learning_rate: float | None
    seed: int | None
    steps: int | None


def training_options(function: F) -> F:
    """--training, and how is trained, as one argument `training`."""
    options = (
        click.option(
            "--training", "wanted", is_flag=True,
            help="Write a folder with which ONNX Runtime trains MODEL.",
        ),
        click.option(
            "--loss", type=click.Choice(list(LOSSES)), metavar="NAME",
            help=f"With --training: one of {', '.join(LOSSES)}. Default: that of a saved MODEL, "
            "else cross_entropy.",
        ),
        click.option(
            "--optimizer", type=click.Choice(list(OPTIMIZERS)), metavar="NAME",
            help=f"With --training: one of {', '.join(OPTIMIZERS)}. [default: adam]",
        ),
        click.option(
            "--learning-rate", type=click.FloatRange(min=0, min_open=True), metavar="X",
            help="With --training: as in graphcnn train.",
        ),
        click.option(
            "--seed", type=click.IntRange(min=0), metavar="N",
            help="With --training: of new weights and of dropout. [default: 0]",
        ),
        click.option(
            "--steps", type=click.IntRange(min=1), metavar="N",
            help="With --training: steps that are compared. [default: 30]",
        ),
    )  # fmt: skip

    @wraps(function)
    def gathered(**arguments: Any) -> Any:
        training = Training(**{f.name: arguments.pop(f.name) for f in fields(Training)})
        _check(training, arguments)
        return function(training=training, **arguments)

    result: Any = gathered
    for option in reversed(options):
        result = option(result)
    return result  # type: ignore[no-any-return]


def _check(training: Training, arguments: dict[str, Any]) -> None:
    if training.wanted:
        given = [option for name, option in _OF_ONE_FILE.items() if arguments.get(name)]
        if given:
            raise click.UsageError(f"{given[0]} has no meaning with --training")
        return
    for name in ("loss", "optimizer", "learning_rate", "seed", "steps"):
        if getattr(training, name) is not None:
            raise click.UsageError(f"--{name.replace('_', '-')} needs --training")
    if arguments["output"].is_dir():
        raise click.UsageError(f"{arguments['output']} is a folder, which needs --training")


def export_training(
    model: Model, folder: Path, training: Training, opset: int | str, verify: bool | None
) -> None:
    """Write the folder, and print what came out."""
    parity = model.export_onnx_training(
        folder,
        loss=training.loss,
        optimizer=make_optimizer(training.optimizer or "adam", training.learning_rate),
        seed=training.seed or 0,
        opset=opset,
        verify=verify,
        **({} if training.steps is None else {"steps": training.steps}),
    )
    if parity is not None and not parity.passed:
        raise VerifyError(
            f"ONNX Runtime trains to other weights: do not use {folder}, which is written with "
            f"this report, report.txt\n{parity}"
        )
    click.echo(f"written: {folder}")
    if parity is not None:
        click.echo(str(parity))
    elif verify is None:
        click.echo(
            "note: not compared, because ONNX Runtime is not installed: run  "
            'pip install "graphcnn[verify]"',
            err=True,
        )
    click.echo(f"next: python {folder / 'train.py'}, or node {folder / 'train.mjs'}")
