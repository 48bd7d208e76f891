"""Operators of every element type that ONNX Runtime has them for: imported, run, exported again.

What ONNX Runtime runs is imported with the same numbers, and what is exported it runs, too: no
operator, and none that another is made of, is written in a type that it has no kernel for.
"""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from graphcnn.errors import ImportModelError
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.runtime.reference import Reference

runtime = pytest.importorskip("onnxruntime")

TYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16",
         "float64", "bool"]  # fmt: skip


def places(*numbers):
    return np.array(numbers, np.int64)


def factors(*numbers):
    return np.array(numbers, np.float32)


class Draw:
    """Arrays of one element type."""

    def __init__(self, dtype):
        self.dtype = np.dtype(dtype)
        self.rng = np.random.default_rng(0)

    def __call__(self, *shape):
        if self.dtype.kind == "b":
            return self.rng.random(shape) < 0.5
        if self.dtype.kind == "f":
            return self.rng.normal(0, 2, shape).astype(self.dtype)
        return self.rng.integers(0 if self.dtype.kind == "u" else -9, 10, shape).astype(self.dtype)

    def number(self, x):
        return np.asarray(x, self.dtype)


UNARY = """
    GlobalMaxPool GlobalAveragePool Relu Neg Abs Sign Identity Shape Size Not IsNaN IsInf Ceil Floor
    Round Sqrt Exp Log Sigmoid Tanh Erf Softplus HardSwish Softmax LogSoftmax Hardmax Flatten Sin
    Cos Tan Atan Sinh Elu Selu LeakyRelu ThresholdedRelu HardSigmoid Reciprocal Softsign Celu
    BitwiseNot Mish
""".split()
BINARY = """
    Add Sub Mul Max Min Equal Less Greater LessOrEqual GreaterOrEqual And Or Xor BitwiseAnd
    BitwiseOr BitwiseXor PRelu Mean Sum
""".split()
REDUCTIONS = """
    ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceSumSquare
""".split()


def cases(draw):
    """Operator, inputs (those that are fed are called x...), attributes."""
    x, y, m, n = draw(2, 3, 6, 8), draw(2, 3, 6, 8), draw(2, 3, 4), draw(4, 5)
    large = np.abs(y) % 3 + 1 if draw.dtype.kind in "iu" else y
    for name in UNARY:
        yield name, {"x": x}, {}
    for name in BINARY:
        yield name, {"x": x, "xb": y}, {}
    for name in ("Div", "Mod", "Pow"):
        yield name, {"x": x, "xb": large}, {}
    for name in REDUCTIONS:
        yield name, {"x": x}, {"axes": [1, 3], "keepdims": 0}
        yield name, {"x": x}, {}
    yield "ReduceSum", {"x": x, "axes": places(2)}, {}
    yield "CumSum", {"x": x, "axis": np.int64(2)}, {}
    for name in ("ArgMax", "ArgMin"):
        for last in (0, 1):
            yield name, {"x": x}, {"axis": 2, "select_last_index": last}
    for largest in (0, 1):
        yield "TopK", {"x": draw(2, 3, 6), "k": places(2)}, {"axis": 2, "largest": largest}
    yield "MatMul", {"x": m, "xb": n}, {}
    yield "MatMul", {"x": n, "xb": draw(5)}, {}
    yield "MatMul", {"x": draw(2, 300), "xb": draw(300, 5)}, {}
    yield "Gemm", {"x": draw(2, 5), "xb": n, "xc": draw(4)}, {"transB": 1}
    yield "Einsum", {"x": m, "xb": n}, {"equation": "bij,jk->bik"}
    yield "Einsum", {"x": m}, {"equation": "bij->b"}
    window = {"kernel_shape": [2, 3]}
    yield "MaxPool", {"x": x}, window
    yield "MaxPool", {"x": x}, {**window, "pads": [1, 1, 0, 1], "strides": [2, 2]}
    yield "AveragePool", {"x": x}, window
    yield "LpPool", {"x": x}, window
    for mode, scales in (("nearest", (1, 1, 0.5, 1.5)), ("linear", (1, 1, 2, 2))):
        stored = {"x": x, "": None, "scales": factors(*scales)}
        yield "Resize", stored, {"mode": mode}
    yield "Clip", {"x": x, "low": draw.number(0), "high": draw.number(1)}, {}
    edges = places(0, 0, 1, 1, 0, 0, 0, 2)
    yield "Pad", {"x": x, "pads": edges, "value": draw.number(1)}, {}
    for mode in ("reflect", "edge"):
        yield "Pad", {"x": x, "pads": edges}, {"mode": mode}
    yield "Where", {"xc": x > 0, "x": x, "xb": y}, {}
    yield "Gather", {"x": x, "at": places(2, 0)}, {"axis": 1}
    yield "GatherElements", {"x": m, "at": draw.rng.integers(0, 3, (2, 2, 4))}, {"axis": 1}
    yield "GatherND", {"x": m, "at": places([0, 1], [1, 2])}, {}
    at = np.broadcast_to(draw.rng.permutation(3)[None, :2, None], (2, 2, 4))
    for reduction in ("none", "add", "mul", "max", "min"):
        how = {"reduction": reduction}
        yield "ScatterElements", {"x": m, "at": at, "xu": draw(2, 2, 4)}, {"axis": 1, **how}
        yield "ScatterND", {"x": m, "at": places([0, 1], [1, 2]), "xu": draw(2, 4)}, how
    yield "Concat", {"x": x, "xb": y}, {"axis": 1}
    yield "Slice", {"x": x, "from": places(-1), "to": places(-9), "axes": places(3),
                    "steps": places(-2)}, {}  # fmt: skip
    yield "Transpose", {"x": x}, {"perm": [0, 2, 3, 1]}
    yield "Expand", {"x": draw(2, 1, 4), "shape": places(2, 3, 4)}, {}
    yield "Tile", {"x": m, "repeats": places(1, 2, 1)}, {}
    yield "DepthToSpace", {"x": draw(2, 8, 3, 4)}, {"blocksize": 2}
    yield "SpaceToDepth", {"x": x}, {"blocksize": 2}
    yield "Trilu", {"x": m}, {}
    yield "OneHot", {"xi": np.abs(places(1, 3, 0)), "depth": np.int64(4),
                     "values": draw.number([0, 1])}, {}  # fmt: skip
    for to in (1, 2, 3, 5, 6, 7, 9, 10, 11, 12, 13):
        yield "Cast", {"x": x}, {"to": to}
    yield "Conv", {"x": x, "w": draw(4, 3, 3, 3)}, {}
    yield "BatchNormalization", {"x": x, "s": draw(3), "b": draw(3), "m": draw(3),
                                 "v": np.abs(draw(3))}, {}  # fmt: skip
    yield "LayerNormalization", {"x": x, "s": draw(8)}, {}
    yield "GridSample", {"x": x, "xg": draw.rng.uniform(-1, 1, (2, 3, 3, 2)).astype(
        draw.dtype if draw.dtype.kind == "f" else np.float32)}, {"mode": "nearest"}  # fmt: skip


