"""Layouts by their formulas, element by element, and the operators that carry them."""

from itertools import product
from math import prod

import numpy as np
import pytest

from graphcnn.analysis.verify import verify
from graphcnn.errors import GraphError, VerifyError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Node, build
from graphcnn.ir.sources import Input, State
from graphcnn.ir.storage import (
    KERNEL_TRANSFORM,
    Images,
    Kernels,
    pack,
    parse_layout,
    same_storage,
    storage_bytes,
    storage_shape,
    unpack,
)
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.ops.activation import Relu
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.layout import Placed, Relayout, inner
from graphcnn.ops.padding import Pad2d
from graphcnn.ops.reduce import Mean
from graphcnn.text.parse import parse_graph
from graphcnn.text.write import dump_graph

IMAGES = [(1, 1, 1, 1), (2, 3, 4, 5), (2, 16, 3, 3), (1, 17, 2, 1), (3, 33, 1, 4), (1, 4, 5, 2)]
WEIGHTS = [
    (1, 1, 1, 1),
    (3, 2, 3, 3),
    (16, 16, 1, 2),
    (33, 17, 2, 3),
    (40, 5, 3, 1),
    (7, 9),
    (32, 16),
]
LANES = (4, 8, 16)


def numbered(shape: tuple[int, ...]) -> Array:
    """Different from each other and from 0."""
    return 1 + np.arange(prod(shape), dtype=np.float32).reshape(shape)


def typed(shape: tuple[int, ...], layout: str, dtype: DType = DType.FLOAT32) -> TensorType:
    return TensorType(shape, dtype, layout)


