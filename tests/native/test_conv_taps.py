"""Taps that meet only padding are left out of tiles, and no others."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native.test_kernels_placed import TARGETS, check, check_all

from graphcnn.ir.node import build
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.conv import Conv2d
from graphcnn.runtime.native.code.registry import choices
from graphcnn.runtime.native.code.target import host
from graphcnn.runtime.native.kernels.conv import taps as conv_taps
from graphcnn.runtime.native.kernels.conv.taps import BlockedPart, strips_of

P1 = (1, 1, 1, 1)


@st.composite
def windows(draw):
    """A part, its tile, where it reads, and the size of what is read."""
    axes = []
    for _ in range(2):
        kernel, step, before = (draw(st.integers(*span)) for span in ((1, 5), (1, 3), (0, 4)))
        outputs, tile = draw(st.integers(1, 20)), draw(st.integers(1, 6))
        axes.append((kernel, step, before, outputs, min(tile, outputs), draw(st.integers(1, 40))))
    kernel, reading, before, sizes, tile, image = zip(*axes, strict=True)
    at = [(u - before[0], v - before[1]) for u in range(kernel[0]) for v in range(kernel[1])]
    return BlockedPart((0, 0), sizes, tuple(enumerate(at))), tile, reading, image


@settings(deadline=None)
@given(windows())
def test_every_pixel_meets_each_tap_that_reads_the_image(window):
    part, tile, reading, image = window
    places = tuple(range(0, s // t * t, t) for s, t in zip(part.sizes, tile, strict=True))
    found = strips_of(part, tile, places, reading, image)
    whole = len(found.strips) <= 1
    for q in places[0]:
        for r in places[1]:
            kind = found.of_row[q] + found.of_column[r]
            for j in range(tile[1]):
                met = [
                    tap
                    for strip in found.strips
                    if j in strip.columns
                    for tap in strip.taps[slice(*strip.ranges[kind])]
                ]
                needed = [
                    (number, (row, column))
                    for number, (row, column) in part.taps
                    if any(0 <= (q + i) * reading[0] + row < image[0] for i in range(tile[0]))
                    and (whole or 0 <= (r + j) * reading[1] + column < image[1])
                ]
                assert len(met) == len(set(met))
                assert set(met) <= set(needed)
                left_out = set(needed) - set(met)
                inside = {n for n, at in left_out if 0 <= (r + j) * reading[1] + at[1] < image[1]}
                assert not inside


def test_the_strips_of_a_row():
    taps = tuple((v, (0, v - 1)) for v in range(3))
    found = strips_of(
        BlockedPart((0, 0), (1, 12), taps), (1, 4), ([0], range(0, 12, 4)), (1, 1), (1, 12)
    )
    assert [s.columns for s in found.strips] == [(1, 2, 3), (0, 1, 2, 3), (0, 1, 2)]
    used = [[b - a for a, b in s.ranges] for s in found.strips]
    assert used == [[1, 0, 0], [2, 3, 2], [0, 0, 1]]


def test_strips_are_made_where_they_save_enough():
    taps = tuple((v, (0, v - 1)) for v in range(3))
    for width, strips in ((30, 3), (300, 1)):
        part = BlockedPart((0, 0), (1, width), taps)
        found = strips_of(part, (1, 10), ([0], range(0, width, 10)), (1, 1), (1, width))
        assert len(found.strips) == strips
    assert conv_taps._STRIPS == 3


# x, filters, kernel, attributes: images wider than a tile, with a rest and without.
WIDE = [
    ((2, 16, 3, 28), 32, (3, 3), dict(padding=P1)),
    ((1, 32, 4, 33), 16, (3, 3), dict(padding=P1)),
    ((1, 16, 5, 57), 48, (3, 3), dict(padding=P1, stride=(2, 2))),
    ((1, 19, 6, 31), 16, (5, 3), dict(padding=(2, 2, 2, 0), dilation=(1, 2))),
    ((1, 16, 2, 17), 16, (3, 3), dict(padding=(3, 3, 3, 3))),
]


@pytest.mark.parametrize(("x", "filters", "kernel", "attributes"), WIDE, ids=str)
@pytest.mark.parametrize("target", TARGETS)
def test_wide_images(x, filters, kernel, attributes, target):
    check_all(Conv2d(**attributes), [x, (filters, x[1], *kernel), (filters,)], TARGETS[target])


def test_a_kernel_that_is_fetched_ahead_gives_the_same():
    target, shapes = replace(host(), l2=1 << 10), [(1, 32, 6, 20), (32, 32, 3, 3)]
    op = Conv2d(padding=P1)
    node = build(op, [Input(f"x{i}", TensorType(s))() for i, s in enumerate(shapes)])
    for choice in choices(node, target):
        if choice.algorithm == "direct":
            check(op, shapes, choice, target, 2)
