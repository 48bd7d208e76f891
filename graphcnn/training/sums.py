"""What the batches of an epoch give, added up, and the numbers that it comes to."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcnn.analysis.batch_axis import batch_axes
from graphcnn.errors import TrainingWarning
from graphcnn.ir.batch import Kind, source_batch
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Value
from graphcnn.ir.origin import warn
from graphcnn.learning.metrics import Measure
from graphcnn.learning.metrics.base import numbers

#: Before the name of a number: of how many items it is the sum.
_COUNT = "items of "
#: By the names of the results: a number, or an array, as JSON has them in a checkpoint.
Totals = dict[str, Any]


@dataclass(frozen=True)
class Sums:
    """How the outputs of a training step are added up, and finished.

    Attributes:
        measures: what makes numbers of the totals.
        means: outputs that are means over the items of a batch; each counts as often as it has
            items.
        added: outputs that are sums over them.
        partial: means that not every step gives, as the losses of goals that are not always due:
            theirs are taken over the items of those that do.
    """

    measures: Mapping[str, Measure]
    means: frozenset[str]
    added: frozenset[str]
    partial: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        graph: Graph,
        predictions: Iterable[Value],
        losses: Iterable[str],
        measures: Mapping[str, Measure],
        validated: bool,
        partial: Collection[str] = (),
    ) -> "Sums":
        """Of a graph with a loss, with a warning that names what the batches do not add up to.

        Args:
            predictions: have the items along their axis N, whatever the training made of them.
            losses: the names of the losses among the outputs.
            validated: whether there are validation data, of which all is measured.
            partial: the outputs that not every step gives.
        """
        assumed = {value: source_batch(value.type) for value in predictions}
        kinds = batch_axes(graph, assumed).outputs
        means = {key for key, each in kinds.items() if each.kind in (Kind.MEAN, Kind.FIXED)}
        means.update(losses)  # which are what every step makes smaller, whatever they are
        added = {key for key, each in kinds.items() if each.kind in (Kind.SUM, Kind.COUNT)} - means
        left = [key for key in kinds if key not in means | added]
        collected = [key for key in left if key in measures and measures[key].collects]
        others = [key for key in left if key not in collected]
        if others:
            warn(
                f"{', '.join(others)}: no mean over the items, so the mean of what the batches of "
                "training give would be another number: it is reported of the validation data only",
                TrainingWarning,
            )
        if collected and not validated:
            warn(
                f"{', '.join(collected)}: ranks all items at once, and is reported of validation "
                "data only, of which there are none",
                TrainingWarning,
            )
        return cls(measures, frozenset(means), frozenset(added), frozenset(partial) & means)

    def add(self, totals: Totals, outputs: Mapping[str, Array], items: int) -> None:
        """Add what a batch of so many items gave: whole numbers as such, floats in float64."""
        for key, value in outputs.items():
            if key in self.partial:
                totals[_COUNT + key] = totals.get(_COUNT + key, 0) + items
            if key in self.means and value.ndim == 0:
                totals[key] = totals.get(key, 0.0) + float(value) * items
            elif key in self.means or key in self.added:
                whole = value.dtype.kind in "iu"
                share = value.astype(np.int64 if whole else np.float64)
                if key in self.means:
                    share = share * items
                totals[key] = share + np.asarray(totals[key]) if key in totals else share

    def of_batch(self, outputs: Mapping[str, Array], classes: Sequence[str]) -> dict[str, float]:
        """The numbers of one batch, without what ranks all items."""
        shown = {
            key: value
            for key, value in outputs.items()
            if key not in self.measures or not self.measures[key].collects
        }
        return numbers(self.measures, shown, classes)

    def row(self, totals: Totals, items: int, classes: Sequence[str]) -> dict[str, float]:
        """The numbers of so many items."""
        found = {
            key: np.asarray(total)
            if key in self.added
            else np.asarray(total) / totals.get(_COUNT + key, items)
            for key, total in totals.items()
            if not key.startswith(_COUNT)
        }
        return numbers(self.measures, found, classes)
