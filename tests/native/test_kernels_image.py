"""Native code of pooling, unpooling, padding, resampling and batch normalisation."""

from typing import Any

import numpy as np
import pytest
from native import run_kernel
from native.run_kernel import check_results, check_sample, has_kernel, run_node
from samples import Sample, norm, padding, pool, resample
from support.cases import each

from graphcnn.errors import GraphError
from graphcnn.ir.node import Op, build
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.norm import BatchNorm, BatchNormGrad, BatchNormTrain, GroupNorm, GroupNormGrad
from graphcnn.ops.padding import Pad2d, Pad2dGrad
from graphcnn.ops.pool import (
    AvgPool2d,
    AvgPool2dGrad,
    GlobalAvgPool2d,
    MaxPool2d,
    MaxPool2dGrad,
    MaxPool2dPick,
)
from graphcnn.ops.resample import Upsample2d, Upsample2dGrad, ZeroInsert2d
from graphcnn.ops.unpool import MaxUnpool2d, MaxUnpool2dGrad
from graphcnn.runtime.native.code.registry import lower
from graphcnn.runtime.native.code.target import host, named
from graphcnn.runtime.native.kernels.parts.pixel_rows import MAX_STEP
from graphcnn.runtime.native.kernels.parts.pool_reach import MAX_TAPS

SAMPLES = [*pool.SAMPLES, *padding.SAMPLES, *resample.SAMPLES, *filter(has_kernel, norm.SAMPLES)]
TARGETS = ("host", "sse2", "avx2")
#: float64 takes the same paths with half the lanes: once is enough.
KINDS = [*((np.float32, target) for target in TARGETS), (np.float64, "host")]
OVERLAP = dict(kernel=(3, 3), stride=(2, 2), padding=(1, 1, 1, 1))


def _target(name: str) -> Any:
    return host() if name == "host" else named(name)


def _node(op: Op, *arrays: np.ndarray) -> Any:
    values = [
        Input(f"x{i}", TensorType(a.shape, DType.of(a.dtype)))() for i, a in enumerate(arrays)
    ]
    return build(op, values)


def _check(op: Op, *arrays: np.ndarray, target: str = "host", parts: int = 1) -> None:
    node = _node(op, *arrays)
    with np.errstate(all="ignore"):
        expected = op.evaluate(*arrays)
    check_results(node, run_node(node, arrays, _target(target), parts), expected)


def _outputs(op: Any, image: tuple[int, ...]) -> tuple[int, ...]:
    return (*image[:2], *op.pooled(image[2:]))


@each((sample, *kind) for sample in SAMPLES for kind in KINDS)
def test_samples(sample: Sample, dtype: Any, target: str) -> None:
    for parts in (1, 2, 3):
        check_sample(sample, dtype, parts, _target(target))


@each(SAMPLES[::7])
def test_code_for_neon(sample: Sample) -> None:
    check_sample(sample, np.float32, 1, named("neon"))


WINDOWS: list[tuple[dict[str, Any], tuple[int, int, int, int]]] = [
    (dict(kernel=(2, 2), stride=(2, 2)), (1, 3, 33, 67)),
    (dict(kernel=(2, 2), stride=(2, 2)), (2, 1, 64, 70)),
    (dict(kernel=(3, 3), stride=(2, 2)), (1, 2, 41, 79)),
    (OVERLAP, (1, 2, 40, 76)),
    (dict(kernel=(3, 3), stride=(1, 1), padding=(1, 1, 1, 1)), (1, 2, 9, 53)),
    (dict(kernel=(3, 3), stride=(3, 3)), (1, 2, 13, 101)),
    (dict(kernel=(4, 4), stride=(4, 4)), (1, 2, 17, 139)),
    (dict(kernel=(2, 5), stride=(3, 4), padding=(1, 0, 4, 2), ceil_mode=True), (1, 2, 17, 90)),
    (dict(kernel=(2, 3), stride=(1, 2), dilation=(3, 5), padding=(2, 1, 3, 4)), (1, 2, 11, 83)),
    (dict(kernel=(1, 9), stride=(1, 1)), (1, 2, 3, 47)),  # a row of taps that is not unrolled
    (dict(kernel=(8, 8), stride=(8, 8)), (2, 3, 16, 24)),  # too large to gather
    (dict(kernel=(2, 2), stride=(5, 5)), (1, 2, 14, 99)),  # steps too wide to gather
    (dict(kernel=(7, 7), stride=(7, 7)), (3, 5, 7, 7)),
    (dict(kernel=(13, 13), stride=(1, 1), padding=(6, 6, 6, 6)), (1, 1, 13, 17)),
]


