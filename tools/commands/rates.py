"""The command that suggests a learning rate."""

import json
from pathlib import Path
from typing import Any

import click

from graphcnn.data.specs import Size
from graphcnn.models.resolve import ModelName, fitting
from graphcnn.pictures.picture import FREE, check_target
from graphcnn.recipes.inputs import reconstruction
from graphcnn.recipes.training import BATCH_SIZE
from graphcnn.tools.commands.arguments import (
    data_options,
    json_option,
    loss_option,
    model_argument,
    optimizer_option,
    read_data,
    reconstruct_option,
    runtime_options,
)
from graphcnn.tools.commands.training.optimizing import make_optimizer
from graphcnn.training.lr_find import lr_find


@click.command("lr-find")
@model_argument
@data_options("What to train on; see graphcnn --help.")
@click.option(
    "--low", type=click.FloatRange(min=0, min_open=True), metavar="X", default=1e-6,
    show_default=True, help="The first learning rate.",
)  # fmt: skip
@click.option(
    "--high", type=click.FloatRange(min=0, min_open=True), metavar="X", default=10.0,
    show_default=True, help="The last one, unless the loss diverges before.",
)  # fmt: skip
@click.option(
    "--steps", type=click.IntRange(min=3), metavar="N", default=100, show_default=True,
    help="Steps from the first rate to the last.",
)  # fmt: skip
@click.option(
    "--batch-size", type=click.IntRange(min=1), metavar="N",
    help=f"Images in one step. Default: {BATCH_SIZE}, or all where there are fewer.",
)  # fmt: skip
@optimizer_option("Rule of the updates.")
@loss_option("What is minimised.")
@reconstruct_option
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True,
    help="Of the first weights and the order of the images, as in train.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
    help=f"Draw the losses to this file, in the format of its suffix: {', '.join(FREE)}.",
)  # fmt: skip
@json_option
@runtime_options
def lr_find_command(
    model: ModelName,
    settings: dict[str, Any],
    data: str,
    size: Size | None,
    grey: bool | None,
    batch_size: int | None,
    optimizer: str,
    loss: str | None,
    reconstruct: bool,
    output: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Suggest a learning rate for MODEL on DATA.

    Trains a copy of the model for a few steps under a rate that rises from --low to --high, equally
    fast in its logarithm. The loss does not move as long as the rate is too small, falls where it
    is right, and rises where it is too large. Suggested is the rate at which the smoothed loss
    falls fastest; a tenth of the rate of the least loss is told beside it. A curve that falls in
    one clear slope can be trusted; look at it with -o.

    \b
    Examples:
      graphcnn lr-find lenet5 --data mnist:DIR --optimizer sgd -o rates.svg
      graphcnn lr-find digits_cnn --data digits
    """
    if output is not None:
        check_target(output)
    train = read_data(data, size, grey).train
    if reconstruct:
        train = reconstruction(train)
    built = model.build(settings, fitting(train))
    found = lr_find(
        built,
        train,
        loss=loss or (None if built.objective or built.loss or not reconstruct else "mse"),
        optimizer=make_optimizer(optimizer),
        batch_size=batch_size or min(BATCH_SIZE, len(train)),
        **options,
    )
    if output is not None:
        found.draw(output, f"{built.name}: learning rates tried with {optimizer}")
    if as_json:
        told = {
            "suggestion": found.steepest,
            "tenth": found.tenth,
            "ended": found.ended,
            "rates": found.rates,
            "losses": found.losses,
        }
        click.echo(json.dumps(told, indent=1))
    else:
        click.echo(str(found))
