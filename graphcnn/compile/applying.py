"""The update of a training step alone, for gradients that somebody brings."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphcnn.base.words import printable
from graphcnn.compile.engine import Arrays, Asked, Engine, make_engine
from graphcnn.compile.pipelines import update_graph
from graphcnn.errors import TrainingError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Array
from graphcnn.ir.plan import GRADIENT
from graphcnn.learning.optimizers import Optimizer
from graphcnn.runtime.execution import Execution


class Update:
    """What an optimiser does to the states of a step, given the gradients; compiled once.

    Args:
        step: the graph of the whole step, whose trained parameters have gradients.
        resting: those of them that stay as they are, and have none.
    """

    def __init__(
        self,
        definition: Graph,
        step: Graph,
        optimizer: Optimizer,
        execution: Execution,
        resting: frozenset[str] = frozenset(),
    ) -> None:
        trained = {state_of(s).key for s in step.updates} - resting
        self.graph = update_graph(definition, optimizer, trained)
        self._execution = execution
        self._engine: Engine | None = None

    def fed(self, gradients: Mapping[str, Any]) -> dict[str, Array]:
        """What the graph is fed. Raises `TrainingError` naming the first gradient that is missing,
        of a parameter that is not trained, of another shape, or not finite."""
        types = {v.node.name.removeprefix(GRADIENT): v.type for v in self.graph.inputs}
        if not isinstance(gradients, Mapping):
            raise TrainingError(
                "gradients are a dict by the names of the parameters, as session.gradients gives, "
                f"found {type(gradients).__name__}"
            )
        for name in gradients:
            if name not in types:
                raise TrainingError(f"{printable(str(name))} is no parameter that is trained here")
        feeds = {}
        for name, kind in types.items():
            if name not in gradients:
                raise TrainingError(f"the gradient of {name} is missing")
            array = np.asarray(gradients[name])
            if array.dtype.kind not in "fiu" or array.shape != kind.shape:
                raise TrainingError(
                    f"the gradient of {name} must be {kind}, found {array.dtype} {array.shape}"
                )
            if not np.isfinite(array).all():
                raise TrainingError(f"the gradient of {name} is not finite")
            feeds[GRADIENT + name] = np.ascontiguousarray(array, kind.dtype.numpy)
        return feeds

    def apply(self, feeds: Arrays, settings: Arrays, whole: Engine) -> None:
        """Take the states from the engine of the whole step, and give it those that moved."""
        states = {state_of(s).key: whole.state(state_of(s).key) for s in self.graph.states}
        if self._engine is None:
            self._engine = make_engine(self.graph, states, self._execution)
        else:
            self._engine.load(states)
        own = {key: array for key, array in settings.items() if key in states}
        self._engine.step(Asked(feeds, own, lambda _: True))
        moved = [state_of(s).key for s in self.graph.updates]
        whole.load({**settings, **{key: self._engine.state(key) for key in moved}})
