import numpy as np
import pytest
from rewrites import arrays_for, expression, graph_of
from support.evaluate import evaluate

from graphcnn.errors import GraphError
from graphcnn.ir.node import Value, constant_of
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.ops.broadcast import BroadcastTo, Sum
from graphcnn.ops.norm import BatchNormTrain
from graphcnn.ops.reduce import Mean
from graphcnn.ops.shape import ElementCount, OneHot, Transpose
from graphcnn.passes.driver.base import PassLog
from graphcnn.passes.simplify.fold_constants import FoldConstants
from graphcnn.passes.simplify.fold_states import FoldStates, freeze_states


def f64(value: object) -> Value:
    return constant_of(np.asarray(value), DType.FLOAT64)


def test_fires_and_keeps_the_bits() -> None:
    graph, log = graph_of(lambda x: x + (f64([1.0, 2.0]) * 3.0 - 1.0), x=(2,)), PassLog()
    after = FoldConstants()(graph, log)
    assert expression(after.outputs["result"]) == "add(x, const[2])"
    assert log.fired == {"mul": 1, "sub": 1}
    arrays = arrays_for(graph)
    assert np.array_equal(evaluate(after, arrays)["result"], evaluate(graph, arrays)["result"])
    assert FoldConstants()(after) is after


def test_folded_constants_are_row_major_and_of_the_inferred_type() -> None:
    graph = graph_of(lambda x: x * Transpose((1, 0))(f64(np.eye(2, 3))), x=(3, 2))
    (constant,) = (n for n in FoldConstants()(graph).nodes if n.op.name == "constant")
    assert constant.op.array.flags.c_contiguous
    assert constant.types == (TensorType((3, 2), DType.FLOAT64),)


def test_all_results_of_a_node_are_folded() -> None:
    def normed(x: Value) -> Value:
        y, mean, variance = BatchNormTrain()(
            f64(np.arange(6.0).reshape(3, 2)), f64([1.0, 2.0]), f64([0.0, 1.0])
        ).node.outputs
        return x * y + mean + variance

    graph = graph_of(normed, x=(3, 2))
    after = FoldConstants()(graph)
    assert {n.op.name for n in after.operations} == {"mul", "add"}
    arrays = arrays_for(graph)
    assert np.array_equal(evaluate(after, arrays)["result"], evaluate(graph, arrays)["result"])


def test_the_number_of_items_folds_once_it_is_known() -> None:
    def mean(x: Value) -> Value:
        return Sum((0, 1))(x) / ElementCount(x.shape, x.dtype)()

    free, log = graph_of(mean, x=TensorType((N, 3), DType.FLOAT64)), PassLog()
    assert FoldConstants()(free, log) is free
    assert "bind" in str(log.refused[0])
    assert expression(FoldConstants()(free.bind(N=4)).outputs["result"]) == (
        "div(sum(x; axes=(0, 1)), 12.0)"
    )


def test_refuses_what_would_grow_beyond_the_cap() -> None:
    def spread(x: Value) -> Value:
        return x + BroadcastTo((4, 8))(f64(2.0))

    graph, log = graph_of(spread, x=(4, 8)), PassLog()
    assert FoldConstants(max_bytes=255)(graph, log) is graph
    assert "the result has 256 bytes, its inputs 8, and max_bytes is 255" in str(log.refused[0])
    assert len(FoldConstants(max_bytes=256)(graph).operations) == 1


def test_large_results_are_folded_where_they_do_not_grow() -> None:
    graph = graph_of(lambda x: x + f64(np.ones((8, 8))) * 2.0, x=(8, 8))
    assert len(FoldConstants(max_bytes=0)(graph).operations) == 1


def test_states_are_not_constant_until_they_are_frozen() -> None:
    graph = graph_of(lambda x, w: x * (w * 2.0), x=(2,), w=(2,))
    assert FoldConstants()(graph) is graph
    frozen = freeze_states(graph, {"w": np.array([1.0, 2.0])})
    assert not frozen.states
    after = FoldConstants()(frozen)
    assert expression(after.outputs["result"]) == "mul(x, const[2])"
    given = {"x": np.array([3.0, 4.0])}
    assert evaluate(after, given)["result"].tolist() == [6.0, 16.0]
    assert FoldStates({"w": np.ones(2)})(after) is after


def test_a_state_that_is_updated_or_has_no_value_stays() -> None:
    graph = graph_of(lambda x, w, b: x * w + b, x=(2,), w=(2,), b=(2,))
    (w, b) = graph.states
    graph, log = graph.with_outputs(graph.outputs, {w: w * 2.0}), PassLog()
    assert FoldStates({"w": np.ones(2)})(graph, log) is graph
    assert "the graph updates it" in str(log.refused[0])
    assert b in graph.states


@pytest.mark.parametrize("value", [np.ones(3), np.ones(2, np.float32)])
def test_a_state_of_another_type_is_an_error(value: np.ndarray) -> None:
    graph = graph_of(lambda x, w: x * w, x=(2,), w=(2,))
    with pytest.raises(GraphError, match=r"state 'w' must be f64\[2\], found a value of"):
        freeze_states(graph, {"w": value})


def test_constants_that_cannot_be_evaluated_are_refused() -> None:
    graph = graph_of(lambda x: x + OneHot(2, DType.FLOAT64)(constant_of([5])), x=(1, 2))
    log = PassLog()
    assert FoldConstants()(graph, log) is graph
    assert "label out of range" in str(log.refused[0])


def test_means_of_nothing_warn_nobody(recwarn: pytest.WarningsRecorder) -> None:
    graph = graph_of(lambda x: x + Mean((0,))(f64([1.0, np.inf]) / f64(0.0)), x=(2,))
    assert len(FoldConstants()(graph).operations) == 1
    assert not recwarn.list
