"""Every kernel that writes images in blocks, with a border of zeros on each side alone and on all:
whatever lay in the result's memory before (NaN), its border is zeros afterwards. And every kernel
that reads them finds its pixels whatever border they have."""

from dataclasses import replace

import numpy as np
import pytest
from native.run_kernel import check_results, load_lowerings, run_kernel

import graphcnn as cnn
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import OPS, Node, build
from graphcnn.ir.sources import Input
from graphcnn.ir.storage import Images, pack, parse_layout, storage_shape
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.ops.activation import Relu
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.comparison import Where
from graphcnn.ops.conv import Conv2d, Conv2dWeightGrad, ConvTranspose2d
from graphcnn.ops.elementwise import Add, Mul
from graphcnn.ops.fused import fused
from graphcnn.ops.layout import Placed, Relayout
from graphcnn.ops.norm import BatchNorm, BatchNormGrad, BatchNormTrain
from graphcnn.ops.pool import AvgPool2d, AvgPool2dGrad, GlobalAvgPool2d, MaxPool2d, MaxPool2dGrad
from graphcnn.ops.reduce import Mean
from graphcnn.ops.shape import Concat
from graphcnn.runtime.native.code.registry import PACKING, PLACED, choices, lower
from graphcnn.runtime.native.code.target import host, named

SIDES = ("+1,0,0,0", "+0,2,0,0", "+0,0,3,0", "+0,0,0,1", "+1,2,3,1")
TARGETS = {"host": host(), "sse2": named("sse2")}
X = (2, 32, 6, 7)


def _numbers(*shape):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def _pools():
    for window in (
        dict(kernel=(2, 2), stride=(2, 2)),
        dict(kernel=(3, 3), stride=(1, 1), padding=(1, 1, 1, 1)),
        dict(kernel=(3, 2), stride=(2, 3), padding=(1, 0, 1, 0), ceil_mode=True),
        dict(kernel=(2, 3), stride=(1, 1), dilation=(2, 1)),
    ):
        x = _numbers(*X)
        for pooled, grad in ((MaxPool2d, MaxPool2dGrad), (AvgPool2d, AvgPool2dGrad)):
            op = pooled(**window)
            dy = _numbers(*X[:2], *op.pooled(X[2:]))
            yield op, (x,), ("image", "image")
            if grad is MaxPool2dGrad:
                yield grad(**window), (x, dy), ("image",) * 3
            else:
                yield AvgPool2dGrad(**op.attributes, size=X[2:]), (dy,), ("image", "image")


def _group():
    """relu(x * y + z), z one number for each channel."""
    values = [Input(k, TensorType(s))() for k, s in (("x", X), ("y", X), ("z", (32, 1, 1)))]
    x, y, z = values
    return fused(Graph.of(values, {"y": Relu()(x * y + z)}))


#: Operator, arrays, and where each operand and result lies: "image", or a layout.
CASES = [
    *_pools(),
    (GlobalAvgPool2d(), (_numbers(*X),), ("image", "image")),
    (
        BatchNorm(),
        (_numbers(*X), *(_numbers(32) for _ in range(3)), abs(_numbers(32)) + 1),
        ("image", *("plain",) * 4, "image"),
    ),
    (
        BatchNormTrain(),
        (_numbers(*X), _numbers(32), _numbers(32)),
        ("image", "plain", "plain", "image", "plain", "plain"),
    ),
    (
        BatchNormGrad(),
        (_numbers(*X), _numbers(32), _numbers(32), abs(_numbers(32)) + 1, _numbers(*X) + 1),
        ("image", *("plain",) * 3, "image", "image", "plain", "plain"),
    ),
    (Relu(), (_numbers(*X),), ("image", "image")),
    (Add(), (_numbers(*X), _numbers(*X)), ("image",) * 3),
    (Mul(), (_numbers(*X), _numbers(32, 1, 1)), ("image", "plain", "image")),
    (Mul(), (_numbers(*X), _numbers(7)), ("image", "plain", "image")),
    (
        _group(),
        (_numbers(*X), _numbers(*X), _numbers(32, 1, 1)),
        ("image", "image", "plain", "image"),
    ),
    (Sum((0, 2, 3)), (_numbers(*X),), ("image", "plain")),
]


