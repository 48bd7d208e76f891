"""Pools of ONNX whose forms are rare: p-norms, places of maxima through an open batch."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.agreement import check_agreement
from support.malformed_models import model, node

from graphcnn.compile.runner import Runner
from graphcnn.errors import DataError, ImportModelError
from graphcnn.ir.graph import Graph
from graphcnn.ir.sources import Input
from graphcnn.model import import_onnx
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.passes.training.backward import vjp
from graphcnn.runtime.execution import Execution

INT64 = TensorProto.INT64


def drawn(*shape):
    return lambda n: {"x": np.random.default_rng(n).normal(size=(n, *shape)).astype(np.float32)}


@pytest.mark.parametrize("p", [1, 2, 3])
def test_norms_of_images(p):
    """Also of signals and of volumes, and where a last window is partial."""
    over = node("GlobalLpPool", "x", p=p)
    window = node("LpPool", "x", p=p, kernel_shape=[3, 2], strides=[2, 3], dilations=[1, 2],
                  pads=[1, 0, 1, 1], ceil_mode=1)  # fmt: skip
    for sizes in ((5,), (5, 6), (2, 3, 4)):
        content = model([over], ("N", 3, *sizes)).SerializeToString()
        check_agreement(content, drawn(3, *sizes))
    content = model([window], ("N", 3, 6, 7), opset=18).SerializeToString()
    check_agreement(content, drawn(3, 6, 7))


def test_slopes_of_norms_of_images():
    """Against central differences in double precision."""
    rng = np.random.default_rng(0)
    for kind, p, opset in (("GlobalLpPool", 3, 13), ("LpPool", 2, 18)):
        how = {} if kind == "GlobalLpPool" else {"kernel_shape": [2, 3], "ceil_mode": 1}
        base = model([node(kind, "x", p=p, **how)], ("N", 2, 4, 5), opset=opset)
        base.graph.input[0].type.tensor_type.elem_type = 11
        base.graph.output[0].type.tensor_type.elem_type = 11
        graph = import_graph(base.SerializeToString()).graph
        (y,) = graph.outputs.values()
        (x,) = graph.inputs
        c = Input("c", y.type)()
        (dx,) = vjp([y], [c], [x])
        runner = Runner(Graph.of([x, c], {"y": y, "dx": dx}), Execution("reference"))
        a = rng.normal(size=(2, 2, 4, 5))
        feeds = {"x": a, "c": rng.normal(size=y.type.bind(2).shape)}
        found = runner.run(feeds, {})[0]["dx"]
        v, h = rng.normal(size=a.shape), 1e-6
        ends = [runner.run({**feeds, "x": a + s * h * v}, {})[0]["y"] for s in (1, -1)]
        slope = np.sum((ends[0] - ends[1]) * feeds["c"]) / (2 * h)
        np.testing.assert_allclose(np.sum(found * v), slope, rtol=1e-7)


def with_places(pool, sizes, *more, dtype=1, outputs=("y", "i"), opset=13):
    """A pool with both results, and nodes behind; an open batch."""
    made = model([pool, *more], ("N", 2, *sizes), outputs=outputs, opset=opset)
    made.graph.input[0].type.tensor_type.elem_type = dtype
    for info in made.graph.output:
        info.type.tensor_type.elem_type = INT64 if info.name == "i" else dtype
    return made.SerializeToString()


def ties(dtype, *sizes):
    """Few different numbers."""
    return lambda n: {"x": np.random.default_rng(n).integers(0, 9, (n, 2, *sizes)).astype(dtype)}


#: The spatial sizes, and the attributes of the pool.
PLACES = {
    "plain": ((5, 6), {"kernel_shape": [2, 2], "strides": [2, 2]}),
    "padded": ((5, 7), {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 0, 2, 1]}),
    "dilated": ((7, 8), {"kernel_shape": [2, 3], "dilations": [3, 2]}),
    "ceil": ((6, 6), {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
    "columns": ((5, 7), {"kernel_shape": [2, 3], "storage_order": 1}),
    "same": ((5, 7), {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_LOWER"}),
    "signal": ((9,), {"kernel_shape": [3], "strides": [2], "pads": [1, 1]}),
    "volume": ((4, 5, 6), {"kernel_shape": [2, 3, 2], "strides": [2, 1, 1],
                           "pads": [1, 0, 1, 0, 1, 1]}),
    "volume_columns": ((3, 4, 5), {"kernel_shape": [2, 2, 3], "dilations": [1, 2, 2],
                                   "storage_order": 1}),
}  # fmt: skip


@pytest.mark.parametrize("name", PLACES)
def test_places_of_maxima_through_an_open_batch(name):
    """Of equal ones the first; both results are outputs."""
    sizes, how = PLACES[name]
    pool = node("MaxPool", "x", outputs=("y", "i"), **how)
    check_agreement(with_places(pool, sizes), ties(np.float32, *sizes))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.float64], ids=lambda d: d.__name__)
def test_places_of_maxima_of_other_types(dtype):
    pool = node("MaxPool", "x", outputs=("y", "i"), kernel_shape=[2, 2], strides=[2, 2])
    code = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    check_agreement(with_places(pool, (4, 6), dtype=code), ties(dtype, 4, 6))


def test_places_that_are_used_in_both_ways():
    """As numbers through the batch, in a channel by the rest of a division, and to unpool."""
    window = {"kernel_shape": [2, 2], "strides": [2, 2]}
    pool = node("MaxPool", "x", outputs=("t", "i"), **window)
    nodes = [
        node("MaxUnpool", "t", "i", **window),
        node("Constant", outputs=("plane",), value=numpy_helper.from_array(np.array(24))),
        node("Mod", "i", "plane", outputs=("inside",)),
        node("Cast", "inside", outputs=("z",), to=1),
    ]
    content = with_places(pool, (4, 6), *nodes, outputs=("y", "i", "z"))
    check_agreement(content, drawn(2, 4, 6))


@pytest.mark.parametrize("rank", [1, 3])
def test_unpooling_signals_and_volumes(rank):
    window = {"kernel_shape": [2] * rank, "strides": [2] * rank}
    pool = node("MaxPool", "x", outputs=("t", "i"), **window)
    sizes = (6, 4, 2)[:rank]
    content = with_places(pool, sizes, node("MaxUnpool", "t", "i", **window), outputs=("y",))
    check_agreement(content, drawn(2, *sizes))


@pytest.mark.parametrize("name", ["padded", "dilated", "signal"])
def test_unpooling_of_windows_that_overlap(name):
    """A place that several windows name has the value of the last one, not their sum."""
    sizes, how = PLACES[name]
    window = {k: v for k, v in how.items() if k != "dilations"}
    nodes = [
        node("Shape", "x", outputs=("whole",)),
        node("Exp", "t", outputs=("e",)),
        node("MaxUnpool", "e", "i", "whole", **window),
    ]
    pool = node("MaxPool", "x", outputs=("t", "i"), **how)
    check_agreement(with_places(pool, sizes, *nodes, outputs=("y",)), drawn(2, *sizes))


@pytest.mark.parametrize("start", [0, 1])
def test_places_in_a_channel_as_pytorch_writes_them(start):
    """Less the places of a pool of single pixels, cut to the first: batches can be cut then."""
    nodes = [
        node("MaxPool", "x", outputs=("t", "whole"), kernel_shape=[2, 2], strides=[2, 2]),
        node("MaxPool", "x", outputs=("u", "all"), kernel_shape=[1, 1]),
        node("Slice", "all", "starts", "ends", "axes", outputs=("first",)),
        node("Sub", "whole", "first", outputs=("i",)),
    ]
    stored = [
        numpy_helper.from_array(np.array(v, np.int64), k)
        for k, v in (("starts", [0, start]), ("ends", [1, start + 1]), ("axes", [2, 3]))
    ]
    made = model(nodes, ("N", 2, 4, 6), stored, outputs=("i",))
    made.graph.output[0].type.tensor_type.elem_type = INT64
    content = made.SerializeToString()
    check_agreement(content, drawn(2, 4, 6))
    x, net = drawn(2, 4, 6)(5)["x"], import_onnx(content)
    if not start:
        np.testing.assert_array_equal(net.predict(x, batch_size=2), net.predict(x))
    else:
        with pytest.raises(DataError, match="by their place in the batch"):
            net.predict(x, batch_size=2)


def test_places_through_the_batch_are_not_cut():
    """They count through all items: a batch with them runs whole."""
    pool = node("MaxPool", "x", outputs=("y", "i"), kernel_shape=[2, 2])
    net = import_onnx(with_places(pool, (3, 4)))
    x = ties(np.float32, 3, 4)(5)["x"]
    whole = net.predict(x, raw=True)["i"]
    assert whole[4].min() >= 4 * 2 * 12
    with pytest.raises(DataError, match="numbers the items by their place in the batch"):
        net.predict(x, batch_size=2)


def test_a_norm_has_an_exponent_of_at_least_1():
    for kind, p, how in (("GlobalLpPool", 0, {}), ("LpPool", -1, {"kernel_shape": [2, 2]})):
        content = model([node(kind, "x", p=p, **how)]).SerializeToString()
        with pytest.raises(ImportModelError, match=f"'p' = {p} must be at least 1"):
            import_graph(content)


@pytest.mark.parametrize("sizes", [(7,), (6, 7), (4, 6, 7)])
def test_maxima_of_bytes(sizes):
    """Signals, images and volumes of integers of 8 bits."""
    rank = len(sizes)
    made = model(
        [node("MaxPool", "x", kernel_shape=[3] * rank, strides=[2] * rank, pads=[1] * 2 * rank)],
        ("N", 3, *sizes),
    )
    for kind, dtype in ((TensorProto.UINT8, np.uint8), (TensorProto.INT8, np.int8)):
        for info in (made.graph.input[0], made.graph.output[0]):
            info.type.tensor_type.elem_type = kind
        limits = np.iinfo(dtype)

        def images(n, dtype=dtype, limits=limits):
            rng = np.random.default_rng(n)
            return {"x": rng.integers(limits.min, limits.max + 1, (n, 3, *sizes)).astype(dtype)}

        check_agreement(made.SerializeToString(), images)


def test_a_batch_that_must_be_fixed_is_that_of_all_inputs():
    """What a refusal advises can be done."""
    up = node("MaxUnpool", "x", "i", kernel_shape=[2, 2], strides=[2, 2])
    made = model([up], ("N", 1, 2, 2))
    info = helper.make_tensor_value_info("i", INT64, ["N", 1, 2, 2])
    made.graph.input.append(info)
    shape = (1, 1, 2, 2)
    with pytest.raises(ImportModelError) as caught:
        import_onnx(made.SerializeToString())
    advice = f"inputs={{'x': {shape}, 'i': {shape}}} (--shape x=1,1,2,2 --shape i=1,1,2,2)"
    assert advice in str(caught.value)
    net = import_onnx(made.SerializeToString(), {"x": shape, "i": shape})
    x, i = np.arange(1, 5, dtype=np.float32).reshape(shape), np.array([0, 3, 9, 15]).reshape(shape)
    y = net.predict({"x": x, "i": i}, raw=True)
    assert y.reshape(-1)[i.reshape(-1)].tolist() == [1, 2, 3, 4] and y.sum() == 10
