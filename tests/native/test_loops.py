"""Scans as loops of machine code: one compiled body, the same bits as the body written out."""

import re
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from native.chains import lowered
from ops.test_scan import applied
from samples.scan import SAMPLES, ScanSample, rows, scan_of, t

import graphcnn as cnn
from graphcnn.compile import native
from graphcnn.compile.ahead import ahead
from graphcnn.compile.pipelines import training_graph
from graphcnn.errors import VerifyError
from graphcnn.ir.evaluate import as_tuple
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Value, build
from graphcnn.ir.plan import BufferRole
from graphcnn.ir.sources import Constant, Input, Role, State
from graphcnn.ir.verify_plan import verify_plan
from graphcnn.ops.activation import Relu, Sigmoid, Tanh
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.dense import Dense
from graphcnn.ops.loops import Scan
from graphcnn.passes.lowering.lower_loops import LowerLoops, hoisted
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native import program
from graphcnn.runtime.native.ahead.targets import machine_named
from graphcnn.runtime.native.code.registry import LOWERINGS, load_lowerings
from graphcnn.runtime.native.executable import NativeExecutable
from graphcnn.runtime.native.loops import Loop
from graphcnn.runtime.native.program import coded, work_of

pytestmark = pytest.mark.whole_runs

Arrays = tuple[Array, ...]


def executable(
    graph: Graph, threads: int = 1, loops: bool = True, guard: bool | None = None
) -> NativeExecutable:
    execution = Execution("native", threads)
    found = native.native_compiled(graph, execution, loops=loops)
    assert found.prepare is None
    kernels = found.kernels
    return NativeExecutable(found.plan.graph, execution, found.plan, guard, kernels)


def results(made: NativeExecutable, arrays: Arrays) -> list[Array]:
    outputs, _ = made.run({f"a{i}": a for i, a in enumerate(arrays)})
    return list(outputs.values())


def bits(arrays: Any) -> bytes:
    return b"".join(a.tobytes() for a in arrays)


def drawn(op: Scan, seed: int = 0) -> Arrays:
    arrays = ScanSample("drawn", op).arrays(np.float64)
    rng = np.random.default_rng(seed)
    return tuple((rng.normal(size=a.shape) * 0.2).astype(a.dtype) for a in arrays)


def loops_of(made: NativeExecutable) -> list[Loop]:
    return [k for k in made._table.kernels if isinstance(k, Loop)]


def lstm(size: int, reads: int, items: int, length: int, reverse: bool = False) -> Scan:
    """One whose products are worth being divided among threads, if it is large enough."""

    def cell(h: Value, c: Value, x: Value, w: Value, u: Value) -> tuple[Value, Value, Value]:
        gates = Dense()(x, w) + Dense()(h, u)
        i, f, g, o = (gates[:, size * k : size * (k + 1)] for k in range(4))
        c = Sigmoid()(f) * c + Sigmoid()(i) * Tanh()(g)
        h = Sigmoid()(o) * Tanh()(c)
        return h, c, h

    carries, given = (t((items, size)),) * 2, (t((4 * size, reads)), t((4 * size, size)))
    return scan_of(cell, carries, (t((items, reads)),), given, length, reverse)


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.op.length > 1], ids=repr)
def test_a_loop_is_the_reference_with_every_number_of_threads(sample: ScanSample) -> None:
    arrays, graph = sample.arrays(), applied(sample.op)
    expected = as_tuple(sample.op.evaluate(*arrays))
    one = executable(graph)
    assert [s.node.op.name for s in one.plan.steps].count("scan") == len(loops_of(one)) == 1
    found = results(one, arrays)
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        bound = 1e-3 if a.dtype == np.float16 else 1e-5
        np.testing.assert_allclose(a.astype(float), b.astype(float), rtol=bound, atol=bound)
    assert bits(results(one, arrays)) == bits(found)
    for threads in (2, 3):
        assert bits(results(executable(graph, threads), arrays)) == bits(found)
    assert bits(results(executable(graph, 2, guard=True), arrays)) == bits(found)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("size, reads", [(64, 48), (60, 5)])
