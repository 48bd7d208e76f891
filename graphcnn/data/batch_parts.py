"""What is known of a batch: from which data set it is, whose class numbers it has, its size."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphcnn.data.given import arrays_of


class Labels(np.ndarray):
    """Labels of a batch that know the data set whose class numbers they are.

    What is computed from them are other numbers, of nobody's classes.
    """

    source: Any = None

    def __array_finalize__(self, other: Any) -> None:
        self.source = getattr(other, "source", None)

    def __array_wrap__(self, *arguments: Any, **options: Any) -> Any:
        result = super().__array_wrap__(*arguments, **options)
        if isinstance(result, Labels):
            result.source = None
        return result


def source_of(images: Any) -> Any:
    """The `Dataset` that a batch is from, if it is known."""
    return getattr(next(iter(arrays_of(images)), None), "source", None)


def items_of(batch: Sequence[Any]) -> int:
    """How many items a batch has, given as `epoch` yields it."""
    return len(next(iter(arrays_of(batch[1]))))
