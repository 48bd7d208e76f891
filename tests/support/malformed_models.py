"""Invalid and hostile ONNX models: for each a message, and a word that the refusal has to say."""

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

FLOAT = TensorProto.FLOAT


def array(name, *shape, dtype=np.float32):
    return numpy_helper.from_array(np.ones(shape, dtype), name)


def integers(name, *values):
    return numpy_helper.from_array(np.array(values, np.int64), name)


def model(nodes, shape=(1, 4, 8, 8), stored=(), outputs=("y",), opset=17, **options):
    """One input x, the nodes, outputs of open type."""
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info("x", FLOAT, shape)],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs],
        list(stored),
    )
    options.setdefault("opset_imports", [helper.make_opsetid("", opset)])
    return helper.make_model(graph, ir_version=8, **options)


def node(op, *inputs, outputs=("y",), name="", **attributes):
    return helper.make_node(op, list(inputs), list(outputs), name, **attributes)


def relu(source="x", to="y", **options):
    return node("Relu", source, outputs=(to,), **options)


W = array("W", 4, 4, 3, 3)


def conv(w=W, **attributes):
    return model([node("Conv", "x", w.name, **attributes)], stored=[w])


def pool(**attributes):
    return model([node("MaxPool", "x", **{"kernel_shape": [2, 2], **attributes})])


def changed(base, change: Callable):
    change(base)
    return base


def with_tensor(**fields):
    """x + t, where t is made of the fields given."""
    t = TensorProto(name="t", data_type=FLOAT, dims=[4])
    for key, value in fields.items():
        if isinstance(value, list):
            getattr(t, key)[:] = value
        else:
            setattr(t, key, value)
    return model([node("Add", "x", "t")], (2, 4), [t])


def with_attribute(*attributes, op="Relu"):
    n = node(op, "x")
    n.attribute.extend(attributes)
    return model([n])


def function(name, *calls, domain="own"):
    nodes = [node(c, "a", outputs=("b",)) for c in calls]
    for n in nodes:
        n.domain = "" if n.op_type == "Relu" else domain
    return helper.make_function(domain, name, ["a"], ["b"], nodes, [helper.make_opsetid("", 17)])


def called(*functions):
    n = node("F", "x")
    n.domain = "own"
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    return model([n], functions=list(functions), opset_imports=imports)


def doubling(count):
    names = ["x", *(f"d{i}" for i in range(count))]
    nodes = [node("Concat", a, a, outputs=(b,), axis=0) for a, b in pairwise(names)]
    return model([*nodes, relu(names[-1])])


def metadata_twice(m):
    for _ in range(2):
        m.metadata_props.add(key="a", value="b")


def sparse(m):
    tensor = m.graph.sparse_initializer.add(dims=[4])
    tensor.values.CopyFrom(array("s", 2, 2))


def confused():
    a = helper.make_attribute("alpha", 1.0)
    a.type = AttributeProto.INT
    return a