def model_of(op_type, arrays, attributes):
    opset = 18 if op_type[:7] in ("Scatter", "Bitwise", "Mish") else 17
    outputs = ["y", "z"] if op_type == "TopK" else ["y"]
    node = helper.make_node(op_type, list(arrays), outputs, **attributes)
    fed = {k: a for k, a in arrays.items() if k.startswith("x")}
    infos = [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
             for k, a in fed.items()]  # fmt: skip
    stored = [numpy_helper.from_array(np.asarray(a), k) for k, a in arrays.items()
              if k and k not in fed]  # fmt: skip
    results = [onnx.ValueInfoProto(name=name) for name in outputs]
    graph = helper.make_graph([node], "g", infos, results, stored)
    imports = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8)
    return onnx.shape_inference.infer_shapes(model), fed


def run(model, feeds):
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    return runtime.InferenceSession(model.SerializeToString(), options).run(None, feeds)


def same(found, expected):
    if (found.dtype, found.shape) != (expected.dtype, expected.shape):
        return False
    if expected.dtype.kind != "f":
        return np.array_equal(found, expected)
    bound = 4e-3 if expected.dtype == np.float16 else 1e-5
    a, b = found.astype(np.float64), expected.astype(np.float64)
    scale = np.abs(b[np.isfinite(b)]).max(initial=0) or 1
    return np.allclose(a / scale, b / scale, rtol=0, atol=bound, equal_nan=True)


#: What is not imported of what ONNX Runtime runs, by operator and type: truth values are added
#: and multiplied nowhere else.
REFUSED = {("ScatterElements", "bool"), ("ScatterND", "bool")}


@pytest.mark.parametrize("dtype", TYPES)
def test_what_onnx_runtime_runs_is_read_and_written(dtype):
    tried, wrong, refused = 0, [], set()
    for op_type, arrays, attributes in cases(Draw(dtype)):
        try:
            model, feeds = model_of(op_type, arrays, attributes)
            expected = run(model, feeds)
        except Exception:  # which types it lacks is told in many ways
            continue
        tried += 1
        label = f"{op_type} {attributes}"
        try:
            found = import_graph(model.SerializeToString())
        except ImportModelError:
            refused.add((op_type, dtype))
            continue
        ours = Reference(found.graph).run(feeds, found.states)[0]
        if not all(
            same(ours[v.name], y) for v, y in zip(model.graph.output, expected, strict=True)
        ):
            wrong.append(f"ours: {label}")
        theirs = run(export_graph(found.graph, found.states), feeds)
        if not all(map(same, theirs, expected)):
            wrong.append(f"exported: {label}")
    assert tried > 35
    assert not wrong
    assert refused <= REFUSED


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint32", "int64"])
def test_the_least_of_all_numbers_of_a_type(dtype):
    """Whose opposite is no number of the type, or 0."""
    info = np.iinfo(dtype)
    x = np.array([[info.max, info.min, 1], [1, 0, info.max]], dtype)
    for last, expected in ((0, [1, 1]), (1, [1, 1])):
        model, feeds = model_of("ArgMin", {"x": x}, {"axis": 1, "select_last_index": last})
        found = import_graph(model.SerializeToString())
        assert Reference(found.graph).run(feeds, {})[0]["y"].ravel().tolist() == expected
