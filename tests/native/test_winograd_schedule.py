"""How Winograd's work is cut: enough for two threads, none of it done twice by a bad fit."""

import pytest

from graphcnn.ir.tensor_type import DType
from graphcnn.ops.conv import Conv2d
from graphcnn.runtime.native.code.target import named
from graphcnn.runtime.native.kernels.conv.geometry import geometry
from graphcnn.runtime.native.kernels.conv.winograd import WinogradConv
from graphcnn.runtime.native.kernels.conv.winograd_schedule import choose_winograd, tile_count
from graphcnn.runtime.native.kernels.parts.numbers import Numbers

TARGET = named("avx512")
SHAPES = [
    (n, c, o, size)
    for n in (1, 8)
    for c, o in ((16, 64), (96, 96), (128, 32), (160, 224), (512, 512))
    for size in (14, 27, 28, 56)
]


def code(n: int, c: int, o: int, size: int) -> WinogradConv:
    op, numbers = Conv2d(padding=(1, 1, 1, 1)), Numbers.alike(DType.FLOAT32)
    g = geometry(op, n, (c, (size, size)), (o, (size, size)), (3, 3), numbers.lanes(TARGET))
    return WinogradConv(g, choose_winograd(g, numbers, TARGET), numbers)


@pytest.mark.parametrize(("n", "c", "o", "size"), SHAPES)
def test_two_threads_have_about_as_much_to_do(n: int, c: int, o: int, size: int) -> None:
    conv = code(n, c, o, size)
    tiles, panels = conv.count, conv.g.y.blocks // conv.s.vectors
    work = [
        min(conv.s.block, tiles - first)
        * (panels * (piece + 1) // conv.s.split - panels * piece // conv.s.split)
        for first in range(0, tiles, conv.s.block)
        for piece in range(conv.s.split)
    ]
    assert len(work) == conv.units and sum(work) == tiles * panels
    half = sum(work[: len(work) // 2])
    assert 0.4 <= half / sum(work) <= 0.6


@pytest.mark.parametrize(("n", "c", "o", "size"), SHAPES)
def test_register_tiles_are_filled(n: int, c: int, o: int, size: int) -> None:
    conv = code(n, c, o, size)
    done = sum(
        -(-min(conv.s.block, conv.count - first) // conv.s.rows) * conv.s.rows
        for first in range(0, conv.count, conv.s.block)
    )
    assert conv.s.rows * conv.s.vectors >= 8
    assert done <= 1.15 * tile_count(conv.g, conv.s.m)


def test_blocks_of_huge_images_stay_small() -> None:
    conv = code(64, 64, 64, 448)
    assert conv.units > 1000 and conv.s.block <= 96
