"""The plan without any thought: every value has memory of its own, the nodes keep their order.

It shows what a plan is, and serves where no memory planner ran: the executable of a graph alone.
"""

from graphcnn.ir.graph import Graph, state_of, unique_names
from graphcnn.ir.node import Value
from graphcnn.ir.plan import (
    ALIGN,
    Buffer,
    BufferRole,
    Copy,
    Plan,
    Step,
    after_gradients,
    after_sums,
    is_alias,
    is_packed_constant,
    reduced,
)
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.ir.storage import storage_bytes
from graphcnn.runtime.native.code.registry import lower
from graphcnn.runtime.native.code.target import Target


def simple_plan(graph: Graph, target: Target, parts: int) -> Plan:
    """Steps in the order of the nodes; outputs and new values of states are copied at the end."""
    names = unique_names(graph)
    at: dict[Value, Buffer] = {}
    buffers: list[Buffer] = []
    steps: list[Step] = []
    roles = {
        Input: BufferRole.INPUT,
        State: BufferRole.STATE,
        Constant: BufferRole.CONSTANT,
    }
    end = 0

    def buffer(name: str, size: int, role: BufferRole) -> Buffer:
        nonlocal end
        inside = role in (BufferRole.ACTIVATION, BufferRole.SCRATCH)
        found = Buffer(name, size, role, end if inside else None)
        if inside:
            end += -(-size // ALIGN) * ALIGN
        buffers.append(found)
        return found

    late, once = after_gradients(graph), after_sums(graph)  # which wait for all that leads to them
    summed = {*reduced(graph).values()}
    for node in sorted(graph.nodes, key=lambda node: (node in late, node in once)):
        name, role = names[node], roles.get(type(node.op), BufferRole.ACTIVATION)
        if node.inputs and is_alias(node):
            at[node.output] = at[node.inputs[0]]
            continue
        if is_packed_constant(node):
            role = BufferRole.CONSTANT
        for i, value in enumerate(node.outputs):
            own = BufferRole.REDUCED if value in summed else role
            at[value] = buffer(f"{name}.{i}" if i else name, storage_bytes(value.type), own)
        if role is BufferRole.ACTIVATION:
            kernel = lower(node, target)
            size = kernel.scratch * min(parts, kernel.units)
            scratch = buffer(f"{name} scratch", size, BufferRole.SCRATCH) if size else None
            reads, writes = (tuple(at[v] for v in vs) for vs in (node.inputs, node.outputs))
            steps.append(Step(node, reads, writes, scratch))

    outputs = {
        key: buffer(f"output {key}", storage_bytes(v.type), BufferRole.OUTPUT)
        for key, v in graph.outputs.items()
    }
    copies = [Copy(at[v], outputs[key], v) for key, v in graph.outputs.items()]
    # A state may become what another one was: all are read before the first is written.
    new = []
    for state, value in graph.updates.items():
        source = at[value]
        if source.role is BufferRole.STATE:
            size = storage_bytes(value.type)
            source = buffer(f"next {names[state.node]}", size, BufferRole.ACTIVATION)
            copies.append(Copy(at[value], source, value))
        new.append(Copy(source, at[state], value))
    constants = {
        v: b for v, b in at.items() if b.role is BufferRole.CONSTANT and not is_alias(v.node)
    }
    return Plan(
        graph=graph,
        steps=tuple(steps),
        copies=(*copies, *new),
        buffers=tuple(buffers),
        at=at,
        inputs={v.node.op.attributes["key"]: at[v] for v in graph.inputs},
        outputs=outputs,
        states={state_of(s).key: at[s] for s in graph.states},
        constants=constants,
        arena_bytes=end,
        sum_bytes=end,
        lower_bound=end,
    )
