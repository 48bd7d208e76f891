"""Convolutions of the reference copy their patches a few rows at a time."""

import tracemalloc

import numpy as np
import pytest

from graphcnn.ops import conv
from graphcnn.ops.conv import Conv2d


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("patches", [1, 700, 1 << 30])  # a row, some that leave a rest, all
def test_any_number_of_rows_at_a_time_gives_the_sum(
    monkeypatch: pytest.MonkeyPatch, groups: int, patches: int
) -> None:
    rng = np.random.default_rng(0)
    x, w, b = (
        rng.integers(-4, 5, shape).astype(np.float32)  # sums of whole numbers are exact
        for shape in ((2, 6, 13, 9), (12, 6 // groups, 3, 2), (12,))
    )
    monkeypatch.setattr(conv, "_PATCHES", patches)
    op = Conv2d(stride=(2, 1), padding=(1, 2, 1, 0), dilation=(1, 2), groups=groups)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 2), (1, 0)))
    expected = np.zeros((2, 12, 7, 8), np.float32) + b[:, None, None]
    for o in range(12):
        for c in range(6 // groups):
            source = padded[:, o // (12 // groups) * (6 // groups) + c]
            for u, v in np.ndindex(3, 2):
                expected[:, o] += w[o, c, u, v] * source[:, u : u + 13 : 2, 2 * v : 2 * v + 8]
    np.testing.assert_array_equal(op.evaluate(x, w, b), expected)


def test_a_large_image_is_not_held_once_for_every_tap() -> None:
    x = np.ones((1, 1, 3000, 1000), np.float32)
    w = np.ones((1, 1, 9, 9), np.float32)
    tracemalloc.start()
    try:
        y = Conv2d().evaluate(x, w)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (y == 81).all()
    assert peak < 81 * x.nbytes / 4
