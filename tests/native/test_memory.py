"""Where states lie: in one place each, shared by the executables of a session."""

import gc
import weakref

import numpy as np
import pytest
from native.chains import counter, counter_states

from graphcnn.errors import VerifyError
from graphcnn.ir.graph import Graph
from graphcnn.ir.plan import Buffer, BufferRole, Copy, Plan, Step
from graphcnn.ir.sources import Input, State
from graphcnn.ir.storage import unpack
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ir.verify_plan import verify_plan
from graphcnn.ops.elementwise import Add
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native.code.target import host
from graphcnn.runtime.native.copies import copy_kernel, lines_of
from graphcnn.runtime.native.executable import NativeExecutable
from graphcnn.runtime.native.memory.places import Memory, States
from graphcnn.runtime.native.program import state_copies
from graphcnn.runtime.native.simple_plan import simple_plan

KIND = TensorType((4,))


def plan_that_changes_a_state(early: bool) -> Plan:
    """w ← w + x in place, and `twice` = w + x + x, which is made afterwards if `early`."""
    x, w = Input("x", KIND)(), State("w", KIND)()
    new = Add()(w, x)
    double = Add()(x, x)
    twice = Add()(new, x) if early else Add()(w, double)
    graph = Graph.of([x], {"twice": twice}, {w: new})
    size = KIND.bytes
    bx, bw = Buffer("x", size, BufferRole.INPUT), Buffer("w", size, BufferRole.STATE)
    out = Buffer("twice", size, BufferRole.OUTPUT)
    inside = Buffer("double", size, BufferRole.ACTIVATION, 0)
    update = Step(new.node, (bw, bx), (bw,), inplace=((0, 0),))
    others = (
        [Step(twice.node, (bw, bx), (out,))]
        if early
        else [Step(double.node, (bx, bx), (inside,)), Step(twice.node, (bw, inside), (out,))]
    )
    return Plan(
        graph,
        (update, *others) if early else (*others, update),
        (),
        (bx, bw, out, *([] if early else [inside])),
        {x: bx, w: bw, new: bw, twice: out},
        inputs={"x": bx},
        outputs={"twice": out},
        states={"w": bw},
        constants={},
        arena_bytes=0 if early else 64,
        sum_bytes=0,
        lower_bound=0,
    )


def test_outputs_are_there_before_a_state_changes() -> None:
    plan = plan_that_changes_a_state(early=False)
    verify_plan(plan)
    assert plan.commit == 2
    with pytest.raises(VerifyError, match="step 1 makes an output when states have changed"):
        verify_plan(plan_that_changes_a_state(early=True))


def test_such_a_plan_runs_and_can_be_refused() -> None:
    plan = plan_that_changes_a_state(early=False)
    native = NativeExecutable(plan.graph, plan=plan)
    native.bind_states({"w": np.zeros(4, np.float32)})
    x = np.ones(4, np.float32)
    for i in range(3):
        assert native.step({"x": x}, accept=lambda outputs: False)["twice"][0] == i + 2
        assert native.run({"x": x})[1]["w"][0] == i + 1
        assert native.read_state("w")[0] == i
        assert native.step({"x": x})["twice"][0] == i + 2
        assert native.read_state("w")[0] == i + 1


@pytest.mark.whole_runs
def test_states_have_one_place() -> None:
    plan = simple_plan(counter(), host(), 1)
    memory = Memory(plan)
    places = sorted(memory.address(b) for b in plan.states.values())
    assert len(set(places)) == 3 and places[-1] - places[0] == 2 * 64
    assert memory.states.bytes == 3 * 64


def filled(value: float) -> dict[str, np.ndarray]:
    states = counter_states()
    states["w"][:] = value
    return states


def test_executables_share_their_states() -> None:
    one, two = NativeExecutable(counter()), NativeExecutable(counter())
    one.bind_states(filled(1.0))
    block = weakref.ref(two.memory.states)
    two.take_states(one)
    gc.collect()
    assert two.memory.states is one.memory.states and block() is None
    x = np.arange(8, dtype=np.float32)
    two.step({"x": x})
    one.step({"x": x})
    for native in (one, two):
        assert np.array_equal(native.read_state("w"), 1 + 2 * x)
        assert native.read_state("n") == 5


def test_states_in_other_layouts_move() -> None:
    def plan(layout: str) -> Plan:
        w = State("w", TensorType((2, 20, 3, 3), layout=layout))()
        x = Input("x", KIND)()
        return simple_plan(Graph.of([x], {"x": x}, {w: w}), host(), 1)

    one, two = (NativeExecutable(p.graph, plan=p) for p in (plan("plain"), plan("c16")))
    values = np.random.default_rng(0).normal(size=(2, 20, 3, 3)).astype(np.float32)
    one.bind_states({"w": values})
    old = one.memory.states
    two.take_states(one)
    assert np.array_equal(two.read_state("w"), values)
    view = two.memory.states.view("w")
    assert view.size > values.size
    assert np.array_equal(unpack(view.reshape(-1), two.memory.states.kinds["w"]), values)
    assert one.memory.states is not old  # and what they took is free
    one.take_states(two)
    assert np.array_equal(one.read_state("w"), values)


def test_states_that_are_written_all_fit_or_none_is_written() -> None:
    native = NativeExecutable(counter())
    native.bind_states(counter_states())
    with pytest.raises(Exception, match="state 'before' must be"):
        native.write_states({"w": np.ones(8, np.float32), "before": np.ones(3, np.float32)})
    assert np.array_equal(native.read_state("w"), counter_states()["w"])


def test_only_touched_states_are_in_memory() -> None:
    w = State("w", TensorType((1 << 26,)))()
    States(simple_plan(Graph.of([], {"w": w}), host(), 1))  # 256 MiB, at no cost


@pytest.mark.parametrize("size", [1, 64, 4096 * 64 + 1, 1 << 20])
def test_copies(size: int) -> None:
    a, b = (Buffer(name, size, BufferRole.STATE) for name in "ab")
    value = State("a", TensorType((size,)))()
    assert lines_of(Copy(a, b, value)) == -(-size // 64)
    assert copy_kernel().operands == 3
    kind = TensorType((size,))
    x = Input("x", kind)()
    s, t = State("s", kind)(), State("t", kind)()
    graph = Graph.of([x], {"x": x}, {s: t, t: s})
    for threads in (1, 3):
        native = NativeExecutable(graph, Execution(threads=threads))
        assert len(state_copies(native.plan)) >= 3
        rng = np.random.default_rng(size)
        values = {k: rng.normal(size=size).astype(np.float32) for k in "st"}
        native.bind_states(values)
        native.step({"x": np.zeros(size, np.float32)})
        assert np.array_equal(native.read_state("s"), values["t"])
        assert np.array_equal(native.read_state("t"), values["s"])


def test_a_value_that_is_read_twice_is_two_operands() -> None:
    """x + x and x + y are one kernel, in whatever order they are compiled."""
    kind = TensorType((7,))
    x, y = Input("x", kind)(), Input("y", kind)()
    one, two = np.ones(7, np.float32), np.full(7, 2, np.float32)
    double = NativeExecutable(Graph.of([x], {"z": Add()(x, x)})).run({"x": two})[0]["z"]
    total = NativeExecutable(Graph.of([x, y], {"z": Add()(x, y)})).run({"x": one, "y": two})[0]["z"]
    assert (double == 4).all() and (total == 3).all()