@pytest.mark.parametrize("dtype, target", KINDS)
@pytest.mark.parametrize("window, image", WINDOWS, ids=str)
def test_pooling_of_odd_sizes(
    window: dict[str, Any], image: tuple[int, ...], dtype: Any, target: str
) -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(-9, 9, image).astype(dtype)  # many ties
    op = MaxPool2d(**window)
    dy = rng.standard_normal(_outputs(op, image)).astype(dtype)
    _check(op, x, target=target, parts=2)
    _check(MaxPool2dGrad(**window), x, dy, target=target, parts=2)
    mean = AvgPool2d(**window, count_include_pad=target == "host")
    _check(mean, x, target=target, parts=2)
    _check(AvgPool2dGrad(**mean.attributes, size=image[2:]), dy, target=target, parts=2)
    if target == "host":
        _check(MaxPool2d(**window, indices=True), x, target=target, parts=2)
        _check(MaxPool2dPick(**window), x, rng.standard_normal(image).astype(dtype), target=target)


def test_windows_of_every_path() -> None:
    sizes = [(w["kernel"], max(w["stride"])) for w, _ in WINDOWS]
    assert any(kernel[0] * kernel[1] > MAX_TAPS for kernel, _ in sizes)
    assert any(stride > MAX_STEP for _, stride in sizes)
    assert any(1 < stride <= MAX_STEP for _, stride in sizes)


@pytest.mark.parametrize("window", [w for w, _ in WINDOWS[:5]], ids=str)
@pytest.mark.parametrize("target", TARGETS)
def test_maxima_of_special_values(window: dict[str, Any], target: str) -> None:
    """NaN wins, the first of equals wins, windows of -inf have a maximum, denormals count."""
    rng = np.random.default_rng(2)
    special = np.array([np.nan, np.inf, -np.inf, 0.0, 1e-42, -1e-42, 2e-42, 1.0], np.float32)
    for choice in (special, special[1:], special[2:7], special[2:3]):
        x = rng.choice(choice, (1, 2, 24, 70)).astype(np.float32)
        op = MaxPool2d(**window)
        dy = rng.standard_normal(_outputs(op, x.shape)).astype(np.float32)
        _check(op, x, target=target)
        _check(MaxPool2d(**window, indices=True), x, target=target)
        _check(MaxPool2dGrad(**window), x, dy, target=target)
        _check(MaxPool2dPick(**window), x, x, target=target)


def test_a_gradient_that_is_not_finite_reaches_its_pixel_only() -> None:
    x = np.arange(64, dtype=np.float32).reshape(1, 1, 8, 8)
    dy = np.full((1, 1, 4, 4), np.nan, np.float32)
    dy[0, 0, 1] = np.inf
    _check(MaxPool2dGrad((2, 2), (2, 2)), x, dy)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.float32])
