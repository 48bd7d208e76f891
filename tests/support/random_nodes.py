"""Random ONNX models of one node, as exporters of all ages write them, for comparisons.

Left out are the cases where ONNX Runtime leaves the specification: pools with `auto_pad` VALID and
`ceil_mode` (it counts a window that the formula of VALID does not), transposed convolutions with
SAME and a kernel smaller than the stride (its output is smaller than size · stride).
"""

from collections.abc import Callable
from random import Random

import numpy as np
from onnx import TensorProto, helper, numpy_helper

Made = tuple[list, dict, int]  # node, arrays of inputs (stored unless named x...), opset

MAKERS: dict[str, Callable[[Random], Made]] = {}


def maker(function):
    MAKERS[function.__name__] = function
    return function


def model_of(node, arrays, opset):
    """The model, and the arrays that are fed: those whose name begins with x."""
    fed = {k: v for k, v in arrays.items() if k.startswith("x")}
    graph = helper.make_graph(
        [node],
        "g",
        [
            helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
            for k, v in fed.items()
        ],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in node.output if n],
        [numpy_helper.from_array(v, k) for k, v in arrays.items() if k not in fed],
    )
    if node.op_type in ("ArgMax", "ArgMin"):
        graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    if node.op_type == "TopK":
        graph.output[1].type.tensor_type.elem_type = TensorProto.INT64
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", opset)])
    return model, fed


def normal(r, *shape):
    return np.random.default_rng(r.getrandbits(32)).normal(size=shape).astype(np.float32)


def positive(r, *shape):
    return np.abs(normal(r, *shape)) + np.float32(0.1)


def ints(*values):
    return np.array(values, np.int64)


def node(op, inputs, outputs=("y",), **attributes):
    return helper.make_node(op, list(inputs), list(outputs), **attributes)


def two(r, low, high):
    return [r.randint(low, high), r.randint(low, high)]


def auto_pad(r, attributes, dilated=False):
    """Padding by numbers or, sometimes, by name."""
    modes = ("VALID",) if dilated else ("VALID", "SAME_UPPER", "SAME_LOWER")
    if r.random() < 0.3:
        attributes.pop("pads", None)
        attributes["auto_pad"] = r.choice(modes)
    return attributes


