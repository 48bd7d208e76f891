"""A graph as machine code: against the reference, with states, threads, guards, signals."""

import faulthandler
import os
import signal
import threading

import numpy as np
import pytest
from native.chains import F32, chain, counter, counter_states, lowered, mean_lowering
from support.clock import best, unit

from graphcnn.errors import GraphCnnError, GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.ir.tensor_type import N, TensorType
from graphcnn.ops.activation import Relu
from graphcnn.ops.elementwise import Add, Mul
from graphcnn.ops.shape import Reshape
from graphcnn.passes.memory.plan_memory import plan_memory
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native import executable as module
from graphcnn.runtime.native import step_table as table
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.registry import load_lowerings, lower
from graphcnn.runtime.native.code.target import host
from graphcnn.runtime.native.executable import NativeExecutable
from graphcnn.runtime.native.memory import arena as arena_module
from graphcnn.runtime.native.memory.arena import aligned_empty
from graphcnn.runtime.native.program import state_copies
from graphcnn.runtime.reference import Reference


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    monkeypatch.setenv("GRAPHCNN_CACHE", "off")


def same(found, expected):
    assert list(found) == list(expected)
    for key in expected:
        assert found[key].dtype == expected[key].dtype, key
        assert np.array_equal(found[key], expected[key]), key


@pytest.fixture(params=[False, True], ids=["", "guard"])
def guard(request):
    return request.param


def planned(graph, threads=1, **options):
    """An executable with a plan that uses memory twice and writes states in place."""
    load_lowerings()
    plan = plan_memory(
        graph,
        scratch=lambda node: lower(node, host()).scratch,
        inplace=lambda node: lower(node, host()).inplace,
        parts=threads,
    )
    return NativeExecutable(graph, Execution(threads=threads), plan=plan, **options)


@pytest.fixture(params=[NativeExecutable, planned], ids=["simple", "planned"])
def make(request):
    return request.param


X = np.linspace(-1, 1, 8, dtype=np.float32)


def test_runs_as_the_reference_does(make, guard):
    graph, states = counter(), counter_states()
    outputs, updates = make(graph, guard=guard).run({"x": X}, states)
    expected_outputs, expected_updates = Reference(graph).run({"x": X}, states)
    same(outputs, expected_outputs)
    same(updates, expected_updates)
    same(states, counter_states())


def test_states_live_inside(make, guard):
    graph = counter()
    native = make(graph, guard=guard)
    states = counter_states()
    native.bind_states(states)
    states["w"][:] = 99.0  # was copied
    states = counter_states()
    for i in range(5):
        outputs = native.step({"x": X + i})
        expected, updates = Reference(graph).run({"x": X + i}, states)
        same(outputs, expected)
        states.update(updates)
    for key, value in states.items():
        assert np.array_equal(native.read_state(key), value), key


def test_a_refused_step_changes_nothing(make):
    native = make(counter())
    native.bind_states(counter_states())
    for _ in range(3):
        native.step({"x": X}, accept=lambda outputs: False)
    same({k: native.read_state(k) for k in counter_states()}, counter_states())
    native.step({"x": X}, accept=lambda outputs: bool(np.isfinite(outputs["y"]).all()))
    assert native.read_state("n") == 4


def test_one_state_can_be_replaced(make):
    native = make(counter())
    native.bind_states(counter_states())
    native.step({"x": X})
    native.write_states({"n": np.array(40)})
    native.step({"x": X})
    assert native.read_state("n") == 41
    assert np.array_equal(native.read_state("w"), counter_states()["w"] + X + X)
    with pytest.raises(GraphError, match="no state 'm'"):
        native.write_states({"m": X})


def test_run_leaves_bound_states(make, guard):
    native = make(counter(), guard=guard)
    native.bind_states(counter_states())
    first = native.run({"x": X})
    second = native.run({"x": X})
    same(first[0], second[0])
    same(first[1], second[1])


def test_states_that_change_places(make, guard):
    kind = TensorType((4,))
    a, b = State("a", kind)(), State("b", kind)()
    x = Input("x", kind)()
    graph = Graph.of([x], {"a": a, "sum": Add()(a, b)}, {a: b, b: a})
    states = {"a": np.ones(4, np.float32), "b": np.full(4, 2, np.float32)}
    native = make(graph, guard=guard)
    native.bind_states(states)
    for i in range(3):
        outputs = native.step({"x": X[:4]})
        assert (outputs["a"] == (1, 2)[i % 2]).all() and (outputs["sum"] == 3).all()
        assert (native.read_state("a") == (2, 1)[i % 2]).all()


