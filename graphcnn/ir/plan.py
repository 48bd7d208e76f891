"""Level 2 of the IR: a plan is steps in order over buffers at fixed places. No mathematics here.

    graph -> schedule -> plan_memory -> Plan -> executable

A value lies in one buffer; several values may share one, after each other or because they are the
same bytes under another shape. Buffers of activations and scratch have an offset in one arena;
inputs, outputs, constants and states lie elsewhere, at addresses that the executable knows.
`graphcnn.ir.verify_plan` replays a plan and is always on.

A training step has phases: forward, backward, then the gradients are ready, then the states change.
Between them somebody may look, and a step can be given up. Where the graph keeps its gradients (as
outputs, though it updates the parameters too), they may also be changed when they are ready: what
comes of them has not begun by then. So gradients of several processes can be added up.

Where the batch is cut into shards, the steps before that moment run for each of them. What is added
up over them (`all_reduce`, which is no step: its result is the sum in the memory of its operand)
lies in rows of its own, one for each partial sum that lives at a time, in the order in which it is
ready. The arena is that of one shard.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from graphcnn.base.words import printable
from graphcnn.errors import GraphError, shortened
from graphcnn.ir.graph import Graph, state_of, topological_order
from graphcnn.ir.node import Node, Value
from graphcnn.ir.sources import Constant, Input, State
from graphcnn.ir.storage import PLAIN, same_storage

#: Every buffer begins at a multiple of so many bytes: a cache line, and the widest vector.
ALIGN = 64
#: Outputs of a graph that hold gradients are called "gradient:" and the name of the state.
GRADIENT = "gradient:"


class BufferRole(StrEnum):
    """What a buffer is for, and so where it lies."""

    INPUT = "input"  # the caller's array, only read
    OUTPUT = "output"  # the caller's array, written
    CONSTANT = "constant"  # filled when the plan is loaded, only read
    STATE = "state"  # lives from run to run
    ACTIVATION = "activation"  # in the arena
    SCRATCH = "scratch"  # in the arena, working memory of one step
    REDUCED = "reduced"  # in a row, next to each other: what is added up over the shards


#: Roles of the buffers that lie in the arena.
IN_ARENA = frozenset({BufferRole.ACTIVATION, BufferRole.SCRATCH})


class Phase(StrEnum):
    """What a part of a training step is about. Without updates all is forward."""

    FORWARD = "forward"
    BACKWARD = "backward"  # from where the outputs are there that no derivative is part of
    READY = "gradients ready"  # from where all gradients that are kept are there, if any are, and
    #                            all that is added up over the shards of a batch
    COMMIT = "commit"  # from the first step that changes a state


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
    Of a loop `body` is the plan of one iteration, whose arena lies in the scratch.
    """

    node: Node
    reads: tuple[Buffer, ...]
    writes: tuple[Buffer, ...]
    scratch: Buffer | None = None
    inplace: tuple[tuple[int, int], ...] = ()
    body: "Plan | None" = None


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

    @cached_property
    def gradients(self) -> Mapping[str, Value]:
        """The gradients that are kept, by the name of the parameter."""
        return kept_gradients(self.graph)

    @cached_property
    def reduced(self) -> Mapping[str, tuple[Value, Buffer]]:
        """What is added up over the shards, in the order of its row, by name."""
        found = reduced(self.graph)
        at = {self.at[value]: (name, value) for name, value in found.items()}
        return {at[b][0]: (at[b][1], b) for b in self.buffers if b in at}

    @cached_property
    def shards(self) -> int:
        """Into how many parts a batch is cut."""
        return shards(self.graph)

    @cached_property
    def summed(self) -> int:
        """The first step that runs once for all shards of a batch, and not for each."""
        if self.shards == 1:
            return 0
        late, steps = after_sums(self.graph), enumerate(self.steps[: self.commit])
        return next((i for i, step in steps if step.node in late), self.commit)

    @cached_property
    def begins(self) -> Mapping[Phase, int]:
        """The first step of every phase, which is that of the next one where it has none."""
        made = {root(v) for v in self.gradients.values()}
        last = [i for i, step in enumerate(self.steps) if made.intersection(step.node.outputs)]
        ready = min(last[-1] + 1, self.commit) if last else self.commit
        ready = max(ready, self.summed)
        forward = _forward(self.graph)
        needed = [i for i, step in enumerate(self.steps[:ready]) if step.node in forward]
        return {
            Phase.FORWARD: 0,
            Phase.BACKWARD: needed[-1] + 1 if needed else 0,
            Phase.READY: ready,
            Phase.COMMIT: self.commit,
        }

    def phase(self, step: int) -> Phase:
        """The phase in which a step runs."""
        return [phase for phase, first in self.begins.items() if first <= step][-1]

    def __str__(self) -> str:
        return "\n".join(_table(self))