@pytest.mark.parametrize("mode", ["constant", "reflect", "edge"])
def test_padding_of_every_type(mode: str, dtype: Any) -> None:
    x = np.random.default_rng(3).integers(0, 99, (2, 3, 11, 37)).astype(dtype)
    for value in (0, 7) if mode == "constant" else (0,):
        _check(Pad2d((2, 1, 3, 5), mode, value), x, parts=3)


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge"])
def test_gradient_of_padding(mode: str) -> None:
    dy = np.random.default_rng(4).standard_normal((2, 2, 14, 45)).astype(np.float32)
    _check(Pad2dGrad((2, 1, 3, 5), mode), dy, parts=3)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("scale", [(1, 1), (2, 2), (2, 3), (3, 4), (1, 5)])
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_upsampling_of_odd_sizes(mode: str, scale: tuple[int, int], target: str) -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((1, 2, 5, 37)).astype(np.float32)
    dy = rng.standard_normal((1, 2, 5 * scale[0], 37 * scale[1])).astype(np.float32)
    for corners in (False, True)[: 1 + (mode == "bilinear")]:
        _check(Upsample2d(scale, mode, corners), x, target=target, parts=2)
        _check(Upsample2dGrad(scale, mode, corners), dy, target=target, parts=2)
    _check(ZeroInsert2d(scale, (1, 0, 2, 3)), x, target=target, parts=2)


def test_places_outside_of_the_image_write_nothing() -> None:
    x = np.ones((1, 1, 1, 4), np.float32)
    places = np.array([[[[0, -1, 6, 1 << 40]]]])
    node = _node(MaxUnpool2d((2, 3)), x, places)
    (y,) = run_node(node, (x, places))
    assert y.ravel().tolist() == [1, 0, 0, 0, 0, 0]
    dy = np.ones((1, 1, 2, 3), np.float32)
    (dx,) = run_node(_node(MaxUnpool2dGrad(), dy, places), (dy, places))
    assert np.isnan(dx.ravel()).tolist() == [False, True, True, True]


