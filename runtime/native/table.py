"""A plan as the driver reads it: a record for each step, and the addresses of its operands."""

import importlib
import pkgutil
from functools import cache

import numpy as np

from graphcnn.cost import multiply_adds
from graphcnn.layout import storage_bytes
from graphcnn.plan import Buffer, Plan, Step
from graphcnn.runtime.native import kernels
from graphcnn.runtime.native.driver import BARRIER, FIRST, STEP_WORDS
from graphcnn.runtime.native.jit import compile_kernel
from graphcnn.runtime.native.kernel import Kernel, lower
from graphcnn.runtime.native.memory import Memory, phases
from graphcnn.runtime.native.target import Target
from graphcnn.runtime.native.turns import turns

STEP_BYTES = 8 * STEP_WORDS

#: Work after which Python may look for signals, in multiply-adds (20 to 200 ms).
LONG = 1 << 30
#: How many multiply-adds a processor does while it moves a byte.
PER_BYTE = 4


class Table:
    """The steps of a plan in memory, once for each phase of the states.

    Attributes:
        kernels: of the steps, in order.
        pieces: for each phase the (address, number) of steps to run in one call; more than one
            where a run takes so long that Python should look after signals in between.
    """

    def __init__(self, plan: Plan, memory: Memory, target: Target, parts: int) -> None:
        two_phases = memory.two_phases
        self.kernels = tuple(lower(step.node, target) for step in plan.steps)
        codes = [compile_kernel(kernel, target) for kernel in self.kernels]
        operands = [_operands(s, k, parts) for s, k in zip(plan.steps, self.kernels, strict=True)]
        starts = np.cumsum([0, *map(len, operands)])
        means, _ = phases(plan, memory.updated)
        self._places: dict[Buffer, list[int]] = {}
        for start, buffers in zip(starts, operands, strict=False):
            for i, buffer in enumerate(buffers, int(start)):
                self._places.setdefault(buffer, []).append(i)
        work = [work_of(step) for step in plan.steps]
        turn = turns(plan, [kernel.units for kernel in self.kernels], work, parts)
        shares = [t.shares for t in turn]
        flags = [BARRIER * t.meet + FIRST * t.first for t in turn]
        last = len(work) if two_phases else first_update(plan, memory.updated)
        cuts = cut(work, last)
        self._tables = []
        self._records = []
        self.pieces: list[list[tuple[int, int]]] = []
        for phase in (0, 1) if two_phases else (0,):
            table = np.array(
                [
                    memory.address(buffer, phase ^ (means[i][j] if j < len(means[i]) else 0))
                    if two_phases
                    else memory.address(buffer)
                    for i, buffers in enumerate(operands)
                    for j, buffer in enumerate(buffers)
                ],
                np.int64,
            )
            base = address_of(table)
            rows = zip(codes, (base + 8 * starts).tolist(), shares, flags, strict=False)
            records = np.array([*rows], np.int64).reshape(-1, STEP_WORDS)
            first = address_of(records)
            self.pieces.append([(first + STEP_BYTES * a, b - a) for a, b in cuts])
            self._tables.append(table)
            self._records.append(records)

    def record(self, step: int, phase: int) -> int:
        """Address of the record of a step."""
        return address_of(self._records[phase]) + STEP_BYTES * step

    def point(self, buffer: Buffer, address: int) -> None:
        """Let all steps find `buffer` at `address`."""
        for table in self._tables:
            for i in self._places.get(buffer, ()):
                table[i] = address


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


def first_update(plan: Plan, updated: frozenset[Buffer]) -> int:
    """The first step that writes a state."""
    writes = (i for i, step in enumerate(plan.steps) if updated & set(step.writes))
    return next(writes, len(plan.steps))


def cut(work: list[int], last: int, long: int = LONG) -> list[tuple[int, int]]:
    """Ranges of steps that are run in one call, cut before step `last` at the latest."""
    ranges, first, total = [], 0, 0
    for i, amount in enumerate(work):
        total += amount
        if total > long and i < last:
            ranges.append((first, i + 1))
            first, total = i + 1, 0
    return [*ranges, (first, len(work))] if first < len(work) else ranges


def address_of(array: "np.ndarray[tuple[int, ...], np.dtype[np.int64]]") -> int:
    return int(array.__array_interface__["data"][0])


@cache
def load_lowerings() -> None:
    """Import every module of kernels: each registers what it lowers."""
    for module in pkgutil.iter_modules(kernels.__path__):
        importlib.import_module(f"{kernels.__name__}.{module.name}")
