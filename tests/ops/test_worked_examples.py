"""Numbers that can be checked by hand: what the operators mean, in pictures small enough to see.

Pictures are written as lists of rows. Each is one image of one channel.
"""

from typing import Any

import numpy as np
import pytest

from graphcnn.ir.geometry import Window
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Value
from graphcnn.language.conv import conv2d, conv_transpose2d
from graphcnn.language.image import upsample2d, zero_insert2d
from graphcnn.language.pool import avg_pool2d, max_pool2d, max_unpool2d
from graphcnn.language.sources import constant
from graphcnn.passes.training.backward import vjp
from graphcnn.runtime.reference import Reference

Rows = list[list[float]]


def picture(rows: Any) -> Value:
    """One grey image (1, 1, H, W); a kernel (1, 1, KH, KW) is written the same way."""
    return constant(np.array([[rows]], np.float64))


def ones(height: int, width: int) -> Value:
    return picture(np.ones((height, width)))


def value(v: Value) -> np.ndarray:
    return Reference(Graph.of((), {"y": v})).run({})[0]["y"]


def rows(v: Value) -> Rows:
    """The pixels of an image of one channel."""
    return value(v)[0, 0].tolist()


def correlate(x: Value, kernel: Value, **options: Any) -> Value:
    sizes = kernel.shape[2:]
    return conv2d(x, 1, sizes, weight=kernel, bias=False, **options)  # type: ignore[arg-type]


def pullback(y: Value, dy: Any, *wrt: Value) -> list[Value]:
    """The sensitivities of `wrt` when those of y are `dy`, by the generated backward nodes."""
    found = vjp([y], [picture(dy)], wrt)
    assert all(g is not None for g in found)
    return found  # type: ignore[return-value]


SIX = picture(
    [
        [1, 0, 0, 0, 0, 1],
        [0, 1, 0, 0, 1, 0],
        [0, 0, 1, 1, 0, 0],
        [1, 0, 0, 0, 1, 0],
        [0, 1, 0, 0, 1, 0],
        [0, 0, 1, 0, 1, 0],
    ]
)
DIAGONAL = picture([[1, -1, -1], [-1, 1, -1], [-1, -1, 1]])


def test_a_diagonal_filter_answers_3_where_it_meets_its_diagonal() -> None:
    """Top left: the window holds the diagonal 1 1 1 and nothing else, so the answer is 3."""
    y = rows(correlate(SIX, DIAGONAL))
    assert y == [[3, -1, -3, -1], [-3, 1, 0, -3], [-3, -3, 0, 1], [3, -2, -2, -1]]
    assert rows(correlate(SIX, DIAGONAL, stride=3)) == [[3, -1], [3, -1]]


@pytest.mark.parametrize(
    ("stride", "padding", "output", "unread"),
    [(1, 0, 5, 0), (2, 0, 3, 0), (3, 0, 2, 1), (1, 1, 7, 0), (3, 1, 3, 0)],
)
def test_a_7_by_7_image_and_a_kernel_of_3(
    stride: int, padding: int, output: int, unread: int
) -> None:
    """(7 + 2p - 3) // s + 1 windows; stride 3 reads rows 0..5 and leaves one row and column."""
    y = correlate(ones(7, 7), ones(3, 3), stride=stride, padding=padding)
    assert y.shape == (1, 1, output, output)
    assert Window(3, stride, padding, padding).unread(7) == unread
    _, dx = pullback(y, np.ones((output, output)), y, y.node.inputs[0])
    reached = value(dx)[0, 0] > 0
    assert (~reached.any(axis=0)).sum() == (~reached.any(axis=1)).sum() == unread


def test_same_padding_with_ones_counts_the_pixels_under_the_window() -> None:
    y = rows(correlate(ones(3, 4), ones(3, 3), padding="same"))
    assert y == [[4, 6, 6, 4], [6, 9, 9, 6], [4, 6, 6, 4]]


FOUR = picture([[1, 3, 2, 1], [4, 2, 0, 5], [7, 0, 1, 2], [3, 6, 4, 8]])


def test_max_pooling_sends_the_sensitivity_to_the_maximum() -> None:
    y = max_pool2d(FOUR, 2)
    assert rows(y) == [[4, 5], [7, 8]]
    (dx,) = pullback(y, [[10, 20], [30, 40]], FOUR)
    assert rows(dx) == [[0, 0, 0, 0], [10, 0, 0, 20], [30, 0, 0, 0], [0, 0, 0, 40]]


def test_mean_pooling_shares_the_sensitivity_out() -> None:
    y = avg_pool2d(FOUR, 2)
    assert rows(y) == [[2.5, 2], [4, 3.75]]  # 10/4, 8/4, 16/4, 15/4
    (dx,) = pullback(y, [[10, 20], [30, 40]], FOUR)
    assert rows(dx) == [[2.5, 2.5, 5, 5]] * 2 + [[7.5, 7.5, 10, 10]] * 2


