"""The command that makes code of a network which runs without graphcnn."""

from pathlib import Path
from typing import Any

import click

from graphcnn.errors import GraphCnnError
from graphcnn.exchange.building.choices import ACCEPTED, WEIGHTS
from graphcnn.models.resolve import ModelName
from graphcnn.tools.commands.arguments import model_argument, note_untrained


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