def test_a_new_value_is_also_an_output(make, guard):
    kind = TensorType((4,))
    x, w = Input("x", kind)(), State("w", kind)()
    new = Add()(w, x)
    graph = Graph.of([x], {"new": new, "old": w, "twice": Add()(new, new)}, {w: new})
    native = make(graph, guard=guard)
    native.bind_states({"w": np.zeros(4, np.float32)})
    for i in range(3):
        found = native.step({"x": np.ones(4, np.float32)})
        values = [found[key][0] for key in ("old", "new", "twice")]
        assert values == [i, i + 1, 2 * i + 2]


def test_an_input_becomes_a_state(make, guard):
    kind = TensorType((8000,))
    x, w = Input("x", kind)(), State("w", kind)()
    graph = Graph.of([x], {"y": Add()(x, w)}, {w: x})
    native = make(graph, guard=guard)
    native.bind_states({"w": np.zeros(8000, np.float32)})
    for i in range(3):
        fed = aligned_empty(kind)
        fed[:] = i
        assert (native.step({"x": fed})["y"] == 2 * i - (i > 0)).all()


@pytest.mark.parametrize("size", [8, 50_000])
def test_inputs_may_lie_anywhere(make, size, guard):
    kind = TensorType((size,))
    x = Input("x", kind)()
    native = make(Graph.of([x], {"y": Relu()(x), "x": x}), guard=guard)
    rng = np.random.default_rng(0)
    strided = rng.standard_normal((size, 2)).astype(np.float32)[:, 1]
    aligned = aligned_empty(kind)
    aligned[:] = rng.standard_normal(size)
    locked = aligned.copy()
    locked.flags.writeable = False
    for array in (strided, aligned, locked, np.ascontiguousarray(strided), aligned, strided):
        before = array.copy()
        outputs, _ = native.run({"x": array})
        assert np.array_equal(outputs["y"], np.maximum(array, 0))
        assert np.array_equal(outputs["x"], array)
        assert np.array_equal(array, before)


def test_outputs_are_fresh(make):
    native = make(Graph.of([x := Input("x", TensorType((4,)))()], {"y": Relu()(x)}))
    first, _ = native.run({"x": np.ones(4, np.float32)})
    native.run({"x": np.zeros(4, np.float32)})
    assert (first["y"] == 1).all()


def test_views_and_constants(make, guard):
    x = Input("x", TensorType((2, 3)))()
    c = Constant(np.arange(6, dtype=np.float32))()
    flat = Reshape((6,))(x)
    graph = Graph.of([x], {"y": Reshape((3, 2))(Mul()(flat, c)), "flat": flat, "c": c})
    feeds = {"x": np.ones((2, 3), np.float32)}
    native = make(graph, guard=guard)
    for _ in range(2):
        same(native.run(feeds)[0], Reference(graph).run(feeds)[0])


def test_what_does_not_fit_is_named():
    native = NativeExecutable(counter())
    with pytest.raises(GraphError, match="was not given a value"):
        native.run({"x": X})
    with pytest.raises(GraphError, match="no value in graph"):
        native.read_state("w")
    native.bind_states(counter_states())
    with pytest.raises(GraphError, match=r"input 'x' must be f32\[8\], found float64\[8\]"):
        native.run({"x": X.astype(float)})
    with pytest.raises(GraphError, match=r"input 'x' .* was not given"):
        native.run({})
    with pytest.raises(GraphError, match=r"state 'w' must be f32\[8\]"):
        native.bind_states(counter_states() | {"w": X[:3]})
    with pytest.raises(GraphError, match="unknown batch size"):
        x = Input("x", TensorType((N, 3)))()
        NativeExecutable(Graph.of([x], {"y": Relu()(x)}))


@pytest.mark.whole_runs
def test_too_large_a_graph_is_refused(monkeypatch):
    monkeypatch.setattr(arena_module, "available_memory", lambda: 100)
    with pytest.raises(GraphCnnError, match=r"needs \d+ bytes of memory, 100 bytes are available"):
        NativeExecutable(counter())


@pytest.mark.whole_runs
def test_threads_do_not_change_a_bit():
    with lowered("relu", mean_lowering(16)):
        graph = chain(200)
        feeds = {"x": np.linspace(-1, 1, 64, dtype=np.float32).reshape(1, 64)}
        one = NativeExecutable(graph, Execution(threads=1)).run(feeds)[0]["y"]
        for threads in (2, 3, 4):
            native = NativeExecutable(graph, Execution(threads=threads))
            assert native.threads == threads
            for _ in range(10):
                assert native.run(feeds)[0]["y"].tobytes() == one.tobytes()


@pytest.mark.whole_runs
def test_small_graphs_stay_on_one_thread(monkeypatch):
    monkeypatch.setenv("GRAPHCNN_THREADS", "4")
    execution = Execution.of()
    assert NativeExecutable(counter(), execution).threads == 1
    assert NativeExecutable(counter(), Execution(threads=2)).threads == 2
    x = Input("x", TensorType((1 << 20,)))()
    assert NativeExecutable(Graph.of([x], {"y": Relu()(x)}), execution).threads == 4