def cases() -> Iterator[tuple[str, onnx.ModelProto, str]]:
    """(name, model, word of the message)."""
    yield "cycle", model([relu("b", "a"), relu("a", "b"), relu("a")]), "cycle"
    yield "cycle, the rest not sorted", model([relu("a"), relu("c", "a"), relu("a", "c")]), "cycle"
    yield "missing initializer", model([node("Add", "x", "w")]), "'w'"
    yield "duplicate output", model([relu(), relu()]), "exists already"
    yield "duplicate initializer", model([node("Add", "x", "w")], stored=[array("w", 8)] * 2), "'w'"
    yield "duplicate node name", model([relu(to="a", name="n"), relu("a", name="n")]), "'n'"
    yield "initializer shadows", model([relu(to="w"), relu("w")], stored=[array("w", 8)]), "'w'"
    yield "output not produced", model([relu(to="a")]), "'y'"
    yield "no outputs", model([relu()], outputs=()), "no outputs"
    yield "negative dim", with_tensor(dims=[-4], raw_data=b"\0" * 16), "size -4"
    yield "dim overflow", with_tensor(dims=[1 << 30] * 3, raw_data=b"\0" * 16), "elements"
    yield "input dim overflow", model([relu()], (1 << 20, 1 << 20)), "elements"
    yield "rank 9", model([relu()], (1,) * 9), "9 axes"
    yield "raw short", with_tensor(raw_data=b"\0" * 15), "15 bytes, expected 16"
    yield "raw long", with_tensor(raw_data=b"\0" * 17), "17 bytes, expected 16"
    yield "two kinds of data", with_tensor(raw_data=b"\0" * 16, float_data=[0.0] * 4), "one of them"
    yield "data of another type", with_tensor(int64_data=[1] * 4), "float_data"
    yield "unknown dtype", with_tensor(data_type=99, raw_data=b"\0" * 16), "element type 99"
    yield (
        "wrong dtype",
        with_tensor(data_type=TensorProto.INT64, raw_data=b"\0" * 32),
        "one element",
    )
    yield "unknown op", model([node("Foo", "x")]), "'Foo'"
    foreign = node("Foo", "x")
    foreign.domain = "com.example"
    yield "unknown domain", model([foreign]), "com.example"
    yield "opset 999", model([relu()], opset=999), "opset 999"
    yield "opset 0", model([relu()], opset=0), "opset 0"
    yield "no opset", changed(model([relu()]), lambda m: m.ClearField("opset_import")), "opset"
    others = [helper.make_opsetid("com.microsoft", 1)]
    yield "no standard opset", model([relu()], opset_imports=others), 'for node "y" (Relu)'
    twice = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx", 13)]
    yield "two opsets", model([relu()], opset_imports=twice), "17 and 13"
    yield "IR 99", changed(model([relu()]), lambda m: setattr(m, "ir_version", 99)), "IR version 99"
    yield "IR 0", changed(model([relu()]), lambda m: setattr(m, "ir_version", 0)), "IR version 0"
    yield "stride 0", conv(strides=[0, 1]), "strides"
    yield "stride -1", conv(strides=[-1, 1]), "strides"
    yield "dilation 0", conv(dilations=[0, 1]), "dilations"
    yield "pads -100", conv(pads=[-100] * 4), "pads"
    yield "pads huge", conv(pads=[1 << 40] * 4), "pads"
    yield "too few pads", conv(pads=[1, 1]), "pads"
    yield "group 0", conv(group=0), "groups = 0"
    yield "group not dividing", conv(group=3), "groups = 3"
    yield "kernel shape not of W", conv(kernel_shape=[2, 2]), "kernel_shape"
    yield "kernel > input", conv(array("W", 4, 4, 9, 9)), "does not fit"
    yield "weight of rank 3", conv(array("W", 4, 4, 3)), "weight"
    yield "weight of other channels", conv(array("W", 4, 5, 3, 3)), "weight"
    yield "unknown auto_pad", conv(auto_pad="SAME"), "auto_pad"
    yield "pool pad >= kernel", pool(pads=[2] * 4), "less than the window"
    yield "pool height of padding", pool(pads=[2, 0, 0, 0]), "less than the window"
    yield "pool width of padding", pool(pads=[0, 0, 0, 2]), "less than the window"
    yield "pool stride 0", pool(strides=[0, 0]), "strides"
    yield "pool dilation huge", pool(dilations=[1 << 40] * 2), "dilations"
    yield "pool kernel > input", pool(kernel_shape=[99, 99]), "does not fit"
    yield "perm", model([node("Transpose", "x", perm=[0, 1, 1, 3])]), "perm"
    yield "axis out of range", model([node("Softmax", "x", axis=7)]), "axis 7"
    shape = integers("s", -1, -1, 4)
    yield "two -1", model([node("Reshape", "x", "s")], stored=[shape]), "at most one -1"
    yield (
        "reshape to another size",
        model([node("Reshape", "x", "s")], stored=[integers("s", 5, 5)]),
        "elements",
    )
    parts = node("Split", "x", "s", outputs=("y", "z"), axis=1)
    yield "split sum", model([parts], stored=[integers("s", 1, 2)]), "add up to 4"
    gather = node("Gather", "x", "i", axis=1)
    yield "gather out of range", model([gather], stored=[integers("i", 4)]), "index 4"
    fill = node("ConstantOfShape", "s")
    yield "ConstantOfShape bomb", model([fill], stored=[integers("s", 1 << 40)]), "size"
    expand = node("Expand", "x", "s")
    bomb = integers("s", 1 << 26, 4, 8, 8)
    yield "Expand bomb", model([expand], stored=[bomb]), "elements"
    yield "Concat bomb", doubling(41), "elements"
    tile = model([node("Tile", "x", "s")], stored=[integers("s", 1, 1, 1 << 30, 1)])
    yield "Tile bomb", tile, ""
    ranged = [integers("a"), integers("b")]
    for t, v in zip(ranged, (0, 1 << 50), strict=True):
        t.CopyFrom(numpy_helper.from_array(np.array(v), t.name))
    step = numpy_helper.from_array(np.array(1), "c")
    yield "Range bomb", model([node("Range", "a", "b", "c")], stored=[*ranged, step]), "size"
    pads = integers("p", *[1 << 40] * 8)
    yield "Pad bomb", model([node("Pad", "x", "p")], stored=[pads]), "pads"
    one_hot = node("OneHot", "i", "d", "v")
    stored = [integers("i", 0), integers("d", 1 << 40), array("v", 2)]
    yield "OneHot bomb", model([one_hot], stored=stored), ""
    bn = [array(n, 4) for n in "abcd"]
    for name, value in (("NaN", float("nan")), ("infinite", float("inf"))):
        n = node("BatchNormalization", "x", *"abcd", epsilon=value)
        yield f"{name} epsilon", model([n], stored=bn), "epsilon"
    yield "metadata key twice", changed(model([relu()]), metadata_twice), "metadata"
    yield "recursive function", called(function("F", "G"), function("G", "F")), "calls itself"
    yield "self-recursive function", called(function("F", "F")), "calls itself"
    yield "bad sparse", changed(model([relu()]), sparse), "values"
    yield "attribute confusion", with_attribute(confused(), op="LeakyRelu"), "holds"
    alpha = helper.make_attribute("alpha", 1.0)
    yield "attribute twice", with_attribute(alpha, alpha, op="LeakyRelu"), "twice"
    yield "unknown attribute", with_attribute(alpha), "unknown attribute"
    yield "attribute of another type", conv(group=1.5), "type INT"
    yield "missing attribute", model([node("Concat", "x")]), "axis"
    yield "too many inputs", model([node("Relu", "x", "x")]), "2 inputs"
    yield "too many outputs", model([node("Relu", "x", outputs=("y", "z"))]), "2 outputs"
    yield "open height", model([relu()], (1, 4, None, 8)), "axis 2"
    segment = with_tensor(raw_data=b"\0" * 16)
    segment.graph.initializer[0].segment.begin = 1
    yield "segment of a tensor", segment, "segment"
    reference = AttributeProto(name="alpha", ref_attr_name="a", type=AttributeProto.FLOAT)
    yield "reference outside a function", with_attribute(reference, op="LeakyRelu"), "refers"
    yield "too many nodes", model([relu("x", f"r{i}") for i in range(200)]), "'y'"
    yield "name with line breaks", model([node("Foo", "x", name="a\nb\r\0")]), "'Foo'"
