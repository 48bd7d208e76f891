"""Commands that draw a model: draw, volume, diff, plan."""

import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
import numpy as np

from graphcnn.compile.pipelines import inference_graph
from graphcnn.errors import GraphCnnError, GraphError
from graphcnn.ir.graph import Graph
from graphcnn.model import Model
from graphcnn.models.resolve import ModelName
from graphcnn.ops.broadcast import Sum
from graphcnn.passes.training.backward import gradients
from graphcnn.passes.training.backward_rules import NAMED, deeplift
from graphcnn.pictures import (
    SUFFIXES,
    Picture,
    difference_picture,
    failure_picture,
    graph_picture,
    passes_picture,
    plan_picture,
    training_picture,
    volume_picture,
)
from graphcnn.pictures.content.content import DETAILS
from graphcnn.pictures.parts.engine import ENGINES
from graphcnn.pictures.picture import writer
from graphcnn.pictures.volume.solids import SCALES
from graphcnn.pictures.volume.volume import STYLES
from graphcnn.runtime.execution import Execution
from graphcnn.tools.commands.arguments import loss_option, model_argument, optimizer_option
from graphcnn.tools.commands.look import TRAINING_LOSS, TRAINING_OPTIMIZER, apply_passes
from graphcnn.tools.pictures import read_picture

F = TypeVar("F", bound=Callable[..., Any])

COLORS = ("op", "params", "macs", "bytes", "field", "time")


def _known(context: click.Context, parameter: click.Parameter, output: Path) -> Path:
    """Refuses a file of unknown type before any work is done."""
    if str(output) != "-":
        writer(output)
    return output


def file_options(function: F) -> F:
    """-o, and --open to look at once."""
    function = click.option(
        "--open", "show", is_flag=True, help="Show the picture in the browser too."
    )(function)
    return click.option(
        "-o", "--output", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
        required=True, callback=_known,
        help=f"The picture, in the format of its suffix: {', '.join(SUFFIXES)}; - writes SVG to "
        "the standard output.",
    )(function)  # fmt: skip


training_option = click.option(
    "--training", is_flag=True, help="The training step instead of the inference form."
)


def finish(picture: Picture, output: Path, show: bool) -> None:
    """Write a picture where `file_options` say, and show it."""
    if str(output) == "-":
        click.echo(picture.svg(), nl=False)
        return
    path = picture.save(output)
    click.echo(f"drawn: {path}")
    if show:
        webbrowser.open(path.resolve().as_uri())


@contextmanager
def _failures_drawn(output: Path, show: bool) -> Iterator[None]:
    """Where the graph cannot be built: its picture in place of the one asked for, and the error."""
    try:
        yield
    except GraphError as error:
        suffix = output.suffix.lower()
        if suffix in (".dot", ".gv"):
            raise  # a language for graphs, and there is none
        try:
            finish(failure_picture(error), output, show)
        except GraphCnnError as second:
            raise error from second
        raise


def _times(model: Model) -> dict[str, float]:
    """Seconds by the name of the operator; those fused into it are part of its time."""
    from graphcnn.compile.profiling import profile

    times: dict[str, float] = {}
    graph, execution = inference_graph(model.graph), Execution.of("native")
    for step in profile(graph.bind(N=1), model.states, execution).steps:
        times[step.node] = times.get(step.node, 0.0) + step.seconds
    return times


@click.command()
@model_argument
@file_options
@click.option(
    "--detail", type=click.Choice(["auto", *DETAILS]), default="auto", show_default=True,
    help="A card per scope, per layer or per operator, or parameters too. auto: layers, or blocks "
    "for more than 60 cards.",
)  # fmt: skip
@click.option(
    "--color", type=click.Choice(COLORS), default="op", show_default=True,
    help="Colour by kind of operator, or from little to much: parameters, multiply-adds, bytes of "
    "activations, size of the receptive field, time measured in machine code for a batch of one.",
)  # fmt: skip
@click.option("--no-fold", is_flag=True, help="Draw every copy of a repeated block.")
@click.option(
    "--direction", type=click.Choice(["TB", "LR"]), default="TB", show_default=True,
    help="From top to bottom, or from left to right.",
)  # fmt: skip
@click.option(
    "--engine", type=click.Choice(ENGINES), default="built-in", show_default=True,
    help="Who finds the places of cards. dot: Graphviz, as a program or as the extra [svg].",
)  # fmt: skip
@click.option(
    "--backward", is_flag=True,
    help="Draw the whole training step instead, in three columns: forward, generated backward, "
    "updates. Takes none of the five options before.",
)  # fmt: skip
@loss_option(TRAINING_LOSS)
@optimizer_option(TRAINING_OPTIMIZER)
@click.pass_context
def draw(
    context: click.Context,
    model: ModelName,
    settings: dict[str, Any],
    output: Path,
    show: bool,
    detail: str,
    color: str,
    no_fold: bool,
    direction: str,
    engine: str,
    backward: bool,
    loss: str | None,
    optimizer: str,
) -> None:
    """Draw the graph of MODEL to a file.

    A card for each layer with its output shape and parameters, a line for each value; a block that
    repeats is drawn once, with its count. --loss and --optimizer matter with --backward only. Where
    the graph cannot be built, the picture shows how far it got, and the exit code is 1.

    \b
    Examples:
      graphcnn draw lenet5 -o lenet5.svg --open
      graphcnn draw resnet18 -o resnet18.html --detail ops --color macs
      graphcnn draw lenet5 -o step.svg --backward --optimizer sgd
    """
    if not backward:
        with _failures_drawn(output, show):
            built = model.build(settings)
        picture = graph_picture(
            built.graph,
            detail=detail,
            color=color,
            fold=not no_fold,
            direction=direction,
            engine=engine,
            times=_times(built) if color == "time" else None,
        )
    else:
        for name in ("detail", "color", "no_fold", "direction", "engine"):
            if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
                option = f"--{name.replace('_', '-')}"
                raise click.UsageError(f"{option} does not apply to --backward")
        with _failures_drawn(output, show):
            step = model.build(settings).training_graph(loss, optimizer)
        picture = training_picture(step)
    finish(picture, output, show)


