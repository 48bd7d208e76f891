"""Depthwise convolution on blocked images: each channel with a kernel of its own.

A vector holds neighbouring channels, and so does a vector of the kernel: [C/L][tap][L]. A tile of
pixels is a tile of `DirectConv` whose step is one tap: a vector of the kernel times the vectors of
all pixels of the tile. The gradient of the input is the same code with the taps the other way.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import llvmlite.ir as ir

from graphcnn.runtime.native.code.emit import Emitter
from graphcnn.runtime.native.kernels.conv.direct import DirectConv


@dataclass(frozen=True)
class DepthwiseConv(DirectConv):
    """The code of a geometry in which every block of channels is a group; panels of one vector."""

    @property
    def of_tap(self) -> int:
        return self.g.x.lanes

    def _channels(
        self,
        e: Emitter,
        pixel: ir.Value,
        panel: ir.Value,
        moves: Sequence[int],
        sums: Sequence[ir.Value],
    ) -> list[ir.Value]:
        numbers, turned, lanes = self.numbers, self.numbers.turned, self.g.x.lanes
        factor = numbers.vector(e, panel, lanes)
        read = (turned.vector(e, e.at(pixel, numbers.read, (move, 1)), lanes) for move in moves)
        return [turned.multiply_add(e, factor, v, s) for v, s in zip(read, sums, strict=True)]
