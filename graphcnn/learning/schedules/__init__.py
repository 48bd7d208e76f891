"""Learning rates, and other settings, that change while training. Plain numbers, no graph.

    cnn.SGD(Cosine(0.1, warmup=epochs(2)))                   the whole run
    cnn.SGD(join(Linear(0.01, 0.1), 0.1, Cosine(0.1), at=(epochs(2), epochs(10))))
    cnn.SGD(OneCycle(0.4), momentum=OneCycle(0.85, first=0.95, last=0.95))

Steps count from 1. Lengths are numbers of steps, `epochs(10)`, or None for the rest of the run;
`Schedule.over` makes numbers of steps of the last two, and `fit` calls it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from graphcnn.learning.schedules.base import (
    Constant,
    Epochs,
    Function,
    Product,
    Schedule,
    epochs,
    schedule,
)

if TYPE_CHECKING:
    from graphcnn.learning.schedules.cycles import CosineRestarts, OneCycle, Triangular
    from graphcnn.learning.schedules.falling import (
        Cosine,
        Exponential,
        InverseSqrt,
        Linear,
        Polynomial,
        Step,
        Steps,
    )
    from graphcnn.learning.schedules.joined import Join, Warmup, join, warmup
    from graphcnn.learning.schedules.names import SCHEDULES

__all__ = [
    "SCHEDULES",
    "Constant",
    "Cosine",
    "CosineRestarts",
    "Epochs",
    "Exponential",
    "Function",
    "InverseSqrt",
    "Join",
    "Linear",
    "OneCycle",
    "Polynomial",
    "Product",
    "Schedule",
    "Step",
    "Steps",
    "Triangular",
    "Warmup",
    "epochs",
    "join",
    "schedule",
    "warmup",
]

#: Where each of the others is: it is loaded when it is first asked for.
_HOMES: Final = {
    **dict.fromkeys(("CosineRestarts", "OneCycle", "Triangular"), "cycles"),
    **dict.fromkeys(
        ("Cosine", "Exponential", "InverseSqrt", "Linear", "Polynomial", "Step", "Steps"), "falling"
    ),
    **dict.fromkeys(("Join", "Warmup", "join", "warmup"), "joined"),
    "SCHEDULES": "names",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """With what is loaded later: for those who press Tab."""
    return sorted({*globals(), *__all__})
