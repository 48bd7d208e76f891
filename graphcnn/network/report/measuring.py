"""What a report is made of: computed in the graph of the measurement, beside loss and metrics."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from graphcnn.data.dataset import Dataset
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Value
from graphcnn.ir.tensor_type import known_size
from graphcnn.learning.aim import Losses, terms_of
from graphcnn.learning.metrics import Metrics
from graphcnn.learning.metrics.base import Seen, numbers
from graphcnn.learning.metrics.confusion import confusion
from graphcnn.learning.metrics.counts import tally
from graphcnn.learning.metrics.numbers import Errors
from graphcnn.learning.metrics.ranking import columns, ranked
from graphcnn.learning.metrics.reading import Classes, classes_of, sides_of
from graphcnn.learning.objective import LOSS
from graphcnn.learning.seeing import seen_of
from graphcnn.learning.target_rule import WEIGHTS
from graphcnn.network.evaluation import measured
from graphcnn.network.feeding import Data
from graphcnn.network.network import Network
from graphcnn.network.report.parts import ClassPart, LabelPart, NumberPart, Part
from graphcnn.network.report.report import Report
from graphcnn.ops.shape import ElementCount
from graphcnn.runtime.execution import Execution

#: Numbers of scores that are kept for curves; of more there are none.
MOST_RANKED: Final = 2**26
#: The output that counts the items, also of data that do not say how many they are.
ITEMS: Final = "report of items"


@dataclass(frozen=True, eq=False)
class Asked:
    """What the graph is asked for of one output.

    Attributes:
        name: of the output; "" where there is one.
        called: how it is called where it has no classes: each number gets it.
        kind: of what is predicted.
        outputs: what is computed, by its name in the graph.
    """

    name: str
    called: str
    kind: type[Part]
    outputs: Mapping[str, Value]
    pixels: bool

    @classmethod
    def of(cls, seen: Seen, name: str, called: str, items: int | None) -> "Asked":
        """What a report says of such a prediction: curves only of so many items as are known, and
        not too many. Raises `GraphError` where it is none that is compared with its target."""
        found = classes_of(seen) or sides_of(seen)
        shape = seen.prediction.shape
        pixels = known_size(shape[2:]) > 1
        room = items is not None and items * known_size(shape[1:]) <= MOST_RANKED
        ranks = {"ranks": ranked(seen, "report")} if found and room and not pixels else {}
        if found is None:
            own: dict[str, Value] = {"errors": Errors().of_batch(seen)}
            return cls(name, called, NumberPart, _prefixed(name, own), pixels)
        if isinstance(found, Classes):
            own = {"confusion": confusion(found), **ranks}
            return cls(name, called, ClassPart, _prefixed(name, own), pixels)
        own = {"tally": tally(seen, found, False), **ranks}
        return cls(name, called, LabelPart, _prefixed(name, own), pixels)

    @property
    def collected(self) -> tuple[str, ...]:
        """The outputs that have a row for each item."""
        return tuple(key for key in self.outputs if key.endswith("ranks"))

    def part(self, totals: Mapping[str, Array], classes: Sequence[str]) -> Part:
        """The table of what was measured."""
        found = {key.rpartition(" ")[2]: totals[key] for key in self.outputs}
        scores, truth = columns(found["ranks"]) if "ranks" in found else (None, None)
        if self.kind is NumberPart:
            return NumberPart(found["errors"], self._names(found["errors"].shape[1], ()))
        if self.kind is LabelPart:
            names = self._names(found["tally"].shape[1], classes)
            return LabelPart(found["tally"], names, scores, truth)
        names = self._names(len(found["confusion"]), classes)
        return ClassPart(found["confusion"], names, self.pixels, scores, truth)

    def _names(self, count: int, classes: Sequence[str]) -> tuple[str, ...]:
        """The classes, as many as are known; numbers for others."""
        if count == 1:
            return (classes[1] if len(classes) == 2 else self.called,)
        several = tuple(classes) if len(classes) == count else ()
        return several or tuple(str(i) for i in range(count))


def _prefixed(name: str, outputs: Mapping[str, Value]) -> dict[str, Value]:
    """The outputs under names that no metric has."""
    return {f"report of {name} {key}": value for key, value in outputs.items()}


def reported(
    model: Network,
    data: Data,
    loss: Losses | None,
    batch_size: int,
    metrics: Metrics,
    execution: Execution,
    targets: Any = None,
    tta: str | None = None,
) -> Report:
    """Loss and metrics of all items as `evaluate` has them, and a table for each output."""
    asked: list[Asked] = []

    def more(
        opened: Network, dataset: Dataset, chosen: Losses, graph: Graph
    ) -> tuple[Graph, list[str]]:
        asked.extend(_asked(opened.graph, graph, chosen, dataset.known_count))
        added = {key: value for each in asked for key, value in each.outputs.items()}
        added[ITEMS] = ElementCount(next(iter(opened.graph.outputs.values())).shape[:1])()
        kept = [key for each in asked for key in each.collected]
        return graph.with_outputs({**graph.outputs, **added}), kept

    found = measured(model, data, loss, batch_size, metrics, execution, targets, tta, more)
    classes = found.model.classes or found.data.classes
    parts = {each.name: each.part(found.totals, classes) for each in asked}
    added = {ITEMS, *(key for each in asked for key in each.outputs)}
    totals = {key: total for key, total in found.totals.items() if key not in added}
    own = numbers(found.measures, totals, classes)
    return Report(model.name, found.data.name, int(found.totals[ITEMS]), own, parts)


def _asked(model: Graph, graph: Graph, loss: Losses, items: int | None) -> Iterator[Asked]:
    """What is asked of each output of a model that has a target in the graph with a loss."""
    fed = {v.node.name: v for v in graph.inputs}
    for term in terms_of(loss, model):
        if not term.loss.targeted or len(term.outputs) > 1:
            continue
        (name,), goal = term.outputs, fed[term.target]
        scalar = graph.outputs[term.result(LOSS)]
        weights = fed.get(WEIGHTS)
        seen = seen_of(model, model.outputs[name], goal, scalar, term.loss.readable, weights)
        yield Asked.of(seen, term.name, name, items)
