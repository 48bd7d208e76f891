"""Convolutions in every layout and by every algorithm that they offer."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from native.run_kernel import check_results, run_kernel

from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Node, Op, Value, build
from graphcnn.ir.sources import Input
from graphcnn.ir.storage import Choice, Images, pack, parse_layout, storage_shape
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.activation import Relu, Sigmoid
from graphcnn.ops.comparison import Where
from graphcnn.ops.conv import Conv2d, Conv2dWeightGrad, ConvTranspose2d
from graphcnn.ops.fused import fused
from graphcnn.ops.layout import Placed
from graphcnn.runtime.native.code.registry import choices, lower
from graphcnn.runtime.native.code.target import Target, host, named

TARGETS = {"host": host(), "avx2": named("avx2"), "sse2": named("sse2")}
P1 = (1, 1, 1, 1)
#: Share of the largest result that an algorithm may be off.
BOUNDS = {"winograd4": 1e-4, "winograd2": 2e-5}

Shape = tuple[int, ...]


def _stored(t: TensorType) -> TensorType:
    return replace(t, shape=storage_shape(t), layout="plain")


def stored_with_dirt(array: Array, t: TensorType) -> Array:
    """The storage of a value, with ones in the channels of images that only fill up a block."""
    layout = parse_layout(t.layout)
    storage = pack(array, t)
    if isinstance(layout, Images) and array.shape[1] % layout.lanes:
        blocks = storage.reshape(storage_shape(t))
        blocks[:, -1, :, :, array.shape[1] % layout.lanes :] = 1
    return storage


def check(op: Op, shapes: list[Shape], choice: Choice, target: Target, parts: int) -> None:
    """The storage of the result is that of the expected one, borders and padding included."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(s).astype(np.float32) for s in shapes]
    placed = Placed(op, choice.reads, choice.writes, choice.algorithm)
    values = [
        Input(f"x{i}", TensorType(s, layout=layout))()
        for i, (s, layout) in enumerate(zip(shapes, choice.reads, strict=True))
    ]
    node = build(placed, values)
    kernel = lower(node, target)
    storage = [stored_with_dirt(a, v.type) for a, v in zip(arrays, values, strict=True)]
    inputs = [Input(f"x{i}", _stored(v.type))() for i, v in enumerate(values)]
    flat = Node(node.op, tuple(inputs), tuple(map(_stored, node.types)))
    shaped = [s.reshape(v.type.shape) for s, v in zip(storage, inputs, strict=True)]
    expected = pack(np.asarray(op.evaluate(*arrays)), node.types[0])
    expected = expected.reshape(flat.types[0].shape)
    one = run_kernel(kernel, flat, shaped, target)
    check_results(flat, one, expected, BOUNDS.get(choice.algorithm))
    if parts > 1:
        (many,) = run_kernel(kernel, flat, shaped, target, parts)
        assert many.tobytes() == one[0].tobytes(), f"{parts} parts give other bits than one"
    for pair in kernel.inplace:
        (same,) = run_kernel(kernel, flat, shaped, target, parts, pair)
        assert same.tobytes() == one[0].tobytes(), f"other bits in the memory of {pair}"


def check_all(op: Op, shapes: list[Shape], target: Target) -> None:
    node = build(op, [Input(f"x{i}", TensorType(s))() for i, s in enumerate(shapes)])
    offered = choices(node, target)
    assert any(c.algorithm for c in offered)
    for i, choice in enumerate(offered):
        if choice.algorithm:
            check(op, shapes, choice, target, 1 + i % 3)


# x, filters, kernel, attributes.
CASES = [
    ((1, 1, 1, 1), 1, (1, 1), {}),
    ((33, 3, 1, 1), 5, (1, 1), {}),
    ((2, 67, 13, 7), 17, (3, 3), dict(padding=P1)),
    ((1, 16, 8, 12), 48, (3, 3), dict(padding=P1)),
    ((3, 5, 6, 9), 16, (3, 3), {}),
    ((2, 21, 11, 11), 33, (3, 3), dict(stride=(2, 2), padding=P1)),
    ((1, 3, 19, 23), 19, (7, 7), dict(stride=(2, 2), padding=(3, 3, 3, 3))),
    ((2, 20, 9, 17), 12, (3, 3), dict(padding=(2, 1, 0, 2), dilation=(2, 1), flip_kernel=True)),
    ((5, 64, 6, 5), 10, (1, 1), dict(stride=(2, 2))),
    ((1, 6, 14, 14), 16, (5, 5), {}),
    ((2, 32, 4, 5), 64, (3, 3), dict(padding=P1, flip_kernel=True)),
]


@pytest.mark.parametrize(("x", "filters", "kernel", "attributes"), CASES, ids=str)
@pytest.mark.parametrize("target", TARGETS)
def test_convolutions(x, filters, kernel, attributes, target):
    conv, weight = Conv2d(**attributes), (filters, x[1], *kernel)
    both = conv.windows(kernel)
    dy = (x[0], filters, both[0].output(x[2]), both[1].output(x[3]))
    unread = tuple(
        (size + w.before + w.after - w.span) % w.stride for size, w in zip(x[2:], both, strict=True)
    )
    back = ConvTranspose2d(**attributes, output_padding=unread)
    check_all(conv, [x, weight, (filters,)], TARGETS[target])
    check_all(back, [dy, weight], TARGETS[target])
    grad = Conv2dWeightGrad(**attributes, kernel=kernel)
    check_all(grad, [x, dy], TARGETS[target])


