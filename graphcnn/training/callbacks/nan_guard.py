"""Looking for numbers that are not finite where the loss does not tell."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from graphcnn.errors import TrainingError
from graphcnn.network.feeding import at_least_one
from graphcnn.training.callbacks.log_file import Row
from graphcnn.training.run import Run, Watcher


class NaNGuard(Watcher):
    """Ends a run whose weights, running statistics or slots of the optimiser are not finite.

    A loss that is not finite ends any run, before it spoils a weight. A state may go wrong all the
    same: a weight behind a dead unit, a moment of the optimiser that overflowed, an average. Every
    so many steps this looks at all of them, which takes about as long as copying the model, and
    raises a `TrainingError` with the names of those that are not, and the step.

    Args:
        every: steps from one look to the next; the end of an epoch is one, too.
    """

    def __init__(self, every: int = 100) -> None:
        self.every = at_least_one(every, "every")

    def batch(self, run: Run, items: int, row: Row) -> None:
        if run.done % self.every == 0 or run.position.batch == run.batches:
            found = not_finite(run.session.states)
            if found:
                several = len(found) > 1
                raise TrainingError(
                    f"after step {run.done}, {', '.join(found[:8])}"
                    f"{f' and {len(found) - 8} more' if len(found) > 8 else ''} "
                    f"{'are' if several else 'is'} not finite, though the loss is "
                    f"{row['loss']:.4g}. The learning rate was {run.position.rate:g}: try a "
                    "smaller one, or clip_norm"
                )


def not_finite(states: Mapping[str, Any]) -> list[str]:
    """The names of states that hold NaN or infinity."""
    return [
        key
        for key, array in states.items()
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all()
    ]
