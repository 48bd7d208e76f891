"""Pooling, unpooling and resampling: ties, NaN, ceil mode, padding, and transposed pairs."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from samples import Sample, pool, resample

from graphcnn.errors import DataError, GraphError
from graphcnn.ir.geometry import Window
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.language.image import pad2d, upsample2d, zero_insert2d
from graphcnn.language.pool import avg_pool2d, global_avg_pool2d, max_pool2d, max_unpool2d
from graphcnn.language.sources import constant, input
from graphcnn.ops.parts.unfold import covered, taps
from graphcnn.ops.pool import (
    AvgPool2d,
    AvgPool2dGrad,
    MaxPool2d,
    MaxPool2dGrad,
    MaxPool2dPick,
)
from graphcnn.ops.resample import Upsample2d, Upsample2dGrad, ZeroInsert2d
from graphcnn.ops.unpool import MaxUnpool2d, MaxUnpool2dGrad

NAN, INF = np.nan, np.inf


def image(*rows: list[float]) -> np.ndarray:
    """One grey picture (1, 1, H, W)."""
    return np.array([[rows]], np.float64)


def of(kind: type, items: list[Sample]) -> list[Sample]:
    return [s for s in items if type(s.op) is kind]


def by_hand(op: Any, x: np.ndarray, reduce: Callable[[list[float], int], float]) -> np.ndarray:
    """Each window's pixels as a list, with the count of its taps inside the padded image."""
    (h, w), (a, b) = x.shape[2:], op.windows
    y = np.zeros((*x.shape[:2], *op.pooled((h, w))))
    for n, c, i, j in np.ndindex(*y.shape):
        inside, padded = [], 0
        for u, v in np.ndindex(op.kernel):
            row = i * a.stride - a.before + u * a.dilation
            column = j * b.stride - b.before + v * b.dilation
            padded += row < h + a.after and column < w + b.after
            if 0 <= row < h and 0 <= column < w:
                inside.append(x[n, c, row, column])
        y[n, c, i, j] = reduce(inside, padded)
    return y


@pytest.mark.parametrize("sample", of(MaxPool2d, pool.SAMPLES), ids=repr)
def test_max_pool_equals_a_loop_over_windows(sample: Sample) -> None:
    (x,) = sample.arrays()
    y = sample.op.evaluate(x)
    expected = by_hand(sample.op, x, lambda inside, padded: max(inside))
    if sample.op.indices:
        y, indices = y
        flat = x.reshape(*x.shape[:2], -1)
        picked = np.take_along_axis(flat, indices.reshape(*x.shape[:2], -1), axis=2)
        np.testing.assert_array_equal(picked.reshape(y.shape), expected)
    np.testing.assert_array_equal(y, expected)


@pytest.mark.parametrize("sample", of(AvgPool2d, pool.SAMPLES), ids=repr)
def test_avg_pool_equals_a_loop_over_windows(sample: Sample) -> None:
    (x,) = sample.arrays()
    include = sample.op.count_include_pad
    expected = by_hand(
        sample.op, x, lambda inside, padded: sum(inside) / (padded if include else len(inside))
    )
    np.testing.assert_allclose(sample.op.evaluate(x), expected, rtol=1e-14)


def test_ties_go_to_the_first_maximum_row_by_row() -> None:
    x = image([1, 3, 5, 5], [3, 3, 5, 5])
    y, indices = MaxPool2d((2, 2), (2, 2), indices=True).evaluate(x)
    assert y.tolist() == [[[[3, 5]]]]
    assert indices.tolist() == [[[[1, 2]]]]
    dx = MaxPool2dGrad((2, 2), (2, 2)).evaluate(x, image([10, 20]))
    assert dx.tolist() == image([0, 10, 20, 0], [0, 0, 0, 0]).tolist()
    picked = MaxPool2dPick((2, 2), (2, 2)).evaluate(x, image([1, 2, 3, 4], [5, 6, 7, 8]))
    assert picked.tolist() == [[[[2, 3]]]]


