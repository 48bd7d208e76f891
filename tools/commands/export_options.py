"""Options of `graphcnn export` that say what the ONNX file is to be like."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def _opset(context: Any, parameter: Any, text: str) -> int | str:
    if text != "auto" and not text.isdecimal():
        raise click.BadParameter(f"{text!r} must be auto or a number")
    return text if text == "auto" else int(text)


_OPTIONS = (
    click.option(
        "--opset", default="auto", show_default=True, metavar="N", callback=_opset,
        help="Version of the operators; auto is the lowest that has all of MODEL, from 17 on.",
    ),
    click.option(
        "--target", metavar="RELEASES",
        help="What has to read the file, as in onnxruntime>=1.16: bounds the versions of the "
        "operators and of the format.",
    ),
    click.option(
        "--float16", is_flag=True,
        help="Parameters and computation in float16; inputs and outputs stay float32.",
    ),
    click.option(
        "--fold-batch-norm", is_flag=True,
        help="Make batch norms part of the layers before or after them.",
    ),
    click.option(
        "--external-data/--one-file", default=None,
        help="Large arrays in a file of their own beside the model. [default: above 1.8 GiB]",
    ),
    click.option(
        "--report", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
        help="Also write the comparison with ONNX Runtime to this file, as JSON.",
    ),
)  # fmt: skip


def file_options(function: F) -> F:
    """What the file is to be like, and where the comparison goes."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function
