"""Plans as text, and the verifier of plans: for each invariant one plan that breaks it."""

from dataclasses import replace
from typing import Any

import pytest
from rewrites import graph_of

from graphcnn.errors import VerifyError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Value, build, constant_of
from graphcnn.ir.plan import Buffer, BufferRole, Copy, Plan, Step, is_step, root
from graphcnn.ir.sources import Input, State
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ir.verify_plan import verify_plan
from graphcnn.ops.activation import Relu, Tanh
from graphcnn.ops.layout import Relayout
from graphcnn.ops.pool import MaxPool2d
from graphcnn.passes.memory.plan_memory import plan_memory

VECTOR = TensorType((16,))


def chain() -> Plan:
    """relu, tanh, relu, add of two of them: the arena holds three values."""

    def net(x: Value, w: Value) -> Value:
        a = Relu()(x, name="A")
        b = Tanh()(a, name="B")
        return Relu()(b, name="C") + a * w

    graph = graph_of(net, x=VECTOR, w=VECTOR)
    return plan_memory(graph, scratch=lambda node: 64 * (node.name == "B"))


def moved(plan: Plan, old: Buffer, **changes: Any) -> Plan:
    """The plan with one buffer changed everywhere."""
    return swapped(plan, old, replace(old, **changes))


def swapped(plan: Plan, old: Buffer, new: Buffer) -> Plan:
    def one(b: Buffer) -> Buffer:
        return new if b is old else b

    steps = tuple(
        replace(
            s,
            reads=tuple(map(one, s.reads)),
            writes=tuple(map(one, s.writes)),
            scratch=one(s.scratch) if s.scratch else None,
        )
        for s in plan.steps
    )
    buffers = tuple(dict.fromkeys(map(one, plan.buffers)))
    at = {v: one(b) for v, b in plan.at.items()}
    outputs = {k: one(b) for k, b in plan.outputs.items()}
    return replace(plan, steps=steps, buffers=buffers, at=at, outputs=outputs)


def fails(plan: Plan, match: str) -> None:
    with pytest.raises(VerifyError, match=match):
        verify_plan(plan)


def step(plan: Plan, name: str) -> Step:
    return next(s for s in plan.steps if s.node.name == name)


def test_a_sound_plan() -> None:
    plan = chain()
    verify_plan(plan)
    assert [s.node.op.name for s in plan.steps] == ["relu", "tanh", "relu", "mul", "add"]


def test_two_live_buffers_overlap() -> None:
    plan = chain()
    a, b = step(plan, "A").writes[0], step(plan, "B").writes[0]
    fails(moved(plan, b, offset=a.offset), r"tanh 'B': writes result 0 over input 0, .*in place")
    c = step(plan, "C").writes[0]
    fails(moved(plan, c, offset=a.offset), r"mul '': reads .* from .*, which does not hold it")


def test_only_a_part_overlaps() -> None:
    plan = chain()
    b, c = step(plan, "B").writes[0], step(plan, "C").writes[0]
    assert b.offset is not None
    for shift in (-32, 32):
        bad = moved(plan, c, offset=b.offset + shift, align=32)
        fails(bad, "relu 'C': writes result 0 over input 0")


def test_in_place_must_be_declared() -> None:
    plan = chain()
    a, mul = step(plan, "A").writes[0], plan.steps[3]
    shared = swapped(plan, mul.writes[0], a)
    fails(shared, "mul '': writes result 0 over input 0")
    for pairs in ([(0, 0)], [(1, 0)]):
        steps = [
            replace(s, inplace=tuple(pairs)) if s.node is mul.node else s for s in shared.steps
        ]
        declared = replace(shared, steps=tuple(steps))
        if pairs == [(0, 0)]:
            verify_plan(declared)
        else:
            fails(declared, "mul '': writes result 0 over input 0")


def test_a_value_is_read_before_it_is_made() -> None:
    plan = chain()
    steps = (plan.steps[1], plan.steps[0], *plan.steps[2:])
    fails(replace(plan, steps=steps), "step 0, tanh 'B': reads .*which does not hold it")
    fails(replace(plan, steps=plan.steps[1:]), "step 0, tanh 'B': reads")


def test_a_result_is_read_from_the_wrong_place() -> None:
    plan = chain()
    a = step(plan, "A").writes[0]
    steps = tuple(replace(s, reads=(a,)) if s.node.name == "C" else s for s in plan.steps)
    fails(replace(plan, steps=steps), "relu 'C': reads <tanh 'B' .* from <activation 'A'")


def test_places_and_alignment() -> None:
    plan = chain()
    a = step(plan, "A").writes[0]
    fails(moved(plan, a, offset=32), "is not aligned to 64")
    fails(moved(plan, a, offset=1 << 20), r"lies outside the arena of \d+ bytes")
    fails(moved(plan, a, offset=-64), "lies outside the arena")
    fails(moved(plan, a, offset=None), "must lie in the arena")
    out = plan.outputs["result"]
    fails(moved(plan, out, offset=0), "must not lie in the arena")
    fails(replace(plan, buffers=plan.buffers[1:]), "is not among the buffers")


