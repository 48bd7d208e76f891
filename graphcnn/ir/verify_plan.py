"""Whether a plan does what its graph says: replayed step by step, before it may run."""

from collections.abc import Iterable, Iterator

from graphcnn.errors import VerifyError
from graphcnn.ir.graph import state_of
from graphcnn.ir.node import Value
from graphcnn.ir.plan import (
    IN_ARENA,
    Buffer,
    BufferRole,
    Copy,
    Phase,
    Plan,
    Step,
    after_gradients,
    after_sums,
    root,
    same_bytes,
)
from graphcnn.ir.sources import Input

#: Roles of what steps may write.
_WRITTEN = {BufferRole.ACTIVATION, BufferRole.OUTPUT, BufferRole.REDUCED, BufferRole.STATE}


def verify_plan(plan: Plan) -> None:
    """Replay a plan and raise `VerifyError` at the first step that reads or writes wrongly.

    Kept track of is which value every buffer holds. A write makes all buffers that it overlaps
    forget theirs; a value that is read must be held. So no two buffers overlap while both are
    needed, and nothing is read before it was written. The outputs must hold what the graph says
    before a state changes, the states at the end. Gradients that are kept must all be there, in
    memory that can be written, before anything comes of them, and parameters change by them alone.
    What is added up over shards lies in memory of its own, is all there before anything comes of
    it, and what runs once for the whole batch reads nothing else that a shard has for itself.
    Bodies of loops are plans, too, with room for their arenas and for nothing that they keep.
    """
    for step in plan.steps:
        if step.body is not None:
            verify_plan(step.body)
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
        yield from self.phases()
        yield from self.shards()
        for v in (*plan.graph.inputs, *plan.graph.states):
            self.write(plan.at[v], v)
        for v, buffer in plan.constants.items():
            self.write(buffer, v)
        yield from self.steps(0, plan.summed)
        yield from self.sums()
        yield from self.steps(plan.summed, plan.begins[Phase.READY])
        yield from self.ready()
        yield from self.steps(plan.begins[Phase.READY], plan.commit)
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

    def ready(self) -> Iterator[str]:
        """Whether all gradients that are kept lie there, in memory that may be written."""
        for name, value in self.plan.gradients.items():
            buffer = self.plan.at[value]
            if buffer.role not in _WRITTEN - {BufferRole.STATE}:
                yield f"the gradient of {name!r} lies in {buffer}, which nothing may change"
            if not self.held(value, buffer):
                yield f"the gradient of {name!r} is not in {buffer} when all shall be ready"

    def phases(self) -> Iterator[str]:
        """Whether what comes of gradients that are kept comes of them alone, and after them all."""
        plan = self.plan
        late = after_gradients(plan.graph)
        for number, step in enumerate(plan.steps[: plan.begins[Phase.READY]]):
            if step.node in late:
                yield f"step {number} reads gradients before all of them are ready"
        owners = {root(v) for v in plan.gradients.values()}
        for name in plan.gradients:
            state = next(s for s in plan.graph.updates if state_of(s).key == name)
            nodes = [plan.graph.updates[state].node]
            seen = {*nodes}
            for node in nodes:  # which grows
                if isinstance(node.op, Input):
                    yield f"the new value of {name!r} comes of {node} by ways beside gradients"
                    break
                more = [v.node for v in node.inputs if root(v) not in owners]
                nodes += [n for n in dict.fromkeys(more) if n not in seen]
                seen.update(more)

    def sums(self) -> Iterator[str]:
        """Whether all that is added up over the shards lies there when one has run."""
        for name, (value, buffer) in self.plan.reduced.items():
            if buffer.role is not BufferRole.REDUCED or not self.held(value, buffer):
                yield f"{name!r} is not in {buffer} when it is to be added up"

    def shards(self) -> Iterator[str]:
        """Whether each step runs as often as it should: for every shard, or once."""
        plan = self.plan
        if plan.shards == 1:
            return
        late, owners = after_sums(plan.graph), {value for value, _ in plan.reduced.values()}
        own: set[Value] = {v for v in plan.graph.inputs}
        for node in plan.graph.nodes:
            if any(v in own and root(v) not in owners for v in node.inputs):
                own.update(node.outputs)
        for number, step in enumerate(plan.steps):
            if (number < plan.summed) and step.node in late:
                yield f"step {number} reads sums over shards before all of them are there"
            if number >= plan.summed:
                wrong = (v for v in step.node.inputs if v in own and root(v) not in owners)
                for value in wrong:
                    yield f"step {number} runs once, and reads {value} of the last shard"

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
            if b.role not in _WRITTEN:
                yield f"writes to {b}, which must stay as it is"
            if b.role is BufferRole.STATE and not self.updates(b, value):
                yield f"writes {value} to {b}, which is not its update"
            for i, read in enumerate(step.reads):
                if b.overlaps(read) and not (b is read and (i, o) in step.inplace):
                    yield f"writes result {o} over input {i}, {read}, not declared as in place"
            if any(b.overlaps(other) for _, other in outputs[:o]):
                yield f"result {o} overlaps another"
        if step.body is not None:
            yield from self.body(step, step.body)
        if step.scratch is not None:
            if step.scratch.role is not BufferRole.SCRATCH:
                yield f"works in {step.scratch}, which is not scratch"
            if any(step.scratch.overlaps(b) for b in (*step.reads, *step.writes)):
                yield f"{step.scratch} overlaps an operand"
            self.write(step.scratch, None)
        for value, b in outputs:
            self.write(b, value)

    def body(self, step: Step, body: Plan) -> Iterator[str]:
        """Whether a loop has room for an iteration, and finds all that this one reads."""
        room = step.scratch.bytes if step.scratch else 0
        if body.arena_bytes > room:
            yield f"its body takes {body.arena_bytes} bytes, and it has scratch of {room}"
        if body.states or body.constants:
            yield f"its body keeps {len(body.states)} states, {len(body.constants)} constants"
        sizes = len(body.graph.inputs), len(body.graph.outputs)
        if sizes != (len(step.reads), len(step.writes)):
            yield f"its body has {sizes[0]} inputs and {sizes[1]} results, as it has not"

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
