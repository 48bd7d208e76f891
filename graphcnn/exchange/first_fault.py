"""The first node at which a result is further from the exact one than rounding explains.

Intermediate values of the file are judged like its outputs, in the order of the nodes. Where it is
ONNX Runtime that is off, either what we made of a node is wrong, or ONNX Runtime computes it less
exactly than its type allows: the reference implementation of the onnx package tells which. In the
second case its result is taken for exact, and the search goes on behind it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from onnx import NodeProto, numpy_helper

from graphcnn.exchange.first_difference import Culprit, culprit, error_of, groups, halved
from graphcnn.exchange.trial import Trial, slack
from graphcnn.ir.node import Array, Value
from graphcnn.onnx.comparing.decisions import exactly, explained, needed
from graphcnn.onnx.comparing.judge import Judged, Side, judged
from graphcnn.onnx.comparing.standard import by_the_standard
from graphcnn.onnx.comparing.yardstick import FAR, Spread
from graphcnn.onnx.importing.file.names import shown
from graphcnn.onnx.importing.file.validate import label

#: Runs with noise.
RUNS = 8

#: Where all three implementations differ equally, so much is left to each of them.
DISPUTED = 1e-4

#: Nodes that ONNX Runtime may compute less exactly in one model before it is no longer believed.
_EXCUSED = 16


@dataclass
class Search:
    """What was found: a node at fault or none, and what ONNX Runtime computes less exactly."""

    culprit: Culprit | None = None
    notes: list[str] = field(default_factory=list)


def fault_of_ours(trial: Trial, runtime: str, wrong: Mapping[str, float]) -> Culprit | None:
    """The first node at which a runtime of ours is off, None where none is as soon as intermediate
    values are kept. `wrong` are the outputs that are off, and by how much."""
    walk = _Walk(trial, runtime)
    return walk.ours() or (walk.together(wrong) if runtime == "native" else None)


def fault_beside_theirs(trial: Trial, runtime: str) -> Search:
    """The first node at which ONNX Runtime parts from the exact results, and why."""
    return _Walk(trial, runtime).theirs()


class _Walk:
    """A search through the values of one file."""

    def __init__(self, trial: Trial, runtime: str) -> None:
        self._trial, self._runtime = trial, runtime
        self._sides = trial.sides
        self._seen: dict[str, float] = {}
        self._points = {p.value: p for p in trial.points}
        self._kept: tuple[dict[Value, Array], dict[Value, Spread]] | None = None

    def ours(self) -> Culprit | None:
        values, given = self._trial.values, self._given()
        for group in groups(self._sides, list(values)):
            found = self._run({k: values[k] for k in group})
            theirs = self._sides.theirs(group, False)
            spreads = self._spreads(group, given)
            for name in group:
                self._seen[name] = error_of(theirs[name], found[name])
                if not self._right(name, found[name], spreads, given, slack(self._runtime)):
                    return culprit(self._trial.edges, name, self._seen, False)
        return None

    def together(self, wrong: Mapping[str, float]) -> Culprit | None:
        """The first value that is off where only it is kept beside the outputs."""
        values, given = self._trial.values, self._given()

        def differs(name: str) -> float | None:
            found = self._run({**self._trial.graph.outputs, name: values[name]})[name]
            spreads = self._spreads([name], given)
            if self._right(name, found, spreads, given, slack(self._runtime)):
                return None
            return error_of(found, spreads[values[name]].exact, strict=False)

        place = halved(list(values), wrong, differs)
        if place is None:
            return None
        name, self._seen[name] = place
        return culprit(self._trial.edges, name, self._seen, True)

    def _given(self) -> dict[Value, Array]:
        """The decisions of the runtime, as the file shows them."""
        keys = {f"decision {i}": v for i, v in enumerate(self._points)}
        found = self._run({**self._trial.graph.outputs, **keys}) if keys else {}
        return {v: found[key] for key, v in keys.items()}

    def theirs(self) -> Search:
        search = Search()
        given = dict(self._trial.their_decisions)
        excused: set[str] = set()
        names = list(self._trial.edges.values)
        while True:
            name = self._next(names, given, excused)
            if name is None:
                return search
            excuse = None
            if name in self._trial.values and len(excused) < _EXCUSED:
                excuse = self._follows(name, given) or self._excuse(name, given)
            if excuse is None:
                search.culprit = culprit(self._trial.edges, name, self._seen, False)
                return search
            search.notes.append(excuse)
            excused.add(name)
            given[self._trial.values[name]] = self._sides.theirs([name], False)[name]
            self._kept = None

    def _next(
        self, names: list[str], given: Mapping[Value, Array], excused: set[str]
    ) -> str | None:
        """The first value of ONNX Runtime that is off, but for those that are excused."""
        values = self._trial.values
        for group in groups(self._sides, names):
            theirs = self._sides.theirs(group, False)
            spreads = self._spreads([k for k in group if k in values], given)
            constants = {
                k: v for k, v in self._trial.edges.values.items() if not isinstance(v, Value)
            }
            found = self._sides.ours(
                self._runtime, {k: constants[k] for k in group if k in constants}
            )
            for name in group:
                if name in excused:
                    continue
                if name in values:
                    exact = spreads[values[name]].exact
                    self._seen[name] = error_of(theirs[name], exact, strict=False)
                    if self._right(name, theirs[name], spreads, given, 1.0):
                        continue
                elif name in found:
                    self._seen[name] = error_of(theirs[name], found[name])
                    if self._seen[name] <= 1e-6:
                        continue
                else:
                    continue
                return name
        return None

    def _run(self, values: Mapping[str, Value]) -> dict[str, Array]:
        return self._trial.run(self._runtime, values)

    def _spreads(self, names: Sequence[str], given: Mapping[Value, Array]) -> dict[Value, Spread]:
        values = [self._trial.values[k] for k in names]
        points = [self._points[v] for v in values if v in self._points]
        keep = list(dict.fromkeys((*values, *needed(points))))
        if (
            self._kept is None
            or len(self._kept[0]) != len(given)
            or not {*keep} <= {*self._kept[1]}
        ):
            self._kept = dict(given), self._trial.judge.exact.measure(keep, given, RUNS)
        return self._kept[1]

    def _right(
        self,
        name: str,
        found: Array,
        spreads: Mapping[Value, Spread],
        given: Mapping[Value, Array],
        room: float,
    ) -> bool:
        value = self._trial.values[name]
        point = self._points.get(value)
        if point is None or value not in given:
            typed = found.dtype == value.dtype.numpy
            return typed and _judged(name, found, spreads[value], room).right

        def near(v: Value) -> Array:
            return FAR * room * spreads[v].scale()

        return explained(point, found, _exact(spreads), near).right

    def _follows(self, name: str, given: Mapping[Value, Array]) -> str | None:
        """A sentence where ONNX Runtime computes a result rightly from what it has before it, None
        where it does not: then rounding before the node was carried further than noise shows, as
        at a logarithm of nearly 0."""
        found = self._sources(name)
        value = self._trial.values[name]
        if found is None:
            return None
        before = {k: v for k in found[1] if (v := self._trial.values.get(k)) not in (None, value)}
        if not before:
            return None
        theirs = self._sides.theirs([*before, name], False)
        taken = {**given, **{v: theirs[k] for k, v in before.items()}}
        if any(a.shape != v.type.shape for v, a in taken.items()):
            return None
        points = [self._points[value]] if value in self._points else []
        keep = list(dict.fromkeys((value, *needed(points))))
        spreads = self._trial.judge.exact.measure(keep, taken, RUNS)
        if not self._right(name, theirs[name], spreads, given, 1.0):
            return None
        return (
            f"{label(found[0][-1])}: {shown(name)!r} hangs on the last digits of what it is made "
            "of; from its own, ONNX Runtime computes it rightly"
        )

    def _sources(self, name: str) -> tuple[tuple[NodeProto, ...], list[str]] | None:
        """The nodes of the file that became one operator, and what they read."""
        node = self._trial.edges.producer(name)
        if node is None:
            return None
        nodes = (*self._trial.edges.merged(node), node)
        made = {k for each in nodes for k in each.output}
        read = dict.fromkeys(k for n in nodes for k in n.input if k)
        return nodes, [k for k in read if k not in made]

    def _excuse(self, name: str, given: Mapping[Value, Array]) -> str | None:
        """A sentence where ONNX Runtime is the less exact side at a node, None where we are."""
        edges, value = self._trial.edges, self._trial.values[name]
        found = self._sources(name)
        if found is None:
            return None
        nodes, read = found
        node = nodes[-1]
        arrays = self._arrays(read)
        if arrays is None:
            return None
        standard = by_the_standard(edges.model, nodes, arrays, name)
        if standard is None:
            return None
        spreads = self._spreads([name], given)
        point = self._points.get(value)
        spread = spreads[value]
        if point is not None and value in given:
            spread = replace(spread, exact=exactly(point, _exact(spreads)))
        theirs = self._sides.theirs([name], False)[name]
        if not standard.shape == spread.exact.shape == theirs.shape:
            return None
        how = error_of(theirs, spread.exact, strict=False)
        ours_off = _apart(standard, spread)
        theirs_off = _apart(standard, replace(spread, exact=theirs))
        if ours_off < 0.5 * theirs_off:
            return (
                f"{label(node)}: ONNX Runtime computes {shown(name)!r} less exactly than its type "
                f"allows, {how:.1e} beside what the standard defines"
            )
        if ours_off < 2 * theirs_off and how < DISPUTED:
            return (
                f"{label(node)}: ONNX Runtime, graphcnn and the implementation of the standard "
                f"differ in {shown(name)!r} by as much, {how:.1e}"
            )
        return None

    def _arrays(self, names: Sequence[str]) -> dict[str, Array] | None:
        """Inputs, initializers and results as ONNX Runtime has them."""
        edges = self._trial.edges
        stored = {t.name: t for t in edges.model.graph.initializer}
        found: dict[str, Array] = {}
        results = []
        for name in names:
            if name in edges.stored:
                found[name] = edges.stored[name]
            elif name in stored:
                found[name] = np.asarray(numpy_helper.to_array(stored[name]))
            elif name in self._sides.feeds:
                found[name] = self._sides.feeds[name]
            elif edges.producer(name) is not None:
                results.append(name)
            else:
                return None
        return {**found, **(self._sides.theirs(results, False) if results else {})}


def _judged(name: str, found: Array, spread: Spread, room: float) -> Judged:
    return judged(name, Side("", {}, {}, room), found, spread)


def _exact(spreads: Mapping[Value, Spread]) -> dict[Value, Array]:
    return {v: s.exact for v, s in spreads.items()}


def _apart(found: Array, spread: Spread) -> float:
    """How far off a result is on the whole, in multiples of the spread; for decisions the number of
    those that differ."""
    far = spread.distances(found)
    far[np.isinf(far)] = 1e6
    return float(np.sqrt(np.mean(far * far))) if far.size else 0.0
