"""Several graphs as functions of one WebAssembly module, for whoever calls them with weights of
his own.

What `ahead` computes from the weights when a network is built, such as kernels packed for the
processor, is here a function of the module as well: NAME_prepare, from the raw states to the packed
ones. So one copy of the raw weights serves all functions, and others can take their place. Kernels
that are equal are there once.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from graphcnn.base.garbage import kept
from graphcnn.compile.ahead import refuse_missing, refuse_own
from graphcnn.compile.native import native_compiled, planned_and_lowered
from graphcnn.ir.graph import Graph, rebuilt, state_of
from graphcnn.ir.node import Array, Value
from graphcnn.ir.sources import Input
from graphcnn.ir.storage import PLAIN, plain, storage_bytes
from graphcnn.ops.layout import Relayout
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native.ahead.module import Program, module_of
from graphcnn.runtime.native.ahead.objects import Object, object_of
from graphcnn.runtime.native.ahead.places import Port, places_of
from graphcnn.runtime.native.ahead.targets import Machine
from graphcnn.runtime.native.compiled import Compiled

PREPARE = "_prepare"


@dataclass(frozen=True)
class Part:
    """A function of the module: `NAME_run(table)`, with the addresses in…, out…, weights, arena.

    Attributes:
        weights: bytes of what it reads beside its inputs.
        states: where each state lies among them, by its key, as (begin, bytes).
        constants: what else lies there, as (begin, content).
        prepares: the function whose outputs are some of these states, by their keys.
    """

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    arena: int
    weights: int
    states: Mapping[str, tuple[int, int]]
    constants: tuple[tuple[int, bytes], ...]
    prepares: str | None = None

    @property
    def symbol(self) -> str:
        return f"{self.name}_run"


@dataclass(frozen=True)
class Together:
    """Functions, and the object code of them all."""

    parts: Mapping[str, Part]
    object: Object


@kept()
def together(graphs: Mapping[str, Graph], machine: Machine, precision: str = "strict") -> Together:
    """The bound graphs, by the names of their functions, as one object.

    Raises:
        GraphCnnError: an operator has no code for the machine; the message names it and its line.
    """
    execution = Execution("native", 1, precision, False, machine.target)
    parts: dict[str, Part] = {}
    programs: list[Program] = []
    for name, graph in graphs.items():
        refuse_own(graph)
        found = native_compiled(graph, execution, inputs_inside=True, loops=False)
        preparing = _preparing(found)
        prepares = None if preparing is None else name + PREPARE
        if preparing is not None and prepares is not None:
            made = planned_and_lowered(preparing, execution, inputs_inside=True)
            parts[prepares], program = _part(prepares, made, machine)
            programs.append(program)
        parts[name], program = _part(name, found, machine, prepares)
        programs.append(program)
    with module_of(*programs) as module:
        code = object_of(module, *programs)
    refuse_missing(code.code, programs, machine)
    return Together(parts, code)


def with_states_as_inputs(graph: Graph) -> Graph:
    """The graph as a function: its states are inputs, their new values outputs, by their keys."""
    keys = {s: state_of(s).key for s in graph.states}
    given = {s: Input(key, s.type)(name=key) for s, key in keys.items()}
    results = {**graph.outputs, **{keys[s]: v for s, v in graph.updates.items()}}
    found = rebuilt(results.values(), given)
    outputs = dict(zip(results, found, strict=True))
    return Graph.of((*graph.inputs, *given.values()), outputs, name=graph.name)


def _preparing(found: Compiled) -> Graph | None:
    """From the raw states, as they are written in files, to those that `found` reads: what it has
    prepared, and what lies in memory otherwise. It went through the passes with `found`."""
    run = found.plan.graph
    sources: dict[str, Value] = {}

    def laid(state: Value) -> Value:
        key = state_of(state).key
        if key not in sources:
            sources[key] = Input(key, plain(state.type))(name=key)
        relaid = state.type.layout != PLAIN
        return Relayout(state.type.layout)(sources[key]) if relaid else sources[key]

    outputs: dict[str, Value] = {}
    if found.prepare is not None:
        given = {state: laid(state) for state in found.prepare.states}
        made = rebuilt(found.prepare.outputs.values(), given)
        outputs |= zip(found.prepare.outputs, made, strict=True)
    for state in run.states:
        key = state_of(state).key
        if key not in outputs and state.type.layout != PLAIN:
            outputs[key] = laid(state)
    if not outputs:
        return None
    return Graph.of(sources.values(), outputs, name=f"{run.name} prepare")


def _part(
    name: str, found: Compiled, machine: Machine, prepares: str | None = None
) -> tuple[Part, Program]:
    plan = found.plan
    values: dict[str, Array] = {}
    for state in plan.graph.states:
        shape = tuple(int(d) for d in state.shape if isinstance(d, int))
        values[state_of(state).key] = np.zeros(shape, state.dtype.numpy)
    places = places_of(plan, values, f"{name}_run")
    states = {
        state_of(s).key: (places.in_weights[plan.at[s]], storage_bytes(s.type))
        for s in plan.graph.states
    }
    constants: list[tuple[int, bytes]] = []
    for value, buffer in plan.constants.items():
        begin = places.in_weights[buffer]
        end = begin + storage_bytes(value.type)
        constants.append((begin, bytes(places.weights[begin:end])))
    part = Part(
        name, places.inputs, places.outputs, places.arena, len(places.weights), states,
        tuple(constants), prepares,
    )  # fmt: skip
    return part, Program(name, plan, found.kernels, places, machine.target, "table")
