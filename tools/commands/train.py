"""The command that trains."""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import click

from graphcnn.base.regular_files import is_folder
from graphcnn.data.parts import Parts
from graphcnn.data.specs import Size
from graphcnn.data.weights import BALANCED
from graphcnn.errors import OutputError
from graphcnn.learning.optimizers import OPTIMIZERS, Optimizer
from graphcnn.learning.schedules import SCHEDULES, Constant, epochs, warmup
from graphcnn.model import Model
from graphcnn.network.feeding import as_dataset
from graphcnn.network.weights import check_suffix
from graphcnn.pictures.picture import FREE, check_target
from graphcnn.tools.commands.arguments import (
    data_options,
    fitting,
    loss_option,
    metric_option,
    model_argument,
    optimizer_option,
    read_data,
    reconstruct_option,
    reconstruction,
    runtime_options,
)
from graphcnn.tools.resolve import ModelName
from graphcnn.training.fit import fit
from graphcnn.training.history import History
from graphcnn.training.resuming import CHANGES

INTERRUPTED = 130
BATCH_SIZE = 64


def _defaults(setting: str, but: float | None = None) -> str:
    """`0.05 for sgd, 0.001 for rmsprop`: what `make_optimizer` takes where nobody says, without
    those that take `but`."""
    made = {name: make_optimizer(name) for name in OPTIMIZERS}
    having = {name: getattr(rule, setting) for name, rule in made.items() if hasattr(rule, setting)}
    return ", ".join(f"{value:g} for {name}" for name, value in having.items() if value != but)


def make_optimizer(
    name: str,
    learning_rate: float | None = None,
    momentum: float | None = None,
    weight_decay: float | None = None,
    clip_norm: float | None = None,
    schedule: str = "constant",
    warmed: float = 0.0,
) -> Optimizer:
    """The optimiser of that name; None stands for what its class suggests for small networks.

    The rate follows the schedule of that name over the whole run, after `warmed` epochs of rise.
    """
    rule = OPTIMIZERS[name]
    arguments: dict[str, Any] = {
        "learning_rate": learning_rate,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "clip_norm": clip_norm,
    }
    if momentum is not None and "momentum" not in {field.name for field in fields(rule)}:
        raise click.UsageError(f"--momentum has no meaning for {name}, which has its own")
    made = rule.suggested(**{key: x for key, x in arguments.items() if x is not None})
    rates = SCHEDULES[schedule](made.learning_rate)  # type: ignore[call-arg]
    rates = warmup(rates, epochs(warmed)) if warmed else rates
    return made if isinstance(rates, Constant) else replace(made, learning_rate=rates)


@dataclass(frozen=True)
class Options:
    """The options of the command that become those of `fit`."""

    epochs: int
    batch_size: int | None
    shards: int
    class_weights: str | None
    seed: int
    validation_fraction: float
    early_stopping: int | None
    checkpoint: Path | None
    checkpoint_every: int | None
    resume: Path | None
    changing: tuple[str, ...]
    no_progress: bool