def test_nan_wins_and_the_first_nan_gets_the_gradient() -> None:
    x = image([1, NAN, INF, 2], [NAN, 9, 7, 8])
    y, indices = MaxPool2d((2, 2), (2, 2), indices=True).evaluate(x)
    np.testing.assert_array_equal(y, image([NAN, INF]))
    assert indices.tolist() == [[[[1, 2]]]]
    dx = MaxPool2dGrad((2, 2), (2, 2)).evaluate(x, image([10, 20]))
    assert dx.tolist() == image([0, 10, 20, 0], [0, 0, 0, 0]).tolist()


def test_infinite_sensitivities_stay_where_they_belong() -> None:
    dx = MaxPool2dGrad((2, 2), (2, 2)).evaluate(image([1, 2], [3, 4]), image([INF]))
    assert dx.tolist() == image([0, 0], [0, INF]).tolist()


@pytest.mark.parametrize("lowest", [-5.0, -INF])
def test_padding_is_never_the_maximum(lowest: float) -> None:
    x = np.full((1, 1, 2, 2), lowest)
    op = MaxPool2d((2, 2), (2, 2), (1, 1, 1, 1), indices=True)
    y, indices = op.evaluate(x)
    assert y.tolist() == x.tolist()
    assert indices.tolist() == [[[[0, 1], [2, 3]]]]
    dx = MaxPool2dGrad(*op.window.values()).evaluate(x, np.ones((1, 1, 2, 2)))
    assert dx.tolist() == np.ones((1, 1, 2, 2)).tolist()


def test_ceil_mode_keeps_the_partial_window() -> None:
    """1..5 in windows of 2: floor gives 2 windows and leaves 5 unread, ceil gives 3."""
    x = image([1, 2, 3, 4, 5])
    assert MaxPool2d((1, 2), (1, 2)).evaluate(x).tolist() == [[[[2, 4]]]]
    assert MaxPool2d((1, 2), (1, 2), ceil_mode=True).evaluate(x).tolist() == [[[[2, 4, 5]]]]
    assert AvgPool2d((1, 2), (1, 2), ceil_mode=True).evaluate(x).tolist() == [[[[1.5, 3.5, 5]]]]


def test_a_ceil_window_that_starts_in_the_padding_behind_the_image_is_dropped() -> None:
    """Size 3, padding 1 + 1, windows of 2: the third would start at pixel 3, past the image."""
    op = MaxPool2d((1, 2), (1, 2), (0, 0, 1, 1), ceil_mode=True)
    assert op.evaluate(image([1, 2, 3])).tolist() == [[[[1, 3]]]]
    assert Window(2, 2, 1, 1, ceil=True).output(3) == 2
    wider = AvgPool2d((1, 3), (1, 2), (0, 0, 1, 1), ceil_mode=True)
    assert wider.evaluate(image([1, 2, 3, 4])).tolist() == [[[[1.5, 3, 4]]]]


def test_the_overhang_of_ceil_mode_never_counts_and_padding_counts_on_request() -> None:
    """Row 0 1 2 3 4 0 of four pixels with padding; the last window of 3 hangs over by one."""
    x = image([1, 2, 3, 4])
    counted = AvgPool2d((1, 3), (1, 2), (0, 0, 1, 1), ceil_mode=True, count_include_pad=True)
    expected = [(0 + 1 + 2) / 3, (2 + 3 + 4) / 3, (4 + 0) / 2]
    np.testing.assert_allclose(counted.evaluate(x)[0, 0, 0], expected)


def test_taps_of_dilated_windows_may_all_miss_the_image() -> None:
    x = constant(np.zeros((1, 1, 1, 4), np.float32))
    with pytest.raises(GraphError, match="height 1 is smaller than the dilation 2"):
        max_pool2d(x, (2, 1), dilation=(2, 1), padding=(1, 1, 0, 0))
    assert covered(3, Window(2, 1, 1, 1, 2)).tolist() == [1, 2, 1]
    assert covered(3, Window(2, 1, 1, 1, 2), 1, 1).tolist() == [2, 2, 2]


