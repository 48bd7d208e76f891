"""Outputs that nothing computes, inputs and constants, and values that share their memory."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import graphcnn as cnn
from graphcnn.compile.runner import Runner
from graphcnn.errors import ExportError
from graphcnn.onnx.exporting.export import export_graph
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.runtime.execution import Execution

X = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
W = np.arange(24, dtype=np.float32).reshape(6, 4)
B = np.array([0.5, -1], np.float32)
#: Every array that a model of these is fed with.
FEEDS = {"x": X, "u": np.ones((3, 3), np.float32)}
INPUT = ("x", 1, ["N", 2])


def model_of(nodes, outputs, stored=(), inputs=(INPUT,)):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(*info) for info in inputs],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs],
        [numpy_helper.from_array(np.asarray(a), name) for name, a in stored],
    )
    imports = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def node(op, *inputs, to="y", **attributes):
    return helper.make_node(op, list(inputs), [to], **attributes)


RELU = node("Relu", "x")
SHAPE = ("s", np.array([0, 1, 2]))
#: Models, and the operators of the file that they become.
CASES = {
    "an input": (model_of([RELU], [("y", 1), ("x", 1)]), ["Relu"]),
    "nothing but an input": (model_of([], [("x", 1)]), []),
    "an initializer": (model_of([RELU], [("y", 1), ("w", 1)], [("w", W)]), ["Relu"]),
    "an initializer that is read": (
        model_of([node("Add", "x", "b")], [("y", 1), ("b", 1)], [("b", B)]),
        ["Add"],
    ),
    "a default of an input": (
        model_of([node("Add", "x", "b")], [("y", 1), ("b", 1)], [("b", B)], [INPUT, ("b", 1, [2])]),
        ["Add"],
    ),
    "integers": (model_of([RELU], [("y", 1), ("i", 7)], [("i", [1, 2])]), ["Relu", "Identity"]),
    "a number": (
        model_of([RELU], [("y", 1), ("c", 1)], [("c", np.float32(2))]),
        ["Relu", "Identity"],
    ),
    "a constant": (
        model_of([RELU, node("Constant", to="c", value=numpy_helper.from_array(W))],
                 [("y", 1), ("c", 1)]),
        ["Relu", "Identity"],
    ),
    "a value under two names": (
        model_of([RELU, node("Identity", "y", to="z")], [("y", 1), ("z", 1)]),
        ["Relu", "Identity"],
    ),
    "an input under other names": (
        model_of([node("Identity", "x", to=n) for n in "zq"], [("z", 1), ("x", 1), ("q", 1)]),
        ["Identity", "Identity"],
    ),
    "twice the same": (model_of([RELU], [("y", 1), ("y", 1)]), ["Relu"]),
    "an input in another shape": (
        model_of([node("Reshape", "x", "s", to="z")], [("z", 1)], [SHAPE]), ["Reshape"]
    ),
    "a value in another shape": (
        model_of([RELU, node("Reshape", "y", "s", to="z")], [("z", 1), ("y", 1)], [SHAPE]),
        ["Relu", "Reshape"],
    ),
    "an input that is not read": (
        model_of([RELU], [("y", 1)], inputs=[INPUT, ("u", 1, ["N", 3])]), ["Relu"]
    ),
    "a second input": (
        model_of([RELU], [("y", 1), ("u", 1)], inputs=[INPUT, ("u", 1, ["N", 3])]), ["Relu"]
    ),
}  # fmt: skip
each = pytest.mark.parametrize(("model", "kinds"), CASES.values(), ids=CASES)


def fed(found):
    """Arrays of its own for every input."""
    return {v.node.name: FEEDS[v.node.name].copy() for v in found.graph.inputs}


def theirs(model, names):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(model.SerializeToString())
    feeds = {v.name: FEEDS[v.name] for v in session.get_inputs() if v.name in FEEDS}
    return dict(zip(names, session.run(list(names), feeds), strict=True))


@each
@pytest.mark.parametrize("where", ["native", "reference"])
def test_results_are_arrays_of_their_own(model, kinds, where):
    found = import_graph(model.SerializeToString())
    runner, feeds = Runner(found.graph, Execution(where)), fed(found)
    expected = theirs(model, found.graph.outputs)
    results, _ = runner.run(feeds, found.states)
    assert results.keys() == expected.keys()
    for key, array in results.items():
        assert array.dtype == expected[key].dtype
        np.testing.assert_array_equal(array, expected[key])
    held = [*feeds.values(), *found.states.values()]
    held += [n.op.array for n in found.graph.nodes if n.op.name == "constant"]
    for key, array in results.items():
        assert array.flags.writeable
        others = [*held, *(a for k, a in results.items() if k != key)]
        assert not any(np.shares_memory(array, other) for other in others), key
    runner.run({key: array + 1 for key, array in feeds.items()}, found.states)
    for array in results.values():
        array += 1
    for key, array in feeds.items():
        np.testing.assert_array_equal(array, FEEDS[key])
    again, _ = runner.run(feeds, found.states)
    for key, array in again.items():
        np.testing.assert_array_equal(array, expected[key])


@each
def test_exported_and_read_again(model, kinds):
    found = import_graph(model.SerializeToString())
    back = export_graph(found.graph, found.states)
    assert [n.op_type for n in back.graph.node] == kinds
    names = list(found.graph.outputs)
    assert [v.name for v in back.graph.output] == names
    for key, array in theirs(back, names).items():
        np.testing.assert_array_equal(array, theirs(model, names)[key])
    again = import_graph(back.SerializeToString())
    assert str(again.graph) == str(found.graph) and again.states.keys() == found.states.keys()
    back.producer_name = ""  # node by node
    other = import_graph(back.SerializeToString())
    assert list(other.graph.outputs) == names


@each
def test_written_drawn_and_summed_up(model, kinds, tmp_path):
    pytest.importorskip("onnxruntime")
    ours = cnn.import_onnx(model.SerializeToString())
    inputs = {key: np.repeat(a, 3, axis=0) for key, a in FEEDS.items()}
    inputs = {v.node.name: inputs[v.node.name] for v in ours.graph.inputs}
    whole, parts = (ours.predict(inputs, raw=True, batch_size=n) for n in (None, 4))
    whole, parts = (p if isinstance(p, dict) else {"y": p} for p in (whole, parts))
    for key, array in whole.items():
        np.testing.assert_array_equal(parts[key], array)
    assert ours.summary() and ours.draw(tmp_path / "graph.svg")
    for how in ({}, {"float16": True}, {"external_data": True}, {"fold_batch_norm": True}):
        ours.export_onnx(tmp_path / "model.onnx", **how)
        found = onnx.load(tmp_path / "model.onnx").graph
        assert [v.name for v in found.output] == list(ours.graph.outputs)


def test_a_name_that_means_something_else_is_refused():
    x = cnn.input("x", (2,))
    graph = cnn.Model(x, {"x": cnn.relu(x)}).graph
    with pytest.raises(ExportError, match="the output 'x' needs another name"):
        export_graph(graph, {})
