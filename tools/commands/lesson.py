"""Commands that draw a worked example."""

from pathlib import Path
from typing import Any

import click

import graphcnn as cnn
from graphcnn.tools import xo_story
from graphcnn.tools.commands.pictures import file_options, finish
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


def _at_least(least: int) -> Any:
    return click.IntRange(min=least)


@lesson.command()
@file_options
@click.option("--size", type=_at_least(1), default=5, show_default=True, help="Of the image.")
@click.option("--kernel", type=_at_least(1), default=3, show_default=True, help="Its size.")
@click.option("--stride", type=_at_least(1), default=1, show_default=True, help="Of the window.")
@click.option("--padding", type=_at_least(0), default=0, show_default=True, help="On each side.")
@click.option("--dilation", type=_at_least(1), default=1, show_default=True, help="Of the kernel.")
@click.option("--channels", type=_at_least(1), default=1, show_default=True, help="That it reads.")
@click.option("--maps", type=_at_least(1), default=1, show_default=True, help="That it makes.")
@click.option("--groups", type=_at_least(1), default=1, show_default=True, help="Of channels.")
@click.option("--seed", type=_at_least(0), default=0, show_default=True, help="Of the weights.")
def dense(
    output: Path,
    show: bool,
    size: int,
    kernel: int,
    channels: int,
    maps: int,
    seed: int,
    **options: Any,
) -> None:
    """A convolution as a dense layer: weights removed, the others shared.

    `graphcnn lens MODEL --dense LAYER` draws it for a layer of a model.

    \b
    Examples:
      graphcnn lesson dense -o dense.svg
      graphcnn lesson dense --stride 2 --padding 1 --channels 2 --maps 2 -o dense.html
    """
    image = cnn.input("image", (channels, size, size))
    y = cnn.conv2d(image, maps, kernel, bias=False, name="conv", **options)
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
