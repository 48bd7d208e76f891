"""How much of a comparison is done: what tells most comes first, until the time is up.

A comparison has steps, each a batch size in one mode of ONNX Runtime. The first is always taken;
what the others take is known from those before, and a step that would not fit is left out and
named. What is measured counts no more than what the graph costs on a machine that does nothing
else, so that small models are compared as a whole on busy machines as well.
"""

import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import inf
from pathlib import Path

import onnx

from graphcnn.analysis.cost import total_multiply_adds
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array
from graphcnn.ir.tensor_type import known_size

#: Seconds for a comparison of which not all is asked for.
SECONDS = 1.0

#: Multiply-adds, and numbers written to memory, in a second on one core.
MULTIPLY_ADDS, WRITTEN = 3e10, 5e8

#: Bytes of a model that ONNX Runtime loads in a second, beside the seconds of a small one.
LOADED, LEAST = 4e8, 0.05

#: A batch size, and whether ONNX Runtime's optimisations are on.
Step = tuple[int, bool]


clock = time.perf_counter


def order(batches: Sequence[int]) -> list[Step]:
    """All steps. Two batch sizes tell whether the batch is treated right, and come first; then the
    same without optimisations, then further sizes."""
    first, rest = batches[:2], batches[2:]
    steps = [(n, on) for on in (True, False) for n in first]
    return steps + [(n, on) for n in rest for on in (True, False)]


def cost(graph: Graph) -> float:
    """About the seconds of one item in a runtime that computes well: multiply-adds, and results
    that are written to memory."""
    written = sum(known_size(t.shape) for node in graph.nodes for t in node.types)
    return total_multiply_adds(graph) / MULTIPLY_ADDS + written / WRITTEN


def loading(model: onnx.ModelProto | str | Path, arrays: Mapping[str, Array]) -> float:
    """About the seconds in which ONNX Runtime loads a model; infinite where nobody knows."""
    if not isinstance(model, onnx.ModelProto):
        return inf
    return LEAST + float(model.ByteSize() + sum(a.nbytes for a in arrays.values())) / LOADED


class Effort:
    """The time of one comparison: None for all that it takes. `most` are the seconds that an item
    counts at most, however long it is measured to take."""

    def __init__(self, seconds: float | None, most: float = inf) -> None:
        self.spent = 0.0
        self.most = most
        self._seconds = seconds
        self._rates: dict[Hashable, float] = {}
        self._left: list[Step] = []
        self._more: dict[tuple[Hashable, int], float] = {}

    @contextmanager
    def timed(self, work: Hashable, n: int | None = None, most: float = inf) -> Iterator[None]:
        """Work on n items, from which the time of the same is estimated; or what is done once, and
        counts `most` seconds at most."""
        begin = clock()
        yield
        items = max(1, n or 1)
        taken = min(clock() - begin, most if n is None else items * self.most)
        self.spent += taken
        self._rates[work] = taken / items

    def allows(self, step: Step, parts: Mapping[Hashable, int]) -> bool:
        """Whether there is time for a step, which is work on so many items each; one that does not
        fit is noted. A mode that was not measured yet counts as slow as the other one."""
        rates = {work: self._rates.get(work, self._rates.get(not step[1], 0.0)) for work in parts}
        expected = {(work, n): n * rates[work] for work, n in parts.items()}
        if self._seconds is None or self.spent + sum(expected.values()) <= self._seconds:
            return True
        self._left.append(step)
        self._more |= expected  # what several steps share once
        return False

    def fits(self, work: Hashable, n: int, times: float) -> bool:
        """Whether there is time for so many times the work on n items."""
        expected = times * n * self._rates.get(work, 0.0)
        return self._seconds is None or self.spent + expected <= self._seconds

    def notes(self) -> list[str]:
        """What was left out, and how long it would take."""
        if not self._left:
            return []
        batches = sorted({n for n, _ in self._left})
        whole = [str(n) for n in batches if {(n, True), (n, False)} <= set(self._left)]
        found = [f"batch {' and '.join(whole)}"] if whole else []
        found += [
            f"batch {n} with optimisations {'on' if on else 'off'}"
            for n, on in sorted(self._left)
            if str(n) not in whole
        ]
        more = f"about {sum(self._more.values()):.1f} s more"
        return [f"left out: {', '.join(found)}, {more}; verify=True, or --verify, compares all"]