def check(op, arrays, layouts, target, parts=1, bound=None):
    """The storage of every result is the expected one, zeros around it included."""
    reads, writes = layouts[: len(arrays)], layouts[len(arrays) :]
    values = [
        Input(f"x{i}", TensorType(a.shape, DType.of(a.dtype), layout))()
        for i, (a, layout) in enumerate(zip(arrays, reads, strict=True))
    ]
    node = build(op if isinstance(op, Relayout) else Placed(op, reads, writes), values)
    check_node(node, op, arrays, target, parts, bound)


def check_node(node, op, arrays, target, parts=1, bound=None):
    def stored(t):
        return replace(t, shape=storage_shape(t), layout="plain")

    kernel = lower(node, target)
    inputs = [Input(f"x{i}", stored(v.type))() for i, v in enumerate(node.inputs)]
    flat = Node(node.op, tuple(inputs), tuple(map(stored, node.types)))
    shaped = [
        pack(a, v.type).reshape(x.type.shape)
        for a, v, x in zip(arrays, node.inputs, inputs, strict=True)
    ]
    expected = op.evaluate(*arrays)
    expected = expected if isinstance(expected, tuple) else (expected,)
    wanted = [
        pack(np.asarray(a), t).reshape(s.shape)
        for a, t, s in zip(expected, node.types, flat.types, strict=True)
    ]
    check_results(flat, run_kernel(kernel, flat, shaped, target, parts), tuple(wanted), bound)


def _placed(places, lanes, images):
    """Layouts, the i-th image in images[i]."""
    halos = iter(images)
    return tuple(f"c{lanes}{next(halos)}" if p == "image" else p for p in places)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("side", SIDES)
def test_images_with_a_border_on_each_side(side, target, full):
    """With both at once on each machine; on this one, and in the full run, each by itself too."""
    machine = TARGETS[target]
    lanes = machine.lanes(DType.FLOAT32)
    load_lowerings()
    for i, (op, arrays, places) in enumerate(CASES):
        reading = [p for p in places[: len(arrays)] if p == "image"]
        writing = [p for p in places[len(arrays) :] if p == "image"]
        other = SIDES[(SIDES.index(side) + 1) % len(SIDES)]
        alone = [("", side), (side, "")] if full or target == "host" else []
        for read, write in (*alone, (other, side)):
            images = (*(read for _ in reading), *(write for _ in writing))
            check(op, arrays, _placed(places, lanes, images), machine, 1 + i % 3)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("side", SIDES)
def test_channels_that_fill_no_block(side, target):
    """Where zeros come out of zeros: the last block's unused channels are zeros, too."""
    machine = TARGETS[target]
    lanes = machine.lanes(DType.FLOAT32)
    for op, arrays, places in _pools():
        arrays = tuple(a[:, :19] for a in arrays)
        count = places.count("image")
        for images in ((side,) * count, ("",) * (count - 1) + (side,)):
            check(op, arrays, _placed(places, lanes, images), machine, 2)
    x = _numbers(2, 19, 6, 7)
    check(Relu(), (x,), _placed(("image", "image"), lanes, ("", side)), machine)
    check(Add(), (x, x), _placed(("image",) * 3, lanes, (side, "", side)), machine)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("channels", [32, 19])
def test_relayouts(channels, side, target):
    machine, x = TARGETS[target], _numbers(2, channels, 6, 7)
    lanes = machine.lanes(DType.FLOAT32)
    bare, bordered = f"c{lanes}", f"c{lanes}{side}"
    for before, after in ((bare, bordered), (bordered, bare), ("plain", bordered)):
        value = Input("x", TensorType(x.shape, DType.FLOAT32, before))()
        check_node(build(Relayout(after), [value]), Relayout(after), (x,), machine, 2)


