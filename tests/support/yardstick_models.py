"""ONNX models whose right results differ in the last digits, and wrong ones hardly more."""

import numpy as np
from onnx import helper, numpy_helper

F = np.float32


def node(kind, inputs, outputs, **attributes):
    outputs = outputs.split()
    return helper.make_node(kind, inputs.split(" "), outputs, name=outputs[0], **attributes)


def model(nodes, arrays, shape, outputs, opset=17):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", 1, shape)],
        [helper.make_empty_tensor_value_info(k) for k in outputs.split()],
        [numpy_helper.from_array(np.asarray(a), k) for k, a in arrays.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    made.ir_version = 8
    return made


def layers(r, channels, depth, norm=False):
    """Convolutions and ReLU on 12×12 pixels, the last of which is a{depth - 1}."""
    nodes, arrays, last, width = [], {}, "x", 3
    for i in range(depth):
        weight = r.normal(size=(channels, width, 3, 3)) * np.sqrt(2 / (9 * width))
        arrays |= {f"w{i}": weight.astype(F), f"b{i}": (0.1 * r.normal(size=channels)).astype(F)}
        nodes.append(node("Conv", f"{last} w{i} b{i}", f"c{i}", pads=[1] * 4))
        last, width = f"c{i}", channels
        if norm:
            drawn = {"g": 1 + 0.1 * r.normal(size=channels), "o": 0.1 * r.normal(size=channels),
                     "m": 0.1 * r.normal(size=channels), "v": 0.5 + r.random(channels)}  # fmt: skip
            arrays |= {f"{k}{i}": a.astype(F) for k, a in drawn.items()}
            names = " ".join((last, *(f"{k}{i}" for k in drawn)))
            nodes.append(node("BatchNormalization", names, f"n{i}", epsilon=1e-5))
            last = f"n{i}"
        nodes.append(node("Relu", last, f"a{i}"))
        last = f"a{i}"
    return nodes, arrays, last


def classifier(seed):
    """Batch norms, a large mean, a softmax."""
    r = np.random.default_rng(seed)
    nodes, arrays, last = layers(r, 8, 4, norm=True)
    arrays |= {"fw": r.normal(size=(8, 10)).astype(F), "fb": np.zeros(10, F)}
    nodes += [node("GlobalAveragePool", last, "p"), node("Flatten", "p", "f"),
              node("Gemm", "f fw fb", "l"), node("Softmax", "l", "y")]  # fmt: skip
    return model(nodes, arrays, ["N", 3, 12, 12], "y")


def detector(seed):
    """Boxes of hundreds of pixels by exponentials, beside scores near 0, in one output."""
    r = np.random.default_rng(seed)
    nodes, arrays, last = layers(r, 16, 3)
    arrays |= {
        "hw": r.normal(size=(10, 16, 1, 1)).astype(F), "parts": np.array([2, 2, 6]),
        "anchor": (20 + 200 * r.random((1, 2, 1, 1))).astype(F), "stride": F(32),
        "grid": (np.arange(144).reshape(1, 1, 12, 12) % 12).astype(F),
    }  # fmt: skip
    nodes += [
        node("Conv", f"{last} hw", "head"), node("Split", "head parts", "xy wh cls", axis=1),
        node("Sigmoid", "xy", "sxy"), node("Add", "sxy grid", "cell"),
        node("Mul", "cell stride", "bxy"),
        node("Exp", "wh", "e"), node("Mul", "e anchor", "bwh"), node("Sigmoid", "cls", "score"),
        node("Concat", "bxy bwh score", "y", axis=1),
    ]  # fmt: skip
    return model(nodes, arrays, ["N", 3, 12, 12], "y")


def quotient(seed):
    """Division by numbers near 0, and exponentials of that."""
    r = np.random.default_rng(seed)
    nodes, arrays, last = layers(r, 8, 2)
    arrays |= {"hw": r.normal(size=(2, 8, 1, 1)).astype(F), "parts": np.array([1, 1])}
    nodes += [node("Conv", f"{last} hw", "head"), node("Split", "head parts", "u d", axis=1),
              node("Div", "u d", "y"), node("Exp", "y", "z")]  # fmt: skip
    return model(nodes, arrays, ["N", 3, 12, 12], "y z")


def cancelling(seed):
    """Numbers that lose four digits to cancellation, and a layer norm beside a large mean."""
    r = np.random.default_rng(seed)
    nodes, arrays, last = layers(r, 8, 2)
    arrays |= {"big": F(1e4), "mean": F(300), "s": np.ones(12, F), "o": np.zeros(12, F)}
    nodes += [node("Add", f"{last} big", "u"), node("Sub", "u big", "v"),
              node("Softmax", "v", "y", axis=1), node("Add", f"{last} mean", "t"),
              node("LayerNormalization", "t s o", "z")]  # fmt: skip
    return model(nodes, arrays, ["N", 3, 12, 12], "y z")


def sums(seed):
    """Sums of many numbers of one sign, and of both."""
    nodes = [node("ReduceL2", "x", "a", axes=[1, 2, 3]), node("Abs", "x", "p"),
             node("ReduceSum", "p", "b"), node("GlobalAveragePool", "x", "c"),
             node("ReduceLogSumExp", "x", "d", axes=[2, 3])]  # fmt: skip
    return model(nodes, {}, ["N", 3, 100, 100], "a b c d")


def half(seed):
    """float16 between inputs and outputs of float32."""
    r = np.random.default_rng(seed)
    nodes, arrays, last = layers(r, 8, 3)
    arrays = {k: a.astype(np.float16) for k, a in arrays.items()}
    nodes[0].input[0] = "x16"
    nodes = [node("Cast", "x", "x16", to=10), *nodes, node("Softmax", last, "s", axis=1),
             node("Cast", last, "y", to=1), node("Cast", "s", "z", to=1)]  # fmt: skip
    return model(nodes, arrays, ["N", 3, 12, 12], "y z")


def quantised(seed):
    """Quantised before every convolution: a step of one is a hundredth of an output."""
    r = np.random.default_rng(seed)
    nodes, arrays, last, width = [], {}, "x", 3
    for i in range(3):
        sx, sw = F(0.02 + 0.05 * r.random()), F(0.005 + 0.01 * r.random())
        arrays |= {
            f"s{i}": sx, f"z{i}": np.uint8(100 + i), f"y{i}": np.uint8(100 + i),
            f"sw{i}": sw, f"zw{i}": np.int8(0),
            f"w{i}": r.integers(-90, 90, (8, width, 3, 3)).astype(np.int8),
        }  # fmt: skip
        nodes += [node("QuantizeLinear", f"{last} s{i} z{i}", f"q{i}"),
                  node("DequantizeLinear", f"q{i} s{i} y{i}", f"d{i}"),
                  node("DequantizeLinear", f"w{i} sw{i} zw{i}", f"e{i}"),
                  node("Conv", f"d{i} e{i}", f"c{i}", pads=[1] * 4),
                  node("Relu", f"c{i}", f"r{i}")]  # fmt: skip
        last, width = f"r{i}", 8
    return model(
        [*nodes, node("GlobalAveragePool", last, "y")], arrays, ["N", 3, 12, 12], "y r2", 13
    )


def dynamic(seed):
    """Scales and zero points that are computed."""
    r = np.random.default_rng(seed)
    nodes, arrays, last = layers(r, 8, 2)
    arrays["w"] = r.integers(-99, 99, (12, 7)).astype(np.int8)
    nodes += [node("DynamicQuantizeLinear", last, "q s z"), node("MatMulInteger", "q w z", "m"),
              node("Cast", "m", "f", to=1), node("Mul", "f s", "y")]  # fmt: skip
    return model(nodes, arrays, ["N", 3, 12, 12], "y", 13)


def deciding(seed):
    """Places, comparisons, rounded numbers, and a layer that reads them."""
    r = np.random.default_rng(seed)
    nodes, arrays, last = layers(r, 8, 2)
    arrays |= {"k": np.array([5]), "limit": F(0.3), "times": F(7.3)}
    nodes += [
        node("ArgMax", last, "am", axis=1, keepdims=0), node("TopK", f"{last} k", "tv ti"),
        node("MaxPool", last, "mp mi", kernel_shape=[2, 2], strides=[2, 2]),
        node("Greater", f"{last} limit", "gt"), node("Mul", f"{last} times", "ph"),
        node("Round", "ph", "ro"), node("Floor", "ph", "fl"), node("Cast", "ph", "ci", to=7),
        node("Cast", "gt", "gf", to=1), node("Mul", f"gf {last}", "kept"),
        node("Conv", "kept w1", "y"),
    ]  # fmt: skip
    return model(nodes, arrays, [2, 3, 12, 12], "am tv ti mp mi gt ro fl ci y")


def resized(seed):
    """Pixels chosen and mixed, GELU."""
    r = np.random.default_rng(seed)
    nodes, arrays, last = layers(r, 8, 1)
    arrays["scales"] = np.array([1, 1, 1.5, 1.5], F)
    half_pixel = {"coordinate_transformation_mode": "half_pixel"}
    nodes += [
        node("Resize", f"{last}  scales", "u", mode="nearest", nearest_mode="floor", **half_pixel),
        node("AveragePool", "u", "p", kernel_shape=[3, 3], pads=[1] * 4),
        node("Gelu", "p", "g"), node("Resize", "g  scales", "y", mode="linear", **half_pixel),
    ]  # fmt: skip
    return model(nodes, arrays, ["N", 3, 12, 12], "y", 20)


RIGHT = (classifier, detector, quotient, cancelling, sums, half, quantised, dynamic, deciding,
         resized)  # fmt: skip


def with_attribute(name, **changes):
    """A fault: other attributes of the node that makes `name`."""

    def plant(made):
        (found,) = (n for n in made.graph.node if name in n.output)
        for key, value in changes.items():
            for old in [a for a in found.attribute if a.name == key]:
                found.attribute.remove(old)
            found.attribute.append(helper.make_attribute(key, value))

    return plant


def with_array(name, change, at=...):
    """A fault: other numbers in an initializer."""

    def plant(made):
        (found,) = (t for t in made.graph.initializer if t.name == name)
        array = numpy_helper.to_array(found).copy()
        array[at] = change(array[at])
        found.CopyFrom(numpy_helper.from_array(array, name))

    return plant


def with_operator(name, kind, **attributes):
    """A fault: another operator."""

    def plant(made):
        (found,) = (n for n in made.graph.node if name in n.output)
        found.op_type = kind
        with_attribute(name, **attributes)(made)

    return plant


#: Faults by name: the model, what is changed, and the values of which one must be blamed.
FAULTS = {
    "no activation": (classifier, with_operator("a2", "Identity"), "a2"),
    "hardly no activation": (classifier, with_operator("a2", "LeakyRelu", alpha=3e-4), "a2"),
    "a bias of one channel": (classifier, with_array("b1", lambda b: 0 * b, 3), "c1"),
    "one bias slightly off": (classifier, with_array("b1", lambda b: b + F(1e-3), 3), "c1"),
    "one weight slightly off": (
        classifier,
        with_array("w2", lambda w: w + F(1e-3), (1, 2, 1, 1)),
        "c2",
    ),
    "another epsilon": (classifier, with_attribute("n2", epsilon=1e-4), "n2"),
    "padding off by one": (classifier, with_attribute("c2", pads=[0, 1, 2, 1]), "c2"),
    "one pixel of a grid": (detector, with_array("grid", lambda g: g + 1, (0, 0, 5, 5)), "cell"),
    "one anchor slightly off": (
        detector,
        with_array("anchor", lambda a: a * F(1.0001), (0, 1, 0, 0)),
        "bwh",
    ),
    "a score, beside large boxes": (
        detector,
        with_array("hw", lambda w: w + F(1e-3), (7, 0)),
        "head",
    ),
    "before divisions": (quotient, with_array("b1", lambda b: b + F(3e-4), 5), "c1"),
    "an epsilon after a large mean": (cancelling, with_attribute("z", epsilon=1e-2), "z"),
    "float16": (half, with_array("b1", lambda b: b + np.float16(0.1), 3), "c1"),
    "a zero point": (quantised, with_array("z1", lambda z: z + np.uint8(1)), "q1"),
    "a scale": (quantised, with_array("s1", lambda s: s * F(1.01)), "q1 d1"),
    "an integer weight": (
        quantised,
        with_array("w1", lambda w: w + np.int8(1), (1, 1, 1, 1)),
        "e1",
    ),
    "a weight after computed scales": (
        dynamic,
        with_array("w", lambda w: w + np.int8(1), (3, 3)),
        "m",
    ),
    "a threshold": (deciding, with_array("limit", lambda t: t + F(0.01)), "gt"),
    "a factor before rounding": (deciding, with_array("times", lambda t: t * F(1.01)), "ph"),
    "rounding down pixels": (resized, with_attribute("u", nearest_mode="round_prefer_floor"), "u"),
    "padding counts": (resized, with_attribute("p", count_include_pad=1), "p"),
    "approximate GELU": (resized, with_attribute("g", approximate="tanh"), "g"),
    "where pixels lie": (
        resized,
        with_attribute("y", coordinate_transformation_mode="asymmetric"),
        "y",
    ),
}  # fmt: skip