def _table(plan: Plan) -> Iterator[str]:
    """The totals, then a line for each step: what it runs, where its results lie; by phases."""
    waste = plan.arena_bytes / plan.lower_bound if plan.lower_bound else 1.0
    name = shortened(plan.graph.name)
    yield (
        f"plan {name!r}: {len(plan.steps)} steps, arena {_size(plan.arena_bytes)} = "
        f"{waste:.3f} × lower bound {_size(plan.lower_bound)}, "
        f"without reuse {_size(plan.sum_bytes)}"
    )
    if plan.shards > 1:
        each = sum(b.bytes for b in plan.buffers if b.role is BufferRole.REDUCED)
        once = len(plan.steps) - plan.summed
        yield (
            f"  {plan.shards} shards: {plan.summed} steps for each, {once} once for all, "
            f"at most {(plan.shards - 1).bit_length() + 1} partial sums of {_size(each)}"
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
    before = Phase.FORWARD
    for i, row in enumerate(rows):
        if i == plan.summed and plan.shards > 1:
            yield f"  summed over {plan.shards} shards"
        if (now := plan.phase(i)) is not before:
            yield f"  {now}"
        before = now
        cells = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)]
        yield f"{i:>5}  {'  '.join([*cells, row[3]])}".rstrip()
        body = plan.steps[i].body if i < len(plan.steps) else None
        if body is not None:
            yield from ("       " + line for line in _table(body))


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


def same_bytes(a: Value, b: Value) -> bool:
    """Whether two values are the same memory seen under other shapes."""
    return root(a) is root(b)


def root(value: Value) -> Value:
    """The value whose memory a value shares: views looked through."""
    while is_alias(value.node):
        value = value.node.inputs[0]
    return value


def is_alias(node: Node) -> bool:
    """Whether a node's result is its input's memory: views, relayouts that move nothing, and sums
    over the shards, which are made where the operands lie."""
    op = node.op
    if op.name == "relayout":
        return same_storage(node.inputs[0].type, node.output.type.layout)
    if op.view:
        return node.inputs[0].type.layout == PLAIN == node.output.type.layout
    return is_all_reduce(node)


def is_all_reduce(node: Node) -> bool:
    """Whether a node adds up its operand over the shards of a batch."""
    return getattr(node.op, "op", node.op).name == "all_reduce"  # it may be placed


def is_packed_constant(node: Node) -> bool:
    """Whether a node is a relayout of a constant: packed when the plan is loaded, never run."""
    return node.op.name == "relayout" and isinstance(root(node.inputs[0]).node.op, Constant)


def is_step(node: Node) -> bool:
    """Whether a node runs: it is no source, no view of other memory, no constant."""
    source = isinstance(node.op, Input | State | Constant)
    return not (source or is_alias(node) or is_packed_constant(node))


def _forward(graph: Graph) -> set[Node]:
    """The nodes that outputs need which no derivative is part of: the loss, the metrics."""
    derived: set[Value] = set()
    for node in graph.nodes:
        follows = any(v in derived for v in node.inputs)
        derived.update(v for v in node.outputs if follows or "backward" in _makers(v))
    outputs = graph.outputs.values()
    return {*topological_order(v.node for v in outputs if v not in derived)}


def _makers(value: Value) -> tuple[str, ...]:
    """The passes that made a value: of a group, the node in it that gives this result."""
    body = getattr(getattr(value.node.op, "op", value.node.op), "body", None)
    node = value.node if body is None else [*body.outputs.values()][value.index].node
    return tuple(node.origin.passes)


def kept_gradients(graph: Graph) -> dict[str, Value]:
    """The gradients that are outputs of a graph which updates their parameters, by their names.

    Of gradients that are one, of parameters that are only ever added for example, the first.
    """
    updated = {state_of(s).key for s, new in graph.updates.items() if new is not s}
    found: dict[Value, str] = {}
    for key, value in graph.outputs.items():
        name = key.removeprefix(GRADIENT)
        if name != key and name in updated:
            found.setdefault(root(value), name)
    return {name: graph.outputs[GRADIENT + name] for name in found.values()}


def same_gradients(graph: Graph) -> dict[str, str]:
    """Of gradients that are the same value those but the first: the name of that one, by theirs."""
    first = {root(value): name for name, value in kept_gradients(graph).items()}
    found = {}
    for key, value in graph.outputs.items():
        name = key.removeprefix(GRADIENT)
        if name != key and first.get(root(value), name) != name:
            found[name] = first[root(value)]
    return found


def shards(graph: Graph) -> int:
    """Into how many parts the batch of a graph is cut: 1 where nothing is added up over them."""
    ops = (getattr(node.op, "op", node.op) for node in graph.nodes if is_all_reduce(node))
    return next((int(op.attributes["shards"]) for op in ops), 1)


def reduced(graph: Graph) -> dict[str, Value]:
    """What is added up over the shards: the values that own its memory, by names."""
    found: dict[Value, str] = {}
    for node in graph.nodes:
        if is_all_reduce(node):
            found.setdefault(root(node.output), node.name)
    if len({*found.values()}) < len(found):
        raise GraphError(f"two sums over shards in {graph.name!r} have one name")
    return {name: value for value, name in found.items()}


def after_gradients(graph: Graph) -> set[Node]:
    """The nodes that gradients which are kept lead to, but not to further ones of these."""
    kept = kept_gradients(graph)
    owners = {root(v) for v in kept.values()}
    before = {*topological_order(v.node for v in kept.values())}
    found: set[Node] = set()
    for node in graph.nodes if kept else ():
        if node not in before and any(root(v) in owners or v.node in found for v in node.inputs):
            found.add(node)
    return found


def after_sums(graph: Graph) -> set[Node]:
    """The nodes that come of what is added up over the shards, and lead to nothing that is: those
    that run once for the whole batch."""
    sums = [node for node in graph.nodes if is_all_reduce(node)]
    before, found = {*topological_order(sums)}, set[Node]()
    for node in graph.nodes if sums else ():
        follows = any(is_all_reduce(v.node) or v.node in found for v in node.inputs)
        if follows and node not in before:
            found.add(node)
    return found
