"""The text form: parse inverts print, byte for byte, and every error names its line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import Sample, all_samples
from support.cases import each

from graphcnn.analysis.verify import verify
from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.initializers import Constant as Fill
from graphcnn.ir.initializers import Custom, He, Initializer, Xavier
from graphcnn.ir.node import Value
from graphcnn.ir.origin import Origin, inherit
from graphcnn.ir.sources import Constant, Input, Role, State
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.models import MODELS
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.padding import Pad2d
from graphcnn.testing.structure import same_structure
from graphcnn.testing.texts import check_text, round_trip
from graphcnn.text.literals import format_value, quote, unquote
from graphcnn.text.parse import parse_graph
from graphcnn.text.write import dump_graph, format_graph

HOSTILE = [
    "a b", 'quo"te', "back\\slash", "new\nline", "tab\t", "ünï", "汉", "%1", "#", "a:1", "", "x=",
    "return", "update", "graph", "}", "()", "1st", "a..b", "N", "inf", "True", "\u2028", "\x00",
    "\ud800", "\ud83d\ude00", "constant", "base64", "a/b.c",
]  # fmt: skip


def image(key: str = "image") -> Value:
    return Input(key, TensorType((N, 2, 5, 5)))(name=key)


def weight(key: str = "w", **attributes: object) -> Value:
    return State(key, TensorType((3, 2, 3, 3)), **attributes)()  # type: ignore[arg-type]


@each(all_samples())
def test_every_sample_round_trips(sample: Sample) -> None:
    check_text(sample)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_round_trips(name: str) -> None:
    graph = round_trip(MODELS[name]().graph)
    verify(graph, "model")
    assert same_structure(parse_graph(format_graph(graph)), graph)
    round_trip(graph.bind(2))


def test_readable() -> None:
    with inherit(Origin("/home/me/tiny.py", 3, ("fuse_pad",), "C1")):
        x = image()
        y = Conv2d(stride=(2, 2))(x, weight("C1.weight", initial=He()), name="C1")
    assert format_graph(Graph.of([x], {"y": y}, name="tiny")) == (
        'graph "tiny" (image: f32[N,2,5,5]) {\n'
        "  C1.weight = state(initial=he) : f32[3,2,3,3]  # tiny.py:3 by fuse_pad for C1\n"
        "  C1 = conv2d(image, C1.weight; stride=(2, 2)) : f32[N,3,2,2]"
        "  # tiny.py:3 by fuse_pad for C1\n"
        "  return y = C1\n"
        "}\n"
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(name: str) -> None:
    assert unquote(quote(name)) == name
    x = image(name or "x")
    a = Pad2d((1, 1, 1, 1))(x, name=name)
    b = Conv2d()(a, weight(name + "w"), name=name)
    parsed = round_trip(Graph.of([x], {name: b, "again": a}, name=name))
    assert name in parsed.outputs and parsed.name == name


@given(st.lists(st.text(), min_size=3, max_size=3, unique=True), st.text())
def test_any_names(names: list[str], file: str) -> None:
    with inherit(Origin(file, 7, (names[0], "b"), names[1])):
        x = image(names[0] or "x")
        y = Pad2d()(Pad2d()(x, name=names[1]), name=names[2])
    round_trip(Graph.of([x], dict.fromkeys(names, y), name=names[2]))


class Mine(Initializer):
    """An initializer that the text form has never heard of."""


@pytest.mark.parametrize(
    "initial",
    [He(), He(True), Xavier(), Xavier(normal=True), Fill(0.0), Fill(-0.0), Fill(float("nan")),
     Fill(0.1), Custom("f"), Custom('a "b"\n'), Custom("g", np.zeros)],
    ids=repr,
)  # fmt: skip
def test_states(initial: Initializer) -> None:
    x = image()
    w = weight(initial=initial, trainable=False)
    n = State("step", TensorType((), DType.INT64), Role.COUNTER)()
    y = Conv2d()(x, w)
    parsed = round_trip(Graph.of([x], {"y": y}, {n: n, w: w}))
    (state,) = parsed.parameters
    assert state.node.op.trainable is False  # type: ignore[attr-defined]
    assert repr(state.node.op.initial).split(", function")[0].rstrip(")") in repr(initial)  # type: ignore[attr-defined]


def test_unknown_initializer_becomes_custom() -> None:
    graph = Graph.of([], {"w": weight(initial=Mine())})
    assert 'initial=custom(label="Mine")' in dump_graph(graph)
    assert dump_graph(parse_graph(dump_graph(graph))) == dump_graph(graph)


def test_states_without_keys_stay_without() -> None:
    w = weight("")
    parsed = round_trip(Graph.of([], {"a": w, "b": weight("state_1"), "c": weight("")}))
    assert [v.node.op.key for v in parsed.states] == ["", "state_1", ""]  # type: ignore[attr-defined]


ARRAYS = [
    np.float32(0.1), np.float64(0.1), np.float32(-0.0), np.array([np.nan, np.inf, -np.inf]),
    np.array([1e-45, 3.4e38, 16777217], np.float32), np.array([5e-324, 1.7976931348623157e308]),
    np.array([0x7FC00001, 0xFFC00000], np.uint32).view(np.float32), np.arange(300).reshape(3, 100),
    np.array([2**63 - 1, -(2**63)]), np.array([[True], [False]]), np.uint8([0, 255]),
    np.zeros((0, 3), np.float32), np.float16([0.1, 65504.0]), np.random.default_rng(0).random(40),
    np.arange(12.0).reshape(3, 4).T, np.int32(-7), np.arange(24.0)[::2],
]  # fmt: skip


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}-{a.shape}-{a.size}")
def test_constants_keep_every_bit(array: np.ndarray) -> None:
    graph = Graph.of([], {"c": Constant(array)()})
    back = round_trip(graph).outputs["c"].node.op.array  # type: ignore[attr-defined]
    assert back.dtype == array.dtype and back.shape == array.shape
    assert back.tobytes() == array.tobytes()
    assert not back.flags.writeable
    if array.size > 16:
        assert "digest" in format_graph(graph)


@given(st.floats(width=32), st.floats())
def test_any_float(single: float, double: float) -> None:
    both = [Constant(np.float32(single))(), Constant(np.float64(double))()]
    parsed = round_trip(Graph.of([], {"s": both[0], "d": both[1]}))
    for key, value in zip("sd", both, strict=True):
        assert parsed.outputs[key].node.op == value.node.op


def test_elided_constants() -> None:
    array = np.random.default_rng(1).random((3, 2, 3, 3)).astype(np.float32)
    x = image()
    constant = Constant(array)
    graph = Graph.of([x], {"y": Conv2d()(x, constant())})
    text = format_graph(graph)
    with pytest.raises(GraphError, match=f"line 2: .*digest {constant.digest[:16]} is not in"):
        parse_graph(text)
    assert same_structure(parse_graph(text, {constant.digest: array}), graph)
    assert same_structure(parse_graph(text, {constant.digest[:16]: array}), graph)
    with pytest.raises(GraphError, match="has other contents"):
        parse_graph(text, {constant.digest: array + 1})


def test_order_of_the_text_is_kept() -> None:
    x = image()
    a, b = Pad2d((1, 0, 0, 0))(x, name="a"), Pad2d((0, 1, 0, 0))(x, name="b")
    graph = Graph.of([x], {"b": b, "a": a})
    assert [n.name for n in round_trip(graph).nodes] == ["image", "b", "a"]


def test_multiple_results_and_origins_come_back() -> None:
    text = (
        'graph "g" (x: f32[N,1,4,4]) {\n'
        "  p = max_pool2d(x; kernel=(2, 2), stride=(2, 2), indices=True)"
        " : f32[N,1,2,2], i64[N,1,2,2]  # a.py:3 by p1, p2 for x\n"
        "  return y = p\n"
        "  return at = p:1\n"
        "}\n"
    )
    graph = parse_graph(text)
    assert dump_graph(graph) == text
    assert graph.outputs["at"].index == 1
    assert graph.nodes[-1].origin == Origin("a.py", 3, ("p1", "p2"), "x")


def test_types_and_comments_are_free() -> None:
    graph = parse_graph(
        '# by hand\n\ngraph "g" (\n  x: f32[N,1,4,4],  # an image\n) { # begin\r\n'
        "  p = pad2d(x;\n    padding=(1, 1, 1, 1)) # my favourite: 3 \n\n  return y = p }\n# end"
    )
    assert graph.outputs["y"].shape == (N, 1, 6, 6)
    assert graph.nodes[-1].origin == Origin()


def test_values() -> None:
    for value, text in [
        (1, "1"), (1.0, "1.0"), (True, "True"), (None, "None"), ("s", '"s"'), ((), "()"),
        ((N, 3), "(N, 3)"), ((1,), "(1,)"), (DType.INT64, "i64"), (1e300, "1e+300"),
        (TensorType((N, 3)), "f32[N,3]"), (float("-inf"), "-inf"), (np.int64(3), "3"),
        (TensorType((2, 16), layout="nchw16c"), "f32[2,16]@nchw16c"),
    ]:  # fmt: skip
        assert format_value(value) == text
    with pytest.raises(GraphError, match="type list has no text form"):
        format_value([1])
