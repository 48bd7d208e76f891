"""The command that trains."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from graphcnn.base.regular_files import is_folder
from graphcnn.data.augment.transform import Transform
from graphcnn.data.parts import Parts
from graphcnn.data.specs import Size
from graphcnn.errors import DataError, OutputError
from graphcnn.learning.aim import Losses
from graphcnn.learning.objective import measures_of
from graphcnn.learning.optimizers import Optimizer
from graphcnn.model import Model
from graphcnn.models.resolve import ModelName
from graphcnn.network.feeding import as_dataset
from graphcnn.network.views import TTA, viewed
from graphcnn.network.weights import check_suffix
from graphcnn.pictures.picture import FREE, check_target
from graphcnn.tools.commands.arguments import (
    data_options,
    fitting,
    loss_option,
    metric_option,
    model_argument,
    read_data,
    reconstruct_option,
    reconstruction,
    runtime_options,
)
from graphcnn.tools.commands.sections import Sectioned
from graphcnn.tools.commands.training.augmenting import augment_option
from graphcnn.tools.commands.training.losses import (
    class_weights_option,
    label_smoothing_option,
    smoothed,
)
from graphcnn.tools.commands.training.optimizing import optimizer_options
from graphcnn.tools.commands.training.run import BATCH_SIZE, Run, run_options
from graphcnn.training.fit import fit
from graphcnn.training.history import History

INTERRUPTED = 130
#: Headings of the help, and the parameters below each.
SECTIONS = {
    "Data": (
        "data", "size", "grey", "lazy", "labels", "on_error", "background", "augment",
        "reconstruct", "validation_fraction",
    ),
    "Network and loss": (
        "settings", "shapes", "loss", "label_smoothing", "class_weights", "metrics", "tta",
    ),
    "Optimiser": (
        "optimizer", "learning_rate", "schedule", "warmed", "momentum", "weight_decay",
        "clip_norm", "ema",
    ),
    "Run": (
        "epochs", "batch_size", "shards", "seed", "early_stopping", "monitor", "checkpoint",
        "checkpoint_every", "resume", "changing",
    ),
    "Output": ("output", "curves", "logs", "no_progress"),
    "Machine": ("runtime", "threads", "precision", "tune"),
}  # fmt: skip


@click.command(cls=Sectioned, sections=SECTIONS)
@model_argument
@data_options("What to train on, and to test with at the end; see graphcnn --help.")
@augment_option
@reconstruct_option
@loss_option("What is minimised. Default: cross_entropy, or that of a saved MODEL.", default=None)
@label_smoothing_option
@class_weights_option
@metric_option
@click.option(
    "--tta",
    type=click.Choice(TTA),
    help="At the end, average the scores of each test image over its mirror image, over images "
    "moved by a pixel, or both.",
)
@optimizer_options
@run_options
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
def train(
    model: ModelName,
    settings: dict[str, Any],
    data: str,
    size: Size | None,
    grey: bool | None,
    augment: tuple[Transform, ...],
    reconstruct: bool,
    loss: str | None,
    label_smoothing: float | None,
    class_weights: str | dict[str, float] | None,
    metrics: tuple[str, ...],
    tta: str | None,
    optimizer: Optimizer,
    run: Run,
    output: Path | None,
    curves: Path | None,
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
      graphcnn train lenet5 --data mnist:DIR --checkpoint run
      graphcnn train lenet5 --data mnist:DIR --resume run --epochs 3
      graphcnn train autoencoder --data mnist:DIR --reconstruct

    \b
    Schedules, averages, augmentation and logs:
      graphcnn train digits_cnn --data digits --optimizer lion --schedule cosine
      graphcnn train digits_cnn --data digits --epochs 10 --ema 0.99 --log run.csv
      graphcnn train digits_cnn --data digits --epochs 10 --augment "shift(1)"
      graphcnn train vgg_cifar --data cifar10:PATH --epochs 20 --schedule cosine \\
          --augment "flip, crop(4), cutout(8)" --label-smoothing 0.1 --ema 0.999 \\
          --tta flip --log tensorboard:runs/first
      graphcnn train resnet18 --data images:PATH --size 64 \\
          --class-weights balanced --validation-fraction 0.1 --early-stopping 5 \\
          --metric f1 --monitor val_f1
    """
    parts = read_data(data, size, grey)
    if reconstruct:
        parts = parts.map(lambda part, _: reconstruction(part))
    parts = _augmented(_with_validation(parts, run), augment, reconstruct)
    built = model.build(settings, fitting(parts.train))
    known = built.objective or built.loss or "cross_entropy"
    aim = loss or ("mse" if reconstruct else known)
    if label_smoothing is not None:
        aim = smoothed(aim, label_smoothing)
    run.check_monitored(measures_of(aim, built.graph, metrics or None))
    _check_views(built, tta, aim)
    target = output or Path(f"{built.name}.safetensors")
    check_suffix(target)
    _check_writable(target)
    if curves is not None:
        check_target(curves)
        _check_writable(curves)
    history = _fit(built, parts, optimizer, aim, class_weights, metrics, run)
    if history.ended == "interrupted":
        _interrupted(built, run, target)
    built.save(target)
    if curves is not None and len(history):
        history.draw(curves, built.name)
    if history.ended == "stopped early":
        click.echo(f"stopped early after epoch {len(history)}")
    row = built.evaluate(parts.test, metrics=metrics or None, tta=tta)
    click.echo(measured(row, len(parts.test)))
    click.echo(f"saved: {target}")


