"""Tiles are chosen by what a processor pays for a number in every lane of a vector."""

from dataclasses import replace

import pytest

from graphcnn.ir.tensor_type import DType
from graphcnn.ops.conv import Conv2d
from graphcnn.runtime.native.ahead.targets import MACHINES
from graphcnn.runtime.native.code.target import EMBEDDED, LOADED, described, named
from graphcnn.runtime.native.kernels.conv.geometry import geometry
from graphcnn.runtime.native.kernels.conv.schedule import choose_schedule
from graphcnn.runtime.native.kernels.conv.winograd_schedule import choose_winograd
from graphcnn.runtime.native.kernels.parts.numbers import Numbers
from graphcnn.runtime.native.kernels.parts.tiles import choose_tile

LINUX, ARM = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"
SSE2 = named("sse2")


@pytest.mark.parametrize(
    ("broadcast", "tiles"),
    [
        (EMBEDDED, ["1×13×1", "13×1", "F4 18 tiles 6×2"]),
        (LOADED, ["1×6×2", "5×2", "F4 6 tiles 6×2"]),
    ],
)
def test_each_number_feeds_more_vectors_where_it_costs_an_instruction(
    broadcast: float, tiles: list[str]
) -> None:
    target = replace(SSE2, broadcast=broadcast)
    pointwise = geometry(Conv2d(), 1, (64, (12, 52)), (64, (12, 52)), (1, 1), 4)
    window = geometry(Conv2d(padding=(1,) * 4), 1, (16, (24, 24)), (16, (24, 24)), (3, 3), 4)
    tiled = choose_winograd(window, Numbers.alike(DType.FLOAT32), target, vectors=2)
    found = choose_schedule(pointwise, target), choose_tile(target, 39, 8), tiled
    assert list(map(str, found)) == tiles


def test_what_a_broadcast_costs_is_told_by_the_instructions() -> None:
    sse, avx = {"sse2": True}, {"sse2": True, "avx": True}
    wide = {**avx, "avx2": True, "fma": True, "avx512f": True}
    for features, cost in ((sse, LOADED), (avx, LOADED), (wide, EMBEDDED)):
        assert described("host", LINUX, "x86-64", features).broadcast == cost
    assert described("host", ARM, "generic", {}).broadcast == named("neon").broadcast == LOADED
    # The same choices give the same bits.
    assert MACHINES["wasm"].target.broadcast == SSE2.broadcast == LOADED