def test_overlapping_windows_add_their_sensitivities() -> None:
    """The 9 is the maximum of all four windows."""
    x = picture([[1, 2, 3], [4, 9, 5], [6, 7, 8]])
    y = max_pool2d(x, 2, stride=1)
    assert rows(y) == [[9, 9], [9, 9]]
    assert rows(pullback(y, [[1, 2], [3, 4]], x)[0]) == [[0, 0, 0], [0, 10, 0], [0, 0, 0]]


def test_ceil_mode_keeps_the_last_row_and_column() -> None:
    x = picture(np.arange(1, 26).reshape(5, 5))
    assert rows(max_pool2d(x, 2)) == [[7, 9], [17, 19]]
    assert rows(max_pool2d(x, 2, ceil_mode=True)) == [[7, 9, 10], [17, 19, 20], [22, 24, 25]]
    assert rows(avg_pool2d(x, 2, ceil_mode=True))[2] == [21.5, 23.5, 25]


def test_max_unpooling_and_nearest_upsampling_undo_pooling_differently() -> None:
    """Unpooling remembers the places; upsampling repeats the values. At the places they agree."""
    y, indices = max_pool2d(FOUR, 2, return_indices=True)
    assert rows(indices) == [[4, 7], [8, 15]]
    unpooled, upsampled = max_unpool2d(y, indices, 4), upsample2d(y, 2)
    assert rows(unpooled) == [[0, 0, 0, 0], [4, 0, 0, 5], [7, 0, 0, 0], [0, 0, 0, 8]]
    assert rows(upsampled) == [[4, 4, 5, 5], [4, 4, 5, 5], [7, 7, 8, 8], [7, 7, 8, 8]]
    places = value(unpooled) > 0
    assert (value(unpooled) == value(upsampled) * places).all()
    assert rows(max_pool2d(unpooled, 2)) == rows(max_pool2d(upsampled, 2)) == rows(y)
    (from_unpooled,) = pullback(unpooled, np.arange(16).reshape(4, 4), y)
    assert rows(from_unpooled) == [[4, 7], [8, 15]]  # read at the places
    (from_upsampled,) = pullback(upsampled, np.arange(16).reshape(4, 4), y)
    assert rows(from_upsampled) == [[10, 18], [42, 50]]  # 0+1+4+5, 2+3+6+7, ...