def measured(row: Mapping[str, float], images: int, part: str = "test") -> str:
    """`test accuracy 98.12 %, loss 0.0623 (10,000 images)`"""
    shares = {key: f"{key} {100 * row[key]:.2f} %" for key in row if key.endswith("accuracy")}
    words = [*shares.values(), f"loss {row['loss']:.4f}"]
    words += [f"{key} {row[key]:.4f}" for key in row if key != "loss" and key not in shares]
    return f"{part} {', '.join(words)} ({images:,} images)"


def _with_validation(parts: Parts, run: Run) -> Parts:
    """The parts with images for validation: those that DATA sets aside, or a fraction."""
    if run.validation_fraction:
        if parts.validation is not None:
            raise click.UsageError(
                f"DATA sets {len(parts.validation)} images aside for validation: leave out "
                "--validation-fraction"
            )
        train, validation = parts.train.split(run.validation_fraction, run.seed)
        return Parts(train, parts.test, validation)
    if run.early_stopping and parts.validation is None:
        raise click.UsageError(
            "--early-stopping needs --validation-fraction, such as 0.1, or DATA with images for "
            "validation"
        )
    return parts


def _augmented(parts: Parts, transforms: tuple[Transform, ...], reconstruct: bool) -> Parts:
    """The parts with transforms of the training images; a target that is an image moves with it."""
    if not transforms:
        return parts
    train = parts.train.augmented(*transforms, targets="image" if reconstruct else None)
    return Parts(train, parts.test, parts.validation)


def _check_views(model: Model, tta: str | None, loss: Losses) -> None:
    """Learn before training, not after, that --tta has no meaning for what the model gives."""
    if tta is None:
        return
    try:
        viewed(model.graph, tta, loss if isinstance(loss, str) else getattr(loss, "name", None))
    except DataError as error:
        raise DataError(f"--tta {tta}: {error}") from None


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
    loss: Losses,
    class_weights: str | dict[str, float] | None,
    metrics: tuple[str, ...],
    run: Run,
) -> History:
    as_dataset(parts.test, model, parts.train.classes)  # what does not fit is found now
    return fit(
        model,
        parts.train,
        epochs=run.epochs,
        batch_size=run.batch_size or min(BATCH_SIZE, len(parts.train)),
        loss=loss,
        metrics=metrics or None,
        optimizer=optimizer,
        validation=parts.validation,
        shards=run.shards,
        class_weights=class_weights,
        seed=run.seed,
        early_stopping=run.stopping,
        checkpoint=run.checkpoint,
        checkpoint_every=run.checkpoint_every,
        resume=run.resume,
        changing=run.changing,
        callbacks=run.logs,
        progress=not run.no_progress,
    )


def _interrupted(model: Model, run: Run, target: Path) -> None:
    """Say how to go on, and leave."""
    folder = run.resume or run.checkpoint
    if folder is not None:
        command = f"the same command with --resume {shlex.quote(str(folder))}"
        if run.checkpoint:
            command += " instead of --checkpoint"
        click.echo(f"interrupted: go on with {command}", err=True)
    else:
        # Beside the target: a model that was trained to its end is not lost to half a one.
        path = model.save(target.with_name(f"{target.stem}-interrupted.safetensors"))
        click.echo(f"interrupted: the weights so far are in {path}", err=True)
    raise click.exceptions.Exit(INTERRUPTED)
