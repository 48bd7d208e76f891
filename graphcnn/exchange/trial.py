"""One ONNX model on one input: what each side computes, judged by the exact result."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property

import numpy as np

from graphcnn.base.config import default_precision
from graphcnn.errors import CrashError
from graphcnn.exchange.first_difference import RUN, Sides
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Value
from graphcnn.onnx.comparing.decisions import Point
from graphcnn.onnx.comparing.exact import Exact
from graphcnn.onnx.comparing.judge import FIRST, Judge, Judged, Side, judged
from graphcnn.onnx.comparing.parity import Modal
from graphcnn.onnx.comparing.verdict import Verdict, arithmetic, verdict
from graphcnn.passes.lowering.retype import IN_FLOAT64
from graphcnn.runtime.native.memory.limits import available_memory

#: The native runtime may use algorithms that round more in single elements: so many times.
FAST_SLACK = 20.0


class Trial:
    """The sides of one model, each run once.

    Attributes:
        graph: for the batch of the feeds, with the outputs of the file.
        values: those that the results of the nodes of the file became, of which the outputs are
            made; results that are constants are missing.
        points: where decisions of the graph are seen in the file.
    """

    def __init__(self, sides: Sides, theirs: Modal) -> None:
        self.sides, self.edges = sides, sides.edges
        compared = self.edges.compared
        self.names = list(compared)
        self.theirs = {**theirs}
        if False not in theirs:  # which decides as the file says
            with suppress(CrashError):
                self.theirs[False] = sides.theirs(self.names, False)
        inner = {k: v for k, v in self.edges.values.items() if isinstance(v, Value)}
        outputs = {f"output {k}": v for k, v in compared.items()}
        keys = {f"value {k}": v for k, v in inner.items()}
        whole = self.edges.found.graph.with_outputs({**keys, **outputs}, {}).bind(sides.batch)
        self.graph = Graph.of(
            whole.inputs, {k: whole.outputs[f"output {k}"] for k in self.names}, name=whole.name
        )
        alive = {v for node in self.graph.nodes for v in node.outputs}
        values = {k: whole.outputs[f"value {k}"] for k in inner}
        self.values = {k: v for k, v in values.items() if v in alive}
        self._names = {v: k for k, v in reversed(self.values.items())}
        self.judge = Judge(Exact(self.graph, sides.feeds, self.edges.found.states))
        self.points = self.judge.points(self.values.values())

    @cached_property
    def _our_points(self) -> list[Point]:
        return self.judge.points([v for node in self.graph.nodes for v in node.outputs])

    def run(self, runtime: str, values: Mapping[str, Value]) -> dict[str, Array]:
        """Values of the graph as a runtime of ours computes them."""
        return run_graph(runtime, self.graph.with_outputs(values), self.sides)

    def ours(self, runtime: str) -> tuple[Side, Sequence[Judged]]:
        """A runtime of ours, and how it is judged."""
        outputs = self.run(runtime, self.graph.outputs)
        decisions: dict[Value, Array] = {}
        if self._our_points:
            keys = {f"decision {i}": p.value for i, p in enumerate(self._our_points)}
            found = self.run(runtime, {**self.graph.outputs, **keys})
            decisions = {v: found[key] for key, v in keys.items()}
        side = Side(runtime, outputs, decisions, slack(runtime))
        return side, self.judge.judge(side, self._our_points)

    @cached_property
    def their_decisions(self) -> dict[Value, Array]:
        """The decisions of ONNX Runtime without its optimisations; none where it dies."""
        names = [self._names[p.value] for p in self.points]
        if not names or False not in self.theirs:
            return {}
        try:
            found = self.sides.theirs(names, False)
        except CrashError:
            return {}
        return {p.value: found[k] for p, k in zip(self.points, names, strict=True)}

    @cached_property
    def their_judgements(self) -> dict[bool, Sequence[Judged]]:
        """How ONNX Runtime is judged; with optimisations by the decisions that it takes without."""
        return {
            on: self.judge.judge(Side("onnxruntime", outputs, self.their_decisions), self.points)
            for on, outputs in self.theirs.items()
        }

    def agree(self, side: Side) -> bool:
        """Whether a side of ours agrees with ONNX Runtime, whatever is exact."""
        spreads = self.judge.spreads(list(self.graph.outputs.values()), side.decisions, FIRST)
        for key, value in self.graph.outputs.items():
            theirs, spread = self.theirs[min(self.theirs)][key], spreads[value]
            if theirs.shape != spread.exact.shape:
                return False
            near = replace(spread, exact=IN_FLOAT64.array(theirs))
            if not judged(key, side, side.outputs[key], near).right:
                return False
        return True

    def verdicts(self, judged: Sequence[Judged]) -> list[Verdict]:
        """The verdicts on a runtime of ours that is judged like this."""
        modes = self.their_judgements
        kind = arithmetic(self.graph)
        return [
            verdict(ours, {on: found[i] for on, found in modes.items()}, self.sides.batch, kind)
            for i, ours in enumerate(judged)
        ]


def slack(runtime: str) -> float:
    """How many times more an element may be off in this runtime."""
    return FAST_SLACK if runtime == "native" and default_precision() == "fast" else 1.0


def run_graph(runtime: str, graph: Graph, sides: Sides) -> dict[str, Array]:
    """The outputs of a bound graph in a runtime of ours."""
    feeds = {v.node.name: sides.feeds[v.node.name] for v in graph.inputs}
    with np.errstate(all="ignore"):
        found = RUN[runtime](graph, feeds, sides.edges.found.states)
    return {key: np.asarray(found[key]) for key in graph.outputs}


def room_for(graph: Graph, n: int, states: Mapping[str, Array]) -> bool:
    """Whether the memory holds runs in float64: the states, and what is alive at a time, twice."""
    free = available_memory()
    if free is None:
        return True
    bound = graph.bind(n)
    last = {v: i for i, node in enumerate(bound.nodes) for v in node.inputs}
    ends: dict[int, int] = {}
    alive = most = 0
    for i, node in enumerate(bound.nodes):
        for v in node.outputs:
            alive += v.type.size
            at = last.get(v, len(bound.nodes))
            ends[at] = ends.get(at, 0) + v.type.size
        most = max(most, alive)
        alive -= ends.pop(i, 0)
    numbers = sum(a.size for a in states.values()) + 2 * most
    return 8 * numbers < free
