"""Masked convolutions in every layout and by every algorithm: nothing of the future, not a bit."""

from collections.abc import Iterator

import numpy as np
import pytest
from native.run_kernel import run_kernel
from native.test_kernels_placed import P1, TARGETS, _stored, check_all, stored_with_dirt

import graphcnn as cnn
from graphcnn.errors import GraphError
from graphcnn.ir.node import Array, Node, Op, build
from graphcnn.ir.sources import Input
from graphcnn.ir.storage import Choice, pack
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.conv import Conv2d, ConvTranspose2d
from graphcnn.ops.layout import Placed
from graphcnn.runtime.native.code.registry import choices, lower
from graphcnn.runtime.native.code.target import Target, host

# x, filters, kernel, attributes. Without colours: native code is asked for whole taps.
CASES = [
    ((2, 16, 7, 9), 32, (3, 3), dict(mask="B", padding=P1)),
    ((2, 16, 7, 9), 32, (3, 3), dict(mask="A", padding=P1)),
    ((1, 1, 9, 8), 19, (7, 7), dict(mask="A", padding=(3, 3, 3, 3))),
    ((2, 3, 6, 21), 16, (5, 5), dict(mask="B", padding=(2, 2, 2, 2))),
    ((1, 32, 5, 40), 17, (1, 3), dict(mask="B", padding=(0, 0, 1, 1))),
    ((2, 19, 8, 7), 16, (3, 3), dict(mask="B", padding=(2, 2, 2, 2), dilation=(2, 2))),
    ((1, 20, 6, 9), 20, (3, 3), dict(mask="A", padding=P1, groups=20)),
    ((2, 64, 5, 7), 32, (3, 3), dict(mask="B", padding=P1, groups=2)),
]


