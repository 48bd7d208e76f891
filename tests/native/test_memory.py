"""Which place of a state an operand means, and what a plan's memory holds."""

import numpy as np

from graphcnn.graph import Graph
from graphcnn.ops.elementwise import Add
from graphcnn.plan import Buffer, BufferRole, Copy, Plan, Step, verify_plan
from graphcnn.runtime.native.executable import NativeExecutable
from graphcnn.runtime.native.memory import Memory, phases
from graphcnn.sources import Input, State
from graphcnn.tensor_type import TensorType

KIND = TensorType((4,))


def plan_with_a_copy_of_a_new_state():
    """w ← w + x in place; then `new` = w + x is computed by reading w, and copied out of it."""
    x, w = Input("x", KIND)(), State("w", KIND)()
    new = Add()(w, x)
    twice = Add()(new, x)
    graph = Graph.of([x], {"new": new, "twice": twice}, {w: new})
    size = KIND.bytes
    buffers = {
        "x": Buffer("x", size, BufferRole.INPUT),
        "w": Buffer("w", size, BufferRole.STATE),
        "new": Buffer("new", size, BufferRole.OUTPUT),
        "twice": Buffer("twice", size, BufferRole.OUTPUT),
    }
    bx, bw = buffers["x"], buffers["w"]
    steps = (
        Step(new.node, (bw, bx), (bw,), inplace=((0, 0),)),
        Step(twice.node, (bw, bx), (buffers["twice"],)),
    )
    return Plan(
        graph,
        steps,
        (Copy(bw, buffers["new"], new),),
        tuple(buffers.values()),
        {x: bx, w: bw, new: bw, twice: buffers["twice"]},
        inputs={"x": bx},
        outputs={"new": buffers["new"], "twice": buffers["twice"]},
        states={"w": bw},
        constants={},
        arena_bytes=0,
        sum_bytes=0,
        lower_bound=0,
    )


def test_places_of_a_state():
    plan = plan_with_a_copy_of_a_new_state()
    verify_plan(plan)
    updated = frozenset({plan.states["w"]})
    assert phases(plan, updated) == ([[0, 0, 1], [1, 0, 0]], [(1, 0)])
    assert phases(plan, frozenset()) == ([[0, 0, 0], [0, 0, 0]], [(0, 0)])


def test_such_a_plan_runs():
    plan = plan_with_a_copy_of_a_new_state()
    for keep in (True, False):
        native = NativeExecutable(plan.graph, plan=plan, keep_previous=keep)
        native.bind_states({"w": np.zeros(4, np.float32)})
        for i in range(3):
            found = native.step({"x": np.ones(4, np.float32)})
            assert (found["new"][0], found["twice"][0]) == (i + 1, i + 2)
            assert native.read_state("w")[0] == i + 1


def test_only_updated_states_have_two_places():
    plan = plan_with_a_copy_of_a_new_state()
    two, one = Memory(plan, two_phases=True), Memory(plan, two_phases=False)
    assert two.bytes - one.bytes == 64
    for name, differs in (("w", True), ("x", False)):
        buffer = {**plan.states, **plan.inputs}[name]
        assert (two.address(buffer, 0) != two.address(buffer, 1)) == differs
        assert one.address(buffer, 0) == one.address(buffer, 1)
