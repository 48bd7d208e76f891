"""Nodes that gather, scatter, sample, sum, loop or work on volumes, against ONNX Runtime."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.agreement import check_agreement
from support.malformed_models import array, changed, integers, model, node
from support.onnx_random_nodes import differences
from support.random_structures import MAKERS

from graphcnn.compile.runner import Runner
from graphcnn.errors import ImportModelError
from graphcnn.onnx.importing.importer import import_graph
from graphcnn.onnx.importing.report import report
from graphcnn.runtime.execution import Execution

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def test_random_structures_agree():
    compared, refused, wrong = differences("default", 2 * len(MAKERS), MAKERS)
    assert not wrong, "\n".join(wrong)
    assert sum(compared.values()) >= len(MAKERS), refused
    assert set(compared) | set(refused) == set(MAKERS)


@pytest.mark.sweep
def test_many_random_structures_agree():
    compared, refused, wrong = differences("full", 60 * len(MAKERS), MAKERS)
    print(f"compared {sum(compared.values())}, refused by ONNX Runtime {dict(refused)}")
    assert not wrong, f"{len(wrong)}\n" + "\n".join(wrong[:20])
    assert sum(compared.values()) >= 40 * len(MAKERS)


@pytest.mark.parametrize("how", [{}, {"time_axis": 1, "batch_axis": 0}])
def test_sequences_run_backwards(how):
    """As far as their lengths say, which are fed; and whole ones, whose lengths are computed."""
    order = [0, 1, 2] if how else [1, 0, 2]
    first = node("Transpose", "x", outputs=("t",), perm=order)
    made = model([first, node("ReverseSequence", "t", "n", **how)], ("N", 5, 2))
    made.graph.input.append(helper.make_tensor_value_info("n", INT64, ["N"]))

    def feeds(n):
        x = np.random.default_rng(n).normal(size=(n, 5, 2)).astype(np.float32)
        return {"x": x, "n": np.array([5, 0, 3][:n], np.int64)}

    check_agreement(made.SerializeToString(), feeds)
    stored = [integers("axis", 0), integers("five", 5)]
    nodes = [
        first,
        node("Shape", "x", outputs=("shape",)),
        node("Gather", "shape", "axis", outputs=("count",)),
        node("Expand", "five", "count", outputs=("n",)),
        node("ReverseSequence", "t", "n", **how),
    ]
    check_agreement(model(nodes, ("N", 5, 2), stored).SerializeToString(), feeds)
    wrong = model([node("ReverseSequence", "x", "five", time_axis=2)], ("N", 5, 2), stored)
    with pytest.raises(ImportModelError, match="time_axis = 2 and batch_axis = 1"):
        import_graph(wrong.SerializeToString())


def loop(count, going):
    """x + 1, `count` times; the numbers are initializers."""
    body = helper.make_graph(
        [node("Add", "v", "one", outputs=("w",)), node("Identity", "c", outputs=("d",))],
        "body",
        [helper.make_tensor_value_info(n, t, []) for n, t in (("i", INT64), ("c", BOOL))]
        + [helper.make_tensor_value_info("v", FLOAT, [4])],
        [helper.make_tensor_value_info(n, t, None) for n, t in (("d", BOOL), ("w", FLOAT))],
    )
    stored = [array("one", 4), numpy_helper.from_array(np.array(count), "m")]
    stored.append(numpy_helper.from_array(np.array(going), "go"))
    return model([node("Loop", "m" if count else "", "go", "x", body=body)], (4,), stored)


def test_loops_are_written_out():
    found = import_graph(loop(3, True).SerializeToString())
    assert [n.op.name for n in found.graph.nodes].count("add") == 3
    assert len({n.name for n in found.graph.nodes}) == len(found.graph.nodes)
    x = np.zeros(4, np.float32)
    np.testing.assert_array_equal(
        Runner(found.graph, Execution("reference")).run({"x": x}, found.states)[0]["y"], x + 3
    )


def test_a_loop_of_many_turns_stays_a_loop():
    found = import_graph(loop(2_000, True).SerializeToString())
    (op,) = [n.op for n in found.graph.nodes if n.op.name == "scan"]
    assert op.length == 2_000
    x = np.zeros(4, np.float32)
    found_y = Runner(found.graph, Execution("native")).run({"x": x}, found.states)[0]["y"]
    np.testing.assert_array_equal(found_y, x + 2_000)
    assert report(loop(2_000, True).SerializeToString()).looped == {"Loop": 1}


def test_a_loop_whose_numbers_decide_sizes_is_written_out():
    """y grows by a row each turn: the body is another graph at every turn."""
    made = loop(40, True)
    body = made.graph.node[0].attribute[0].g
    body.node[0].CopyFrom(node("Concat", "v", "one", outputs=("w",), axis=0))
    found = import_graph(made.SerializeToString())
    assert not any(n.op.name == "scan" for n in found.graph.nodes)
    assert found.graph.outputs["y"].shape == (164,)


CHOICE = helper.make_graph(
    [node("ReduceMax", "x", outputs=("k",), keepdims=0), node("Cast", "k", outputs=("m",), to=7),
     node("Constant", outputs=("go",), value=numpy_helper.from_array(np.array(True)))],
    "g", [], [],
).node  # fmt: skip


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: loop(0, True), r"more than 1,024 turns .* \(limits.pieces\)"),
        (lambda: changed(loop(3, True), _counted_by_x), "number of turns must be known"),
        (lambda: model([node("Compress", "x", "x")]), "condition must be known while importing"),
        (lambda: model([node("Einsum", "x", equation="ab->a")]), "does not fit 4 axes"),
        (lambda: model([node("Einsum", "x", equation="abcd->abce")]), "unknown labels"),
        (lambda: model([node("Det", "x")]), "expected at most 4 by 4"),
        (
            lambda: model([node("TopK", "x", "k", outputs=("y", "i"))], stored=[integers("k", 9)]),
            "k must be from 1 to 8",
        ),
        (
            lambda: model([node("Gather", "x", "i", axis=1)], stored=[integers("i", 4)]),
            "index 4 must be from -4 to 3",
        ),
        (
            lambda: model([node("RoiAlign", "b", "x", "i")], (3, 4),
                          [array("b", 1, 2, 8, 8), integers("i", 0, 0, 0)]),
            r"the sizes of boxes \(sampling_ratio = 0\) must be known",
        ),
    ],
)  # fmt: skip
def test_refusals_say_what_is_expected(made, message):
    with pytest.raises(ImportModelError, match=message) as caught:
        import_graph(made().SerializeToString())
    assert "\n" not in str(caught.value)


def _counted_by_x(made):
    """The number of turns is computed from the input."""
    for i, inner in enumerate(CHOICE):
        made.graph.node.insert(i, inner)
    del made.graph.initializer[:]
    made.graph.initializer.append(array("one", 4))