# x, filters, kernel, attributes; the last is in groups of whole blocks and not depthwise.
GROUPED = [
    ((2, 19, 9, 13), 19, (3, 3), dict(padding=P1, groups=19)),
    ((1, 32, 8, 9), 32, (5, 5), dict(stride=(2, 2), padding=(2, 2, 2, 2), groups=32)),
    ((1, 2, 8, 9), 2, (3, 2), dict(dilation=(2, 1), groups=2, flip_kernel=True)),
    ((2, 64, 5, 7), 96, (3, 3), dict(padding=P1, groups=2)),
]


@pytest.mark.parametrize(("x", "filters", "kernel", "attributes"), GROUPED, ids=str)
@pytest.mark.parametrize("target", TARGETS)
def test_groups_of_channels(x, filters, kernel, attributes, target):
    conv, weight = Conv2d(**attributes), (filters, x[1] // attributes["groups"], *kernel)
    check_all(conv, [x, weight, (filters,)], TARGETS[target])
    if conv.groups == filters:
        both = conv.windows(kernel)
        unread = tuple(
            (size + w.before + w.after - w.span) % w.stride
            for size, w in zip(x[2:], both, strict=True)
        )
        dy = (x[0], filters, both[0].output(x[2]), both[1].output(x[3]))
        check_all(
            ConvTranspose2d(**attributes, output_padding=unread), [dy, weight], TARGETS[target]
        )


def test_groups_that_share_a_block_stay_plain():
    shapes = [(1, 24, 4, 4), (24, 12, 1, 1)]
    node = build(Conv2d(groups=2), [Input(f"x{i}", TensorType(s))() for i, s in enumerate(shapes)])
    assert [c.algorithm for c in choices(node, host())] == [""]


def _group(op: Op, shapes: list[Shape], extra: list[Shape], finish: Op) -> Op:
    """finish(op(...) + each extra); one extra of full size instead chooses where to scale."""
    values: list[Value] = [Input(f"x{i}", TensorType(s))() for i, s in enumerate([*shapes, *extra])]
    y = op(*values[: len(shapes)])
    for value in values[len(shapes) :]:
        y = Where()(value > 0, y + value, y * 0.5)
    return fused(Graph.of(values, {"y": finish(y)}))


GROUPS = [
    (Conv2d(padding=P1), [(2, 19, 7, 5), (21, 19, 3, 3), (21,)], [(2, 21, 7, 5), (21, 1, 1), ()]),
    (Conv2d(), [(2, 3, 7, 5), (21, 3, 3, 3)], [(1, 21, 1, 1)]),
    (ConvTranspose2d((2, 2)), [(2, 17, 4, 4), (17, 5, 3, 3)], [(2, 5, 9, 9)]),
    (Conv2dWeightGrad(kernel=(2, 2)), [(2, 18, 4, 4), (2, 17, 3, 3)], [(17, 18, 2, 2), ()]),
    (Conv2dWeightGrad(kernel=(2, 2)), [(2, 3, 4, 4), (2, 17, 3, 3)], [(17, 3, 2, 2)]),
    (Conv2dWeightGrad(kernel=(3, 3)), [(2, 32, 14, 14), (2, 32, 12, 12)], [(32, 32, 3, 3)]),
]


@pytest.mark.parametrize(("op", "shapes", "extra"), GROUPS, ids=str)
@pytest.mark.parametrize("target", TARGETS)
def test_groups(op, shapes, extra, target):
    finish = Relu() if isinstance(op, Conv2dWeightGrad) else Sigmoid()
    check_all(_group(op, shapes, extra, finish), [*shapes, *extra], TARGETS[target])


_PLANNED = """
from graphcnn.compile.pipelines import inference_graph
from graphcnn.models import build
from graphcnn.compile.native import native_pipeline
from graphcnn.runtime.native.code.target import host
graph = inference_graph(build("resnet18").initialize(0).graph).bind(8)
print([(n.name, n.op) for n in native_pipeline().run(graph).operations])
"""


def test_layouts_are_the_same_in_every_process():
    found = [
        subprocess.run(
            [sys.executable, "-c", _PLANNED], capture_output=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in (0, 1)
    ]  # fmt: skip
    assert found[0] == found[1] != b""


def test_a_residual_may_give_its_memory():
    op, shapes = Conv2d(padding=P1), [(2, 16, 8, 8), (16, 16, 3, 3), (2, 16, 8, 8), (16, 1, 1)]
    group = _group(op, shapes[:2], shapes[2:], Relu())
    node = build(group, [Input(f"x{i}", TensorType(s))() for i, s in enumerate(shapes)])
    for choice in choices(node, host()):
        placed = Placed(group, choice.reads, choice.writes, choice.algorithm)
        types = (TensorType(s, layout=r) for s, r in zip(shapes, choice.reads, strict=True))
        kernel = lower(build(placed, [Input(f"x{i}", t)() for i, t in enumerate(types)]), host())
        same = bool(choice.algorithm) and choice.reads[2] == choice.writes[0]
        assert kernel.inplace == (((2, 0),) if same else ())


@pytest.mark.parametrize("flip", [False, True])
def test_winograd_is_offered_for_flipped_kernels_too(flip):
    attributes = dict(padding=P1, flip_kernel=flip)
    for op in (Conv2d(**attributes), ConvTranspose2d(**attributes)):
        shapes = {"x": (2, 16, 8, 8), "w": (16, 16, 3, 3)}
        node = build(op, [Input(k, TensorType(s))() for k, s in shapes.items()])
        found = {choice.algorithm for choice in choices(node, host())}
        assert {"direct", "winograd2", "winograd4"} <= found