@click.command()
@model_argument
@data_options("What to train on, and to test with at the end; see graphcnn --help.")
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Passes over the training images, counted from the start of a resumed run.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Images in one step. Default: {BATCH_SIZE}, or all where there are fewer.",
)
@click.option(
    "--shards",
    type=click.IntRange(min=1),
    metavar="N",
    default=1,
    show_default=True,
    help="Cut every batch into N parts and add up their gradients: batches larger than memory.",
)
@optimizer_option("Rule of the updates.")
@click.option(
    "--learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="X",
    help=f"Default: {_defaults('learning_rate')}.",
)
@click.option(
    "--schedule",
    type=click.Choice(list(SCHEDULES)),
    default="constant",
    show_default=True,
    metavar="NAME",
    help="How the learning rate goes over the epochs, from or to the one above. One of "
    f"{', '.join(SCHEDULES)}.",
)
@click.option(
    "--warmup",
    "warmed",
    type=click.FloatRange(min=0),
    metavar="EPOCHS",
    default=0.0,
    help="Epochs in which the learning rate rises to where its schedule begins. Default: none.",
)
@click.option(
    "--momentum",
    type=click.FloatRange(0, 1, max_open=True),
    metavar="X",
    help=f"Default: {_defaults('momentum')}; others have none.",
)
@click.option(
    "--weight-decay",
    type=click.FloatRange(min=0),
    metavar="X",
    help="Pull of kernels and matrices towards 0. "
    f"Default: {_defaults('weight_decay', but=0)}, else 0.",
)
@click.option(
    "--clip-norm",
    type=click.FloatRange(min=0, min_open=True),
    metavar="X",
    help="Scale the gradients down to this common norm. Default: never.",
)
@loss_option("What is minimised. Default: cross_entropy, or that of a saved MODEL.", default=None)
@metric_option
@click.option(
    "--class-weights",
    type=click.Choice((BALANCED,)),
    help="Count the images of rare classes more in the loss, so that all classes count alike.",
)
@reconstruct_option
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of the first weights, the order of the images and dropout. The same seed "
    "gives the same weights, bit for bit.",
)
@click.option(
    "--validation-fraction",
    type=click.FloatRange(0, 1, max_open=True),
    metavar="X",
    default=0.0,
    show_default=True,
    help="Part of the training images set aside, to be measured after every epoch. Images that "
    "DATA itself sets aside (a folder val) are measured without it.",
)
@click.option(
    "--early-stopping",
    type=click.IntRange(min=1),
    metavar="N",
    help="Stop after N epochs without a lower validation loss, and keep the best "
    "weights. Needs images for validation.",
)
@click.option(
    "--checkpoint",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder for last.safetensors, written after every epoch and at Ctrl-C, and "
    "best.safetensors, a saved model.",
)
@click.option(
    "--checkpoint-every",
    type=click.IntRange(min=1),
    metavar="N",
    help="Write last.safetensors after every N steps too.",
)
@click.option(
    "--resume",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Go on with the run whose checkpoint is in DIR, to the same weights as if it "
    "had never stopped; without one there, begin a run that writes there.",
)
@click.option(
    "--changing",
    type=click.Choice(tuple(CHANGES)),
    metavar="WHAT",
    multiple=True,
    help="What is other than in the run of --resume on purpose: one of "
    f"{', '.join(CHANGES)}. May be repeated.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The trained model. Default: NAME.safetensors in the current folder.",
)
@click.option(
    "--curves",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw loss, metrics and learning rate by epoch to this file, in the format of its suffix: "
    f"{', '.join(FREE)}.",
)
@runtime_options
@click.option("--no-progress", is_flag=True, help="No bar, and no line per epoch.")
def train(
    model: ModelName,
    settings: dict[str, Any],
    data: str,
    size: Size | None,
    grey: bool | None,
    optimizer: str,
    learning_rate: float | None,
    schedule: str,
    warmed: float,
    momentum: float | None,
    weight_decay: float | None,
    clip_norm: float | None,
    loss: str | None,
    metrics: tuple[str, ...],
    reconstruct: bool,
    output: Path | None,
    curves: Path | None,
    **options: Any,
) -> None:
    """Train MODEL on DATA and save it.

    Ends with the accuracy on the test images, which training never sees. A built-in MODEL gets as
    many classes as the data have; a saved MODEL is trained further.

    Ctrl-C stops after the current step with exit code 130: with --checkpoint or --resume the run
    can be resumed exactly, without them the weights so far are saved as
    NAME-interrupted.safetensors.

    \b
    Examples:
      graphcnn train digits_cnn --data digits --epochs 10
      graphcnn train lenet5 --data mnist:DIR --optimizer sgd --checkpoint run
      graphcnn train lenet5 --data mnist:DIR --optimizer sgd --resume run --epochs 3
      graphcnn train digits_cnn --data digits --optimizer lion --schedule one_cycle
      graphcnn train autoencoder --data mnist:DIR --reconstruct
    """
    chosen = Options(**options)
    _check(chosen)
    how = (learning_rate, momentum, weight_decay, clip_norm, schedule, warmed)
    made = make_optimizer(optimizer, *how)
    parts = read_data(data, size, grey)
    if reconstruct:
        parts = parts.map(lambda part, _: reconstruction(part))
    parts = _with_validation(parts, chosen)
    built = model.build(settings, fitting(parts.train))
    loss = loss or ("mse" if reconstruct else built.loss or "cross_entropy")
    target = output or Path(f"{built.name}.safetensors")
    check_suffix(target)
    _check_writable(target)
    if curves is not None:
        check_target(curves)
        _check_writable(curves)
    history = _fit(built, parts, made, loss, metrics, chosen)
    if history.ended == "interrupted":
        _interrupted(built, chosen, target)
    built.save(target)
    if curves is not None and len(history):
        history.draw(curves, built.name)
    if history.ended == "stopped early":
        click.echo(f"stopped early after epoch {len(history)}")
    click.echo(measured(built.evaluate(parts.test, metrics=metrics or None), len(parts.test)))
    click.echo(f"saved: {target}")


