"""A step that is a loop: the plan and the kernels of its body, and the records that run it.

    once:   what is carried at first  ->  where the result of the loop lies
            as often as it says:
                    slices that are no whole lines of memory  ->  where the body reads them
                    the steps of the body
                    its results that are copies of something, and slices of results
                    what is carried now  ->  where it is read

A step of a plan is one record, so the first copy and the loop are in a loop of one iteration.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from graphcnn.ir.node import Node
from graphcnn.ir.plan import ALIGN, Buffer, BufferRole, Plan, Step
from graphcnn.ir.storage import storage_bytes
from graphcnn.ops.loops import Scan
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.compiled import Compiled


@dataclass(frozen=True)
class Loop(Kernel):
    """What runs a scan: no code of its own, but that of the steps of its body."""

    body: Compiled | None = None

    @property
    def inside(self) -> Compiled:
        """The plan of the body, and its kernels."""
        assert self.body is not None
        return self.body

    @property
    def method(self) -> str:
        """The methods of the steps: what the order of sums depends on in any of them."""
        return f"loop ({', '.join(kernel.method for kernel in self.inside.kernels)})"


@dataclass(frozen=True)
class Spot:
    """A place in a buffer, and by how many bytes it moves at every iteration of the loops around
    it, the outermost first."""

    buffer: Buffer
    offset: int = 0
    strides: tuple[int, ...] = ()

    def at(self, offset: int, *strides: int) -> "Spot":
        """A place so far from it, which moves so in further loops, too."""
        return replace(self, offset=self.offset + offset, strides=(*self.strides, *strides))


def loop_kernel(node: Node, body: Compiled, parts: int) -> Loop:
    """The kernel of a scan whose body is compiled, for so many threads."""
    op = node.op
    assert isinstance(op, Scan) and body.prepare is None
    room = _Room(op, body.plan)
    scratch = -(-room.bytes // (parts * ALIGN)) * ALIGN
    operands = len(node.inputs) + len(node.outputs) + bool(scratch)
    key = f"loop {op!r}"
    algorithm = f"loop of {len(body.plan.steps)} steps, {op.length}×"
    return Loop(key, no_code, operands, parts, scratch, (), algorithm, "", body)


def body_plan(kernel: Kernel) -> Plan | None:
    """The plan of one iteration, if the kernel is of a loop."""
    return kernel.inside.plan if isinstance(kernel, Loop) else None


def no_code(e: object) -> None:
    """What a loop emits."""
    raise AssertionError("a loop has no code of its own")


class _Room:
    """Where in the scratch of a loop everything lies that the body has for itself."""

    def __init__(self, op: Scan, plan: Plan) -> None:
        graph = plan.graph
        self.starts: dict[Buffer, int] = {}
        self.bytes = plan.arena_bytes
        outputs = [plan.outputs[key] for key in graph.outputs]
        slices = [plan.at[v] for v in op.parts(graph.inputs).scanned]
        own = [*outputs[: op.carries], *(b for b in outputs[op.carries :] if not whole(b))]
        for buffer in (*own, *(b for b in slices if not whole(b))):
            start = -(-self.bytes // ALIGN) * ALIGN
            self.starts[buffer] = start
            self.bytes = start + -(-buffer.bytes // ALIGN) * ALIGN


def whole(buffer: Buffer) -> bool:
    """Whether it is whole lines: then the next slice begins at a line, and code that writes or
    reads the rest of a line touches nothing of it."""
    return buffer.bytes % ALIGN == 0


@dataclass(frozen=True)
class Body:
    """A body where it runs: its buffers as places in those of the graph around it, and the copies
    (source, target, bytes) first of all, before each iteration, and after its steps in turn.
    """

    op: Scan
    spots: Mapping[Buffer, Spot]
    first: list[tuple[Spot, Spot, int]]
    before: list[tuple[Spot, Spot, int]]
    after: list[tuple[Spot, Spot, int]]
    last: list[tuple[Spot, Spot, int]]


def body_of(step: Step, kernel: Loop, spots: Mapping[Buffer, Spot]) -> Body:
    """The body of a step whose buffers lie at these spots."""
    op, plan = step.node.op, kernel.inside.plan
    assert isinstance(op, Scan)
    graph, room = plan.graph, _Room(op, plan)
    reads = op.parts([spots[b] for b in step.reads])
    carries, ys = step.writes[: op.carries], step.writes[op.carries :]
    scratch = spots[step.scratch] if step.scratch else None

    def own(start: int) -> Spot:
        assert scratch is not None
        return scratch.at(start, 0, 0)

    def moving(stack: Spot, size: int) -> Spot:
        first, stride = (op.length - 1, -size) if op.reverse else (0, size)
        return stack.at(first * size, 0, stride)

    found: dict[Buffer, Spot] = {}
    first, before, after, last = [], [], [], []
    inner = op.parts(graph.inputs)
    outputs = [plan.outputs[key] for key in graph.outputs]
    for value, init, buffer in zip(inner.carries, reads.carries, carries, strict=True):
        size = storage_bytes(value.type)
        found[plan.at[value]] = spots[buffer].at(0, 0, 0)
        first.append((init.at(0, 0), spots[buffer].at(0, 0), size))
    for value, stack in zip(inner.scanned, reads.scanned, strict=True):
        buffer, size = plan.at[value], storage_bytes(value.type)
        found[buffer] = moving(stack, size)
        if buffer in room.starts:
            before.append((found[buffer], own(room.starts[buffer]), size))
            found[buffer] = own(room.starts[buffer])
    for value, spot in zip(inner.given, reads.given, strict=True):
        found[plan.at[value]] = spot.at(0, 0, 0)
    for i, buffer in enumerate(outputs):
        if i < op.carries:
            found[buffer] = own(room.starts[buffer])
            last.append((found[buffer], found[plan.at[inner.carries[i]]], buffer.bytes))
            continue
        found[buffer] = moving(spots[ys[i - op.carries]], buffer.bytes)
        if buffer in room.starts:
            last.append((own(room.starts[buffer]), found[buffer], buffer.bytes))
            found[buffer] = own(room.starts[buffer])
    for buffer in plan.buffers:
        if buffer.offset is not None:
            found[buffer] = own(buffer.offset)
    for copy in plan.copies:
        assert copy.target.role is BufferRole.OUTPUT
        after.append((found[copy.source], found[copy.target], copy.source.bytes))
    return Body(op, found, first, before, after, last)
