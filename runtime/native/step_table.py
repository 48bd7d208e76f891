"""A plan as the driver reads it: a record for each step, and the addresses of its operands."""

import itertools
from collections.abc import Sequence

import numpy as np

from graphcnn.analysis.cost import multiply_adds
from graphcnn.ir.plan import Buffer, BufferRole, Copy, Plan, Step
from graphcnn.ir.storage import storage_bytes
from graphcnn.runtime.native.code.jit import compile_kernels
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.registry import lower
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.copies import copy_kernel, lines_of
from graphcnn.runtime.native.driver import BARRIER, FIRST, STEP_WORDS
from graphcnn.runtime.native.memory.arena import give_back
from graphcnn.runtime.native.memory.places import Memory
from graphcnn.runtime.native.work_division import turns

STEP_BYTES = 8 * STEP_WORDS

#: Work after which Python may look for signals, in multiply-adds (20 to 200 ms).
LONG = 1 << 30
#: How many multiply-adds a processor does while it moves a byte.
PER_BYTE = 4
#: A copy of fewer lines of 64 bytes is not divided among threads.
LEAST_LINES = 1 << 12


class StepTable:
    """The steps of a plan in memory, and after them its copies, but for those to outputs.

    Attributes:
        kernels: of the steps, in order.
        pieces: (address, number) of steps to run in one call, those before the plan's `commit`;
            more than one where a run takes so long that Python should look after signals.
        rest: the same of all from there on, in one piece: no signal comes between.
    """

    def __init__(
        self,
        plan: Plan,
        memory: Memory,
        target: Target,
        parts: int,
        kernels: Sequence[Kernel] | None = None,
    ) -> None:
        made = kernels or (lower(step.node, target) for step in plan.steps)
        self.kernels = tuple(made)
        copies = state_copies(plan)
        codes = compile_kernels([*self.kernels, *(copy_kernel() for _ in copies)], target)
        rows = [_operands(s, k, parts) for s, k in zip(plan.steps, self.kernels, strict=True)]
        work = [work_of(step) for step in plan.steps]
        if parts == 1:
            shares, flags = [1] * len(rows), [0] * len(rows)
        else:
            turn = turns(plan, [kernel.units for kernel in self.kernels], work, parts)
            shares = [t.shares for t in turn]
            flags = [BARRIER * t.meet + FIRST * t.first for t in turn]
        operands: list[Buffer | int] = [buffer for row in rows for buffer in row]
        starts = list(itertools.accumulate(map(len, rows), initial=0))
        for copy in copies:
            lines = lines_of(copy)
            operands += [copy.source, copy.target, lines]
            starts.append(len(operands))
            shares.append(min(parts, -(-lines // LEAST_LINES)))
            flags.append(BARRIER)
        self._places: dict[Buffer, list[int]] = {}
        for i, operand in enumerate(operands):
            if isinstance(operand, Buffer):
                self._places.setdefault(operand, []).append(i)
        self._table = np.array([o if isinstance(o, int) else 0 for o in operands], np.int64)
        for buffer in self._places:
            self.point(buffer, memory.address(buffer))
        base = address_of(self._table)
        addresses = [base + 8 * start for start in starts]
        records = zip(codes, addresses, shares, flags, strict=False)
        self._records = np.array([*records], np.int64).reshape(-1, STEP_WORDS)
        self.pieces = [(self.record(a), b - a) for a, b in cut(work[: plan.commit])]
        self.rest = self.record(plan.commit), len(codes) - plan.commit
        give_back()  # what compiling took

    def record(self, step: int) -> int:
        """Address of the record of a step; those of the copies come after them."""
        return address_of(self._records) + STEP_BYTES * step

    def point(self, buffer: Buffer, address: int) -> None:
        """Let all steps find `buffer` at `address`."""
        self._table[self._places.get(buffer, [])] = address


def state_copies(plan: Plan) -> list[Copy]:
    """The copies that are made after the steps: what states become."""
    return [copy for copy in plan.copies if copy.target.role is not BufferRole.OUTPUT]


def _operands(step: Step, kernel: Kernel, parts: int) -> list[Buffer]:
    found = [*step.reads, *step.writes, *([step.scratch] if step.scratch else [])]
    if len(found) != kernel.operands:
        raise AssertionError(f"{kernel.key}: {kernel.operands} operands, found {found}")
    scratch = kernel.scratch * min(parts, kernel.units)
    if step.scratch and step.scratch.bytes < scratch:
        raise AssertionError(f"{kernel.key}: {scratch} bytes of scratch, found {step.scratch}")
    return found


def work_of(step: Step) -> int:
    """About how long a step takes, in multiply-adds."""
    moved = sum(storage_bytes(v.type) for v in (*step.node.inputs, *step.node.outputs))
    return max(multiply_adds(step.node), PER_BYTE * moved)


def cut(work: Sequence[int], long: int = LONG) -> list[tuple[int, int]]:
    """Ranges of steps that are run in one call."""
    ranges, first, total = [], 0, 0
    for i, amount in enumerate(work):
        total += amount
        if total > long:
            ranges.append((first, i + 1))
            first, total = i + 1, 0
    return [*ranges, (first, len(work))] if first < len(work) else ranges


def address_of(array: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]") -> int:
    return int(array.__array_interface__["data"][0])