@maker
def conv(r):
    g = r.choice((1, 1, 2, 3))
    c, o, k = g * r.randint(1, 3), g * r.randint(1, 3), two(r, 1, 4)
    dilations = r.choice(([1, 1], two(r, 1, 2)))
    attributes = {"strides": two(r, 1, 3), "dilations": dilations, "group": g}
    attributes["pads"] = [r.randint(0, 2) for _ in range(4)]
    auto_pad(r, attributes, max(dilations) > 1)
    if r.random() < 0.5:
        attributes["kernel_shape"] = k
    signal = r.random() < 0.2
    shape, kernel = [r.randint(1, 3), c, *two(r, 8, 12)], [o, c // g, *k]
    if signal:
        shape, kernel = shape[:3], kernel[:3]
        for key in ("strides", "dilations", "kernel_shape"):
            if key in attributes:
                attributes[key] = attributes[key][:1]
        if "pads" in attributes:
            attributes["pads"] = attributes["pads"][:2]
    arrays = {"x": normal(r, *shape), "w": normal(r, *kernel)}
    if r.random() < 0.5:
        arrays["b"] = normal(r, o)
    return node("Conv", arrays, **attributes), arrays, r.choice((7, 11, 17, 22))


@maker
def conv_transpose(r):
    g = r.choice((1, 1, 2))
    c, k, s = g * r.randint(1, 3), two(r, 1, 4), two(r, 1, 3)
    dilations = r.choice(([1, 1], two(r, 1, 2)))
    attributes = {"strides": s, "dilations": dilations, "group": g}
    arrays = {"x": normal(r, 2, c, *two(r, 3, 6)), "w": normal(r, c, r.randint(1, 3), *k)}
    kind = r.randrange(4)
    if kind == 1:
        fits = all(d * (n - 1) + 1 >= a for d, n, a in zip(dilations, k, s, strict=True))
        modes = ("SAME_UPPER", "SAME_LOWER", "VALID")
        attributes["auto_pad"] = r.choice(modes) if fits else "VALID"
    elif kind == 2:
        sizes = arrays["x"].shape[2:]
        spans = [d * (n - 1) + 1 for d, n in zip(dilations, k, strict=True)]
        full = [a * (n - 1) + e for a, n, e in zip(s, sizes, spans, strict=True)]
        attributes["output_shape"] = [max(1, f - r.randint(0, 2)) for f in full]
        if r.random() < 0.5:
            attributes["auto_pad"] = r.choice(("SAME_UPPER", "SAME_LOWER"))
    else:
        attributes["pads"] = [r.randint(0, 1) for _ in range(4)]
        attributes["output_padding"] = [r.randint(0, n - 1) for n in s]
    if r.random() < 0.5:
        arrays["b"] = normal(r, arrays["w"].shape[1] * g)
    return node("ConvTranspose", arrays, **attributes), arrays, r.choice((7, 11, 17, 22))


def pool(r, op):
    k = two(r, 1, 4)
    attributes = {"kernel_shape": k, "strides": two(r, 1, 3)}
    attributes["pads"] = [r.randint(0, min(1, n - 1)) for n in (*k, *k)]
    opset = r.choice((7, 10, 11, 17, 22))
    if opset >= 10:
        attributes["ceil_mode"] = r.randint(0, 1)
    if auto_pad(r, attributes).get("auto_pad") == "VALID":
        attributes.pop("ceil_mode", None)
    shape = [2, 3, *two(r, 7, 11)]
    if r.random() < 0.2:
        shape = shape[:3]
        for key in ("kernel_shape", "strides"):
            attributes[key] = attributes[key][:1]
        if "pads" in attributes:
            attributes["pads"] = attributes["pads"][::2]
    return attributes, {"x": normal(r, *shape)}, opset


@maker
def max_pool(r):
    attributes, arrays, opset = pool(r, "MaxPool")
    if opset >= 10 and r.random() < 0.4 and "auto_pad" not in attributes:
        attributes["dilations"] = [r.randint(1, 2) for _ in attributes["kernel_shape"]]
    return node("MaxPool", arrays, **attributes), arrays, opset


@maker
def average_pool(r):
    attributes, arrays, opset = pool(r, "AveragePool")
    attributes["count_include_pad"] = r.randint(0, 1)
    return node("AveragePool", arrays, **attributes), arrays, opset


@maker
def global_pool(r):
    op = r.choice(("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"))
    arrays = {"x": normal(r, 2, 3, *two(r, 2, 6)[: r.randint(1, 2)])}
    how = {"p": r.randint(1, 4)} if op == "GlobalLpPool" else {}
    return node(op, arrays, **how), arrays, r.choice((7, 17))


@maker
def resize(r):
    """Sizes or scales."""
    x = normal(r, 1, 2, *two(r, 2, 6))
    mode = r.choice(("nearest", "linear", "linear", "cubic"))
    pixels = r.choice(("half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"))
    attributes = {"mode": mode, "coordinate_transformation_mode": pixels}
    if mode == "nearest":
        how = ("floor", "ceil", "round_prefer_floor", "round_prefer_ceil")
        attributes["nearest_mode"] = r.choice(how)
    arrays = {"x": x}
    if r.random() < 0.5:
        scales = [round(r.uniform(0.5, 3.3), r.choice((0, 1, 2))) or 1 for _ in range(2)]
        arrays["scales"] = np.array([1, 1, *scales], np.float32)
        return node("Resize", ("x", "", "scales"), **attributes), arrays, r.choice((11, 13, 18, 19))
    arrays["sizes"] = ints(1, 2, *two(r, 1, 12))
    return node("Resize", ("x", "", "", "sizes"), **attributes), arrays, r.choice((11, 13, 18, 19))


@maker
def upsample(r):
    arrays = {"x": normal(r, 1, 2, *two(r, 2, 5))}
    scales = [1.0, 1.0, *map(float, two(r, 1, 3))]
    mode = r.choice(("nearest", "linear"))
    if r.random() < 0.5:
        return node("Upsample", arrays, mode=mode, scales=scales), arrays, 7
    arrays["s"] = np.array(scales, np.float32)
    return node("Upsample", arrays, mode=mode), arrays, 9


@maker
def pad(r):
    x = normal(r, 2, 3, *two(r, 4, 6))
    mode = r.choice(("constant", "constant", "reflect", "edge"))
    if r.random() < 0.5 and mode != "reflect":
        low = [0, *(3 * [0 if mode != "constant" else -1])]
        pads = [r.randint(n, 2) for n in low + low]
    else:
        pads = [0, 0, *two(r, 0, 3), 0, 0, *two(r, 0, 3)]
    value = r.choice((0.0, 1.5))
    if r.random() < 0.3:
        return node("Pad", "x", mode=mode, pads=pads, value=value), {"x": x}, 9
    arrays = {"x": x, "p": ints(*pads)}
    if mode == "constant":
        arrays["v"] = np.float32(value)
    return node("Pad", arrays, mode=mode), arrays, r.choice((11, 13, 18))


@maker
def batch_norm(r):
    c = r.randint(1, 4)
    arrays = {"x": normal(r, 2, c, *two(r, 1, 4)[: r.randint(0, 2)])}
    arrays |= {"g": normal(r, c), "b": normal(r, c), "m": normal(r, c), "v": positive(r, c)}
    attributes = {"epsilon": r.choice((1e-5, 1e-3))}
    return node("BatchNormalization", arrays, **attributes), arrays, r.choice((7, 9, 14, 15))


@maker
def softmax(r):
    rank = r.randint(2, 4)
    arrays = {"x": normal(r, *(r.randint(1, 4) for _ in range(rank)))}
    op = r.choice(("Softmax", "LogSoftmax", "Hardmax"))
    attributes = {} if r.random() < 0.3 else {"axis": r.randint(0, rank - 1)}
    return node(op, arrays, **attributes), arrays, r.choice((7, 9, 11, 12, 13, 17))


@maker
def gemm(r):
    m, k, n = r.randint(1, 4), r.randint(1, 5), r.randint(1, 4)
    ta, tb = r.randint(0, 1), r.randint(0, 1)
    arrays = {
        "x": normal(r, *((k, m) if ta else (m, k))),
        "w": normal(r, *((n, k) if tb else (k, n))),
    }
    arrays["c"] = normal(r, *r.choice(((n,), (1, n), (m, 1), (m, n), (1,))))
    attributes = {"alpha": r.choice((1.0, 0.5)), "beta": r.choice((1.0, 2.0))}
    return (
        node("Gemm", arrays, transA=ta, transB=tb, **attributes),
        arrays,
        r.choice((7, 9, 11, 13)),
    )


@maker
def matmul(r):
    a, b = r.choice(
        [
            ((3, 4), (4, 2)),
            ((2, 3, 4), (4, 2)),
            ((4,), (4, 2)),
            ((3, 4), (4,)),
            ((2, 1, 3, 4), (5, 4, 2)),
        ]
    )
    arrays = {"x": normal(r, *a), "w": normal(r, *b)}
    return node("MatMul", arrays), arrays, r.choice((7, 13))


@maker
def binary(r):
    op = r.choice(("Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "PRelu", "Sum", "Mean"))
    shape = [2, r.randint(1, 3), 3, 2]
    other = r.choice(([1], shape[1:], [shape[1], 1, 1], shape))
    first = positive(r, *shape) if op == "Pow" else normal(r, *shape)
    arrays = {"x": first, "w": normal(r, *other)}
    return node(op, arrays), arrays, r.choice((8, 13, 17))


@maker
def unary(r):
    op, attributes, opset = r.choice(
        [
            ("Relu", {}, 7), ("Sigmoid", {}, 7), ("Tanh", {}, 7), ("Exp", {}, 7), ("Abs", {}, 7),
            ("Neg", {}, 7), ("Erf", {}, 13), ("Softplus", {}, 7), ("Softsign", {}, 7),
            ("Reciprocal", {}, 7), ("LeakyRelu", {"alpha": 0.2}, 7), ("Elu", {"alpha": 0.7}, 7),
            ("Selu", {}, 7), ("HardSigmoid", {"alpha": 0.3}, 7), ("HardSwish", {}, 14),
            ("Clip", {"min": -0.5, "max": 0.7}, 7), ("ThresholdedRelu", {"alpha": 0.4}, 10),
            ("Celu", {"alpha": 1.3}, 12), ("Mish", {}, 18), ("Gelu", {"approximate": "tanh"}, 20),
            ("Gelu", {}, 20), ("Shrink", {"bias": 0.1, "lambd": 0.3}, 9), ("Identity", {}, 7),
            ("Dropout", {}, 7), ("Dropout", {}, 13), ("Sinh", {}, 9), ("Cosh", {}, 9),
        ]
    )  # fmt: skip
    arrays = {"x": normal(r, 2, 3, r.randint(1, 5))}
    return node(op, arrays, **attributes), arrays, opset


@maker
def reduction(r):
    rank = r.randint(2, 4)
    arrays = {"x": normal(r, *(r.randint(1, 4) for _ in range(rank)))}
    axes = sorted(r.sample(range(rank), r.randint(1, rank)))
    op = r.choice(("Sum", "Mean", "Max", "Min", "L1", "L2", "SumSquare", "LogSumExp"))
    attributes = {"keepdims": r.randint(0, 1)}
    opset = r.choice((9, 11, 13, 18))
    if opset >= 18 or (op == "Sum" and opset >= 13):
        arrays["a"] = ints(*axes)
    else:
        attributes["axes"] = axes
    return node(f"Reduce{op}", arrays, **attributes), arrays, opset


@maker
def arg(r):
    arrays = {"x": np.round(normal(r, 3, 4, 5))}
    attributes = {"axis": r.randint(-3, 2), "keepdims": r.randint(0, 1)}
    opset = r.choice((7, 12, 13))
    if opset >= 12:
        attributes["select_last_index"] = r.randint(0, 1)
    return node(r.choice(("ArgMax", "ArgMin")), arrays, **attributes), arrays, opset


@maker
def slice_(r):
    shape = two(r, 3, 6)
    starts, ends = [r.randint(0, 1) for _ in shape], [d - r.randint(0, 1) for d in shape]
    arrays = {"x": normal(r, *shape)}
    if r.random() < 0.3:
        return node("Slice", "x", starts=starts, ends=ends, axes=[0, 1]), arrays, 9
    steps = [r.choice((1, 2, -1)) for _ in shape]
    for i, step in enumerate(steps):
        if step < 0:
            starts[i], ends[i] = r.choice((-1, shape[i] + 3)), r.choice((0, -(1 << 60)))
    parts = (("s", starts), ("e", ends), ("a", (0, 1)), ("t", steps))
    arrays |= {k: ints(*v) for k, v in parts}
    return node("Slice", arrays), arrays, r.choice((10, 11, 13))


@maker
def split(r):
    d = r.randint(4, 7)
    arrays = {"x": normal(r, 2, d)}
    a = r.randint(1, d - 1)
    if r.random() < 0.5:
        return node("Split", "x", ("y", "z"), axis=1, split=[a, d - a]), arrays, 11
    if r.random() < 0.5:
        return node("Split", "x", ("y", "z"), axis=-1, num_outputs=2), arrays, 18
    arrays["s"] = ints(a, d - a)
    return node("Split", arrays, ("y", "z"), axis=1), arrays, 13


@maker
def shapes(r):
    x = normal(r, 2, 3, 4)
    op, inputs, attributes, opset = r.choice(
        [
            ("Reshape", {"s": ints(0, -1)}, {}, 13), ("Reshape", {"s": ints(4, 0, -1)}, {}, 7),
            ("Flatten", {}, {"axis": r.randint(0, 3)}, 9), ("Flatten", {}, {"axis": -1}, 11),
            ("Transpose", {}, {"perm": r.sample(range(3), 3)}, 7), ("Transpose", {}, {}, 7),
            ("Unsqueeze", {}, {"axes": [0, 3]}, 11), ("Unsqueeze", {"a": ints(-1, 1)}, {}, 13),
            ("Expand", {"s": ints(2, 1, 3, 4)}, {}, 8), ("Tile", {"s": ints(1, 2, 3)}, {}, 6 + 1),
            ("Gather", {"i": ints(2, 0, -1)}, {"axis": 1}, 11), ("Gather", {"i": ints(1)}, {}, 13),
            ("Gather", {"i": np.array(1)}, {"axis": 2}, 13), ("Concat", {"w": x}, {"axis": 1}, 7),
            ("Trilu", {}, {"upper": r.randint(0, 1)}, 14),
        ]
    )  # fmt: skip
    arrays = {"x": x, **inputs}
    return node(op, arrays, **attributes), arrays, opset


@maker
def blocks(r):
    b = r.randint(1, 3)
    if r.random() < 0.5:
        arrays = {"x": normal(r, 2, 2 * b * b, *two(r, 1, 4))}
        mode = {"mode": r.choice(("DCR", "CRD"))}
        return node("DepthToSpace", arrays, blocksize=b, **mode), arrays, 13
    arrays = {"x": normal(r, 2, 3, b * r.randint(1, 3), b * r.randint(1, 3))}
    return node("SpaceToDepth", arrays, blocksize=b), arrays, 13


@maker
def norms(r):
    c = r.randint(2, 6)
    arrays = {"x": normal(r, 2, c, *two(r, 2, 4))}
    kind = r.randrange(4)
    if kind == 0:
        attributes = {"size": 2 * r.randint(0, 2) + 1, "alpha": 0.5, "beta": 0.6, "bias": 1.2}
        return node("LRN", arrays, **attributes), arrays, 13
    if kind == 1:
        arrays |= {"s": normal(r, c), "b": normal(r, c)}
        return node("InstanceNormalization", arrays), arrays, 7
    if kind == 2:
        axis = r.randint(1, 3)
        shape = arrays["x"].shape[axis:]
        arrays |= {"s": normal(r, *shape), "b": normal(r, *shape)}
        return node("LayerNormalization", arrays, axis=axis), arrays, 17
    arrays["x"] = normal(r, 2, 6, *two(r, 2, 4))
    arrays |= {"s": normal(r, 6), "b": normal(r, 6)}
    return node("GroupNormalization", arrays, num_groups=r.choice((1, 2, 3, 6))), arrays, 21
