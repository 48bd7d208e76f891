"""Image operators on blocked images: values, halos of zeros, and channels that fill no block."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from native.run_kernel import check_results, run_kernel

from graphcnn.ir.node import Node, build
from graphcnn.ir.sources import Input
from graphcnn.ir.storage import pack, storage_shape, unpack
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.layout import Placed
from graphcnn.ops.norm import BatchNorm, BatchNormGrad, BatchNormTrain
from graphcnn.ops.pool import AvgPool2d, AvgPool2dGrad, GlobalAvgPool2d, MaxPool2d, MaxPool2dGrad
from graphcnn.runtime.native.code.jit import compile_object
from graphcnn.runtime.native.code.registry import lower
from graphcnn.runtime.native.code.target import host, named

HALOS = ("", "+1,1,1,1", "+0,2,3,1")
WINDOWS: list[dict[str, Any]] = [
    dict(kernel=(2, 2), stride=(2, 2)),
    dict(kernel=(3, 3), stride=(2, 2), padding=(1, 1, 1, 1)),
    dict(kernel=(3, 3), stride=(1, 1), padding=(1, 1, 1, 1)),
    dict(kernel=(2, 3), stride=(3, 5), padding=(1, 0, 2, 0), ceil_mode=True),
    dict(kernel=(2, 9), stride=(1, 1), dilation=(2, 1)),
]


def _placed(op: Any, arrays: tuple[np.ndarray, ...], layouts: tuple[str, ...]) -> Node:
    """`op` over values of which the images, and what is not plain, lie in `layouts`."""
    values = [
        Input(f"x{i}", TensorType(a.shape, DType.of(a.dtype), layout))()
        for i, (a, layout) in enumerate(zip(arrays, layouts, strict=False))
    ]
    return build(Placed(op, layouts[: len(arrays)], layouts[len(arrays) :]), values)


def _stored(t: TensorType) -> TensorType:
    return replace(t, shape=storage_shape(t), layout="plain")


def _check(
    op: Any,
    arrays: tuple[np.ndarray, ...],
    layouts: tuple[str, ...],
    target: Any = None,
    parts: int = 1,
) -> None:
    """The storage of each result is that of the expected one, zeros around it included."""
    target = target or host()
    node = _placed(op, arrays, layouts)
    kernel = lower(node, target)
    flat = Node(
        node.op,
        tuple(Input(f"x{i}", _stored(v.type))() for i, v in enumerate(node.inputs)),
        tuple(map(_stored, node.types)),
    )
    storage = [pack(a, v.type) for a, v in zip(arrays, node.inputs, strict=True)]
    shaped = [s.reshape(v.type.shape) for s, v in zip(storage, flat.inputs, strict=True)]
    found = run_kernel(kernel, flat, shaped, target, parts)
    expected = op.evaluate(*arrays)
    expected = expected if isinstance(expected, tuple) else (expected,)
    wanted = [
        pack(a, t).reshape(storage_shape(t)) for a, t in zip(expected, node.types, strict=True)
    ]
    for a, t, b in zip(found, node.types, expected, strict=True):
        assert unpack(a.reshape(-1), t).shape == b.shape
    check_results(flat, found, tuple(wanted))
    for pair in kernel.inplace:
        again = run_kernel(kernel, flat, shaped, target, parts, pair)
        for one, same in zip(found, again, strict=True):
            assert one.tobytes() == same.tobytes(), f"other bits in the memory of {pair}"


@pytest.mark.parametrize("lanes, target", [(16, "host"), (8, "avx2"), (4, "sse2"), (16, "sse2")])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("channels", [32, 19])
def test_pooling(window: dict[str, Any], channels: int, lanes: int, target: str) -> None:
    rng = np.random.default_rng(1)
    machine = host() if target == "host" else named(target)
    x = rng.integers(-9, 9, (2, channels, 9, 13)).astype(np.float32)
    for k, (pooled, grad) in enumerate(((MaxPool2d, MaxPool2dGrad), (AvgPool2d, AvgPool2dGrad))):
        op = pooled(**window)
        dy = rng.standard_normal((*x.shape[:2], *op.pooled(x.shape[2:]))).astype(np.float32)
        a, b, c = (f"c{lanes}{HALOS[(i + k) % 3]}" for i in range(3))
        _check(op, (x,), (a, b), machine, parts=2)
        if grad is MaxPool2dGrad:
            _check(grad(**window), (x, dy), (a, b, c), machine, parts=3)
        else:
            back = AvgPool2dGrad(**op.attributes, size=x.shape[2:])
            _check(back, (dy,), (b, c), machine, parts=3)


@pytest.mark.parametrize("output", ["plain", "c16"])
@pytest.mark.parametrize("channels", [32, 19])
@pytest.mark.parametrize("halo", HALOS)
def test_global_average(halo: str, channels: int, output: str) -> None:
    x = np.random.default_rng(2).standard_normal((3, channels, 7, 5)).astype(np.float32)
    _check(GlobalAvgPool2d(), (x,), ("c16" + halo, output), parts=2)


@pytest.mark.parametrize("numbers", ["plain", "v16"])
@pytest.mark.parametrize("channels", [32, 19, 3])
@pytest.mark.parametrize("halos", [("", ""), ("", "+1,1,1,1"), ("+1,1,1,1", "+0,2,3,1")])
def test_batch_norm(halos: tuple[str, str], channels: int, numbers: str) -> None:
    rng = np.random.default_rng(3)
    x, dy = (rng.standard_normal((9, channels, 5, 7)).astype(np.float32) for _ in range(2))
    gamma, beta, mean = (rng.standard_normal(channels).astype(np.float32) for _ in range(3))
    variance = rng.uniform(0.5, 2, channels).astype(np.float32)
    a, b, v = "c16" + halos[0], "c16" + halos[1], numbers
    for target, parts in ((host(), 1), (named("avx2"), 2)):
        given = (x, gamma, beta, mean, variance)
        _check(BatchNorm(), given, (a, v, v, v, v, b), target, parts)
        _check(BatchNormTrain(), (x, gamma, beta), (a, v, v, b, v, v), target, parts)
        given = (x, gamma, mean, variance, dy)
        _check(BatchNormGrad(), given, (a, v, v, v, b, a, v, v), target, parts)


def test_float64() -> None:
    rng = np.random.default_rng(4)
    x, dy = (rng.standard_normal((3, 11, 6, 6)) for _ in range(2))
    ones = np.ones(11)
    _check(MaxPool2d((2, 2), (2, 2)), (x,), ("c8", "c8+1,1,1,1"))
    _check(MaxPool2dGrad((2, 2), (2, 2)), (x, dy[:, :, :3, :3]), ("c8+1,1,1,1", "c8", "c8"))
    _check(BatchNormTrain(), (x, ones, ones), ("c16", "plain", "plain", "c16", "plain", "plain"))


def test_code_for_neon() -> None:
    x = np.zeros((1, 8, 6, 6), np.float32)
    _check_compiles(MaxPool2dGrad((2, 2), (2, 2)), (x, x[:, :, :3, :3]), ("c4", "c4", "c4"))
    ones = np.ones(8, np.float32)
    _check_compiles(BatchNormTrain(), (x, ones, ones), ("c4", "v4", "v4", "c4", "v4", "v4"))


def _check_compiles(op: Any, arrays: tuple[np.ndarray, ...], layouts: tuple[str, ...]) -> None:
    assert compile_object(lower(_placed(op, arrays, layouts), named("neon")), named("neon"))
