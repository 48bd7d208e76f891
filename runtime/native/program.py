"""The steps of a plan as the driver takes them, before anything in it has an address.

Of each step its kernel, the buffers it works on, how many threads share it, and whether all meet
before it; after the steps come the copies by which states become what they will be.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from graphcnn.analysis.cost import multiply_adds
from graphcnn.ir.plan import Buffer, BufferRole, Copy, Plan, Step
from graphcnn.ir.storage import storage_bytes
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.copies import copy_kernel, lines_of
from graphcnn.runtime.native.driver import BARRIER, FIRST
from graphcnn.runtime.native.work_division import turns

#: How many multiply-adds a processor does while it moves a byte.
PER_BYTE = 4
#: A copy of fewer lines of 64 bytes is not divided among threads.
LEAST_LINES = 1 << 12


@dataclass(frozen=True)
class Record:
    """One call: a kernel on its operands, which are buffers or plain numbers."""

    kernel: Kernel
    operands: tuple[Buffer | int, ...]
    shares: int = 1
    flags: int = 0


def program(plan: Plan, kernels: Sequence[Kernel], work: Sequence[int], parts: int) -> list[Record]:
    """The records of a plan for so many threads, given what its steps take."""
    rows = [_operands(s, k, parts) for s, k in zip(plan.steps, kernels, strict=True)]
    found = [Record(kernel, row) for kernel, row in zip(kernels, rows, strict=True)]
    if parts > 1:
        turned = turns(plan, [kernel.units for kernel in kernels], work, parts)
        found = [
            Record(kernel, row, turn.shares, BARRIER * turn.meet + FIRST * turn.first)
            for kernel, row, turn in zip(kernels, rows, turned, strict=True)
        ]
    for copy in state_copies(plan):
        lines = lines_of(copy)
        shares = min(parts, -(-lines // LEAST_LINES))
        found.append(Record(copy_kernel(), (copy.source, copy.target, lines), shares, BARRIER))
    return found


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