def measured(row: Mapping[str, float], images: int, part: str = "test") -> str:
    """`test accuracy 98.12 %, loss 0.0623 (10,000 images)`"""
    shares = {key: f"{key} {100 * row[key]:.2f} %" for key in row if key.endswith("accuracy")}
    words = [*shares.values(), f"loss {row['loss']:.4f}"]
    words += [f"{key} {row[key]:.4f}" for key in row if key != "loss" and key not in shares]
    return f"{part} {', '.join(words)} ({images:,} images)"


def _check(options: Options) -> None:
    """Combinations that mean nothing are wrong use."""
    if options.resume and options.checkpoint and options.resume != options.checkpoint:
        raise click.UsageError("--resume DIR goes on writing to DIR; leave out --checkpoint")
    if options.changing and not options.resume:
        raise click.UsageError("--changing needs --resume")
    if options.checkpoint_every and not (options.checkpoint or options.resume):
        raise click.UsageError("--checkpoint-every needs --checkpoint or --resume")


def _with_validation(parts: Parts, options: Options) -> Parts:
    """The parts with images for validation: those that DATA sets aside, or a fraction."""
    if options.validation_fraction:
        if parts.validation is not None:
            raise click.UsageError(
                f"DATA sets {len(parts.validation)} images aside for validation: leave out "
                "--validation-fraction"
            )
        train, validation = parts.train.split(options.validation_fraction, options.seed)
        return Parts(train, parts.test, validation)
    if options.early_stopping and parts.validation is None:
        raise click.UsageError(
            "--early-stopping needs --validation-fraction, such as 0.1, or DATA with images for "
            "validation"
        )
    return parts


def _check_writable(target: Path) -> None:
    """Learn before training, not after, that the weights have no place to go."""
    folder = target.parent
    if not is_folder(folder):
        raise OutputError(f"cannot write {target}: the folder {folder} does not exist")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"cannot write {target}: the folder {folder} is read-only")


def _fit(
    model: Model,
    parts: Parts,
    optimizer: Optimizer,
    loss: str,
    metrics: tuple[str, ...],
    options: Options,
) -> History:
    as_dataset(parts.test, model, parts.train.classes)  # what does not fit is found now
    return fit(
        model,
        parts.train,
        epochs=options.epochs,
        batch_size=options.batch_size or min(BATCH_SIZE, len(parts.train)),
        loss=loss,
        metrics=metrics or None,
        optimizer=optimizer,
        validation=parts.validation,
        shards=options.shards,
        class_weights=options.class_weights,
        seed=options.seed,
        early_stopping=options.early_stopping,
        checkpoint=options.checkpoint,
        checkpoint_every=options.checkpoint_every,
        resume=options.resume,
        changing=options.changing,
        progress=not options.no_progress,
    )


def _interrupted(model: Model, options: Options, target: Path) -> None:
    """Say how to go on, and leave."""
    folder = options.resume or options.checkpoint
    if folder is not None:
        command = f"the same command with --resume {shlex.quote(str(folder))}"
        if options.checkpoint:
            command += " instead of --checkpoint"
        click.echo(f"interrupted: go on with {command}", err=True)
    else:
        # Beside the target: a model that was trained to its end is not lost to half a one.
        path = model.save(target.with_name(f"{target.stem}-interrupted.safetensors"))
        click.echo(f"interrupted: the weights so far are in {path}", err=True)
    raise click.exceptions.Exit(INTERRUPTED)
