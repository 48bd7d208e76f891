"""The steps of a plan as the driver takes them, before anything in it has an address.

Of each step its kernel, the buffers it works on, how many threads share it, and whether all meet
before it; after the steps come the copies by which states become what they will be.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from graphcnn.analysis.cost import multiply_adds
from graphcnn.ir.plan import ALIGN, Buffer, BufferRole, Copy, Plan, Step
from graphcnn.ir.storage import storage_bytes
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.copies import copy_bytes_kernel, copy_kernel, lines_of
from graphcnn.runtime.native.driver import BARRIER, FIRST, LOOP
from graphcnn.runtime.native.loops import Loop, Spot, body_of
from graphcnn.runtime.native.work_division import DIVIDED_FROM, Turn, turns, worth_dividing

#: How many multiply-adds a processor does while it moves a byte.
PER_BYTE = 4
#: A copy of fewer lines of 64 bytes is not divided among threads.
LEAST_LINES = 1 << 12


#: What a call works on: a buffer, a place in one that moves from iteration to iteration, a number.
Operand = Buffer | Spot | int


@dataclass(frozen=True)
class Record:
    """One call: a kernel on its operands. Or a loop, which calls the records of `body` as often as
    `times` says; its operands are all of theirs."""

    kernel: Kernel
    operands: tuple[Operand, ...]
    shares: int = 1
    flags: int = 0
    times: int = 0
    body: "tuple[Record, ...]" = ()


def program(plan: Plan, kernels: Sequence[Kernel], work: Sequence[int], parts: int) -> list[Record]:
    """The records of a plan for so many threads, given what its steps take."""
    found = _steps(plan, kernels, work, parts, None)
    for copy in state_copies(plan):
        lines = lines_of(copy)
        shares = min(parts, -(-lines // LEAST_LINES))
        found.append(Record(copy_kernel(), (copy.source, copy.target, lines), shares, BARRIER))
    return found


def _steps(
    plan: Plan,
    kernels: Sequence[Kernel],
    work: Sequence[int],
    parts: int,
    spots: Mapping[Buffer, Spot] | None,
) -> list[Record]:
    """The records of the steps of a plan; in a loop its buffers lie at `spots`."""
    pairs = list(zip(plan.steps, kernels, strict=True))
    rows = [_operands(step, kernel, parts) for step, kernel in pairs]
    turned = [Turn(1, 0, False)] * len(rows)
    if parts > 1:
        units, amounts = [], []
        for kernel, amount in zip(kernels, work, strict=True):
            together = isinstance(kernel, Loop) and divided(kernel)
            alone = isinstance(kernel, Loop) and not together
            units.append(parts if together else 1 if alone else kernel.units)
            amounts.append(max(amount, DIVIDED_FROM) if together else amount)
        turned = turns(plan, units, amounts, parts)
    found = []
    for (step, kernel), row, turn in zip(pairs, rows, turned, strict=True):
        flags = BARRIER * turn.meet + FIRST * turn.first
        if isinstance(kernel, Loop):
            places = {b: spots[b] if spots else Spot(b) for b in row}
            found.append(_loop(step, kernel, turn.shares, places, flags))
        else:
            operands = tuple([spots[b] for b in row]) if spots is not None else row
            found.append(Record(kernel, operands, turn.shares, flags))
    return found


def divided(loop: Loop) -> bool:
    """Whether any step of a loop is worth being divided, and all threads go through it together."""
    steps, kernels = loop.inside.plan.steps, loop.inside.kernels
    return any(
        divided(kernel) if isinstance(kernel, Loop) else worth_dividing(kernel.units, work_of(step))
        for step, kernel in zip(steps, kernels, strict=True)
    )


def _loop(step: Step, kernel: Loop, parts: int, spots: Mapping[Buffer, Spot], flags: int) -> Record:
    """The record of a scan, for so many threads; see `loops` for what is in it."""
    body, inside = body_of(step, kernel, spots), kernel.inside
    work = [work_of(each) for each in inside.plan.steps]
    steps = _steps(inside.plan, inside.kernels, work, parts, body.spots)
    groups = [_copies(body.before, parts), steps, _copies(body.after, parts)]
    records = [_meeting(group) for group in (*groups, _copies(body.last, parts))]
    inner = tuple(record for group in records for record in group)
    depth = len(next(iter(spots.values())).strides) if spots else 0
    again = _repeated(kernel, body.op.length, inner, depth + 1, 0, parts)
    return _repeated(kernel, 1, (*_copies(body.first, parts), again), depth, flags, parts)


def _repeated(
    kernel: Loop, times: int, body: tuple[Record, ...], depth: int, flags: int, parts: int
) -> Record:
    """A loop in so many others, each of whose operands moves in these as that of the body does."""

    def outside(operand: Operand) -> Operand:
        if isinstance(operand, Spot):
            return replace(operand, strides=operand.strides[:depth])
        return operand

    operands = tuple(outside(o) for record in body for o in record.operands)
    return Record(kernel, operands, parts, flags | LOOP, times, body)


def _meeting(records: list[Record]) -> list[Record]:
    """All threads meet before the first of these records."""
    return [replace(r, flags=r.flags | (BARRIER if i == 0 else 0)) for i, r in enumerate(records)]


def _copies(copies: Sequence[tuple[Spot, Spot, int]], parts: int) -> list[Record]:
    kernel = copy_bytes_kernel()
    shares = [min(parts, -(-size // (LEAST_LINES * ALIGN))) for *_, size in copies]
    return [Record(kernel, c, many) for c, many in zip(copies, shares, strict=True)]


def coded(records: Sequence[Record]) -> Iterator[Kernel]:
    """The kernels that have code, in the order in which records call them."""
    for record in records:
        if record.body:
            yield from coded(record.body)
        else:
            yield record.kernel


def state_copies(plan: Plan) -> list[Copy]:
    """The copies that are made after the steps: what states become."""
    return [copy for copy in plan.copies if copy.target.role is not BufferRole.OUTPUT]


def work_of(step: Step) -> int:
    """About how long a step takes, in multiply-adds."""
    moved = sum(storage_bytes(v.type) for v in (*step.node.inputs, *step.node.outputs))
    return max(multiply_adds(step.node), PER_BYTE * moved)


def _operands(step: Step, kernel: Kernel, parts: int) -> tuple[Buffer, ...]:
    found = [*step.reads, *step.writes, *([step.scratch] if step.scratch else [])]
    if len(found) != kernel.operands:
        raise AssertionError(f"{kernel.key}: {kernel.operands} operands, found {found}")
    scratch = kernel.scratch * min(parts, kernel.units)
    if step.scratch and step.scratch.bytes < scratch:
        raise AssertionError(f"{kernel.key}: {scratch} bytes of scratch, found {step.scratch}")
    return tuple(found)
