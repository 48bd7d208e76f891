"""Give every value of a scheduled graph its place in memory: the last step before code.

Values that are the same bytes share a place (views). A result may take the place of an input that
nobody reads afterwards, where the kernel allows it. A state's new value is written over the old
one where no step reads the old one afterwards, else it is copied there at the end. All others, and
scratch, share one arena (`graphcnn.passes.memory.offsets`); what is added up over the shards of a
batch lies beside it.

States are overwritten by the last steps only, which do nothing else
(`graphcnn.passes.training.closing`), and by copies after them: a run can be given up until then.
"""

from collections.abc import Callable, Iterable

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Node, Value
from graphcnn.ir.plan import (
    Buffer,
    BufferRole,
    Copy,
    Plan,
    Step,
    is_packed_constant,
    is_step,
    reduced,
    root,
)
from graphcnn.ir.sources import Constant
from graphcnn.ir.storage import storage_bytes
from graphcnn.ir.verify_plan import verify_plan
from graphcnn.passes.memory.offsets import Slot, most_alive, place_slots, rounded
from graphcnn.passes.training.closing import closing

#: Pairs (input, output) of a node that may be the same memory.
Inplace = Callable[[Node], Iterable[tuple[int, int]]]


def plan_memory(
    graph: Graph,
    scratch: Callable[[Node], int] = lambda node: 0,
    inplace: Inplace = lambda node: (),
    parts: int = 1,
    inputs_inside: bool = False,
    body: Callable[[Node], Plan | None] = lambda node: None,
) -> Plan:
    """The plan that runs the nodes of a bound graph in their order.

    Args:
        scratch: bytes of working memory that each part of a node's kernel needs.
        inplace: pairs (input, output) that a node's kernel allows to be the same memory.
        parts: parts that a kernel may be cut into, each with its own scratch.
        inputs_inside: inputs lie in the arena, until they are read for the last time.
        body: the plan of one iteration of a node that is a loop.
    """
    if not graph.is_bound:
        raise GraphError(f"graph {graph.name!r} has an unknown batch size; bind(N=...)")
    planner = _Planner(graph, inplace, inputs_inside)
    planner.place_sources()
    planner.place_reduced()
    planner.place_outputs()
    planner.place_states()
    planner.place_activations()
    plan = planner.plan(scratch, parts, body)
    verify_plan(plan)
    return plan