def test_a_dilated_window_may_skip_more_padding_than_it_has_taps() -> None:
    """Two taps 3 apart, 3 pixels of padding: the first window reads pixel 0 with its last tap."""
    x = image([1, 5, 2, 4])
    op = MaxPool2d((1, 2), (1, 1), (0, 0, 3, 0), (1, 3))
    assert op.evaluate(x).tolist() == [[[[1, 5, 2, 4]]]]
    mean = AvgPool2d(*op.window.values(), count_include_pad=True)
    assert mean.evaluate(x).tolist() == [[[[0.5, 2.5, 1, 2.5]]]]


def test_taps_that_only_read_padding_are_empty() -> None:
    regions = list(taps((1, 1), (Window(3, 1, 2, 2), Window(1))))
    assert [(p[1], o[1]) for p, o in regions] == [
        (slice(0, 1, 1), slice(2, 3)),
        (slice(0, 1, 1), slice(1, 2)),
        (slice(0, 1, 1), slice(0, 1)),
    ]
    far = list(taps((1, 1), (Window(2, 1, 0, 3, 2), Window(1))))[1]
    assert np.zeros((1, 1))[far[0]].size == 0 == np.zeros((2, 1))[far[1]].size


def test_unpooling_sums_values_that_share_a_place() -> None:
    places = np.array([[[[4, 4], [0, 8]]]])
    y = MaxUnpool2d((3, 3)).evaluate(image([1, 2], [3, 4]), places)
    assert y.tolist() == image([3, 0, 0], [0, 3, 0], [0, 0, 4]).tolist()
    dx = MaxUnpool2dGrad().evaluate(image([1, 2, 3], [4, 5, 6], [7, 8, 9]), places)
    assert dx.tolist() == image([5, 5], [1, 9]).tolist()


def test_unpooling_keeps_images_apart() -> None:
    x = np.arange(1.0, 5.0).reshape(2, 2, 1, 1)
    y = MaxUnpool2d((1, 2)).evaluate(x, np.array([0, 1, 1, 0]).reshape(2, 2, 1, 1))
    assert y.reshape(4, 2).tolist() == [[1, 0], [0, 2], [0, 3], [4, 0]]


@pytest.mark.parametrize("other", [(2, 3), (2, 5), (1, 4), (3, 4)])
def test_unpooling_backwards_needs_the_same_images(other: tuple[int, int]) -> None:
    with pytest.raises(GraphError, match="dy and indices must agree in N and C"):
        MaxUnpool2dGrad().infer(TensorType((2, 4, 6, 6)), TensorType((*other, 3, 3), DType.INT64))


@pytest.mark.parametrize("place", [-1, 4])
def test_an_index_outside_the_image_is_named(place: int) -> None:
    indices = np.array([[[[0, place]]]])
    message = re.escape(f"(0, 0, 0, 1) is {place}; an image of 2 by 2 has the places 0 to 3")
    with pytest.raises(DataError, match=message):
        MaxUnpool2d((2, 2)).evaluate(image([1, 2]), indices)
    with pytest.raises(DataError, match=message):
        MaxUnpool2dGrad().evaluate(image([1, 2], [3, 4]), indices)


def test_bilinear_half_pixel_and_aligned_corners() -> None:
    """Two pixels 0 and 4, doubled: centres at -1/4, 1/4, 3/4, 5/4, or at thirds."""
    x = image([0, 4])
    half = Upsample2d((1, 2), "bilinear").evaluate(x)
    assert half.tolist() == [[[[0, 1, 3, 4]]]]
    aligned = Upsample2d((1, 2), "bilinear", True).evaluate(image([0, 3]))
    np.testing.assert_allclose(aligned, image([0, 1, 2, 3]))


