"""Is a result as exact as the arithmetic of its types allows?"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from graphcnn.ir.node import Array, Value
from graphcnn.onnx.comparing.decisions import Point, explained, needed, points
from graphcnn.onnx.comparing.difference import errors
from graphcnn.onnx.comparing.exact import Exact
from graphcnn.onnx.comparing.yardstick import FAR, SHIFTED, Spread, farthest

#: Runs with noise: so many at first, and where a result seems wrong, so many in all.
FIRST, ALL = 3, 16


@dataclass(frozen=True)
class Side:
    """What one side computed: outputs by key, and its decisions. `slack` widens what elements may
    be off."""

    name: str
    outputs: Mapping[str, Array]
    decisions: Mapping[Value, Array] = field(default_factory=dict)
    slack: float = 1.0


@dataclass(frozen=True)
class Judged:
    """One output of one side.

    Attributes:
        error: the largest distance from the exact result, relative to its largest number.
        spread: the same of the spread that rounding explains.
        far: the largest distance of an element in multiples of its spread.
        shifted: the median of these.
        decided: elements of the decisions before it that differ from the exact ones.
        wrong: those that rounding does not explain, or -1 where they all went one way.
    """

    output: str
    side: str
    error: float
    spread: float
    far: float
    shifted: float
    decided: int
    wrong: int
    right: bool


class Judge:
    """Judges what sides computed from the same inputs."""

    def __init__(self, exact: Exact) -> None:
        self.exact = exact
        self._outputs = exact.graph.outputs
        self._known: dict[tuple[bytes, frozenset[Value]], dict[Value, Spread]] = {}

    def points(self, seen: Collection[Value]) -> list[Point]:
        """Where the decisions of the graph are seen, of what a side can show."""
        return points(self.exact.graph, seen)

    def judge(self, side: Side, seen: Sequence[Point] = ()) -> tuple[Judged, ...]:
        """A judgement of every output; with few runs at first, with more where one seems wrong."""
        found = self._judge(side, seen, FIRST)
        return found if all(j.right for j in found) else self._judge(side, seen, ALL)

    def _judge(self, side: Side, seen: Sequence[Point], runs: int) -> tuple[Judged, ...]:
        seen = [p for p in seen if p.value in side.decisions]
        given = {p.value: side.decisions[p.value] for p in seen}
        spreads = self.spreads([*self._outputs.values(), *needed(seen)], given, runs)
        exact = {v: s.exact for v, s in spreads.items()}
        scales: dict[Value, Array] = {}

        def near(value: Value) -> Array:
            if value not in scales:
                scales[value] = FAR * side.slack * spreads[value].scale()
            return scales[value]

        decided = [explained(p, given[p.value], exact, near) for p in seen]
        differing = sum(d.differing for d in decided)
        wrong = sum(d.wrong for d in decided) or -any(d.biased for d in decided)
        return tuple(
            judged(key, side, array, spreads[self._outputs[key]], (differing, wrong))
            for key, array in side.outputs.items()
        )

    def spreads(
        self, keep: Collection[Value], given: Mapping[Value, Array], runs: int
    ) -> dict[Value, Spread]:
        """The exact values with these decisions, kept for the next side that decides equally."""
        key = _digest(given), frozenset(keep)
        known = self._known.get(key)
        self._known[key] = self.exact.measure(keep, given, runs, known)
        return self._known[key]


def judged(
    key: str, side: Side, found: Array, spread: Spread, decided: tuple[int, int] = (0, 0)
) -> Judged:
    """How one result compares with the exact one."""
    if found.shape != spread.exact.shape:
        return Judged(key, side.name, np.inf, 0.0, np.inf, np.inf, *decided, False)
    far = spread.distances(found)
    most, middle = float(far.max(initial=0.0)), float(np.median(far)) if far.size else 0.0
    error = errors(found, spread.exact)[1]
    size = float(np.abs(spread.exact[np.isfinite(spread.exact)]).max(initial=0.0)) or 1.0
    scale = spread.scale()
    reach = float(scale[np.isfinite(scale)].max(initial=0.0)) / size
    right = most <= farthest(far.size) * side.slack and middle <= SHIFTED and not decided[1]
    return Judged(key, side.name, error, reach, most, middle, *decided, right)


def _digest(given: Mapping[Value, Array]) -> bytes:
    found = hashlib.sha256()
    for array in given.values():
        found.update(array.tobytes())
    return found.digest()
