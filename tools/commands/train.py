"""The command that trains."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from graphcnn.network.views import TTA
from graphcnn.pictures.picture import FREE
from graphcnn.recipes.loading import RECIPES
from graphcnn.recipes.training import Trained, train_recipe
from graphcnn.tools.commands.arguments import (
    binarise_option,
    data_options,
    loss_option,
    metric_option,
    reconstruct_option,
    runtime_options,
)
from graphcnn.tools.commands.sections import Sectioned
from graphcnn.tools.commands.training.augmenting import augment_option
from graphcnn.tools.commands.training.losses import class_weights_option, label_smoothing_option
from graphcnn.tools.commands.training.optimizing import optimizer_options
from graphcnn.tools.commands.training.run import run_options
from graphcnn.tools.commands.training.told import recipe_told
from graphcnn.tools.onnx_inputs import shape_option

INTERRUPTED = 130
#: Headings of the help, and the parameters below each.
SECTIONS = {
    "Recipe": ("recipe", "settings"),
    "Data": (
        "data", "size", "grey", "lazy", "labels", "on_error", "background", "augment",
        "reconstruct", "binarise", "validation_fraction",
    ),
    "Network and loss": (
        "shapes", "loss", "label_smoothing", "class_weights", "metrics", "tta",
    ),
    "Optimiser": (
        "optimizer", "learning_rate", "schedule", "warmup", "momentum", "weight_decay",
        "clip_norm", "ema",
    ),
    "Run": (
        "epochs", "batch_size", "shards", "seed", "early_stopping", "monitor", "checkpoint",
        "checkpoint_every", "resume", "changing", "fast_dev_run",
    ),
    "Output": ("run", "output", "curves", "drawn", "logs", "no_progress"),
    "Machine": ("runtime", "threads", "precision", "tune"),
}  # fmt: skip


@click.command(cls=Sectioned, sections=SECTIONS)
@click.argument("model", required=False)
@click.option(
    "--recipe",
    metavar="RECIPE",
    help=f"Settings of a whole run: {', '.join(RECIPES)}, or a file FILE.toml, which may be named "
    "in the place of MODEL, too. Options count more than what it says.",
)
@click.option(
    "--set",
    "settings",
    metavar="NAME=VALUE",
    multiple=True,
    help="A key of a recipe by its dotted name, as in run.epochs=20 or optimizer.nesterov=true, or "
    "a whole table, as in ema=false; any other name is an argument of the model's function, as in "
    "classes=100, or the numbers of an input of an ONNX file, as in sizes=N,3,448,448. Counts more "
    "than options. May be repeated.",
)
@shape_option
@data_options("What to train on, and to test with at the end; see graphcnn --help.", required=False)
@augment_option
@reconstruct_option
@binarise_option
@loss_option("What is minimised.")
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
    type=click.Path(dir_okay=False),
    help="The trained model. Default: NAME.safetensors in the current folder.",
)
@click.option(
    "--curves",
    type=click.Path(dir_okay=False),
    help="Draw loss, metrics and learning rate by epoch to this file, in the format of its suffix: "
    f"{', '.join(FREE)}.",
)
@click.option(
    "--drawn",
    type=click.Path(dir_okay=False),
    help="Draw images after every epoch with a network that does: .svg and .html are a film.",
)
@runtime_options
@click.pass_context
def train(context: click.Context, /, **_: Any) -> None:
    """Train MODEL on DATA and save it, or carry out a recipe.

    Ends with the accuracy on the test images, which training never sees. A built-in MODEL gets as
    many classes as the data have; a saved MODEL is trained further. A recipe (.toml) has all that
    options say, and more: docs/recipes.md. A built-in MODEL of which there is a recipe of the same
    name, such as pixelcnn, is trained by it.

    Ctrl-C stops after the current step with exit code 130: with --checkpoint or --resume the run
    can be resumed exactly, as with --run, without them the weights so far are saved as
    NAME-interrupted.safetensors.

    \b
    Examples:
      graphcnn train digits_cnn --data digits --epochs 10
      graphcnn train lenet5 --data mnist:DIR --checkpoint run
      graphcnn train lenet5 --data mnist:DIR --resume run --epochs 3
      graphcnn train autoencoder --data mnist:DIR --reconstruct
      graphcnn train --recipe digits --run runs/first

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
    trained = train_recipe(recipe_told(context), save=True)
    if trained.recipe.run.fast_dev_run:
        if not trained.recipe.output.progress:  # else it was told
            click.echo(trained.history.ended)
        return
    if trained.history.ended == "interrupted":
        _interrupted(trained)
    if trained.history.ended == "stopped early":
        click.echo(f"stopped early after epoch {len(trained.history)}")
    click.echo(measured(trained.results, len(trained.parts.test)))
    for line in trained.verdicts():
        click.echo(line)
    click.echo(f"saved: {trained.path}")


def measured(row: Mapping[str, float], images: int, part: str = "test") -> str:
    """`test accuracy 98.12 %, loss 0.0623 (10,000 images)`"""
    shares = {key: f"{key} {100 * row[key]:.2f} %" for key in row if key.endswith("accuracy")}
    words = [*shares.values(), f"loss {row['loss']:.4f}"]
    words += [f"{key} {row[key]:.4f}" for key in row if key != "loss" and key not in shares]
    return f"{part} {', '.join(words)} ({images:,} images)"


def _interrupted(trained: Trained) -> None:
    """Say how to go on, and leave."""
    run = trained.recipe.run
    folder = run.resume or run.checkpoint
    if trained.recipe.output.run is not None:
        go_on = f"graphcnn train --resume {shlex.quote(str(folder))}"
        click.echo(f"interrupted: go on with {go_on}", err=True)
    elif folder is not None:
        command = f"the same command with --resume {shlex.quote(str(folder))}"
        if run.checkpoint:
            command += " instead of --checkpoint"
        click.echo(f"interrupted: go on with {command}", err=True)
    else:
        # Beside the target: a model that was trained to its end is not lost to half a one.
        assert trained.path is not None
        target = trained.path.with_name(f"{trained.path.stem}-interrupted.safetensors")
        path: Path = trained.model.save(target)
        click.echo(f"interrupted: the weights so far are in {path}", err=True)
    raise click.exceptions.Exit(INTERRUPTED)
