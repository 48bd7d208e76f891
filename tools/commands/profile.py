"""The command that shows where the time goes."""

import json
from typing import Any

import click

from graphcnn.base.config import PRECISIONS
from graphcnn.compile.pipelines import inference_graph, training_graph
from graphcnn.learning.optimizers import optimizer as make_optimizer
from graphcnn.models.resolve import ModelName
from graphcnn.network.usual_loss import usual_loss
from graphcnn.runtime.execution import Execution
from graphcnn.tools.commands.arguments import (
    json_option,
    loss_option,
    model_argument,
    optimizer_option,
)


@click.command()
@model_argument
@click.option(
    "--batch", type=click.IntRange(min=1), metavar="N", default=1, show_default=True,
    help="Images in one run.",
)  # fmt: skip
@click.option("--training", is_flag=True, help="The training step instead of the prediction.")
@click.option(
    "--threads", type=click.IntRange(min=1), metavar="N",
    help="Threads of the run. Default: GRAPHCNN_THREADS, else the cores.",
)  # fmt: skip
@click.option(
    "--precision", type=click.Choice(PRECISIONS),
    help="strict does without Winograd's algorithm. [default: fast]",
)  # fmt: skip
@click.option(
    "--tune", is_flag=True, default=None,
    help="Time the algorithms and layouts first, in place of estimates; what is fastest is kept.",
)  # fmt: skip
@loss_option("Loss of the training step.")
@optimizer_option("Optimiser of the training step.")
@json_option
def profile(
    model: ModelName,
    settings: dict[str, Any],
    batch: int,
    training: bool,
    threads: int | None,
    precision: str | None,
    tune: bool | None,
    loss: str | None,
    optimizer: str,
    as_json: bool,
) -> None:
    """Time every step of the machine code of MODEL.

    A line per step: its node, the algorithm, the time (median of many runs), GFLOP/s and the share
    of the machine's measured peak, the bytes of its operands, and what would limit it on a perfect
    machine: arithmetic or memory. GFLOP/s count the multiply-adds of the definition, of which
    Winograd's algorithm does fewer, so that its share can be above 100 %. --loss and --optimizer
    matter with --training only.

    \b
    Examples:
      graphcnn profile resnet18 --threads 1
      graphcnn profile lenet5 --training --batch 64 --json
    """
    from graphcnn.compile.profiling import profile as measure

    built = model.build(settings)
    if training:
        graph = training_graph(built.graph, usual_loss(built, loss), make_optimizer(optimizer))
    else:
        graph = inference_graph(built.graph)
    execution = Execution.of("native", threads, precision, tune)
    found = measure(graph.bind(N=batch), built.states, execution, batch)
    click.echo(json.dumps(found.to_json(), indent=2) if as_json else str(found))