def adjoint(forward: Any, backward: Any, shape_x: tuple[int, ...]) -> None:
    """<A x, y> = <x, Aᵀ y> for random x and y."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=shape_x)
    ax = forward(x)
    y = rng.normal(size=ax.shape)
    np.testing.assert_allclose(np.sum(ax * y), np.sum(x * backward(y)), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("sample", of(MaxPool2dPick, pool.SAMPLES), ids=repr)
def test_max_pool_grad_is_the_transpose_of_pick(sample: Sample) -> None:
    x, g = sample.arrays()
    back = MaxPool2dGrad(**sample.op.attributes)
    adjoint(lambda g: sample.op.evaluate(x, g), lambda dy: back.evaluate(x, dy), g.shape)
    np.testing.assert_array_equal(
        sample.op.evaluate(x, x), MaxPool2d(**sample.op.attributes).evaluate(x)
    )


def backward_op(sample: Sample) -> Any:
    """The operator that the gradient of a linear operator of one image applies to dy."""
    y = sample.op(constant(sample.arrays()[0]))
    (dx,) = sample.op.gradient(y.node, y)
    return dx.node.op


LINEAR = (AvgPool2d, AvgPool2dGrad, Upsample2d, Upsample2dGrad, ZeroInsert2d)


@pytest.mark.parametrize(
    "sample", [s for s in pool.SAMPLES + resample.SAMPLES if type(s.op) in LINEAR], ids=repr
)
def test_the_gradient_of_a_linear_operator_is_its_transpose(sample: Sample) -> None:
    (x,) = sample.arrays()
    adjoint(sample.op.evaluate, backward_op(sample).evaluate, x.shape)


@pytest.mark.parametrize("sample", of(MaxUnpool2d, pool.SAMPLES), ids=repr)
def test_max_unpool_grad_is_the_transpose_of_max_unpool(sample: Sample) -> None:
    x, indices = sample.arrays()
    adjoint(
        lambda x: sample.op.evaluate(x, indices),
        lambda dy: MaxUnpool2dGrad().evaluate(dy, indices),
        x.shape,
    )


def test_the_language_infers_types_with_a_free_batch() -> None:
    x = input("image", (3, 9, 9))
    y, indices = max_pool2d(x, 3, stride=2, padding="same", return_indices=True, name="P")
    assert y.shape == indices.shape == (N, 3, 5, 5) and y.node.name == "P"
    assert y.node.op.padding == (1, 1, 1, 1)
    assert max_unpool2d(y, indices, 9).shape == x.shape
    assert max_pool2d(x, 2).shape == (N, 3, 4, 4)
    assert avg_pool2d(x, (2, 3), ceil_mode=True, padding="valid").shape == (N, 3, 5, 3)
    assert global_avg_pool2d(x).shape == (N, 3, 1, 1)
    assert pad2d(x, (1, 2), mode="edge").shape == (N, 3, 11, 13)
    assert zero_insert2d(x, (2, 3), border=(0, 1, 2, 3)).shape == (N, 3, 18, 30)
    assert upsample2d(x, (2, 1), mode="bilinear").shape == (N, 3, 18, 9)


def test_gradients_keep_the_batch_free() -> None:
    x = input("image", (3, 9, 9))
    y, indices = max_pool2d(x, 2, return_indices=True)
    for value in (
        y,
        max_unpool2d(y, indices, 9),
        avg_pool2d(x, 2, padding=1),
        global_avg_pool2d(x),
        zero_insert2d(x, 3, border=1),
        upsample2d(x, 2),
    ):
        dx = value.node.op.gradient(value.node, value)[0]
        assert dx is not None and dx.type == value.node.inputs[0].type
    assert y.node.op.gradient(y.node, None, None) == [None]


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_padding_without_a_window_has_no_names(padding: str) -> None:
    x = input("image", (1, 4, 4))
    with pytest.raises(GraphError, match=f"pad2d .*padding must be an int.*found '{padding}'"):
        pad2d(x, padding)  # type: ignore[arg-type]
    with pytest.raises(GraphError, match=f"zero_insert2d .*border must be an int.*'{padding}'"):
        zero_insert2d(x, border=padding)  # type: ignore[arg-type]


def test_errors_name_the_layer_and_the_line() -> None:
    x = input("image", (1, 4, 4))
    with pytest.raises(GraphError, match=r'max_pool2d "S2" \(test_image.py:\d+\): height pad'):
        max_pool2d(x, 2, padding=(2, 0, 0, 0), name="S2")
    with pytest.raises(GraphError, match=r'avg_pool2d "S2" \(test_image.py:\d+\): kernel must'):
        avg_pool2d(x, "2", name="S2")  # type: ignore[arg-type]
