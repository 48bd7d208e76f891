"""The command that compares an ONNX file with ONNX Runtime."""

from pathlib import Path
from typing import Any

import click

from graphcnn.base.config import RUNTIMES
from graphcnn.errors import CrashError, VerifyError
from graphcnn.ir.node import Array
from graphcnn.models.numbers_of_inputs import read_array
from graphcnn.onnx.importing.file.limits import Limits
from graphcnn.tools.commands.arguments import json_option
from graphcnn.tools.commands.import_ import limit_option
from graphcnn.tools.onnx_inputs import set_option, shapes_of


def _files(context: Any, parameter: Any, values: tuple[str, ...]) -> dict[str, Path]:
    """`x=FILE.npy` as {"x": path}."""
    found = {}
    for text in values:
        name, equals, path = text.partition("=")
        if not equals or not name or not path.endswith(".npy"):
            raise click.BadParameter(f"{text!r} must be spelled NAME=FILE.npy")
        found[name] = Path(path)
    return found


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--input", "files", metavar="NAME=FILE.npy", multiple=True, callback=_files,
    help="The array for an input. Inputs without one are drawn at random. May be repeated.",
)  # fmt: skip
@click.option(
    "--shape", "shapes", metavar="NAME=SIZES", multiple=True, callback=shapes_of,
    help="The shape of an input that is drawn, where the file leaves it open, as in "
    "x=1x3x224x224. May be repeated.",
)  # fmt: skip
@set_option
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="N",
              help="Of what is drawn at random.")  # fmt: skip
@click.option(
    "--runtime", type=click.Choice(("both", *RUNTIMES)), default="both", show_default=True,
    help="Which of ours to compare.",
)  # fmt: skip
@click.option(
    "--bound", type=click.FloatRange(min=0), metavar="X",
    help="Largest error allowed, relative to the largest number of an output. "
    "[default: what rounding makes of this model]",
)  # fmt: skip
@click.option("--full", is_flag=True, help="Leave out nothing, however long it takes.")
@limit_option
@json_option
def check(
    file: Path,
    files: dict[str, Path],
    shapes: dict[str, tuple[Any, ...]],
    numbers: dict[str, Array],
    seed: int,
    runtime: str,
    bound: float | None,
    full: bool,
    limits: Limits,
    as_json: bool,
) -> None:
    """Compare an ONNX FILE, as graphcnn runs it, with ONNX Runtime.

    Prints for every output the largest error, the same relative to the largest number, the
    distance in units in the last place, and how often the largest class is the same; with ONNX
    Runtime's optimisations on and off, in both runtimes of ours. Then it says how far each side is
    from the exact result, a run in float64, and how far rounding may bring it: that is seen in runs
    with random errors in the last digit. Decisions on floats, as a rounding or an argmax, may fall
    either way where rounding reaches the boundary.

    Where our result is further off, or ONNX Runtime's is, the intermediate values of the file are
    compared as well. A node that ONNX Runtime computes less exactly than its types allow, by the
    reference implementation of the onnx package, is a note. Any other is named with its inputs and
    attributes, and the exit code is 1.

    An open batch size is 1, and then 2. Of large models the second one, and the exact result that
    small errors do not call for, are left out, which is told; --full leaves out nothing.

    ONNX Runtime runs in a process of its own. Where it crashes in one of its modes, the other one
    is compared; where it crashes in both, nothing is known about our results, and the exit code
    is 3.

    \b
    Examples:
      graphcnn check resnet50.onnx
      graphcnn check detector.onnx --shape images=1x3x640x640 --runtime native
      graphcnn check lenet5.onnx --input image=digits.npy --json
    """
    from graphcnn.exchange.check import check_onnx  # loads the onnx package

    arrays = {name: read_array(path) for name, path in files.items()}
    try:
        found = check_onnx(
            file,
            arrays,
            shapes={**shapes, **numbers},
            seed=seed,
            runtime=runtime,
            bound=bound,
            full=full,
            limits=limits,
        )
    except CrashError as error:
        raise CrashError(f"{file}: {error}") from None
    click.echo(found.to_json() if as_json else str(found))
    if not found.passed:
        raise VerifyError(f"{file}: ONNX Runtime computes something else")