@pytest.mark.whole_runs
def test_threads_take_turns_on_one_executable():
    native = NativeExecutable(Graph.of([x := Input("x", TensorType((999,)))()], {"y": Relu()(x)}))
    failures = []

    def work(number):
        for _ in range(200):
            found = native.run({"x": np.full(999, number, np.float32)})[0]["y"]
            if not (found == number).all():
                failures.append(number)

    runners = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for runner in runners:
        runner.start()
    for runner in runners:
        runner.join()
    assert not failures


@pytest.mark.whole_runs
def test_a_child_forked_during_a_run_can_run():
    native = NativeExecutable(counter())
    native.bind_states(counter_states())
    expected = native.run({"x": X})[0]["y"]
    with native._lock:
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            good = np.array_equal(native.run({"x": X})[0]["y"], expected)
            os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def faulty(offset):
    """Stands in for relu: also writes, or reads into its result, `offset` elements further."""

    def lower(node, target):
        n = node.types[0].size

        def emit(e):
            x, y = e.operands
            first, last = e.share(1)

            def body(i):
                def one(j):
                    e.store(e.load(e.at(x, F32, (e.iadd(j, max(offset, 0)), 1)), F32),
                            e.at(y, F32, (e.iadd(j, max(-offset, 0)), 1)))  # fmt: skip

                e.loop(0, n, one)

            e.loop(first, last, body)

        return Kernel(f"faulty {offset} {n}", emit, 2)

    return lower


def test_guards_catch_a_write_outside():
    x = Input("x", TensorType((5000,)))()
    graph = Graph.of([x], {"y": Relu()(x)})
    feeds = {"x": np.ones(5000, np.float32)}
    with lowered("relu", faulty(-2000)):
        child = os.fork()
        if child == 0:
            faulthandler.disable()
            NativeExecutable(graph, guard=True).run(feeds)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (-signal.SIGSEGV, -signal.SIGBUS)


def test_guards_show_a_read_of_what_was_not_written():
    x = Input("x", TensorType((60,)))()
    graph = Graph.of([x], {"y": Relu()(Mul()(x, x))})
    feeds = {"x": np.ones(60, np.float32)}
    with lowered("relu", faulty(3)):
        found = NativeExecutable(graph, guard=True).run(feeds)[0]["y"]
    assert np.isnan(found[-3:]).all() and (found[:-3] == 1).all()


@pytest.mark.whole_runs
@pytest.mark.parametrize("after", [1, 2, 3])
def test_an_interrupt_comes_before_the_states_change_or_after(make, monkeypatch, after):
    monkeypatch.setattr(table, "cut", lambda work: [(i, i + 1) for i in range(len(work))])
    kind = TensorType((8,))
    x, v, w = Input("x", kind)(), State("v", kind)(), State("w", kind)()
    graph = Graph.of([x], {"y": Relu()(Mul()(x, w))}, {w: Add()(w, x), v: w})
    native = make(graph)
    states = {"w": X + 1, "v": X}
    native.bind_states(states)
    pieces = len(native._table.pieces)
    assert pieces >= 2
    runs, real = [], module.run_steps

    def interrupted(*arguments):
        real(*arguments)
        runs.append(arguments)
        if len(runs) == after:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "run_steps", interrupted)
    if after <= pieces:
        with pytest.raises(KeyboardInterrupt):
            native.step({"x": X})
        same({k: native.read_state(k) for k in states}, states)
    native.step({"x": X}) if after <= pieces else None
    if after > pieces:
        with pytest.raises(KeyboardInterrupt):
            native.step({"x": X})
    same({k: native.read_state(k) for k in states}, {"w": X + 1 + X, "v": X + 1})


def test_states_change_in_one_piece_at_the_end(make):
    kind = TensorType((4,))
    x, w = Input("x", kind)(), State("w", kind)()
    graph = Graph.of([x], {"y": Mul()(w, x)}, {w: Add()(w, Mul()(x, x))})
    native = make(graph)
    steps, copies = len(native.plan.steps), len(state_copies(native.plan))
    assert native._table.rest[1] == steps - native.plan.commit + copies
    assert (native.plan.commit, copies) == ((3, 1) if make is NativeExecutable else (2, 0))


def test_cuts():
    assert table.cut([5, 5, 5, 5], 9) == [(0, 2), (2, 4)]
    assert table.cut([20, 1], 9) == [(0, 1), (1, 2)]
    assert table.cut([], 0) == []


@pytest.mark.whole_runs
def test_a_run_costs_little_python():
    native = NativeExecutable(
        Graph.of([x := Input("x", TensorType((1, 10)))()], {"y": Relu()(x)}), Execution(threads=1)
    )
    feeds = {"x": np.ones((1, 10), np.float32)}
    assert best(lambda: native.run(feeds), 200) < 0.6 * unit()  # 15 µs on a server
