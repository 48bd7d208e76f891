"""The command that writes the live page of a network: page."""

import webbrowser
from pathlib import Path
from typing import Any

import click

from graphcnn.data.specs import Size
from graphcnn.models.resolve import ModelName, fitting
from graphcnn.tools.commands.arguments import (
    data_options,
    model_argument,
    note_untrained,
    part_of,
    part_option,
    read_data,
)


@click.command()
@model_argument
@click.option(
    "-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.html", help="The page.",
)  # fmt: skip
@data_options("A data set, of which the page offers images.", required=False)
@part_option
@click.option(
    "--samples", "count", type=click.IntRange(min=1), metavar="N", default=12, show_default=True,
    help="How many images of DATA: the first of every class, then the second.",
)  # fmt: skip
@click.option("--title", metavar="TEXT", help="Title of the page. [default: the model's name]")
@click.option(
    "--float16", is_flag=True,
    help="Store the weights in half of the bytes, rounded; the page computes in float32.",
)  # fmt: skip
@click.option("--open", "show", is_flag=True, help="Show the page in the browser too.")
def page(
    model: ModelName,
    settings: dict[str, Any],
    output: Path,
    data: str | None,
    size: Size | None,
    grey: bool | None,
    part: str,
    count: int,
    title: str | None,
    float16: bool,
    show: bool,
) -> None:
    """Write one HTML file in which MODEL runs, in any browser, without a connection.

    Draw, drop a picture or use the camera, and see every feature map, the probabilities, and for
    every number under the mouse what it is made of: patch times kernel, the largest of a window,
    the largest contributions. Gradients, an image that excites a unit, and what happens when
    channels are switched off are computed in the page as well, by the network itself as
    WebAssembly.

    The file holds results of the reference; when it opens it compares its own with them, and stops
    where they differ by more than 1e-4. The same command writes the same bytes.

    \b
    Examples:
      graphcnn page lenet5.safetensors -o lenet5.html --data mnist:DIR --open
      graphcnn page lenet5.safetensors -o small.html --float16
      graphcnn page squeezenet.onnx -o squeezenet.html --data images:photos --size 224
    """
    chosen = part_of(read_data(data, size, grey), part, data) if data is not None else None
    built = model.build(settings, fitting(chosen) if chosen is not None else None)
    note_untrained(model, built)
    built.initialize_missing(0)
    made = built.page(output, samples=chosen, most=count, title=title, float16=float16)
    click.echo(str(made))
    if show:
        webbrowser.open(output.resolve().as_uri())