NORM_SHAPES = [
    (33, 67),
    (64, 48),
    (1, 3),
    (17, 5, 7, 7),
    (3, 2, 41, 53),
    (64, 3, 2, 2),
    (9, 16, 1, 1),
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("shape", NORM_SHAPES, ids=str)
def test_batch_norm_of_odd_sizes(shape: tuple[int, ...], target: str) -> None:
    rng = np.random.default_rng(6)
    for dtype in (np.float32, np.float64):
        x, dy = (rng.standard_normal(shape).astype(dtype) for _ in range(2))
        gamma, beta, mean = (rng.standard_normal(shape[1]).astype(dtype) for _ in range(3))
        variance = rng.uniform(0.5, 2, shape[1]).astype(dtype)
        _check(BatchNorm(1e-3), x, gamma, beta, mean, variance, target=target, parts=3)
        _check(BatchNormTrain(1e-3), x, gamma, beta, target=target, parts=3)
        _check(BatchNormGrad(1e-3), x, gamma, mean, variance, dy, target=target, parts=3)


@pytest.mark.parametrize("shape", [(3, 12, 17, 29), (40, 96, 5), (130, 128)], ids=str)
def test_group_norm_of_many_numbers_far_from_zero(shape: tuple[int, ...]) -> None:
    """As exact as in float64, and the same bits for any number of threads."""
    rng = np.random.default_rng(5)
    x, dy = (rng.standard_normal(shape) + mean for mean in (300.0, 0.0))
    gamma, beta = rng.standard_normal((2, shape[1]))
    for op, *given in ((GroupNorm(4), x, gamma, beta), (GroupNormGrad(4), x, gamma, dy)):
        arrays = [a.astype(np.float32) for a in given]
        node = _node(op, *arrays)
        assert lower(node, host()).units == 4 * shape[0]
        found, *others = (run_node(node, arrays, host(), parts) for parts in (1, 2, 3))
        exact = op.evaluate(*(a.astype(np.float64) for a in arrays))
        results = exact if isinstance(exact, tuple) else (exact,)
        check_results(node, found, tuple(a.astype(np.float32) for a in results))
        for other in others:
            assert all(map(np.array_equal, found, other))


@pytest.mark.parametrize("outlier", [0.0, 1e5])
def test_statistics_of_a_mean_far_from_zero(outlier: float) -> None:
    """Mean 1000 and deviation 1; then with one image, the first, far away from the rest."""
    rng = np.random.default_rng(7)
    x = (1000 + rng.standard_normal((3000, 4, 3, 5))).astype(np.float32)
    x[0] += outlier
    ones, zeros = np.ones(4, np.float32), np.zeros(4, np.float32)
    found = run_node(_node(BatchNormTrain(), x, ones, zeros), (x, ones, zeros))
    wide = BatchNormTrain().evaluate(x.astype(float), ones.astype(float), zeros.astype(float))
    for a, b in zip(found, wide, strict=True):
        assert np.abs(a - b).max() <= 5e-6 * np.abs(b).max()


def test_statistics_of_equal_values() -> None:
    """The variance of equal values is 0, or nearly: never below."""
    values = np.random.default_rng(10).uniform(-9, 9, 96).astype(np.float32)
    values[:3] = 0.0, -3e15, 1e-40
    x = np.broadcast_to(values[:, None, None], (7, 96, 5, 3)).copy()
    ones, zeros = np.ones(96, np.float32), np.zeros(96, np.float32)
    _, mean, variance = run_node(_node(BatchNormTrain(), x, ones, zeros), (x, ones, zeros))
    assert np.allclose(mean, values, rtol=1e-6)
    assert (variance >= 0).all() and (np.sqrt(variance) <= 1e-6 * np.abs(values)).all()


@pytest.mark.parametrize("image", [0, 8])  # within the eighth that the shift comes from, and after
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_batch_norm_of_special_values(special: float, image: int) -> None:
    """One value that is not finite spoils its channel, as in the definition, and no other."""
    x = np.random.default_rng(8).standard_normal((9, 3, 5, 7)).astype(np.float32)
    x[image, 1, 4, 6] = special
    ones, zeros = np.ones(3, np.float32), np.zeros(3, np.float32)
    _check(BatchNormTrain(), x, ones, zeros)
    _check(BatchNormGrad(), x, ones, zeros, ones, np.ones_like(x))
    _check(BatchNorm(), x, ones, zeros, zeros, ones)


def test_global_average_of_odd_sizes() -> None:
    rng = np.random.default_rng(9)
    for size in ((1, 1), (1, 3), (7, 7), (13, 31), (8, 8), (64, 65)):
        _check(GlobalAvgPool2d(), rng.standard_normal((3, 5, *size)).astype(np.float32), parts=3)


def test_float16_is_refused() -> None:
    x = Input("x", TensorType((1, 2, 4, 4), DType.FLOAT16))()
    for op in (MaxPool2d((2, 2), (2, 2)), GlobalAvgPool2d(), Upsample2d(), Pad2d((1, 1, 1, 1))):
        with pytest.raises(GraphError, match=r"of f16 .*has no native code"):
            lower(build(op, (x,)), host())


@pytest.mark.parametrize("window", [OVERLAP, dict(kernel=(2, 2), stride=(3, 3))], ids=str)
def test_scratch_that_another_kernel_has_used(
    window: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its numbers look like winners and gradients; none of them shows."""

    class Used(run_kernel.Guarded):
        def __init__(self, size: int, what: str) -> None:
            super().__init__(size, what)
            if what == "scratch":
                self.content.view(np.float32)[:] = 1.0

    monkeypatch.setattr(run_kernel, "Guarded", Used)
    x = np.random.default_rng(11).standard_normal((2, 2, 8, 18)).astype(np.float32)
    dy = np.ones(_outputs(MaxPool2d(**window), x.shape), np.float32)
    _check(MaxPool2dGrad(**window), x, dy)
    _check(AvgPool2dGrad(**MaxPool2d(**window).window, size=x.shape[2:]), dy)
    ones, zeros = np.ones(2, np.float32), np.zeros(2, np.float32)
    _check(BatchNormTrain(), x, ones, zeros)