def test_threads_go_through_a_loop_together(size: int, reads: int, reverse: bool) -> None:
    """Whole lines of memory and others; products are divided, what is small is not."""
    op = lstm(size, reads, 24, 9, reverse)
    arrays, graph = drawn(op), applied(op)
    one = executable(graph)
    (loop,) = loops_of(one)
    assert program.divided(loop)
    expected = bits(results(one, arrays))
    assert bits(results(executable(graph, loops=False), arrays)) == expected
    for threads in (2, 3, 4):
        made = executable(graph, threads)
        for _ in range(5):
            assert bits(results(made, arrays)) == expected


def test_without_barriers_between_iterations_it_goes_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The test above would notice."""
    op = lstm(64, 48, 24, 9)
    arrays, graph = drawn(op), applied(op)
    expected = bits(results(executable(graph), arrays))
    monkeypatch.setattr(program, "_meeting", lambda records: records)
    made = executable(graph, 4)
    assert {bits(results(made, arrays)) for _ in range(200)} != {expected}


def test_as_many_kernels_whatever_the_length() -> None:
    counts = []
    for length in (2, 784):
        made = executable(applied(lstm(4, 3, 2, length)))
        work = [work_of(step) for step in made.plan.steps]
        records = program.program(made.plan, made._table.kernels, work, 1)
        counts.append(len({kernel.key for kernel in coded(records)}))
    assert counts[0] == counts[1]


def test_its_method_is_that_of_its_steps() -> None:
    (loop,) = loops_of(executable(applied(lstm(4, 3, 2, 5))))
    assert loop.method == f"loop ({', '.join(k.method for k in loop.inside.kernels)})"
    assert len(loop.inside.kernels) > 2 and loop.algorithm.endswith("steps, 5×")


def test_small_loops_are_done_by_one_thread() -> None:
    made = executable(applied(lstm(4, 3, 2, 5)), 3)
    (loop,) = loops_of(made)
    assert not program.divided(loop)
    records = program.program(made.plan, [loop], [work_of(made.plan.steps[0])], 3)
    assert [r.shares for r in records] == [1]


def test_weights_are_packed_once_outside() -> None:
    """A relayout of a weight leaves the loop, and with states it is done when these are bound."""
    kind = t((2, 16, 12, 12))
    weight = t((16, 16, 3, 3))

    def step(c: Value, x: Value, w: Value) -> tuple[Value, Value]:
        y = Relu()(Conv2d(padding=(1, 1, 1, 1))(c + x, w))
        return y, y

    op = scan_of(step, (kind,), (kind,), (weight,), length=3)
    inputs = [Input("c", kind)(name="c"), Input("x", kind.with_shape((3, *kind.shape)))(name="x")]
    w = State("w", weight, Role.PARAMETER)(name="w")
    graph = Graph.of(inputs, {"y": build(op, (*inputs, w), "loop").outputs[1]})
    made = native.Prepared(graph, Execution("native", 2))
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=v.type.shape).astype("f") for v in (*inputs, w)]
    made.bind_states({"w": arrays[2] * 0.1})
    found = made.run({"c": arrays[0], "x": arrays[1]})[0]["y"]
    expected = op.evaluate(arrays[0], arrays[1], arrays[2] * np.float32(0.1))[1]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    (step_of_loop,) = (s for s in made.executable.plan.steps if s.body is not None)
    assert step_of_loop.body is not None
    for inner in step_of_loop.body.steps:
        moved = inner.node.op.name == "relayout" and len(inner.node.inputs[0].shape) == 4
        source = inner.node.inputs[0].node.op if moved else None
        assert not (isinstance(source, Input) and inner.node.inputs[0].shape == weight.shape)
    assert any(v.type.layout != "plain" for v in step_of_loop.node.inputs)


@pytest.mark.parametrize("items, method", [(2, "dot products"), (24, "packed panels")])
def test_products_read_given_weights_in_panels(items: int, method: str) -> None:
    """Packed before the loop, for products that are worth it; nobody reads the plain weight."""
    made = executable(applied(lstm(64, 48, items, 9)))
    (loop,) = loops_of(made)
    assert [k.method for k in loop.inside.kernels].count(method) == 2
    (step,) = (s for s in made.plan.steps if s.body is not None)
    layouts = [v.type.layout for v in step.node.inputs if v.shape in ((256, 48), (256, 64))]
    assert len(layouts) == 2 and ("plain" in layouts) == (method == "dot products")


def test_what_does_not_move_leaves_the_body() -> None:
    """Constants, too; the value of the scan stays the same to the bit."""

    def step(c: Value, x: Value, w: Value) -> tuple[Value, Value]:
        two = Constant(np.full((3,), 2.0, np.float32))(name="two")
        return c + x * Tanh()(w * two), Tanh()(w)

    op = scan_of(step, (t((3,)),), (t((3,)),), (t((3,)),), length=4)
    graph = applied(op)
    lowered_graph = LowerLoops()(graph)
    (node,) = (n for n in lowered_graph.nodes if isinstance(n.op, Scan))
    assert [n.op.name for n in node.op.body.operations] == ["mul", "add"]
    assert not any(isinstance(n.op, Constant) for n in node.op.body.nodes)
    arrays = drawn(op)
    again, given = hoisted(node.op, node.inputs)
    assert again is node.op and given == node.inputs
    assert bits(results(executable(graph), arrays)) == bits(
        results(executable(graph, loops=False), arrays)
    )


def test_the_plan_shows_and_checks_its_body() -> None:
    made = executable(applied(lstm(4, 3, 2, 5)))
    text = str(made.plan)
    assert re.search(r"^    0  scan +loop .*\n +plan 'body': \d+ steps", text, re.MULTILINE)
    (step,) = made.plan.steps
    assert step.body is not None and step.scratch is not None
    assert all(b.role is not BufferRole.CONSTANT for b in step.body.buffers)
    object.__setattr__(step.scratch, "bytes", 0)
    with pytest.raises(VerifyError, match=r"its body takes .* bytes, and it has scratch of 0"):
        verify_plan(made.plan)


def test_a_kernel_in_a_loop_that_writes_beside_is_named() -> None:
    """Between guards: by the loop as a whole."""
    load_lowerings()
    right = LOWERINGS["tanh"]

    def spoiled(node: Any, target: Any) -> Any:
        kernel = right(node, target)

        def emit(e: Any) -> None:
            kernel.emit(e)
            dtype = node.types[0].dtype
            e.store(e.splat(7.0, dtype), e.at(e.operands[1], dtype, (17, 1)))

        return type(kernel)(f"spoiled {kernel.key}", emit, kernel.operands)

    op = scan_of(lambda x: Tanh()(x), (), (t((16,)),), length=3)
    with lowered("tanh", spoiled), pytest.raises(VerifyError, match=r"scan 'loop' .* writes to"):
        results(executable(applied(op), guard=True), drawn(op))


def recurrent() -> cnn.Model:
    x = cnn.input("x", (7, 12))

    def step(h: Any, v: Any) -> Any:
        h = cnn.tanh(cnn.dense(v, 16, name="in") + cnn.dense(h, 16, bias=False, name="again"))
        return h, h

    last, _ = cnn.scan(step, cnn.zeros((cnn.N, 16)), x, name="loop")
    return cnn.Model(x, cnn.dense(last, 3), "recurrent")


def test_training_goes_through_loops() -> None:
    """Forward and back; from a plan that was made, and from one that was read, the same bits."""
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(5, 7, 12)).astype("f"), rng.integers(0, 3, 5)

    def trained(runtime: str, threads: int | None) -> tuple[list[float], dict[str, Array]]:
        model = recurrent().initialize(1)
        told: Any = {"runtime": runtime, "threads": threads}
        session = cnn.Session(model, optimizer=cnn.SGD(0.1, momentum=0.9), seed=1, **told)
        losses = [float(session.step(images, labels)["loss"]) for _ in range(4)]
        return losses, {key: np.array(array) for key, array in session.states.items()}

    expected, states = trained("reference", None)
    one, found = trained("native", 1)
    np.testing.assert_allclose(one, expected, rtol=1e-4)
    for key, array in states.items():
        np.testing.assert_allclose(found[key], array, rtol=1e-3, atol=1e-5, err_msg=key)
    for threads in (1, 2, 3):
        again, others = trained("native", threads)
        assert again == one and bits(others.values()) == bits(found.values())
    graph = training_graph(recurrent().graph, "cross_entropy", cnn.SGD(0.1)).bind(N=5)
    plan = native.compiled(graph, Execution("native", 2)).plan
    assert sum(step.body is not None for step in plan.steps) == 2


def test_a_stored_plan_has_its_bodies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHCNN_CACHE", str(tmp_path))
    op, execution = lstm(64, 48, 24, 9), Execution("native", 2)
    arrays, graph = drawn(op), applied(op)
    made = native.compiled(graph, execution)
    monkeypatch.setattr(native, "native_pipeline", None)  # no pass runs any more
    read = native.compiled(graph, execution)
    assert read is not made and str(read.plan) == str(made.plan)
    both = [results(native.native_executable(each, execution), arrays) for each in (made, read)]
    assert bits(both[0]) == bits(both[1])


def test_it_is_written_out_for_other_machines() -> None:
    op = lstm(4, 3, 2, 3)
    made = ahead(applied(op), {}, machine_named("wasm"), "net")
    assert made.object.code


def random_body(random: Random) -> Scan:
    """Some carries, slices and given values of one shape, mixed by a few operators; now and then
    a loop inside."""
    shape = random.choice([(3,), (16,), (2, 5), (4, 16)])
    kind, counts = t(shape), [random.randint(0, 3) for _ in range(3)]
    carries = max(counts[0], counts[1] == 0)

    def body(*read: Value) -> tuple[Value, ...]:
        values = list(read)
        for _ in range(random.randint(0, 6)):
            a, b = random.choice(values), random.choice(values)
            values.append(Tanh()(random.choice([a + b, a * b, a - b, a])))
        if shape == (4, 16) and random.random() < 0.5:
            inner = scan_of(
                lambda c, x: (Tanh()(c + x), c), (t((16,)),), (t((16,)),), length=4,
                reverse=random.random() < 0.5,
            )  # fmt: skip
            values.append(build(inner, (values[0][0], values[-1]), "inner").outputs[1])
        return tuple(random.choice(values) for _ in range(carries + random.randint(1, 2)))

    return scan_of(
        body, (kind,) * carries, (kind,) * counts[1], (kind,) * counts[2],
        random.randint(2, 6), random.random() < 0.5,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(30))
def test_bodies_nobody_thought_of(seed: int) -> None:
    op = random_body(Random(seed))
    arrays, graph = drawn(op, seed), applied(op)
    found = results(executable(graph), arrays)
    for a, b in zip(found, as_tuple(op.evaluate(*arrays)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    for threads, guard in ((2, None), (3, None), (2, True)):
        assert bits(results(executable(graph, threads, guard=guard), arrays)) == bits(found)


def test_loops_in_loops_in_loops() -> None:
    def outer(h: Value, x: Value, w: Value) -> tuple[Value, Value]:
        inner = scan_of(rows, (t((2,)),), (t((4, 2)),), (t((2,)),), length=3)
        last, each = build(inner, (h, x, w), "rows").outputs
        return last, each

    op = scan_of(outer, (t((2,)),), (t((3, 4, 2)),), (t((2,)),), length=2, reverse=True)
    arrays, graph = drawn(op), applied(op)
    found = results(executable(graph), arrays)
    for a, b in zip(found, op.evaluate(*arrays), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert bits(results(executable(graph, 3), arrays)) == bits(found)
