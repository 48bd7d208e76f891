"""What a command says of the inputs of an ONNX file: --shape, and --set for their numbers."""

from typing import Any

import click

from graphcnn.errors import WrongUseError
from graphcnn.ir.node import Array
from graphcnn.ir.tensor_type import open_size
from graphcnn.models.numbers_of_inputs import value_of


def shapes_of(context: Any, parameter: Any, values: tuple[str, ...]) -> dict[str, tuple[Any, ...]]:
    """`x=1,3,224,224`, or `x=1x3x224x224`, as {"x": (1, 3, 224, 224)}; N is the batch axis."""
    found: dict[str, tuple[Any, ...]] = {}
    for text in values:
        name, equals, sizes = text.rpartition("=")
        parts = [part.strip() for part in sizes.replace("x", ",").split(",")]
        if not equals or not all(open_size(part) or part.isdecimal() for part in parts):
            raise click.BadParameter(f"{text!r} must be spelled NAME=SIZES, as in x=N,3,224,224")
        found[name] = tuple(part if open_size(part) else int(part) for part in parts)
    return found


def values_of(context: Any, parameter: Any, values: tuple[str, ...]) -> dict[str, Array]:
    """`sizes=1,3,64,64` or `sizes=FILE.npy` as {"sizes": array}; one number has no axis."""
    found: dict[str, Array] = {}
    for text in values:
        name, equals, numbers = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(
                f"{text!r} must be spelled NAME=NUMBERS, as in sizes=1,3,64,64"
            )
        try:
            found[name] = value_of(name, numbers)
        except WrongUseError as error:
            raise click.BadParameter(str(error)) from None
    return found


shape_option = click.option(
    "--shape", "shapes", metavar="NAME=SIZES", multiple=True, callback=shapes_of,
    help="The shape of an input of an ONNX file that leaves it open, as in x=N,3,224,224. N is "
    "the batch axis. May be repeated.",
)  # fmt: skip

set_option = click.option(
    "--set", "numbers", metavar="NAME=NUMBERS", multiple=True, callback=values_of,
    help="The numbers of an input that decides shapes, as in sizes=1,3,448,448, or a .npy file: it "
    "is an input no more. N is the batch size, where that is open. May be repeated.",
)  # fmt: skip
