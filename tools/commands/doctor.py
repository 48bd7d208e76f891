"""The command that looks for what keeps a network from learning."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from graphcnn.data.specs import Size
from graphcnn.doctor.diagnose import diagnose
from graphcnn.learning.aim import Losses
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

#: The exit code where a finding is graded wrong.
FOUND = 4


@click.command("doctor")
@model_argument
@data_options("What it is, or will be, trained on; test images are compared with it.")
@loss_option("What is minimised.")
@optimizer_option("Rule of the updates, as in train.")
@click.option(
    "--learning-rate", type=click.FloatRange(min=0, min_open=True), metavar="X",
    help="The rate that is looked at. [default: that of the optimiser]",
)  # fmt: skip
@click.option(
    "--batch-size", type=click.IntRange(min=1), metavar="N",
    help=f"Images in one step. Default: {BATCH_SIZE}, or all where there are fewer.",
)  # fmt: skip
@click.option(
    "--steps", type=click.IntRange(min=10), metavar="N", default=100, show_default=True,
    help="Of each trial: the sweep of rates, and one batch that is to be learned by heart.",
)  # fmt: skip
@reconstruct_option
@click.option(
    "--seed", type=click.IntRange(min=0), metavar="N", default=0, show_default=True,
    help="Of the first weights and the order of the images, as in train.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
    help="Write the findings with pictures: a page (.html), or one picture in the format of the "
    f"suffix: {', '.join(FREE)}.",
)  # fmt: skip
@json_option
@runtime_options
@click.pass_context
def doctor(
    context: click.Context,
    model: ModelName,
    settings: dict[str, Any],
    data: str,
    size: Size | None,
    grey: bool | None,
    loss: str | None,
    optimizer: str,
    learning_rate: float | None,
    batch_size: int | None,
    steps: int,
    reconstruct: bool,
    seed: int,
    output: Path | None,
    as_json: bool,
) -> None:
    """Look for what keeps MODEL from learning DATA.

    Checks pixels and labels, copies and leaks, the end of the network, the loss before the first
    step, dead units, saturation, gradients, the first updates, the learning rate, and whether one
    batch is learned by heart. Each finding says what was seen, what it means and what to do, and
    is graded: fine; look, where it may be meant so; wrong. MODEL is not changed.

    Exit code 4 where something is wrong, else 0; 1 where DATA or MODEL could not be read.

    \b
    Examples:
      graphcnn doctor digits_cnn --data digits
      graphcnn doctor my_net.py:net --data images:PATH --optimizer sgd --learning-rate 0.1 \\
          -o doctor.html
      graphcnn doctor lenet5.safetensors --data mnist:DIR --json
    """
    if output is not None:
        check_target(output)
    parts = read_data(data, size, grey)
    if reconstruct:
        parts = parts.map(lambda part, _: reconstruction(part))
    train = parts.train
    built = model.build(settings, fitting(train))
    aim: Losses | None = loss or ("mse" if reconstruct else None)
    rule = make_optimizer(optimizer)
    found = diagnose(
        built,
        train,
        test=parts.test,
        loss=aim,
        optimizer=rule if learning_rate is None else rule.at_rate(learning_rate),
        batch_size=batch_size or min(BATCH_SIZE, len(train)),
        steps=steps,
        seed=seed,
    )
    found = replace(found, data=data)
    click.echo(found.to_json() if as_json else str(found))
    if output is not None:
        found.save(output)
    if not found.ok:
        context.exit(FOUND)
