"""A plan as the driver runs it in this process: its program, its code, and addresses for both."""

from collections.abc import Sequence

from graphcnn.ir.plan import Phase, Plan
from graphcnn.runtime.native.addresses import Entries
from graphcnn.runtime.native.called import Call, calls
from graphcnn.runtime.native.code.jit import compile_kernels
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.registry import lower
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.memory.arena import give_back
from graphcnn.runtime.native.memory.places import Memory
from graphcnn.runtime.native.program import coded, program, work_of

#: Work after which Python may look for signals, in multiply-adds (20 to 200 ms).
LONG = 1 << 30

#: The address of steps to run in one native call, and their number; or what Python computes.
Piece = tuple[int, int, Call | None]


class StepTable(Entries):
    """The steps of a plan in memory, and after them its copies, but for those to outputs.

    Attributes:
        kernels: of the steps, in order.
        calls: the steps that Python computes, by their number.
        pieces: the steps before the plan's `commit`; more than one where Python computes some, or
            where a run takes so long that it should look after signals.
        of_shard: the same, those that run for each shard of a batch, if it is cut.
        before_ready, after_ready: the same, from there to where gradients are ready, and after.
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
        self.kernels = tuple(kernels or (lower(step.node, target) for step in plan.steps))
        work = [work_of(step) for step in plan.steps]
        records = program(plan, self.kernels, work, parts)
        codes = compile_kernels([*coded(records)], target)
        super().__init__(records, codes, memory.address, parts)
        self.calls = calls(plan, self)
        ready = plan.begins[Phase.READY]
        self.pieces = self._pieces(work, 0, plan.commit)
        self.of_shard = self._pieces(work, 0, plan.summed)
        self.before_ready = self._pieces(work, plan.summed, ready)
        self.after_ready = self._pieces(work, ready, plan.commit)
        self.rest = self.record(plan.commit), len(records) - plan.commit
        give_back()  # what compiling took

    def _pieces(self, work: Sequence[int], first: int, last: int) -> list[Piece]:
        found: list[Piece] = []
        for i in [*(i for i in self.calls if first <= i < last), last]:
            found += [(self.record(first + a), b - a, None) for a, b in cut(work[first:i])]
            found += [(0, 0, self.calls[i])] if i < last else []
            first = i + 1
        return found


def cut(work: Sequence[int], long: int = LONG) -> list[tuple[int, int]]:
    """Ranges of steps that are run in one call."""
    ranges, first, total = [], 0, 0
    for i, amount in enumerate(work):
        total += amount
        if total > long:
            ranges.append((first, i + 1))
            first, total = i + 1, 0
    return [*ranges, (first, len(work))] if first < len(work) else ranges