P1 = (1, 1, 1, 1)
CONVOLUTIONS = [
    (Conv2d(padding=P1), (2, 19, 7, 9), (21, 19, 3, 3)),
    (Conv2d(stride=(2, 2), padding=P1), (1, 16, 8, 9), (16, 16, 3, 3)),
    (Conv2d(padding=P1), (2, 3, 9, 11), (32, 3, 3, 3)),
    (Conv2d(padding=P1, groups=32), (1, 32, 6, 7), (32, 1, 3, 3)),
    (Conv2d(), (3, 32, 4, 5), (16, 32, 1, 1)),
    (ConvTranspose2d(padding=P1), (1, 16, 6, 7), (16, 19, 3, 3)),
    (ConvTranspose2d(stride=(2, 2)), (1, 16, 4, 5), (16, 32, 2, 2)),
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("op", "x", "weight"), CONVOLUTIONS, ids=str)
def test_convolutions_and_what_follows_them(op, x, weight, target):
    """Alone, and with a residual that lies in the border of the result."""
    machine = TARGETS[target]
    values = [Input(k, TensorType(s))() for k, s in (("x", x), ("w", weight))]
    y = op(*values)
    z = Input("z", TensorType(y.shape))()
    group = fused(Graph.of([*values, z], {"y": Relu()(Where()(z > 0, y + z, y))}))
    for each, shapes in ((op, (x, weight)), (group, (x, weight, y.shape))):
        arrays = [_numbers(*s) for s in shapes]
        node = build(each, [Input(f"x{i}", TensorType(s))() for i, s in enumerate(shapes)])
        offered = {(c.algorithm, c.reads[0]): c for c in choices(node, machine)}
        checked = 0
        for i, choice in enumerate(c for c in offered.values() if c.algorithm and not c.is_plain):
            for side in dict.fromkeys((SIDES[i % len(SIDES)], SIDES[-1])):
                layout = f"c{machine.lanes(DType.FLOAT32)}{side}"
                reads = (*choice.reads[:2], *((layout,) if each is group else ()))
                placed = Placed(each, reads, (layout,), choice.algorithm)
                typed = [TensorType(s, layout=r) for s, r in zip(shapes, reads, strict=True)]
                made = build(placed, [Input(f"x{i}", t)() for i, t in enumerate(typed)])
                bound = 1e-4 if "winograd" in choice.algorithm else None
                check_node(made, each, arrays, machine, 1 + i % 3, bound)
                checked += 1
        assert checked > 1


def test_every_kernel_of_placed_images_is_tested():
    """All but those that write no images, and those for which a border is refused. Elementwise
    operators share one kernel."""
    load_lowerings()
    tested = {op.name for op, *_ in (*CASES, *CONVOLUTIONS)}
    no_images = {Conv2dWeightGrad.name, *PACKING.keys()}
    refused = {Concat.name, Mean.name}
    several = {name for name in PLACED if name in OPS and OPS[name].elementwise}
    several |= {"broadcast_to"}  # which is lowered with them
    assert set(PLACED) - several <= tested | no_images | refused


@pytest.mark.parametrize("side", SIDES)
def test_a_border_that_would_be_counted_is_refused(side):
    x = _numbers(2, 32, 4, 4)
    layout = f"c16{side}"
    assert parse_layout(layout) != Images(16)
    for op, arrays, layouts in (
        (Concat(1), (x, x), (layout,) * 3),
        (Concat(1), (x, x), ("c16", "c16", layout)),
        (Mean((0, 2, 3)), (x,), (layout, "plain")),
    ):
        with pytest.raises(Exception, match="without halo"):
            check(op, arrays, layouts, host())


def test_a_padded_convolution_of_global_averages():
    """Single pixels, which are written with the border that is read."""
    image = cnn.input("image", (32, 8, 8))
    x = cnn.global_avg_pool2d(cnn.conv2d(image, 32, 3, padding=1))
    for _ in range(2):
        x = cnn.conv2d(x, 32, 3, padding=1)
    model = cnn.Model(image, cnn.flatten(x)).initialize(0)
    images = _numbers(3, 32, 8, 8)
    expected = model.predict(images, runtime="reference")
    assert np.allclose(model.predict(images), expected, rtol=1e-5, atol=1e-5)
