"""Level 2 of the IR: a plan is steps in order over buffers at fixed places. No mathematics here.

    graph -> schedule -> plan_memory -> Plan -> executable

A value lies in one buffer; several values may share one, after each other or because they are the
same bytes under another shape. Buffers of activations and scratch have an offset in one arena;
inputs, outputs, constants and states lie elsewhere, at addresses that the executable knows.
`verify_plan` replays a plan and is always on.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from graphcnn.base.words import printable
from graphcnn.errors import VerifyError, shortened
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Node, Value
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.ir.storage import PLAIN, same_storage

#: Every buffer begins at a multiple of so many bytes: a cache line, and the widest vector.
ALIGN = 64


class BufferRole(StrEnum):
    """What a buffer is for, and so where it lies."""

    INPUT = "input"  # the caller's array, only read
    OUTPUT = "output"  # the caller's array, written
    CONSTANT = "constant"  # filled when the plan is loaded, only read
    STATE = "state"  # lives from run to run
    ACTIVATION = "activation"  # in the arena
    SCRATCH = "scratch"  # in the arena, working memory of one step


#: Roles of the buffers that lie in the arena.
IN_ARENA = frozenset({BufferRole.ACTIVATION, BufferRole.SCRATCH})


@dataclass(frozen=True, eq=False)
class Buffer:
    """`bytes` of memory; `offset` counts from the begin of the arena, None lies outside it."""

    name: str
    bytes: int
    role: BufferRole
    offset: int | None = None
    align: int = ALIGN

    def __repr__(self) -> str:
        at = "" if self.offset is None else f" at {self.offset}"
        return f"<{self.role} {self.name!r}: {self.bytes} bytes{at}>"

    def overlaps(self, other: "Buffer") -> bool:
        """Whether the two have a byte in common."""
        if self is other:
            return True
        if self.offset is None or other.offset is None:
            return False
        return self.offset < other.offset + other.bytes and other.offset < self.offset + self.bytes


@dataclass(frozen=True, eq=False)
class Step:
    """One kernel call: the node, and where its operands lie.

    `inplace` lists the pairs (input, output) that are the same memory, as the kernel allows.
    """

    node: Node
    reads: tuple[Buffer, ...]
    writes: tuple[Buffer, ...]
    scratch: Buffer | None = None
    inplace: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, eq=False)
class Copy:
    """Bytes to move after the last step; `value` is what is then in `target`."""

    source: Buffer
    target: Buffer
    value: Value


@dataclass(frozen=True, eq=False)
class Plan:
    """What runs, in order, and where everything lies.

    No state changes before step `commit`, and all outputs are there by then: up to that moment a
    run can be given up, and everything is as it was.

    Attributes:
        graph: the graph that is planned; its nodes stand in the order of the steps.
        steps, copies: first all steps, then the copies, each in order; those to outputs are made
            before step `commit`.
        buffers: every buffer; `at` has the one in which a value lies.
        inputs, outputs, states: buffers by key.
        constants: values that are packed into their buffer when the plan is loaded. Each is a
            constant, or a relayout of one; its type says in which layout.
        arena_bytes: size of the arena.
        sum_bytes: what the arena would need if no memory were used twice.
        lower_bound: the most bytes that are needed at one time, which no arena can be smaller than.
    """

    graph: Graph
    steps: tuple[Step, ...]
    copies: tuple[Copy, ...]
    buffers: tuple[Buffer, ...]
    at: Mapping[Value, Buffer] = field(repr=False)
    inputs: Mapping[str, Buffer]
    outputs: Mapping[str, Buffer]
    states: Mapping[str, Buffer]
    constants: Mapping[Value, Buffer]
    arena_bytes: int
    sum_bytes: int
    lower_bound: int

    @cached_property
    def commit(self) -> int:
        """The first step that changes a state; the number of steps if copies alone do."""
        changes = (any(b.role is BufferRole.STATE for b in step.writes) for step in self.steps)
        return next((i for i, change in enumerate(changes) if change), len(self.steps))

    def __str__(self) -> str:
        return "\n".join(_table(self))


def _table(plan: Plan) -> Iterator[str]:
    """The totals, then a line for each step: what it runs, where its results lie."""
    waste = plan.arena_bytes / plan.lower_bound if plan.lower_bound else 1.0
    name = shortened(plan.graph.name)
    yield (
        f"plan {name!r}: {len(plan.steps)} steps, arena {_size(plan.arena_bytes)} = "
        f"{waste:.3f} × lower bound {_size(plan.lower_bound)}, "
        f"without reuse {_size(plan.sum_bytes)}"
    )
    for role in BufferRole:
        found = [b for b in plan.buffers if b.role is role]
        if found:
            yield f"  {role:<11}{len(found):>5} buffers {_size(sum(b.bytes for b in found)):>10}"
    rows = [
        (
            step.node.op.name,
            shortened(printable(step.node.name), 60),
            ", ".join(map(_place, step.writes)),
            f"scratch {_size(step.scratch.bytes)}" if step.scratch else "",
        )
        for step in plan.steps
    ]
    rows += [
        (
            "copy",
            shortened(printable(c.target.name), 60),
            _place(c.target),
            f"from {_place(c.source)}",
        )
        for c in plan.copies
    ]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
    for i, row in enumerate(rows):
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
        yield f"{i:>5}  {'  '.join([*cells, row[3]])}".rstrip()


def _place(buffer: Buffer) -> str:
    at = buffer.role if buffer.offset is None else f"@{buffer.offset}"
    return f"{at}+{_size(buffer.bytes)}"


def _size(count: int) -> str:
    """Bytes for people: `512 B`, `1.2 MiB`."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":
            break
        amount /= 1024
    return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"


