"""Is an exported file as exact as its model? Exact is what the model says, not the file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import onnx
from onnx import numpy_helper

from graphcnn.errors import CrashError, GraphCnnError
from graphcnn.exchange.first_difference import Sides
from graphcnn.exchange.first_fault import fault_beside_theirs
from graphcnn.exchange.trial import Trial
from graphcnn.ir.graph import Graph, unique_names
from graphcnn.ir.node import Array, Value
from graphcnn.ir.tensor_type import DType
from graphcnn.onnx.comparing import ort
from graphcnn.onnx.comparing.decisions import Point
from graphcnn.onnx.comparing.edges import read_edges
from graphcnn.onnx.comparing.exact import Exact
from graphcnn.onnx.comparing.judge import FIRST, Judge, Judged, Side, judged
from graphcnn.onnx.comparing.parity import Modal
from graphcnn.onnx.comparing.verdict import Verdict, arithmetic, verdict
from graphcnn.onnx.exporting.export import value_names
from graphcnn.runtime.reference import Reference

#: Bytes of a file that are searched for what ONNX Runtime computes less exactly.
SEARCHED = 1 << 30


@dataclass
class ExportJudge:
    """Judges the results of a file, for inputs of n items at a time.

    Attributes:
        graph, states: of the model.
        exported: the file, and the arrays that lie beside it.
        narrowed: the type that the file has in place of float32, None for none.
        notes: what ONNX Runtime computes less exactly.
    """

    graph: Graph
    states: Mapping[str, Array]
    exported: onnx.ModelProto
    arrays: Mapping[str, Array]
    narrowed: DType | None = None
    notes: list[str] = field(default_factory=list)

    def __call__(
        self, n: int, feeds: Mapping[str, Array], ours: Mapping[str, Array], theirs: Modal
    ) -> list[Verdict]:
        """The verdicts on all outputs."""
        graph = self.graph.bind(n)
        judge = Judge(Exact(graph, feeds, self.states, self.narrowed))
        side = Side("reference", ours, self._decisions(graph, feeds, judge))
        own = judge.judge(side, judge.points(_values(graph)))
        points, taken = self._their_decisions(graph, feeds, judge)
        modes = {
            on: judge.judge(Side("onnxruntime", {k: found[k] for k in ours}, taken), points)
            for on, found in theirs.items()
        }
        found = self._verdicts(n, own, modes, graph)
        if all(v.theirs_right for v in found):
            return found
        excused = self._excused(n, feeds, theirs, judge)
        return [replace(v, excused=excused and not v.theirs_right) for v in found]

    def _verdicts(
        self,
        n: int,
        own: Sequence[Judged],
        modes: Mapping[bool, Sequence[Judged]],
        graph: Graph,
    ) -> list[Verdict]:
        kind = self.narrowed.name.lower() if self.narrowed else arithmetic(graph)
        return [
            verdict(ours, {on: found[i] for on, found in modes.items()}, n, kind)
            for i, ours in enumerate(own)
        ]

    def _decisions(
        self, graph: Graph, feeds: Mapping[str, Array], judge: Judge
    ) -> dict[Value, Array]:
        """The decisions of the reference."""
        points = judge.points(_values(graph))
        if not points:
            return {}
        keys = {f"decision {i}": p.value for i, p in enumerate(points)}
        with np.errstate(all="ignore"):
            found, _ = Reference(graph.with_outputs(keys, {})).run(feeds, self.states)
        return {v: found[key] for key, v in keys.items()}

    def _their_decisions(
        self, graph: Graph, feeds: Mapping[str, Array], judge: Judge
    ) -> tuple[list[Point], dict[Value, Array]]:
        """Where ONNX Runtime shows decisions, and which it takes without its optimisations."""
        made = {name for node in self.exported.graph.node for name in node.output}
        names = {v: k for v, k in value_names(graph, unique_names(graph)).items() if k in made}
        points = judge.points(names)
        if not points:
            return [], {}
        shown = [names[p.value] for p in points]
        model = onnx.ModelProto()
        model.CopyFrom(self.exported)
        del model.graph.output[:]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in shown)
        try:
            session = ort.session(model, False, self.arrays)
            wanted = {i.name for i in session.get_inputs()}
            found = ort.run(session, {k: a for k, a in feeds.items() if k in wanted}, shown)
        except CrashError:  # what it shows of itself, not what it computes
            return [], {}
        taken = {p.value: a for p, a in zip(points, found, strict=True)}
        return points, {v: a for v, a in taken.items() if a.shape == v.type.shape}

    def _excused(self, n: int, feeds: Mapping[str, Array], theirs: Modal, judge: Judge) -> bool:
        """Whether the file says what the model says, and ONNX Runtime computes it less exactly."""
        content = self._content()
        if content is None:
            return False
        try:
            edges = read_edges(content, {}, {})
            trial = Trial(Sides(edges, n, dict(feeds)), theirs)
            if not self._says_the_same(trial, judge):
                return False
            search = fault_beside_theirs(trial, "reference")
        except GraphCnnError:
            return False
        self.notes += [note for note in search.notes if note not in self.notes]
        return search.culprit is None

    def _says_the_same(self, trial: Trial, judge: Judge) -> bool:
        """Whether the exact results of the file are those of the model."""
        model = judge.spreads(list(judge.exact.graph.outputs.values()), {}, FIRST)
        file = trial.judge.spreads(list(trial.graph.outputs.values()), {}, FIRST)
        return all(
            judged(key, Side("file", {}), file[trial.graph.outputs[key]].exact, model[value]).right
            for key, value in judge.exact.graph.outputs.items()
        )

    def _content(self) -> bytes | None:
        """The file in one piece, None where it is too large for a search."""
        if sum(a.nbytes for a in self.arrays.values()) > SEARCHED:
            return None
        model = onnx.ModelProto()
        model.CopyFrom(self.exported)
        for tensor in model.graph.initializer:
            if tensor.name in self.arrays:
                tensor.CopyFrom(numpy_helper.from_array(self.arrays[tensor.name], tensor.name))
        return bytes(model.SerializeToString())


def _values(graph: Graph) -> list[Value]:
    return [v for node in graph.nodes for v in node.outputs]
