"""The command that looks into ONNX files."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import click

from graphcnn.errors import ImportModelError, ImportModelWarning
from graphcnn.ir.node import Array
from graphcnn.onnx.importing.file.limits import Limits
from graphcnn.tools.commands.arguments import json_option
from graphcnn.tools.onnx_inputs import set_option, shapes_of


def _limits(context: Any, parameter: Any, values: tuple[str, ...]) -> Limits:
    """`nodes=200000` as the limits with that one changed."""
    known = {f.name: f.default for f in fields(Limits)}
    changed = {}
    for text in values:
        name, _, number = text.partition("=")
        if name not in known or not number.isdecimal():
            names = ", ".join(f"{key}={value}" for key, value in known.items())
            raise click.BadParameter(f"{text!r} must be one of {names}, with another number")
        changed[name] = int(number)
    return replace(Limits(), **changed)


limit_option = click.option(
    "--limit", "limits", metavar="NAME=N", multiple=True, callback=_limits,
    help="Change a budget for hostile files, as in nodes=200000. May be repeated.",
)  # fmt: skip


@click.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--input", "--shape", "shapes", metavar="NAME=SIZES", multiple=True, callback=shapes_of,
    help="The shape of an input, where the file leaves it open, as in x=N,3,224,224. N is the "
    "batch axis. May be repeated.",
)  # fmt: skip
@set_option
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
    help="Save the model: a .safetensors file, with which every command works.",
)  # fmt: skip
@click.option(
    "--until", "outputs", metavar="VALUE", multiple=True,
    help="Read the model up to this value, the result of a node, and make it an output instead of "
    "those of the file. May be repeated.",
)  # fmt: skip
@limit_option
@json_option
def import_(
    file: Path,
    shapes: dict[str, tuple[Any, ...]],
    numbers: dict[str, Array],
    output: Path | None,
    outputs: tuple[str, ...],
    limits: Limits,
    as_json: bool,
) -> None:
    """Tell what is in an ONNX FILE, and read it.

    Prints producer, versions, inputs, parameters, multiply-adds, and which operators were computed
    while importing or written out in smaller ones. For operators that graphcnn lacks it names the
    nodes, what is nearest, and whether the rest would run; the exit code is then 1.

    \b
    Examples:
      graphcnn import resnet50.onnx
      graphcnn import detector.onnx --input images=N,3,640,640 -o detector.safetensors
      graphcnn import upscaler.onnx --set sizes=1,3,448,448 -o upscaler.safetensors
      graphcnn import detector.onnx --until boxes --until scores -o detector.safetensors
    """
    from graphcnn.model import import_onnx  # these load the onnx package
    from graphcnn.onnx.importing.report import report

    until = outputs or None
    inputs = {**shapes, **numbers}
    found = report(file, inputs, limits, until)
    click.echo(found.to_json() if as_json else str(found))
    if not found.runs:
        raise ImportModelError(f"{file} needs {found.needs}")
    if output is not None:
        with catch_warnings():  # which the report has told
            simplefilter("ignore", ImportModelWarning)
            path = import_onnx(file, inputs, limits, until).save(output)
        click.echo(f"saved: {path}", err=as_json)