def verify_plan(plan: Plan) -> None:
    """Replay a plan and raise `VerifyError` at the first step that reads or writes wrongly.

    Kept track of is which value every buffer holds. A write makes all buffers that it overlaps
    forget theirs; a value that is read must be held. So no two buffers overlap while both are
    needed, and nothing is read before it was written. The outputs must hold what the graph says
    before a state changes, the states at the end.
    """
    for problem in _Replay(plan).problems():
        raise VerifyError(f"plan of {plan.graph.name!r}: {problem}")


class _Replay:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.holds: dict[Buffer, Value | None] = {}
        self.arena: set[Buffer] = set()  # of those in the arena, the ones written last
        self.new: dict[Buffer, list[Value]] = {}  # what states become
        for state, value in plan.graph.updates.items():
            self.new.setdefault(plan.at[state], []).append(value)

    def problems(self) -> Iterator[str]:
        plan = self.plan
        yield from self.misplaced()
        for v in (*plan.graph.inputs, *plan.graph.states):
            self.write(plan.at[v], v)
        for v, buffer in plan.constants.items():
            self.write(buffer, v)
        yield from self.steps(0, plan.commit)
        yield from self.copies(c for c in plan.copies if c.target.role is BufferRole.OUTPUT)
        late = [*self.outputs()]
        yield from self.steps(plan.commit, len(plan.steps))
        yield from self.copies(c for c in plan.copies if c.target.role is not BufferRole.OUTPUT)
        yield from late
        yield from self.end()

    def steps(self, first: int, last: int) -> Iterator[str]:
        for number in range(first, last):
            step = self.plan.steps[number]
            for problem in self.step(step):
                yield f"step {number}, {step.node.op.name} {step.node.name!r}: {problem}"
            if number >= self.plan.commit and any(b.role is BufferRole.OUTPUT for b in step.writes):
                yield f"step {number} makes an output when states have changed already"

    def copies(self, copies: Iterable[Copy]) -> Iterator[str]:
        for copy in copies:
            if copy.target.role not in (*IN_ARENA, BufferRole.OUTPUT, BufferRole.STATE):
                yield f"a copy writes to {copy.target}"
            if not self.held(copy.value, copy.source):
                yield f"copy to {copy.target}: {copy.source} does not hold {copy.value}"
            if copy.source.overlaps(copy.target) or copy.target.bytes < copy.source.bytes:
                yield f"copy from {copy.source} to {copy.target}: they overlap, or it is too small"
            self.write(copy.target, copy.value)

    def outputs(self) -> Iterator[str]:
        for key, value in self.plan.graph.outputs.items():
            buffer = self.plan.outputs[key]
            if buffer.role is not BufferRole.OUTPUT:
                yield f"the output {key!r} lies in {buffer}"
            if not self.held(value, buffer):
                yield f"the output {key!r} is not in {buffer} when the states begin to change"

    def misplaced(self) -> Iterator[str]:
        """Whether every buffer lies where its role says, aligned, inside the arena."""
        known = set(self.plan.buffers)
        for b in self.plan.buffers:
            if (b.offset is not None) != (b.role in IN_ARENA):
                yield f"{b} must {'' if b.role in IN_ARENA else 'not '}lie in the arena"
            elif b.offset is not None:
                if b.offset % b.align:
                    yield f"{b} is not aligned to {b.align}"
                if b.offset < 0 or b.offset + b.bytes > self.plan.arena_bytes:
                    yield f"{b} lies outside the arena of {self.plan.arena_bytes} bytes"
        for step in self.plan.steps:
            for b in (*step.reads, *step.writes, *([step.scratch] if step.scratch else [])):
                if b not in known:
                    yield f"{b} of {step.node} is not among the buffers"
                    return

    def step(self, step: Step) -> Iterator[str]:
        """What is wrong with one step, whose effects are then applied."""
        for value, buffer in zip(step.node.inputs, step.reads, strict=True):
            if not self.held(value, buffer):
                yield f"reads {value} from {buffer}, which does not hold it"
        outputs = list(zip(step.node.outputs, step.writes, strict=True))
        for o, (value, b) in enumerate(outputs):
            if b.role not in (BufferRole.ACTIVATION, BufferRole.OUTPUT, BufferRole.STATE):
                yield f"writes to {b}, which must stay as it is"
            if b.role is BufferRole.STATE and not self.updates(b, value):
                yield f"writes {value} to {b}, which is not its update"
            for i, read in enumerate(step.reads):
                if b.overlaps(read) and not (b is read and (i, o) in step.inplace):
                    yield f"writes result {o} over input {i}, {read}, not declared as in place"
            if any(b.overlaps(other) for _, other in outputs[:o]):
                yield f"result {o} overlaps another"
        if step.scratch is not None:
            if step.scratch.role is not BufferRole.SCRATCH:
                yield f"works in {step.scratch}, which is not scratch"
            if any(step.scratch.overlaps(b) for b in (*step.reads, *step.writes)):
                yield f"{step.scratch} overlaps an operand"
            self.write(step.scratch, None)
        for value, b in outputs:
            self.write(b, value)

    def updates(self, buffer: Buffer, value: Value) -> bool:
        """Whether `value` is, under whatever shape, the new value of a state in `buffer`."""
        return any(same_bytes(new, value) for new in self.new.get(buffer, ()))

    def held(self, value: Value, buffer: Buffer) -> bool:
        found = self.holds.get(buffer)
        return found is not None and same_bytes(found, value)

    def write(self, buffer: Buffer, value: Value | None) -> None:
        for other in [b for b in self.arena if b.overlaps(buffer)]:
            self.arena.remove(other)
            self.holds[other] = None
        if buffer.offset is not None:
            self.arena.add(buffer)
        self.holds[buffer] = value

    def end(self) -> Iterator[str]:
        graph, plan = self.plan.graph, self.plan
        for state in graph.states:
            new, buffer = graph.updates.get(state, state), plan.states[state_of(state).key]
            if not self.held(new, buffer):
                yield f"the state {state_of(state).key!r} does not hold {new} at the end"
        for value, buffer in plan.constants.items():
            if not self.held(value, buffer):
                yield f"the constant {value} is overwritten"


def same_bytes(a: Value, b: Value) -> bool:
    """Whether two values are the same memory seen under other shapes."""
    return root(a) is root(b)


def root(value: Value) -> Value:
    """The value whose memory a value shares: views looked through."""
    while is_alias(value.node):
        value = value.node.inputs[0]
    return value


def is_alias(node: Node) -> bool:
    """Whether a node's result is its input's memory: views, and relayouts that move nothing."""
    op = node.op
    if op.name == "relayout":
        return same_storage(node.inputs[0].type, node.output.type.layout)
    return op.view and node.inputs[0].type.layout == PLAIN == node.output.type.layout


def is_packed_constant(node: Node) -> bool:
    """Whether a node is a relayout of a constant: packed when the plan is loaded, never run."""
    return node.op.name == "relayout" and isinstance(root(node.inputs[0]).node.op, Constant)


def is_step(node: Node) -> bool:
    """Whether a node runs: it is no source, no view of other memory, no constant."""
    source = isinstance(node.op, Input | State | Constant)
    return not (source or is_alias(node) or is_packed_constant(node))