class _Planner:
    def __init__(self, graph: Graph, inplace: Inplace, inputs_inside: bool) -> None:
        self.graph, self.inplace, self.inputs_inside = graph, inplace, inputs_inside
        self.nodes = [n for n in graph.nodes if is_step(n)]
        self.end = len(self.nodes)
        self.place = {node: i for i, node in enumerate(self.nodes)}
        last = closing(graph)
        others = (i for i, node in enumerate(self.nodes) if node not in last)
        self.commit = max(others, default=-1) + 1
        self.at: dict[Value, Buffer | Slot] = {}  # by the value that owns the memory
        self.slots: list[Slot] = []
        self.copies: list[tuple[Value | Slot, Buffer | Slot, Value]] = []
        self.inputs: dict[str, Buffer | Slot] = {}
        self.reduced: list[Buffer] = []
        self.outputs: dict[str, Buffer] = {}
        self.states: dict[str, Buffer] = {}
        self.constants: dict[Value, Buffer] = {}
        self.pairs: dict[Node, list[tuple[int, int]]] = {}
        self.reads: dict[Value, list[int]] = {}
        for i, node in enumerate(self.nodes):
            for value in node.inputs:
                self.reads.setdefault(root(value), []).append(i)

    def last_read(self, owner: Value) -> int:
        """The last step that reads a value; the step that makes it, if none does."""
        made: int = self.place.get(owner.node, -1)
        return max(made, *self.reads.get(owner, [made]))

    # Memory outside the arena

    def place_sources(self) -> None:
        for value in self.graph.inputs:
            key = value.node.op.attributes["key"]
            place = self.input_slot(key, value) if self.inputs_inside else None
            self.at[value] = self.inputs[key] = place or _buffer(key, value, BufferRole.INPUT)
        for value in self.graph.states:
            key = state_of(value).key
            self.at[value] = self.states[key] = _buffer(key, value, BufferRole.STATE)
        read = {*self.reads, *map(root, self.graph.results)}
        for node in self.graph.nodes:
            if isinstance(node.op, Constant) or is_packed_constant(node):
                owner = root(node.output)
                if owner in read and owner not in self.at:
                    name = node.name or f"constant_{len(self.constants)}"
                    self.at[owner] = _buffer(name, owner, BufferRole.CONSTANT)
                    self.constants[owner] = self.at[owner]  # type: ignore[assignment]

    def input_slot(self, key: str, value: Value) -> Slot:
        """A piece of the arena that is filled before the first step."""
        leaves = any(root(v) is value for v in self.graph.results)
        last = self.end if leaves else max(self.last_read(value), 0)
        slot = Slot(key, storage_bytes(value.type), 0, last)
        self.slots.append(slot)
        return slot

    def place_reduced(self) -> None:
        """What is added up over the shards next to each other, in the order in which it is made."""
        names = {owner: name for name, owner in reduced(self.graph).items()}
        for owner in sorted(names, key=lambda v: (self.place.get(v.node, -1), v.index)):
            if owner in self.at:
                raise GraphError(f"{names[owner]!r} is added up over shards, but made by no step")
            self.reduced.append(_buffer(names[owner], owner, BufferRole.REDUCED))
            self.at[owner] = self.reduced[-1]

    def place_outputs(self) -> None:
        """Each output into a buffer of its own: by the step that makes it, or by a copy."""
        for key, value in self.graph.outputs.items():
            owner = root(value)
            self.outputs[key] = _buffer(key, value, BufferRole.OUTPUT)
            if owner in self.at:
                self.copies.append((owner, self.outputs[key], value))
            else:
                self.at[owner] = self.outputs[key]

    def place_states(self) -> None:
        """Each new value over the old one, at once or by a copy at the end."""
        updates = {s: root(v) for s, v in self.graph.updates.items() if root(v) is not s}
        leaving = {*updates.values(), *map(root, self.graph.outputs.values())}
        through: list[tuple[Slot, Buffer, Value]] = []
        for state, owner in updates.items():
            buffer = self.states[state_of(state).key]
            value = self.graph.updates[state]
            if owner not in self.at and state not in leaving and self.may_replace(state, owner):
                self.at[owner] = buffer
            elif owner in updates:  # the old value of a state that changes, too: by way of a third
                slot = Slot(buffer.name, buffer.bytes, self.end, self.end)
                self.slots.append(slot)
                self.copies.append((owner, slot, value))
                through.append((slot, buffer, value))
            else:
                if owner not in self.at:
                    self.new_slot(owner, self.end)
                self.copies.append((owner, buffer, value))
        # Copies that read old values come first, those that write states after them.
        self.copies.sort(key=lambda copy: isinstance(copy[1], Buffer) and copy[1].role == "state")
        self.copies += through

    def may_replace(self, state: Value, owner: Value) -> bool:
        """Whether the step that makes `owner` may write it over the old value of `state`."""
        made = self.place[owner.node]
        if made < self.commit or self.last_read(state) > made:
            return False
        return self.allows(owner.node, owner.index, lambda v: root(v) is state)

    def allows(self, node: Node, output: int, shares: Callable[[Value], bool]) -> bool:
        """Whether result `output` may be the memory of all inputs that `shares` picks."""
        pairs = [(i, output) for i, v in enumerate(node.inputs) if shares(v)]
        if not set(pairs) <= set(self.inplace(node)):
            return False
        self.pairs.setdefault(node, []).extend(pairs)
        return True

    # The arena

    def new_slot(self, owner: Value, last: int) -> None:
        made = self.place[owner.node]
        name = owner.node.name or owner.node.op.name
        slot = Slot(name, storage_bytes(owner.type), made, max(made, last))
        self.at[owner] = slot
        self.slots.append(slot)

    def place_activations(self) -> None:
        for node in self.nodes:
            for value in node.outputs:
                if value not in self.at and not self.replace_input(node, value):
                    self.new_slot(value, self.last_read(value))

    def replace_input(self, node: Node, value: Value) -> bool:
        """Put a result in the place of an input that is read here for the last time."""
        now = self.place[node]
        for i, o in self.inplace(node):
            if o != value.index:
                continue
            slot = self.at.get(root(node.inputs[i]))
            if not isinstance(slot, Slot) or slot.last != now or slot.first == now:
                continue
            if slot.room != rounded(storage_bytes(value.type)):
                continue
            taken = any(self.at.get(v) is slot for v in node.outputs)
            if not taken and self.allows(node, o, lambda v: self.at.get(root(v)) is slot):  # noqa: B023
                slot.bytes = max(slot.bytes, storage_bytes(value.type))
                slot.last = self.last_read(value)
                self.at[value] = slot
                return True
        return False

    def plan(
        self, scratch: Callable[[Node], int], parts: int, body: Callable[[Node], Plan | None]
    ) -> Plan:
        working: dict[Node, Slot] = {}
        for i, node in enumerate(self.nodes):
            if size := scratch(node) * parts:
                name = node.name or node.op.name
                working[node] = Slot(name, size, i, i, BufferRole.SCRATCH)
        slots = [*self.slots, *working.values()]
        arena = place_slots(slots)
        made = {s: Buffer(s.name, s.bytes, s.role, s.offset) for s in slots}

        def buffer(place: Buffer | Slot) -> Buffer:
            return place if isinstance(place, Buffer) else made[place]

        def of(value: Value) -> Buffer:
            return buffer(self.at[root(value)])

        steps = tuple(
            Step(
                node,
                tuple(map(of, node.inputs)),
                tuple(map(of, node.outputs)),
                made[working[node]] if node in working else None,
                tuple(self.pairs.get(node, ())),
                body(node),
            )
            for node in self.nodes
        )
        copies = tuple(
            Copy(of(s) if isinstance(s, Value) else buffer(s), buffer(t), v)
            for s, t, v in self.copies
        )
        inputs = {key: buffer(place) for key, place in self.inputs.items()}
        given = [b for b in inputs.values() if b.role is BufferRole.INPUT]
        outside = (*given, *self.constants.values(), *self.states.values())
        at = {v: of(v) for n in self.graph.nodes for v in n.outputs if root(v) in self.at}
        return Plan(
            self.graph,
            steps,
            copies,
            (*outside, *self.reduced, *self.outputs.values(), *made.values()),
            at,
            inputs,
            self.outputs,
            self.states,
            self.constants,
            arena,
            sum(s.room for s in slots),
            most_alive(slots),
        )


def _buffer(name: str, value: Value, role: BufferRole) -> Buffer:
    return Buffer(name, storage_bytes(value.type), role)
