"""Runs a plan on real bytes, every operator by its definition: what an executable does, slowly.

No evaluator of graphs: steps read and write where the plan says, and nothing else is known of them.
Memory that was not written is 0xFF, scratch is filled with it at every step, so a plan that puts
two things in one place gives other numbers.
"""

from collections.abc import Mapping

import numpy as np

from graphcnn.ir.graph import state_of
from graphcnn.ir.node import Array, Node
from graphcnn.ir.plan import Buffer, BufferRole, Plan, root
from graphcnn.ir.storage import pack, unpack
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.fused import Fused

JUNK = 0xFF


def inplace(node: Node) -> list[tuple[int, int]]:
    """What kernels of elementwise operators allow: any input of the result's type."""
    op = node.op
    if not (op.elementwise or isinstance(op, Fused)):
        return []
    reads = [v.type for v in node.inputs]
    anchor = op.anchor_node if isinstance(op, Fused) else None
    heavy = len(anchor.inputs) if anchor else 0
    return [
        (i, o)
        for i, kind in enumerate(reads)
        for o, made in enumerate(node.types)
        if kind == made and i >= heavy
    ]


def run_plan(
    plan: Plan, feeds: Mapping[str, Array], states: Mapping[str, Array]
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Outputs and updated states by key."""
    arena = np.full(plan.arena_bytes, JUNK, np.uint8)
    memory = {
        b: np.full(b.bytes, JUNK, np.uint8)
        if b.offset is None
        else arena[b.offset : b.offset + b.bytes]
        for b in plan.buffers
    }

    def put(buffer: Buffer, array: Array, kind: TensorType) -> None:
        stored = pack(np.asarray(array), kind).view(np.uint8)
        memory[buffer][: stored.size] = stored

    def get(buffer: Buffer, kind: TensorType) -> Array:
        count = pack(np.zeros(kind.shape, kind.dtype.numpy), kind).size * kind.dtype.bytes
        return unpack(memory[buffer][:count].copy().view(kind.dtype.numpy), kind)

    for value in plan.graph.inputs:
        key = value.node.op.attributes["key"]
        put(plan.inputs[key], feeds[key], value.type)
    for value in plan.graph.states:
        put(plan.states[state_of(value).key], states[state_of(value).key], value.type)
    for value, buffer in plan.constants.items():
        source = value if value.node.op.name == "constant" else root(value.node.inputs[0])
        put(buffer, source.node.op.evaluate().reshape(value.shape), value.type)

    def copy(to_outputs: bool) -> None:
        for c in plan.copies:
            if (c.target.role is BufferRole.OUTPUT) == to_outputs:
                memory[c.target][: c.source.bytes] = memory[c.source]

    with np.errstate(all="ignore"):
        for number, step in enumerate(plan.steps):
            if number == plan.commit:
                copy(to_outputs=True)
            operands = [get(b, v.type) for b, v in zip(step.reads, step.node.inputs, strict=True)]
            if step.scratch:
                memory[step.scratch][:] = JUNK
            made = step.node.op.evaluate(*operands)
            results = made if isinstance(made, tuple) else (made,)
            for buffer, array, kind in zip(step.writes, results, step.node.types, strict=True):
                put(buffer, array, kind)
    if plan.commit == len(plan.steps):
        copy(to_outputs=True)
    copy(to_outputs=False)
    return (
        {key: get(plan.outputs[key], v.type) for key, v in plan.graph.outputs.items()},
        {state_of(s).key: get(plan.states[state_of(s).key], s.type) for s in plan.graph.updates},
    )