NINE = picture([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
TWO = picture([[1, 2], [3, 4]])


def test_the_weight_gradient_sums_input_patches_times_output_gradients() -> None:
    """1·[1 2; 4 5] + 2·[2 3; 5 6] + 3·[4 5; 7 8] + 4·[5 6; 8 9]."""
    weight = picture([[0.5, -1], [2, 0]])  # its values do not matter
    (dw,) = pullback(correlate(NINE, weight), [[1, 2], [3, 4]], weight)
    assert rows(dw) == [[1 + 4 + 12 + 20, 2 + 6 + 15 + 24], [4 + 10 + 21 + 32, 5 + 12 + 24 + 36]]
    assert rows(dw) == [[37, 47], [67, 77]]


def test_the_bias_gradient_is_the_sum_of_the_sensitivity_map() -> None:
    y = conv2d(NINE, 1, 2, weight=TWO)
    (db,) = pullback(y, [[1, 2], [3, 4]], y.node.inputs[2])
    assert value(db).tolist() == [1 + 2 + 3 + 4]


def test_the_input_gradient_is_the_full_convolution_with_the_rotated_filter() -> None:
    """Sensitivities 1 2; 3 4 in a border of zeros, under the filter 4 3; 2 1."""
    (dx,) = pullback(correlate(NINE, TWO), [[1, 2], [3, 4]], NINE)
    assert rows(dx) == [[1, 4, 4], [6, 20, 16], [9, 24, 16]]
    padded = picture([[0, 0, 0, 0], [0, 1, 2, 0], [0, 3, 4, 0], [0, 0, 0, 0]])
    rotated = picture([[4, 3], [2, 1]])
    assert rows(correlate(padded, rotated)) == rows(dx)


def test_flip_kernel_is_the_convolution_of_mathematics() -> None:
    """A single bright pixel convolved with a kernel paints the kernel; correlated, its rotation."""
    impulse = np.zeros((5, 5))
    impulse[2, 2] = 1
    x, rotated = picture(impulse), picture([[9, 8, 7], [6, 5, 4], [3, 2, 1]])
    assert rows(correlate(x, NINE, flip_kernel=True)) == rows(NINE)
    assert rows(correlate(x, NINE)) == rows(rotated)
    assert rows(correlate(SIX, NINE, flip_kernel=True)) == rows(correlate(SIX, rotated))


def test_zeros_inserted_then_convolved() -> None:
    """3 by 3, stride 2 and border 1: 7 by 7; then the sums of all windows of 3 by 3: 5 by 5."""
    spread = zero_insert2d(NINE, 2, border=1)
    assert rows(spread)[:4] == [
        [0, 0, 0, 0, 0, 0, 0],
        [0, 1, 0, 2, 0, 3, 0],
        [0, 0, 0, 0, 0, 0, 0],
        [0, 4, 0, 5, 0, 6, 0],
    ]
    assert spread.shape == (1, 1, 7, 7)
    assert rows(correlate(spread, ones(3, 3))) == [
        [1, 3, 2, 5, 3],
        [5, 12, 7, 16, 9],
        [4, 9, 5, 11, 6],
        [11, 24, 13, 28, 15],
        [7, 15, 8, 17, 9],
    ]


def transposed(x: Value, kernel: Value, **options: Any) -> Value:
    sizes = kernel.shape[2:]
    return conv_transpose2d(x, 1, sizes, weight=kernel, bias=False, **options)  # type: ignore[arg-type]


def test_a_transposed_convolution_paints_the_kernel_at_every_pixel() -> None:
    """Stride 2 and a kernel of 2: the copies touch and do not overlap."""
    y = rows(transposed(TWO, TWO, stride=2))
    assert y == [[1, 2, 2, 4], [3, 4, 6, 8], [3, 6, 4, 8], [9, 12, 12, 16]]


@pytest.mark.parametrize("padding", [0, 1, 2])
def test_the_two_deconvolutions_agree_with_border_and_rotation(padding: int) -> None:
    """border = kernel - 1 - padding, and the kernel rotated by 180°."""
    kernel = picture([[1, 2, 3], [4, 5, 6], [7, 8, 10]])
    y = transposed(NINE, kernel, stride=2, padding=padding)
    spread = zero_insert2d(NINE, 2, border=3 - 1 - padding)
    assert y.shape == (1, 1, 7 - 2 * padding, 7 - 2 * padding)
    assert rows(y) == rows(correlate(spread, kernel, flip_kernel=True))
    assert rows(transposed(NINE, kernel, stride=2, padding=padding, flip_kernel=True)) == rows(
        correlate(spread, kernel)
    )


def test_the_two_deconvolutions_differ_without_the_rotation_or_the_border() -> None:
    """A kernel that looks the same when rotated needs no rotation, but the border it does need."""
    lopsided, symmetric = picture([[1, 2, 3], [4, 5, 6], [7, 8, 10]]), ones(3, 3)
    wide, narrow = zero_insert2d(NINE, 2, border=2), zero_insert2d(NINE, 2, border=1)
    assert rows(transposed(NINE, lopsided, stride=2)) != rows(correlate(wide, lopsided))
    assert rows(transposed(NINE, symmetric, stride=2)) == rows(correlate(wide, symmetric))
    assert correlate(narrow, symmetric).shape != transposed(NINE, symmetric, stride=2).shape


def test_the_two_deconvolutions_agree_in_colour_with_swapped_channels() -> None:
    """The transposed form's weight is (in, out); the convolution's is (out, in)."""
    rng = np.random.default_rng(3)
    x = constant(rng.normal(size=(2, 3, 4, 3)))
    weight = rng.normal(size=(3, 2, 3, 2))
    y = conv_transpose2d(x, 2, (3, 2), stride=(2, 3), weight=constant(weight), bias=False)
    spread = zero_insert2d(x, (2, 3), border=(2, 2, 1, 1))
    swapped = constant(np.ascontiguousarray(weight.swapaxes(0, 1)))
    z = conv2d(spread, 2, (3, 2), weight=swapped, bias=False, flip_kernel=True)
    np.testing.assert_allclose(value(y), value(z), atol=1e-12)


def test_features_of_plus_and_minus_one_averaged_over_nine_pixels() -> None:
    """A perfect match of all nine pixels is exactly 1, a perfect mismatch exactly -1."""
    x = np.full((9, 9), -1.0)
    for i in range(1, 8):
        x[i, i] = x[i, 8 - i] = 1
    falling = np.where(np.eye(3, dtype=bool), 1, -1)
    rising = falling[:, ::-1]
    centre = np.maximum(falling, rising)
    for feature, places in (
        (falling, [[1, 1], [2, 2], [4, 4], [5, 5]]),
        (rising, [[1, 5], [2, 4], [4, 2], [5, 1]]),
        (centre, [[3, 3]]),
    ):
        y = value(correlate(picture(x), picture(feature)) / 9)[0, 0]
        assert np.argwhere(y == 1).tolist() == places and y.max() == 1
        negative = value(correlate(picture(-x), picture(feature)) / 9)[0, 0]
        assert np.argwhere(negative == -1).tolist() == places and negative.min() == -1
    first = value(correlate(picture(x), picture(falling)) / 9)[0, 0, 0]
    np.testing.assert_array_equal(first * 9, [7, -1, 1, 3, 5, -1, 3])
