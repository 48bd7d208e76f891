"""Commands that draw a worked example."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

import graphcnn as cnn
from graphcnn.tools import xo_story
from graphcnn.tools.commands.pictures import F, file_options, finish
from graphcnn.tools.commands.steps import STEPS


class Lessons(click.Group):
    """A group whose commands stand in the order in which one learns."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=Lessons)
def lesson() -> None:
    """Draw a worked example, with numbers that the operators themselves give.

    \b
    Examples:
      graphcnn lesson stride                     what is computed, step by step, as text
      graphcnn lesson stride -o stride.svg       as a film
      graphcnn lesson conv --size 6 --padding same --stride 2 -o same.html
      graphcnn lesson transposed -o strip.pdf    as a strip of frames, to print
      graphcnn lesson dense -o dense.svg         a convolution as a matrix
      graphcnn lesson xo -o xo.svg               how X and O are told apart
      graphcnn lesson all -o figures             every one
    """


for _step in STEPS:
    lesson.add_command(_step)


def _number(name: str, default: int, words: str, least: int = 1) -> Callable[[F], F]:
    kind = click.IntRange(min=least)
    return click.option(
        name, type=kind, metavar="N", default=default, show_default=True, help=words
    )


@lesson.command()
@file_options
@_number("--size", 5, "Height and width of the input.")
@_number("--kernel", 3, "Height and width of the window.")
@_number("--stride", 1, "Pixels from one window to the next.")
@_number("--padding", 0, "Zeros on each side of the input.", 0)
@_number("--dilation", 1, "Pixels from one weight of the kernel to the next.")
@_number("--channels", 1, "Channels of the input.")
@_number("--filters", 1, "Maps of the output.")
@_number("--groups", 1, "Groups of channels that filters keep to.")
@_number("--seed", 0, "Of the numbers of the kernel.", 0)
def dense(
    output: Path,
    show: bool,
    size: int,
    kernel: int,
    channels: int,
    filters: int,
    seed: int,
    **options: Any,
) -> None:
    """A convolution as a dense layer: weights removed, the others shared.

    `graphcnn lens MODEL --dense LAYER` draws it for a layer of a model.

    \b
    Examples:
      graphcnn lesson dense -o dense.svg
      graphcnn lesson dense --stride 2 --padding 1 --channels 2 --filters 2 -o dense.html
    """
    image = cnn.input("image", (channels, size, size))
    y = cnn.conv2d(image, filters, kernel, bias=False, name="conv", **options)
    model = cnn.Model(image, y, name="lesson").initialize(seed)
    finish(model.lens().dense_form("conv").picture, output, show)


@lesson.command()
@file_options
def xo(output: Path, show: bool) -> None:
    """How X and O are told apart: features, matches, pooling, votes.

    \b
    Example:
      graphcnn lesson xo -o xo.svg
    """
    finish(xo_story.picture(), output, show)