@pytest.mark.parametrize("halo", ["", "+1,1,1,1", "+0,2,3,1"])
@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("shape", IMAGES)
def test_images(shape: tuple[int, ...], lanes: int, halo: str) -> None:
    kind, x = typed(shape, f"c{lanes}{halo}"), numbered(shape)
    top, bottom, left, right = map(int, halo[1:].split(",")) if halo else (0, 0, 0, 0)
    n, c, h, w = shape
    sizes = (n, -(-c // lanes), top + h + bottom, left + w + right, lanes)
    assert storage_shape(kind) == sizes
    assert storage_bytes(kind) == 4 * prod(sizes)
    stored = pack(x, kind).reshape(sizes)
    expected = np.zeros(sizes, np.float32)
    for i, k, y, z in np.ndindex(shape):
        expected[i, k // lanes, top + y, left + z, k % lanes] = x[i, k, y, z]
    np.testing.assert_array_equal(stored, expected)
    np.testing.assert_array_equal(unpack(stored.reshape(-1), kind), x)


@pytest.mark.parametrize("lanes, vectors", list(product(LANES, (1, 2, 3))))
@pytest.mark.parametrize("shape", WEIGHTS)
def test_kernels(shape: tuple[int, ...], lanes: int, vectors: int) -> None:
    x = numbered(shape)
    o, i, kh, kw = (*shape, 1, 1)[:4]
    wide = lanes * vectors
    forward = typed(shape, f"o{lanes}i{lanes}x{vectors}")
    sizes = (-(-o // wide), -(-i // lanes), kh, kw, lanes, wide)
    expected = np.zeros(sizes, np.float32)
    for a, b, u, v in np.ndindex(o, i, kh, kw):
        expected[a // wide, b // lanes, u, v, b % lanes, a % wide] = x.reshape(o, i, kh, kw)[
            a, b, u, v
        ]
    assert storage_shape(forward) == sizes
    np.testing.assert_array_equal(pack(x, forward).reshape(sizes), expected)
    np.testing.assert_array_equal(unpack(pack(x, forward), forward), x)
    backward = typed(shape, f"i{lanes}o{lanes}x{vectors}")
    turned = x.reshape(o, i, kh, kw).transpose(1, 0, 2, 3)[:, :, ::-1, ::-1]
    as_forward = typed(turned.shape, forward.layout)
    np.testing.assert_array_equal(pack(x, backward), pack(turned, as_forward))
    np.testing.assert_array_equal(unpack(pack(x, backward), backward), x)


@pytest.mark.parametrize("size", [1, 15, 16, 17])
def test_vectors(size: int) -> None:
    kind, x = typed((size,), "v16", DType.FLOAT64), numbered((size,)).astype(np.float64)
    stored = pack(x, kind)
    assert storage_bytes(kind) == 8 * stored.size == 8 * 16 * -(-size // 16)
    np.testing.assert_array_equal(stored[:size], x)
    assert not stored[size:].any()
    np.testing.assert_array_equal(unpack(stored, kind), x)


def test_depthwise_kernels() -> None:
    kind, x = typed((19, 1, 2, 3), "d8"), numbered((19, 1, 2, 3))
    storage = pack(x, kind).reshape(storage_shape(kind))
    assert storage.shape == (3, 2, 3, 8)
    for c, i, j in np.ndindex(19, 2, 3):
        assert storage[c // 8, i, j, c % 8] == x[c, 0, i, j]
    assert not storage[2, :, :, 3:].any()
    np.testing.assert_array_equal(unpack(storage.reshape(-1), kind), x)
    with pytest.raises(GraphError, match=r"is for kernels \(C, 1, KH, KW\)"):
        storage_shape(typed((19, 2, 2, 3), "d8"))


@pytest.mark.parametrize("tile", [2, 4])
@pytest.mark.parametrize("kernels", ["o16i16x1", "i4o4x2"])
def test_transformed_kernels(tile: int, kernels: str) -> None:
    kind = typed((17, 5, 3, 3), f"w{tile}{kernels}")
    x = np.random.default_rng(0).standard_normal((17, 5, 3, 3)).astype(np.float32)
    storage, g = pack(x, kind), KERNEL_TRANSFORM[tile]
    points, _, depth, wide = known = storage_shape(kind)
    turned = x.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1] if kernels[0] == "i" else x
    expected = np.zeros(known, np.float32)
    for o, i in np.ndindex(turned.shape[:2]):
        expected[:, o // wide, i, o % wide] = (g @ turned[o, i].astype(float) @ g.T).reshape(points)
    assert depth % 4 == 0
    np.testing.assert_allclose(storage.reshape(known), expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(unpack(storage, kind), x, rtol=0, atol=1e-6)
    with pytest.raises(GraphError, match="is for kernels 3 × 3"):
        storage_shape(typed((17, 5, 3, 1), f"w{tile}{kernels}"))


def test_plain_is_row_major() -> None:
    x = numbered((2, 3))
    assert storage_shape(typed((2, 3), "plain")) == (2, 3)
    np.testing.assert_array_equal(pack(x.T, typed((3, 2), "plain")), x.T.reshape(-1))
    np.testing.assert_array_equal(unpack(x.reshape(-1), typed((2, 3), "plain")), x)


def test_other_element_types() -> None:
    for dtype in (DType.BOOL, DType.INT64, DType.FLOAT16):
        kind = typed((1, 3, 2, 2), "c4", dtype)
        x = numbered((1, 3, 2, 2)).astype(dtype.numpy)
        assert pack(x, kind).dtype == dtype.numpy
        np.testing.assert_array_equal(unpack(pack(x, kind), kind), x)
        assert storage_bytes(kind) == 16 * dtype.bytes


def test_names() -> None:
    for name in ("c16", "c8+1,1,1,1", "o16i16x2", "i4o4x1", "v8", "d4", "w4o16i16x2", "w2i8o8x1"):
        assert str(parse_layout(name)) == name
    assert parse_layout("plain") is None
    assert parse_layout("c4+1,2,3,4") == Images(4, (1, 2, 3, 4))
    assert parse_layout("i8o8x3") == Kernels(8, 3, transposed=True)
    for name in ("c5", "c16+1", "o16i8x1", "x", "", "o16i16x0", "c016", "v16 ", "w3o8i8x2", "w4c"):
        with pytest.raises(GraphError, match=r"layout"):
            parse_layout(name)


def test_sizes_must_be_known() -> None:
    kind = TensorType((N, 3, 4, 4), layout="c16")
    assert storage_shape(kind) == (N, 1, 4, 4, 16)
    with pytest.raises(GraphError, match="no size before bind"):
        storage_bytes(kind)
    with pytest.raises(GraphError, match=r"cannot store an array of shape \(1, 3\)"):
        pack(numbered((1, 3)), typed((2, 3), "plain"))
    with pytest.raises(GraphError, match="has 16 elements, found 3"):
        unpack(numbered((3,)), typed((3,), "v16"))


@pytest.mark.parametrize(
    "shape, layout, same",
    [
        ((2, 32, 1, 1), "c16", True), ((2, 32, 1, 1), "c16+1,1,1,1", False),
        ((2, 30, 1, 1), "c16", False), ((2, 32, 1, 2), "c16", False), ((32,), "v16", True),
        ((30,), "v16", False), ((32, 16), "o16i16x1", False), ((2, 3), "plain", True),
    ],
)  # fmt: skip
def test_same_storage(shape: tuple[int, ...], layout: str, same: bool) -> None:
    kind, x = typed(shape, "plain"), numbered(shape)
    assert same_storage(kind, layout) is same
    assert same_storage(typed(shape, layout), "plain") is same
    if same:
        np.testing.assert_array_equal(pack(x, typed(shape, layout)), x.reshape(-1))


def image(layout: str = "plain") -> Input:
    return Input("x", TensorType((N, 3, 5, 5), layout=layout))


def placed_graph() -> Graph:
    x = image()(name="x")
    w = State("w", TensorType((4, 3, 3, 3), layout="o16i16x2"))(name="w")
    blocked = Relayout("c16+1,1,1,1")(x)
    op = Placed(
        Conv2d(padding=(1, 1, 1, 1)), (blocked.type.layout, w.type.layout), ("c16",), "fast"
    )
    y = Placed(Relu(), ("c16",), ("c16",))(op(blocked, w, name="C1"))
    return Graph.of([x], {"y": Relayout()(y)}, {w: w})


def test_placed_operators_in_a_graph() -> None:
    graph = placed_graph()
    verify(graph, "placed")
    conv = next(n for n in graph.nodes if n.name == "C1")
    assert str(conv.output.type) == "f32[N,4,5,5]@c16"
    assert inner(conv.op) == Conv2d(padding=(1, 1, 1, 1)) and inner(Relu()) == Relu()
    bound = graph.bind(2)
    verify(bound, "placed+bound")
    for g in (graph, bound):
        text = dump_graph(g)
        assert dump_graph(parse_graph(text)) == text
        assert 'op=conv2d(padding=(1, 1, 1, 1)), reads=("c16+1,1,1,1", "o16i16x2")' in text


def test_placed_binds_its_operator() -> None:
    from graphcnn.ops.shape import Reshape

    op = Placed(Reshape((N, 6)), ("plain",), ("plain",))
    assert op.bind(4) == Placed(Reshape((4, 6)), ("plain",), ("plain",))
    assert op.bind(4).bind(3) == op.bind(4)


def test_evaluate_never_sees_a_layout() -> None:
    x = numbered((2, 3, 4, 4))
    assert Relayout("c16").evaluate(x) is x
    mean = Mean((2, 3))
    found = Placed(mean, ("c16",), ("plain",)).evaluate(x)
    np.testing.assert_array_equal(found, mean.evaluate(x))


def test_layouts_are_only_for_placed_operators() -> None:
    x = image()(name="x")
    relu = Relu()(Relayout("c16")(x), name="R1")
    graph = Graph.of([x], {"y": Relayout()(relu)})
    verify(graph)
    with pytest.raises(VerifyError, match=r'relu "R1".* touches f32\[N,3,5,5\]@c16, expected'):
        verify(graph, "placed")
    with pytest.raises(VerifyError, match=r"relayout.*not allowed, expected no layouts"):
        verify(graph, "fused")
    out = Graph.of([x], {"y": Relayout("c16")(x)})
    with pytest.raises(VerifyError, match=r"the output 'y' is .*expected a plain layout"):
        verify(out, "placed")


def test_mistakes_name_the_node() -> None:
    x = image()(name="x")
    with pytest.raises(GraphError, match=r'placed "C1".*: reads \(c8\), found \(plain\); relayout'):
        build(Placed(Relu(), ("c8",), ("c8",)), (x,), "C1")
    with pytest.raises(GraphError, match="padding"):
        Placed(Pad2d((-9, 0, 0, 0)), ("plain",), ("plain",))(x)
    assert isinstance(Relayout("c16")(x).node, Node)
