"""The worked figures by name, one for each thing that sliding windows do."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from graphcnn.language.arguments import choose
from graphcnn.pictures.lessons.conv_steps import conv_steps
from graphcnn.pictures.picture import Picture


@dataclass(frozen=True)
class Example:
    """A figure: the operator and the arguments of `conv_steps`, and what is to be seen in it."""

    kind: str
    about: str
    options: Mapping[str, Any]

    def draw(self, **changes: Any) -> Picture:
        """The film, with other arguments in place of its own."""
        return conv_steps(self.kind, **{**self.options, **changes})


def _example(kind: str, about: str, **options: Any) -> Example:
    return Example(kind, about, MappingProxyType(options))


EXAMPLES: Final[Mapping[str, Example]] = MappingProxyType({
    "conv": _example("conv2d", "a kernel slides over an image: products, their sum, a bias"),
    "channels": _example(
        "conv2d", "each filter sees all channels and makes one map", size=4, channels=2, filters=2
    ),
    "same": _example(
        "conv2d", "zeros around the image keep its size", size=4, padding="same"
    ),
    "stride": _example(
        "conv2d", "larger steps, and rows and columns that no window reads", size=6, stride=2
    ),
    "dilated": _example("conv2d", "a kernel with gaps sees further", size=7, dilation=2),
    "rectangular": _example(
        "conv2d", "height and width apart: kernel 2×3, stride 1×2", size=(4, 7), kernel=(2, 3),
        stride=(1, 2),
    ),
    "pointwise": _example(
        "conv2d", "a kernel of one pixel mixes channels", size=3, kernel=1, channels=3
    ),
    "grouped": _example(
        "conv2d", "filters that see only the channels of their group", size=4, channels=4,
        filters=2, groups=2,
    ),
    "depthwise": _example(
        "conv2d", "a filter for each channel alone", size=4, channels=3, filters=3, groups=3
    ),
    "rotated": _example(
        "conv2d", "the convolution of mathematics, with a rotated kernel", flip_kernel=True
    ),
    "max-pool": _example("max_pool2d", "the largest number of each window", size=4),
    "average-pool": _example("avg_pool2d", "the mean of each window", size=4),
    "overlapping-pool": _example(
        "max_pool2d", "windows that overlap, and padding that takes no part", size=5, kernel=3,
        stride=2, padding=1,
    ),
    "unpool": _example(
        "max_unpool2d", "switches remember the maxima, unpooling puts numbers back there", size=4
    ),
    "upsample": _example("upsample2d", "each pixel becomes a block", size=3),
    "transposed": _example(
        "conv_transpose2d", "each pixel stamps the kernel on the output; stamps add up", size=3
    ),
    "transposed-zeros": _example(
        "conv_transpose2d", "the same as a convolution over zeros put between the pixels", size=3,
        method="zeros", padding=1,
    ),
    "transposed-cut": _example(
        "conv_transpose2d", "padding cuts the border off, output padding adds a row and a column",
        size=3, padding=1, output_padding=1,
    ),
    "reflect": _example(
        "pad2d", "a border that mirrors the image", size=4, padding=2, mode="reflect"
    ),
})  # fmt: skip


def example(name: str, **changes: Any) -> Picture:
    """A figure by its name, with some of its arguments changed.

    Raises:
        GraphError: no such name, or what `conv_steps` refuses.
    """
    return choose(EXAMPLES, name, "figure").draw(**changes)
