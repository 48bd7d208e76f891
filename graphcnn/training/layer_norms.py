"""How much each layer still learns: its updates and its gradients, epoch by epoch."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphcnn.compile.pipelines import training_graph
from graphcnn.compile.runner import Runner
from graphcnn.errors import DataError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array
from graphcnn.ir.plan import GRADIENT
from graphcnn.learning.targets import Targets, fed_types
from graphcnn.network.feeding import item_feeds
from graphcnn.ops.broadcast import Sum
from graphcnn.ops.elementwise import Sqrt
from graphcnn.training.run import Run, Watcher

if TYPE_CHECKING:
    from graphcnn.pictures.picture import Picture


class LayerNorms(Watcher):
    """Notes how large updates and gradients of every kernel and matrix are, epoch by epoch.

        norms = cnn.LayerNorms()
        model.fit(train, epochs=20, callbacks=[norms])
        norms.draw("layers.svg")

    The update is that of the last step of the epoch, |w - w'| / |w'| by Euclidean norms; usual is
    about 1/1000 (A. Karpathy, cs231n, "Babysitting the learning process"). The gradient is that of
    the loss of the first batch of the data, as stored, in training form, with the weights after the
    epoch. Watching changes no bit of the training. A run that goes on is watched as one.

    Attributes:
        updates, gradients: by the name of the parameter a number for each epoch; NaN where a
            weight was 0 before.
        first: the first epoch that was watched.
    """

    def __init__(self) -> None:
        self.updates: dict[str, list[float]] = {}
        self.gradients: dict[str, list[float]] = {}
        self.first = 1
        self._before: dict[str, Array] = {}
        self._runner: Runner | None = None
        self._restored = False

    def start(self, run: Run) -> None:
        graph = _norms(run)
        self._runner = Runner(graph, run.session.execution)
        names = [key.removeprefix(GRADIENT) for key in graph.outputs]
        known, self._restored = self._restored, False
        if not known or list(self.updates) != names:
            self.updates = {name: [] for name in names}
            self.gradients = {name: [] for name in names}
            self.first, self._before = run.position.epoch + 1, {}
        if not self._before:
            self._note_before(run)

    def batch(self, run: Run, items: int, row: Mapping[str, float]) -> None:
        self._note_before(run)

    def _note_before(self, run: Run) -> None:
        """The weights before the last step of an epoch."""
        if run.position.batch == run.batches - 1:
            known = run.model.parameters
            self._before = {name: np.array(known[name], np.float64) for name in self.updates}

    def epoch(self, run: Run, row: Mapping[str, float]) -> None:
        known = run.model.parameters
        for name, old in self._before.items():
            size = float(np.linalg.norm(old))
            change = float(np.linalg.norm(known[name] - old))
            self.updates[name].append(change / size if size else float("nan"))
        for key, norm in self._of_first_batch(run).items():
            self.gradients[key.removeprefix(GRADIENT)].append(float(norm))
        self._before = {}
        if run.batches == 1:  # no batch of the next epoch is told of before its last step
            self._note_before(run)

    def _of_first_batch(self, run: Run) -> Mapping[str, Array]:
        assert self._runner is not None
        images, *targets = next(iter(run.data.epoch(None, 0, run.batch_size)))
        wanted = Targets.of(self._runner.graph, run.model.graph.outputs)
        feeds = {**item_feeds(run.model, images), **wanted.feeds(*targets)}
        return self._runner.run(feeds, run.session.states)[0]

    def state(self) -> Any:
        """What was noted, and the weights before a last step that the checkpoint stands behind."""
        return [self.first, self.updates, self.gradients, self._before]

    def restore(self, state: Any) -> None:
        self.first, self.updates, self.gradients, self._before = state
        self._restored = True

    def picture(self, title: str = "") -> "Picture":
        """A row for each layer, as `graphcnn.pictures.layers_picture` draws them.

        Raises `DataError` where no epoch was watched.
        """
        from graphcnn.pictures.results.layers import layers_picture

        if not any(self.updates.values()):
            raise DataError("no epoch was watched: give LayerNorms() to fit as a callback")
        return layers_picture(self.updates, self.gradients, first=self.first, title=title)

    def draw(self, path: str | os.PathLike[str], title: str = "") -> Path:
        """Write `picture(title)` in the format of the file's suffix."""
        return self.picture(title).save(path)


def _norms(run: Run) -> Graph:
    """The Euclidean norm of the gradient of every kernel and matrix, in training form."""
    graph, loss, data = run.model.graph, run.session.loss, run.data
    types = fed_types(loss, graph, data.target_sample, data.weights)
    step = training_graph(graph, loss, None, None, types)
    found = {
        key: Sqrt()(Sum(tuple(range(g.type.rank)))(g * g))
        for key, g in step.outputs.items()
        if key.startswith(GRADIENT) and g.type.rank > 1
    }
    return step.with_outputs(found, {})