@pytest.mark.parametrize(("x", "filters", "kernel", "attributes"), CASES, ids=str)
@pytest.mark.parametrize("target", TARGETS)
def test_as_the_definition(x, filters, kernel, attributes, target):
    op = Conv2d(**attributes)
    weight = (filters, x[1] // op.groups, *kernel)
    check_all(op, [x, weight, (filters,)], TARGETS[target])
    if op.groups in (1, filters):
        back = ConvTranspose2d(**attributes)
        check_all(back, [(x[0], filters, *x[2:]), weight], TARGETS[target])


@pytest.mark.parametrize("value", [1e30, np.inf, np.nan])
@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize(("x", "filters", "kernel", "attributes"), CASES, ids=str)
def test_pixels_behind_have_no_influence(x, filters, kernel, attributes, back, value):
    """Whatever they hold; going back, those before have none."""
    op: Op = Conv2d(**attributes)
    shapes = [x, (filters, x[1] // op.groups, *kernel)]
    if back:
        op, shapes[0] = ConvTranspose2d(**attributes), (x[0], filters, *x[2:])
    size, rng = x[2] * x[3], np.random.default_rng(0)
    arrays = [rng.standard_normal(s).astype(np.float32) for s in shapes]
    for at in (0, size // 2, size - 2):
        other = arrays[0].copy()
        flat = other.reshape(*other.shape[:2], -1)
        flat[:, :, slice(0, at + 1) if back else slice(at + 1, None)] = value
        kept = np.zeros((*op.infer(*map(_type, shapes)).shape[:2], size), np.float32)
        kept[:, :, at + 1 :] = back
        kept[:, :, : at + 1] = not back
        seen = 0
        for choice in _every(op, shapes, host()):
            one, two = (_run(op, [a, arrays[1]], choice, host()) for a in (arrays[0], other))
            where = pack(kept.reshape(*kept.shape[:2], *x[2:]), one[1]).ravel() != 0
            assert one[0][where].tobytes() == two[0][where].tobytes(), choice
            seen += 1
        assert seen


def _type(shape: tuple[int, ...]) -> TensorType:
    return TensorType(shape)


def _every(op: Op, shapes: list[tuple[int, ...]], target: Target) -> Iterator[Choice]:
    node = build(op, [Input(f"x{i}", TensorType(s))() for i, s in enumerate(shapes)])
    found = choices(node, target)
    assert not any(c.algorithm.startswith("winograd") for c in found)
    yield from found


def _run(op: Op, arrays: list[Array], choice: Choice, target: Target) -> tuple[Array, TensorType]:
    """The result as it is stored, and its type."""
    values = [
        Input(f"x{i}", TensorType(a.shape, layout=layout))()
        for i, (a, layout) in enumerate(zip(arrays, choice.reads, strict=True))
    ]
    placed: Op = op
    if choice.algorithm:
        placed = Placed(op, choice.reads, choice.writes, choice.algorithm)
    node = build(placed, values)
    storage = [stored_with_dirt(a, v.type) for a, v in zip(arrays, values, strict=True)]
    inputs = [Input(f"x{i}", _stored(v.type))() for i, v in enumerate(values)]
    flat = Node(node.op, tuple(inputs), tuple(map(_stored, node.types)))
    shaped = [s.reshape(v.type.shape) for s, v in zip(storage, inputs, strict=True)]
    (found,) = run_kernel(lower(node, target), flat, shaped, target)
    return np.asarray(found).ravel(), node.types[0]


def test_winograd_is_refused():
    op = Conv2d(mask="B", padding=P1)
    x, w = (Input(n, TensorType(s))() for n, s in (("x", (1, 16, 8, 8)), ("w", (16, 16, 3, 3))))
    unmasked = choices(build(Conv2d(padding=P1), [x, w]), host())
    tiled = next(c for c in unmasked if c.algorithm.startswith("winograd"))
    types = [TensorType(s.shape, layout=r) for s, r in zip((x, w), tiled.reads, strict=True)]
    node = build(
        Placed(op, tiled.reads, tiled.writes, tiled.algorithm),
        [Input(f"i{i}", t)() for i, t in enumerate(types)],
    )
    with pytest.raises(GraphError, match="winograd is for"):
        lower(node, host())


def pixel_cnn(colors: int, channels: int, mask: str = "B") -> cnn.Model:
    x = cnn.input("x", (colors, 8, 8))
    h = cnn.conv2d(x, channels, 5, padding="same", mask="A", mask_groups=colors, name="first")
    for i in range(2):
        h = cnn.relu(h)
        h = cnn.conv2d(h, channels, 3, padding=1, mask=mask, mask_groups=colors, name=f"c{i}")
    h = cnn.conv2d(h, colors, 1, mask="B", mask_groups=colors, name="last")
    return cnn.Model(x, h, name="pixel").initialize(0)


RUNS = {
    "reference": dict(runtime="reference"),
    "one thread": dict(threads=1),
    "two threads": dict(threads=2),
    "strict": dict(precision="strict"),
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("colors", [1, 3])
def test_a_whole_network_sees_nothing_of_the_future(run, colors):
    model = pixel_cnn(colors, 48)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((2, colors, 8, 8)).astype(np.float32)
    execution = RUNS[run]
    before = _predict(model, x, execution)
    order = lambda a: a.transpose(0, 2, 3, 1).reshape(len(a), -1)  # noqa: E731
    for at in (0, 5, 8 * 8 * colors // 2 + 1, 8 * 8 * colors - 1):
        for value in (7.5, -1e20):
            other = order(x).copy()
            other[:, at:] = value
            other = other.reshape(2, 8, 8, colors).transpose(0, 3, 1, 2)
            after = _predict(model, np.ascontiguousarray(other), execution)
            same = order(before)[:, : at + 1].tobytes() == order(after)[:, : at + 1].tobytes()
            assert same, f"changed by what comes at {at} or behind"
            changed = order(before)[:, at + 1 :] != order(after)[:, at + 1 :]
            assert changed.any() or at == 8 * 8 * colors - 1


def _predict(model: cnn.Model, x: Array, run: dict[str, object]) -> Array:
    return np.asarray(model.predict(x, **run))
