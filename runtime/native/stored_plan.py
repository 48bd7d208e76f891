"""Finished plans on disk beside the code, so that a network known here is ready at once.

An entry holds the plan (its graph, buffers, steps) and what is known of each step's kernel; the
code of the kernels has entries of its own. It is keyed by the text of the bound graph before the
native passes, by all that they depend on, and by the source of passes and runtime. The folder is
the user's own and every entry carries its hash (see `cache`); an entry that cannot be read for
whatever reason is made again, and every plan is verified before it runs, from here or not.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from graphcnn.errors import GraphCnnError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Node, Value
from graphcnn.ir.plan import Buffer, BufferRole, Copy, Plan, Step
from graphcnn.runtime.native.code import cache
from graphcnn.runtime.native.code.emit import Emitter
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.registry import lower
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.compiled import Compiled
from graphcnn.runtime.native.loops import Loop, body_plan, no_code
from graphcnn.text.graph_json import Given, Json, Reader, Writer
from graphcnn.text.write import fingerprint

#: A graph with larger constants of its own is not stored.
LARGEST = 16 << 20


def entry_of(graph: Graph, target: Target, *options: object) -> str | None:
    """Name of the entry of a bound graph; None if it has no text, with operators of one's own."""
    with suppress(GraphCnnError):
        return cache.entry_key(f"plan {options!r} {fingerprint(graph)}", target)
    return None


def store(entry: str, graph: Graph, compiled: Compiled) -> None:
    """Keep what was made of `graph`, if it can be written and reads back as the same."""
    given = Given(graph)
    with suppress(GraphCnnError):  # an attribute that only this process knows
        text = json.dumps(_written(compiled, given), separators=(",", ":")).encode()
        if len(text) <= LARGEST and _same(_read(json.loads(text), given, None), compiled):
            cache.store(entry, text)


def fetch(entry: str, graph: Graph, target: Target) -> Compiled | None:
    """What was made of `graph`, if it is known."""
    text = cache.fetch(entry)
    if text is None:
        return None
    try:
        return _read(json.loads(text), Given(graph), target)
    except (ValueError, LookupError, TypeError, AttributeError, GraphCnnError):
        return None


def _same(read: Compiled, made: Compiled) -> bool:
    pairs = [(read.plan.graph, made.plan.graph)]
    if made.prepare is not None and read.prepare is not None:
        pairs.append((read.prepare, made.prepare))
    return str(read.plan) == str(made.plan) and all(
        fingerprint(a) == fingerprint(b) for a, b in pairs
    )


def _written(compiled: Compiled, given: Given) -> Json:
    plan, writer = compiled.plan, Writer(given)
    number = {buffer: i for i, buffer in enumerate(plan.buffers)}
    place = {node: i for i, node in enumerate(plan.graph.nodes)}

    def ref(value: Value) -> list[int]:
        return [place[value.node], value.index]

    graphs = [writer.graph(g) for g in (plan.graph, compiled.prepare) if g is not None]
    return {
        "graphs": graphs,
        "tables": writer.tables(),
        "buffers": [[b.name, b.bytes, str(b.role), b.offset, b.align] for b in plan.buffers],
        "steps": [
            [
                place[s.node],
                [number[b] for b in s.reads],
                [number[b] for b in s.writes],
                None if s.scratch is None else number[s.scratch],
                s.inplace,
            ]
            for s in plan.steps
        ],
        "copies": [[number[c.source], number[c.target], *ref(c.value)] for c in plan.copies],
        "at": [[*ref(v), number[b]] for v, b in plan.at.items()],
        "constants": [[*ref(v), number[b]] for v, b in plan.constants.items()],
        "keys": [
            [[key, number[b]] for key, b in found.items()]
            for found in (plan.inputs, plan.outputs, plan.states)
        ],
        "sizes": [plan.arena_bytes, plan.sum_bytes, plan.lower_bound],
        "kernels": [
            [k.key, k.operands, k.units, k.scratch, k.inplace, k.algorithm, k.rule, _loop(k)]
            for k in compiled.kernels
        ],
    }


def _read(found: Json, given: Given, target: Target | None) -> Compiled:
    reader = Reader(found["tables"], given)
    graph, *rest = [reader.graph(each) for each in found["graphs"]]
    buffers = tuple(
        Buffer(name, size, BufferRole(role), offset, align)
        for name, size, role, offset, align in found["buffers"]
    )
    nodes = graph.nodes

    def all_of(numbers: Sequence[int]) -> tuple[Buffer, ...]:
        return tuple([buffers[i] for i in numbers])

    steps = tuple(
        Step(
            nodes[i],
            all_of(reads),
            all_of(writes),
            None if scratch is None else buffers[scratch],
            _pairs(inplace),
        )
        for i, reads, writes, scratch, inplace in found["steps"]
    )
    kernels = tuple(
        _kernel(step.node, target, row) for step, row in zip(steps, found["kernels"], strict=True)
    )
    steps = tuple(
        replace(step, body=body_plan(kernel)) for step, kernel in zip(steps, kernels, strict=True)
    )
    inputs, outputs, states = ({key: buffers[i] for key, i in pairs} for pairs in found["keys"])
    plan = Plan(
        graph,
        steps,
        tuple(Copy(buffers[s], buffers[t], nodes[i].outputs[r]) for s, t, i, r in found["copies"]),
        buffers,
        {nodes[i].outputs[r]: buffers[b] for i, r, b in found["at"]},
        inputs,
        outputs,
        states,
        {nodes[i].outputs[r]: buffers[b] for i, r, b in found["constants"]},
        *found["sizes"],
    )
    return Compiled(plan, kernels, rest[0] if rest else None)


def _pairs(found: Any) -> tuple[tuple[int, int], ...]:
    return tuple((i, o) for i, o in found)


def _kernel(node: Node, target: Target | None, row: Any) -> Kernel:
    """A kernel that is lowered only if its code is not there."""
    key, operands, units, scratch, inplace, algorithm, rule, body = row
    known = operands, units, scratch, _pairs(inplace), algorithm, rule
    if body is not None:
        return Loop(key, no_code, *known, _read(body, Given(node.op.attributes["body"]), target))

    def emit(e: Emitter) -> None:
        lower(node, target or e.target).emit(e)

    return Kernel(key, emit, *known)


def _loop(kernel: Kernel) -> Json | None:
    """What runs in a kernel that is a loop."""
    if not isinstance(kernel, Loop):
        return None
    return _written(kernel.inside, Given(kernel.inside.plan.graph))
