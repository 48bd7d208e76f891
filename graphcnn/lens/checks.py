"""Arguments of the methods of the lens, checked: an error says what is expected, and what came."""

import math
from typing import Any

import numpy as np

from graphcnn.errors import LensError
from graphcnn.language.arguments import is_int


def check_count(name: str, x: Any, least: int = 1) -> None:
    """Raise `LensError` unless `x` is an int of at least `least`."""
    if not is_int(x) or x < least:
        raise LensError(f"{name} must be an int of at least {least}, found {x!r}")


def is_number(x: Any) -> bool:
    """A Python or NumPy number that can be compared, and not a truth value."""
    return not isinstance(x, bool) and (is_int(x) or isinstance(x, float | np.floating))


def check_number(name: str, x: Any, above: float, below: float = math.inf) -> None:
    """Raise `LensError` unless `x` is a number between the two, which it may not be itself."""
    if not is_number(x) or not above < x < below:
        bounds = f"above {above:g}" + (f" and below {below:g}" if below < math.inf else "")
        raise LensError(f"{name} must be a number {bounds}, found {x!r}")


def check_weight(name: str, x: Any) -> None:
    """Raise `LensError` unless `x` is a finite number of at least 0."""
    if not is_number(x) or not 0 <= x < math.inf:
        raise LensError(f"{name} must be a number of at least 0, found {x!r}")