@click.command()
@model_argument
@file_options
@click.option(
    "--style", type=click.Choice(STYLES), default="box", show_default=True,
    help="Oblique boxes, stacked maps, flat bars for many layers, or bars in the shape of a U.",
)  # fmt: skip
@click.option(
    "--scale", type=click.Choice(list(SCALES)), default="sqrt", show_default=True,
    help="How sizes become lengths.",
)  # fmt: skip
@click.option(
    "--paint", type=click.Path(dir_okay=False, path_type=Path), metavar="IMAGE",
    help="Run MODEL on this image, scaled to its size, and draw the real feature maps.",
)  # fmt: skip
def volume(
    model: ModelName,
    settings: dict[str, Any],
    output: Path,
    show: bool,
    style: str,
    scale: str,
    paint: Path | None,
) -> None:
    """Draw the tensors of MODEL as bodies in a row, as papers do.

    \b
    Examples:
      graphcnn volume vgg_cifar -o vgg.svg
      graphcnn volume lenet5.safetensors -o digit.svg --style lenet --paint digit.png
    """
    with _failures_drawn(output, show):
        built = model.build(settings)
    maps = None
    if paint is not None:
        images = read_picture(paint, built.graph.inputs[0].shape, resize=True)
        maps = built.activations(np.asarray(images[0]))
    finish(volume_picture(built.graph, style=style, scale=scale, paint=maps), output, show)


@click.command()
@model_argument
@file_options
@training_option
@click.option(
    "--batch", type=click.IntRange(min=1), metavar="N",
    help="Fix the batch size first. Default: it stays the symbol N.",
)  # fmt: skip
@click.option("--native", is_flag=True, help="The passes of the native runtime too.")
@click.option(
    "--rule", "rules", nargs=2, type=click.Choice([*NAMED, "deeplift"]), metavar="BEFORE AFTER",
    help="In place of passes, two ways back from the outputs to the first input: plain is the "
    f"derivative, others are {', '.join(k for k in NAMED if k != 'plain')} and deeplift.",
)  # fmt: skip
@loss_option(TRAINING_LOSS)
@optimizer_option(TRAINING_OPTIMIZER)
def diff(
    model: ModelName,
    settings: dict[str, Any],
    output: Path,
    show: bool,
    training: bool,
    batch: int | None,
    native: bool,
    rules: tuple[str, str] | None,
    loss: str | None,
    optimizer: str,
) -> None:
    """Draw what the passes do to MODEL, as a film strip, or how two backward graphs differ.

    A panel for each pass that changed something: what it kept, removed, fused, changed and added.
    `graphcnn passes` says the same in words, with the reasons.

    \b
    Examples:
      graphcnn diff resnet18 -o passes.svg
      graphcnn diff lenet5 -o passes.html --training --open
      graphcnn diff mnist_cnn -o guided.svg --rule plain guided
    """
    if rules and (training or native):
        raise click.UsageError("--rule compares gradients of the model as it is defined")
    with _failures_drawn(output, show):
        built = model.build(settings)
        if rules:
            graph = built.graph if batch is None else built.graph.bind(N=batch)
            ways = [way_back(graph, each) for each in rules]
            name = f"{built.name}: {rules[0]} → {rules[1]}"
            finish(difference_picture(*ways, name=name), output, show)
            return
        _, applied, _ = apply_passes(built, training, native, batch, loss, optimizer)
    steps = [(a.by.name, a.before, a.after) for a in applied]
    finish(passes_picture(steps, title=f"{built.name}: passes"), output, show)


def way_back(graph: Graph, rules: str) -> Graph:
    """The gradient of the sum of the first output for the first input. Baselines are black."""
    if not graph.inputs:
        raise GraphError(f"{graph.name} has no input that a gradient could be taken for")
    image, output = graph.inputs[0], next(iter(graph.outputs.values()))
    score = Sum(tuple(range(output.type.rank)))(output)
    chosen = deeplift({image: 0.0}) if rules == "deeplift" else rules
    (gradient,) = gradients(score, [image], chosen)
    return Graph.of(graph.inputs, {"gradient": gradient}, name=f"{graph.name}, {rules}")


@click.command()
@model_argument
@file_options
@training_option
@click.option(
    "--batch", type=click.IntRange(min=1), metavar="N", default=1, show_default=True,
    help="The batch size.",
)  # fmt: skip
@loss_option(TRAINING_LOSS)
@optimizer_option(TRAINING_OPTIMIZER)
def plan(
    model: ModelName,
    settings: dict[str, Any],
    output: Path,
    show: bool,
    training: bool,
    batch: int,
    loss: str | None,
    optimizer: str,
) -> None:
    """Draw the memory that MODEL runs in.

    Each buffer of the native runtime is a rectangle, as wide as the steps that need it and as high
    as its bytes.

    \b
    Examples:
      graphcnn plan resnet18 -o memory.svg --batch 8
      graphcnn plan lenet5 -o memory.html --training --batch 64 --open
    """
    with _failures_drawn(output, show):
        built = model.build(settings)
        _, _, made = apply_passes(built, training, True, batch, loss, optimizer)
    assert made is not None
    title = f"{built.name}{', one training step' if training else ''}, batch of {batch}: memory"
    finish(plan_picture(made, title=title), output, show)
