"""The command that looks into ONNX files."""

from pathlib import Path
from typing import Any

import click

from graphcnn.errors import ImportModelError
from graphcnn.tools.commands.arguments import json_option


def _shapes(context: Any, parameter: Any, values: tuple[str, ...]) -> dict[str, tuple[Any, ...]]:
    """`x=1,3,224,224` as {"x": (1, 3, 224, 224)}; N is the batch axis."""
    found: dict[str, tuple[Any, ...]] = {}
    for text in values:
        name, equals, sizes = text.rpartition("=")
        parts = [part.strip() for part in sizes.split(",")]
        if not equals or not all(part == "N" or part.isdecimal() for part in parts):
            raise click.BadParameter(f"{text!r} must be spelled NAME=SIZES, as in x=N,3,224,224")
        found[name] = tuple("N" if part == "N" else int(part) for part in parts)
    return found


@click.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--input", "shapes", metavar="NAME=SIZES", multiple=True, callback=_shapes,
    help="The shape of an input, where the file leaves it open, as in x=N,3,224,224. N is the "
    "batch axis. May be repeated.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
    help="Save the model: a .safetensors file, with which every command works.",
)  # fmt: skip
@json_option
def import_(
    file: Path, shapes: dict[str, tuple[Any, ...]], output: Path | None, as_json: bool
) -> None:
    """Tell what is in an ONNX FILE, and read it.

    Prints producer, versions, inputs, parameters, multiply-adds, and which operators were computed
    while importing or written out in smaller ones. For operators that graphcnn lacks it names the
    nodes, what is nearest, and whether the rest would run; the exit code is then 1.

    \b
    Examples:
      graphcnn import resnet50.onnx
      graphcnn import detector.onnx --input images=N,3,640,640 -o detector.safetensors
    """
    from graphcnn.onnx.importer import import_onnx  # these load the onnx package
    from graphcnn.onnx.report import report

    found = report(file, shapes)
    click.echo(found.to_json() if as_json else str(found))
    if not found.runs:
        names = ", ".join(u.op_type for u in found.unsupported)
        raise ImportModelError(f"{file} needs operators that are not supported: {names}")
    if output is not None:
        path = import_onnx(file, shapes).save(output)
        click.echo(f"saved: {path}", err=as_json)
