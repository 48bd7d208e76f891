"""Observers catch what a broken pass does. The broken passes are made here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from rewrites import graph_of
from support.evaluate import evaluate, evaluate_updates

from graphcnn.errors import OutputError, VerifyError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.initializers import Constant
from graphcnn.ir.node import Array, Node, Value, constant_of
from graphcnn.ir.sources import Input, State
from graphcnn.ir.tensor_type import DType, N, TensorType
from graphcnn.ops.activation import Relu, Sigmoid
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.elementwise import Add, Mul
from graphcnn.ops.norm import BatchNorm
from graphcnn.ops.padding import Pad2d
from graphcnn.passes.driver.base import PASSES, Pass, PassLog, Pipeline, States
from graphcnn.passes.driver.observers import (
    Differential,
    Dump,
    Verify,
    random_feeds,
    random_states,
    relative_error,
)
from graphcnn.passes.exchange.fold_norms import FoldNorms
from graphcnn.passes.exchange.turn_kernels import TurnKernels
from graphcnn.passes.simplify.eliminate import Eliminate
from graphcnn.passes.simplify.fuse_pad import FusePad


@pytest.fixture(autouse=True)
def registry() -> Iterator[None]:
    """Passes made in a test are forgotten after it."""
    known = dict(PASSES)
    yield
    PASSES.clear()
    PASSES.update(known)


def run(graph: Graph, feeds: Mapping[str, Array], states: Mapping[str, Array]) -> dict[str, Array]:
    updates = evaluate_updates(graph, feeds, states)
    return {
        **evaluate(graph, feeds, states),
        **{f"update {key}": array for key, array in updates.items()},
    }


def network(x: Value, w: Value, b: Value) -> Value:
    y = Conv2d()(Pad2d((1, 1, 1, 1))(x, name="pad"), w, name="C1")
    y = Relu()(Add()(y, b, name="biased"), name="R1")
    return Sigmoid()(Mul()(y, y, name="square"), name="S1")


def example() -> Graph:
    image = TensorType((N, 1, 5, 5))
    weight, bias = TensorType((2, 1, 3, 3)), TensorType((2, 1, 1))
    return graph_of(network, x=image, w=weight, b=bias)


def wrong_pass(allowed: float | None = 0.0) -> Pass:
    @dataclass(frozen=True)
    class Wrong(Pass):
        """Makes the product of two equal values a sum."""

        tolerance: ClassVar[float | None] = allowed

        def run(self, graph: Graph, log: PassLog) -> Graph:
            def swap(node: Node, inputs: tuple[Value, ...]) -> list[Value] | None:
                if not isinstance(node.op, Mul):
                    return None
                log.fired["square_to_double"] += 1
                return [Add()(*inputs, name=node.name)]

            return graph.transform(swap, by=self.name)

    return Wrong()


def test_right_passes_pass_with_any_batch_size() -> None:
    check = Differential(run)
    Pipeline((FusePad(), Eliminate())).run(example(), [Verify(), check])
    assert set(check.worst) == {"fuse_pad"}  # eliminate changed nothing
    assert check.worst["fuse_pad"] <= 1e-6


def test_wrong_numbers_name_pass_rule_error_and_part() -> None:
    with pytest.raises(VerifyError) as caught:
        Pipeline((wrong_pass(),)).run(example(), [Differential(run)])
    text = str(caught.value)
    assert "pass wrong changed the numbers: 'result' differs by" in text
    assert "rules fired: square_to_double" in text
    before, after = text.split("after graph")
    assert "square = mul(R1, R1)" in before and "square = add(R1, R1)" in after
    assert "S1 = sigmoid(square)" in before and "S1 = sigmoid(square)" in after
    assert "conv2d" not in text and "pad2d" not in text  # what agrees is left out


def test_wrong_numbers_far_before_the_output() -> None:
    def longer(x: Value, w: Value, b: Value) -> Value:
        y = network(x, w, b)
        for i in range(4):
            y = Sigmoid()(y, name=f"after{i}")
        return y

    sources = {"x": (1, 1, 5, 5), "w": (2, 1, 3, 3), "b": (2, 1, 1)}
    with pytest.raises(VerifyError) as caught:
        Pipeline((wrong_pass(),)).run(graph_of(longer, **sources), [Differential(run)])
    assert "square = add(R1, R1)" in str(caught.value)
    assert "after0" not in str(caught.value)


def test_the_tolerance_of_the_pass_counts() -> None:
    graph = example()
    Pipeline((wrong_pass(10.0),)).run(graph, [Differential(run)])
    Pipeline((wrong_pass(None),)).run(graph, [Differential(run)])


def test_wrong_updates_are_seen() -> None:
    graph = graph_of(lambda x, w: x + w, x=(2,), w=(2,))
    (w,) = graph.states
    graph = graph.with_outputs(graph.outputs, {w: Mul()(w, w, name="next")})
    with pytest.raises(VerifyError, match="'update w' differs"):
        Pipeline((wrong_pass(),)).run(graph, [Differential(run)])


def test_lost_results_are_seen() -> None:
    @dataclass(frozen=True)
    class Lose(Pass):
        def run(self, graph: Graph, log: PassLog) -> Graph:
            return graph.with_outputs({"result": graph.outputs["result"]})

    graph = graph_of(lambda x: (Relu()(x), Sigmoid()(x)), x=(2,))
    with pytest.raises(VerifyError, match="pass lose changed the results"):
        Pipeline((Lose(),)).run(graph, [Differential(run)])


def test_verify_names_the_pass() -> None:
    @dataclass(frozen=True)
    class Mistype(Pass):
        def run(self, graph: Graph, log: PassLog) -> Graph:
            def wrong(node: Node, inputs: tuple[Value, ...]) -> list[Value] | None:
                if not isinstance(node.op, Sigmoid):
                    return None
                return list(Node(node.op, inputs, (TensorType((7,)),), "bad").outputs)

            return graph.transform(wrong)

    with pytest.raises(VerifyError, match=r"pass mistype made an invalid graph: .*bad"):
        Pipeline((Mistype(),)).run(example(), [Verify()])


def test_dump_writes_the_graph_after_every_pass(tmp_path: Path) -> None:
    Pipeline((FusePad(), Eliminate())).run(example(), [Dump(tmp_path / "new")])
    files = sorted(p.name for p in (tmp_path / "new").iterdir())
    assert files == ["00_before.txt", "01_fuse_pad.txt", "02_eliminate.txt"]
    assert "pad2d" in (tmp_path / "new" / files[0]).read_text(encoding="utf-8")
    assert "pad2d" not in (tmp_path / "new" / files[1]).read_text(encoding="utf-8")


def test_dump_into_something_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write to"):
        Pipeline((Eliminate(),)).run(example(), [Dump(tmp_path / "file")])


def test_feeds_fit_the_graph_and_are_the_same_at_every_call() -> None:
    labels = Input("labels", TensorType((9,), DType.INT64))()
    pixels = Input("pixels", TensorType((4, 9), DType.UINT8))()
    w = State("w", TensorType((4, 9), DType.FLOAT32))()
    v = State("v", TensorType((4, 9), DType.FLOAT32), initial=Constant(2.0))()
    step = State("step", TensorType((), DType.INT64))()
    graph = Graph.of([labels, pixels], {"l": labels, "p": pixels, "w": w, "v": v, "s": step})
    feeds, states = random_feeds(graph, 3), random_states(graph, 3)
    assert {k: (a.shape, str(a.dtype)) for k, a in feeds.items()} == {
        "labels": ((9,), "int64"),
        "pixels": ((4, 9), "uint8"),
    }
    assert set(np.unique(feeds["labels"])) == {0, 1}
    assert feeds["pixels"].min() < 64 and feeds["pixels"].max() > 192
    assert states["w"].dtype == np.float32 and len(np.unique(states["w"])) > 30
    assert 0 <= states["w"].min() < 1 / 32 and 3 / 32 < states["w"].max() <= 1 / 8
    assert 2 <= states["v"].min() < 2 + 1 / 32 and 2 + 3 / 32 < states["v"].max() <= 2 + 1 / 8
    assert states["step"] == 0 and states["step"].dtype == np.int64
    assert all(np.array_equal(a, random_feeds(graph, 3)[k]) for k, a in feeds.items())
    assert not np.array_equal(random_feeds(graph, 4)["pixels"], feeds["pixels"])


@pytest.mark.parametrize(
    "a, b, error",
    [
        ([1.0, -4.0], [1.0, -4.0], 0.0),
        ([1.0, -4.0], [2.0, -4.0], 0.25),
        ([0.0, 0.0], [0.5, 0.0], 0.5),
        ([np.nan, 1.0], [np.nan, 1.0], 0.0),
        ([np.nan, 1.0], [0.0, 1.0], np.inf),
        ([0.0, 1.0], [np.nan, 1.0], np.inf),
        ([np.inf, 1.0], [-np.inf, 1.0], np.inf),
        ([1, 2], [1, 3], np.inf),
        ([1, 2], [1, 2], 0.0),
        ([1.0], [1], np.inf),
        ([], [], 0.0),
    ],
)
def test_relative_error(a: list, b: list, error: float) -> None:
    assert relative_error(np.array(a), np.array(b)) == error


def normalised(x: Value, w: Value, g: Value) -> Value:
    one, zero = (constant_of(np.full(2, k), DType.FLOAT64) for k in (1.0, 0.5))
    return BatchNorm(1e-3)(Conv2d(flip_kernel=True)(x, w, name="C1"), g, zero, zero, one)


def test_passes_that_change_states_are_compared_with_what_these_hold() -> None:
    graph = graph_of(normalised, x=(N, 1, 5, 5), w=(2, 1, 3, 3), g=(2,))
    states = random_states(graph)
    watch = Differential(run)
    after, values = Pipeline((FoldNorms(), TurnKernels())).apply(graph, states, [Verify(), watch])
    assert list(watch.worst) == ["fold_norms", "turn_kernels"]
    assert not {"batch_norm"} & {n.op.name for n in after.operations}
    assert set(values) == {state_of(s).key for s in after.states} and not set(values) & set(states)
    assert not any(n.op.attributes.get("flip_kernel") for n in after.operations)
    feeds = random_feeds(graph.bind(N=2))
    expected, found = run(graph.bind(N=2), feeds, states), run(after.bind(N=2), feeds, values)
    assert relative_error(expected["result"], found["result"]) < 1e-12

    class Unturned(TurnKernels):
        def apply(self, graph: Graph, states: States, log: PassLog) -> tuple[Graph, States]:
            after, values = super().apply(graph, states, log)
            return after, {k: a[:, :, ::-1, ::-1] for k, a in values.items() if a.ndim == 4}

    with pytest.raises(VerifyError, match="pass unturned changed the numbers"):
        Pipeline((Unturned(),)).apply(
            graph_of(
                lambda x, w: Conv2d(flip_kernel=True)(x, w, name="C1"),
                x=(N, 1, 5, 5),
                w=(2, 1, 3, 3),
            ),
            states,
            [watch],
        )