def test_scratch() -> None:
    plan = chain()
    b = step(plan, "B")
    assert b.scratch is not None
    fails(moved(plan, b.scratch, offset=b.writes[0].offset), "tanh 'B': .* overlaps an operand")
    fails(moved(plan, b.scratch, offset=b.reads[0].offset), "tanh 'B': .* overlaps an operand")
    steps = tuple(replace(s, scratch=s.writes[0]) if s is b else s for s in plan.steps)
    fails(replace(plan, steps=steps), "which is not scratch")


def test_scratch_over_what_others_need_later() -> None:
    plan = chain()
    c = step(plan, "C")
    a = step(plan, "A").writes[0]  # read by mul after C
    over = Buffer("over", 64, BufferRole.SCRATCH, a.offset)
    steps = tuple(replace(s, scratch=over) if s is c else s for s in plan.steps)
    bad = replace(plan, steps=steps, buffers=(*plan.buffers, over))
    fails(bad, "mul '': reads <relu 'A'.*which does not hold it")


def test_what_is_given_stays() -> None:
    plan = chain()
    for source in (plan.inputs["x"], plan.states["w"]):
        c = step(plan, "C").writes[0]
        fails(swapped(plan, c, source), "writes (to|<relu 'C').*(must stay|not its update)")
    graph = graph_of(lambda x: Relu()(x + constant_of([1.0] * 16)), x=VECTOR)
    plan = plan_memory(graph)
    (constant,) = plan.constants.values()
    assert constant.role is BufferRole.CONSTANT
    fails(swapped(plan, plan.steps[0].writes[0], constant), "writes to .*, which must stay")


def test_outputs_and_states_at_the_end() -> None:
    plan = chain()
    other = Buffer("other", 64, BufferRole.OUTPUT)
    outside = replace(plan, buffers=(*plan.buffers, other), outputs={"result": other})
    fails(outside, "the output 'result' is not in .*'other'")
    w, x = State("w", VECTOR)(name="w"), Input("x", VECTOR)(name="x")
    new = w + x
    plan = plan_memory(Graph.of([x], {"y": Tanh()(new) * w}, {w: new}))
    (copy,) = plan.copies
    fails(replace(plan, copies=()), "the state 'w' does not hold")
    fails(replace(plan, copies=(Copy(plan.inputs["x"], copy.target, new),)), "does not hold")
    small = replace(plan, copies=(replace(copy, target=plan.inputs["x"]),))
    fails(small, "a copy writes to <input 'x'")
    swap = swapped(plan, plan.steps[0].writes[0], plan.states["w"])
    fails(swap, "writes result 0 over input 0")
    other = swapped(plan, plan.steps[1].writes[0], plan.states["w"])
    fails(other, "tanh '': writes <tanh .* to <state 'w'.*, which is not its update")


def test_results_of_one_step_do_not_overlap() -> None:
    x = Input("x", TensorType((1, 2, 4, 4)))(name="x")
    pool = build(MaxPool2d((2, 2), (2, 2), indices=True), (x,), "P")
    last = Tanh()(pool.outputs[0])
    plan = plan_memory(Graph.of([x], {"y": last, "i": Relayout()(pool.outputs[1])}))
    verify_plan(plan)
    values, indices = step(plan, "P").writes
    fails(swapped(plan, values, indices), "result 1 overlaps another")


def test_table() -> None:
    lines = str(chain()).splitlines()
    assert lines[0].startswith("plan 'example': 5 steps, arena 192 B = 1.000 × lower bound 192 B")
    assert any(line.split()[:3] == ["scratch", "1", "buffers"] for line in lines)
    assert any("tanh" in line and "B" in line and "scratch 64 B" in line for line in lines)
    assert lines[-1].split()[:2] == ["4", "add"] and "output+64 B" in lines[-1]
    w = State("w", TensorType((1 << 20,)))(name="w")
    text = str(plan_memory(Graph.of([], {"y": w})))
    assert "copy" in text and "output+4.0 MiB" in text and "from state+4.0 MiB" in text


def test_relayouts_that_move_nothing_are_no_steps() -> None:
    x = Input("x", TensorType((2, 32, 1, 1)))(name="x")
    free, moving = Relayout("c16")(x), Relayout("c16+1,1,1,1")(x)
    assert not is_step(free.node) and root(free) is x
    assert is_step(moving.node) and root(moving) is moving
    c = constant_of([[[[1.0]]]])
    packed = Relayout("c16")(c)
    assert not is_step(packed.node) and root(packed) is packed
