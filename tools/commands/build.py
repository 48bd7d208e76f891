"""The commands that make of a network what runs without graphcnn: build, page."""

import webbrowser
from pathlib import Path
from typing import Any

import click

from graphcnn.data.specs import Size
from graphcnn.errors import GraphCnnError
from graphcnn.exchange.building.choices import ACCEPTED, WEIGHTS
from graphcnn.models.resolve import ModelName, fitting
from graphcnn.tools.commands.arguments import (
    data_options,
    model_argument,
    note_untrained,
    part_of,
    part_option,
    read_data,
)


class _WithTargets(click.Command):
    """Its help ends with the targets, whose table is read then."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from graphcnn.runtime.native.ahead.targets import MACHINES, SHORT

        rows = [(name, machine.about) for name, machine in MACHINES.items()]
        rows += [(short, f"the same as {name}") for short, name in SHORT.items()]
        with formatter.section("Targets"):
            formatter.write_dl(rows)


def _target(context: Any, parameter: Any, name: str) -> str:
    from graphcnn.runtime.native.ahead.targets import machine_named

    try:
        return machine_named(name).name
    except GraphCnnError as error:
        raise click.BadParameter(str(error)) from None


@click.command(cls=_WithTargets)
@model_argument
@click.option(
    "--target", required=True, callback=_target, metavar="T",
    help="What the network is built for: one of the targets below.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(file_okay=False, path_type=Path), metavar="DIR",
    help="The folder for the files. Default: NAME-TARGET.",
)  # fmt: skip
@click.option(
    "--name", metavar="NAME",
    help="What files and functions are called. Default: the name of the network.",
)  # fmt: skip
@click.option(
    "--batch", type=click.IntRange(min=1), metavar="N", default=1, show_default=True,
    help="Items that one run computes.",
)  # fmt: skip
@click.option(
    "--accept", type=click.Choice(ACCEPTED), default=ACCEPTED[0], show_default=True,
    help="What the images are: float32 as the network is defined, or uint8, levels of 0 to 255, "
    "whose normalisation is then built in.",
)  # fmt: skip
@click.option(
    "--speed", "optimize", flag_value="speed", default=True,
    help="The fastest code. This is the default.",
)  # fmt: skip
@click.option(
    "--size", "optimize", flag_value="size",
    help="Without algorithms that make the weights larger.",
)  # fmt: skip
@click.option(
    "--weights", type=click.Choice(WEIGHTS), default=WEIGHTS[0], show_default=True,
    help="Where the weights are: inside the code, or in a file NAME.weights that is read, mapped "
    "or fetched.",
)  # fmt: skip
@click.option(
    "--npm", is_flag=True,
    help="Of WebAssembly: also package.json and README.md, so that DIR is a package of npm.",
)  # fmt: skip
@click.option(
    "--wheel", is_flag=True,
    help="Of a library for Linux: also a wheel. `pip install` gives `import NAME; NAME.run(x)`, "
    "for which NumPy is enough.",
)  # fmt: skip
@click.option(
    "--release", metavar="V", default="0.0.1", show_default=True,
    help="The version of such a package.",
)  # fmt: skip
def build(
    model: ModelName,
    settings: dict[str, Any],
    target: str,
    output: Path | None,
    name: str | None,
    batch: int,
    accept: str,
    optimize: str,
    weights: str,
    npm: bool,
    wheel: bool,
    release: str,
) -> None:
    """Make code of MODEL that runs without graphcnn, without Python and without a library.

    WebAssembly with its loader, a shared library and an object file with a header, or an object for
    a microcontroller: one function, NAME_run, that allocates nothing, keeps nothing and calls
    nothing. At the end the result is run here, where that is possible, and has to have the bits
    that graphcnn computes for the same processor.

    \b
    Examples:
      graphcnn build lenet5.safetensors --target wasm -o web
      graphcnn build lenet5.safetensors --target linux-x86-64-avx2 --accept uint8
      graphcnn build squeezenet.onnx --target linux-aarch64 --weights file
      graphcnn build lenet5.safetensors --target cortex-m4 --size
      graphcnn build lenet5.safetensors --target linux-x86-64-avx2 --wheel --release 1.2.0
    """
    found = model.build(settings)
    note_untrained(model, found)
    found.initialize_missing(0)
    made = found.build(
        target, output, name=name, batch=batch, accept=accept, optimize=optimize, weights=weights,
        npm=npm, wheel=wheel, version=release,
    )  # fmt: skip
    click.echo(str(made))


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
@click.option(
    "--drawing", type=click.Choice(["digits", "plain"]),
    help="Fit strokes as digits of MNIST are, or leave them as they are drawn. [default: digits "
    "where the classes are named 0 to 9 and the image has the size of a set of digits]",
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
    drawing: str | None,
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
    made = built.page(
        output, samples=chosen, most=count, title=title, float16=float16, drawing=drawing
    )
    click.echo(str(made))
    if show:
        webbrowser.open(output.resolve().as_uri())
