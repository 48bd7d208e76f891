"""Commands that show a model in words: summary, passes, models."""

import inspect
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from graphcnn.compile.pipelines import inference_graph, training_graph
from graphcnn.ir.graph import Graph
from graphcnn.ir.plan import Plan
from graphcnn.ir.tensor_type import format_shape
from graphcnn.learning.optimizers import optimizer as make_optimizer
from graphcnn.model import Model
from graphcnn.models import MODELS
from graphcnn.models.resolve import ModelName
from graphcnn.network.usual_loss import usual_loss
from graphcnn.passes.driver.base import Applied
from graphcnn.passes.driver.report import format_report, to_json
from graphcnn.runtime.execution import Execution
from graphcnn.tools.commands.arguments import (
    json_option,
    loss_option,
    model_argument,
    optimizer_option,
)

if TYPE_CHECKING:
    from graphcnn.compile.convolutions import Convolution

TRAINING_LOSS = "Loss of the training step."
TRAINING_OPTIMIZER = "Optimiser of the training step."


@click.command()
@model_argument
@click.option(
    "--dense", is_flag=True,
    help="Count, for every convolution, the weights of the dense layer that it is.",
)  # fmt: skip
@json_option
def summary(model: ModelName, settings: dict[str, Any], dense: bool, as_json: bool) -> None:
    """Print the layers of MODEL as a table.

    Every layer with its output shape, its parameters and multiply-adds, how much of the image one
    of its outputs sees (the receptive field), and the rows and columns of its input that no window
    reads.

    \b
    Examples:
      graphcnn summary lenet5
      graphcnn summary resnet18 --set classes=10 --set size=32 --json
    """
    found = model.build(settings).summary(dense=dense)
    click.echo(found.to_json() if as_json else str(found))


@click.command()
@model_argument
@click.option("--training", is_flag=True, help="The training step instead of the inference form.")
@click.option(
    "--batch", type=click.IntRange(min=1), metavar="N",
    help="Fix the batch size first. Default: it stays the symbol N.",
)  # fmt: skip
@click.option("--graph", "show_graph", is_flag=True, help="Print the graph after all passes too.")
@click.option(
    "--native", is_flag=True,
    help="The passes of the native runtime too (fusion, layouts, order), its plan of memory, and "
    "for each convolution the algorithm and the rules that chose it and its tile. The batch size "
    "is 1 unless --batch says another.",
)  # fmt: skip
@click.option(
    "--shards", type=click.IntRange(min=1), metavar="N", default=1, show_default=True,
    help="With --training: the step of a batch that is cut into N parts, and with --native the "
    "plan of one of them.",
)  # fmt: skip
@loss_option(TRAINING_LOSS)
@optimizer_option(TRAINING_OPTIMIZER)
@json_option
def passes(
    model: ModelName,
    settings: dict[str, Any],
    training: bool,
    batch: int | None,
    show_graph: bool,
    native: bool,
    shards: int,
    loss: str | None,
    optimizer: str,
    as_json: bool,
) -> None:
    """Report what each pass does to MODEL.

    A line per pass: operators before and after, and its time. Below it the rules that fired (+),
    and the near misses with the reason of each (-). --loss and --optimizer matter with --training
    only. With GRAPHCNN_VERIFY=numbers in the environment, the graph is also run before and after
    every pass, and a difference is an error.

    \b
    Examples:
      graphcnn passes resnet18
      graphcnn passes lenet5 --training --batch 64 --graph
      graphcnn passes resnet18 --native --batch 8
      graphcnn passes lenet5 --training --native --batch 64 --shards 4
    """
    if shards > (batch or shards):
        raise click.UsageError(f"a batch of {batch} cannot be cut into {shards} shards")
    built = model.build(settings)
    after, applied, plan = apply_passes(built, training, native, batch, loss, optimizer, shards)
    if as_json:
        report: dict[str, Any] = {"model": built.name, "passes": to_json(applied)}
        if plan is not None:
            report["plan"] = {
                "steps": len(plan.steps),
                "arena_bytes": plan.arena_bytes,
                "sum_bytes": plan.sum_bytes,
                "lower_bound": plan.lower_bound,
            }
            report["convolutions"] = [asdict(c) for c in _chosen(plan)]
        if show_graph:
            report["graph"] = str(after)
        click.echo(json.dumps(report, indent=2))
        return
    click.echo(format_report(applied).rstrip("\n"))
    if plan is not None:
        click.echo(f"\n{plan}")
        from graphcnn.compile.convolutions import format_convolutions

        click.echo(f"\n{format_convolutions(_chosen(plan))}")
    if show_graph:
        click.echo(f"\n{after}")


def apply_passes(
    built: Model,
    training: bool,
    native: bool,
    batch: int | None,
    loss: str | None,
    optimizer: str,
    shards: int = 1,
) -> tuple[Graph, list[Applied], Plan | None]:
    """The graph after all passes, what each of them did, and the plan of the native runtime.

    With `shards`, a batch is cut into so many: the plan is that of the first.
    """
    graph = built.graph if batch is None or shards > 1 else built.graph.bind(N=batch)
    applied: list[Applied] = []
    if training:
        rule = make_optimizer(optimizer)
        after = training_graph(
            graph, usual_loss(built, loss), rule, trace=applied.append, shards=shards
        )
    else:  # the native runtime keeps weights as states, which can be replaced
        states = None if native else built.states
        after = inference_graph(graph, states, trace=applied.append)
    if not native:
        return after, applied, None
    from graphcnn.compile.native import planned
    from graphcnn.compile.sharding import split_step

    step, items = split_step(after).step, -(-(batch or 1) // shards)
    plan = planned(step.bind(N=items), Execution.of("native"), applied.append)
    return plan.graph, applied, plan


def _chosen(plan: Plan) -> "list[Convolution]":
    """What runs for each convolution of a plan for this machine."""
    from graphcnn.compile.convolutions import convolutions

    return list(convolutions(plan.graph, Execution.of("native").machine))


@click.command()
@json_option
def models(as_json: bool) -> None:
    """List the built-in networks, with parameters, inputs and settings.

    Settings are changed by --set, as in `graphcnn summary resnet18 --set classes=10`. `graphcnn
    train` sets classes, size and in_channels from the data.
    """
    rows: list[dict[str, Any]] = []
    for name, function in MODELS.items():
        model = function()
        arguments = inspect.signature(function).parameters.values()
        doc = inspect.getdoc(function) or ""
        rows.append(
            {
                "name": name,
                "parameters": sum(p.type.size for p in model.graph.parameters),
                "input": format_shape(model.graph.inputs[0].shape),
                "settings": {p.name: p.default for p in arguments},
                "about": doc.split("\n")[0],
            }
        )
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        settings = ", ".join(f"{key}={value}" for key, value in row["settings"].items())
        click.echo(
            f"{row['name']:<12}{row['parameters']:>11,} parameters   {row['input']:<18}"
            f"{settings}\n{'':12}{row['about']}"
        )
