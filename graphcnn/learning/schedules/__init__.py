"""Learning rates, and other settings, that change while training. Plain numbers, no graph.

    cnn.SGD(Cosine(0.1, warmup=epochs(2)))                   the whole run
    cnn.SGD(join(Linear(0.01, 0.1), 0.1, Cosine(0.1), at=(epochs(2), epochs(10))))
    cnn.SGD(OneCycle(0.4), momentum=OneCycle(0.85, first=0.95, last=0.95))

Steps count from 1. Lengths are numbers of steps, `epochs(10)`, or None for the rest of the run;
`Schedule.over` makes numbers of steps of the last two, and `fit` calls it.
"""

from graphcnn.learning.schedules.base import (
    Constant,
    Epochs,
    Product,
    Schedule,
    epochs,
    is_number,
)
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
from graphcnn.learning.schedules.joined import (
    Function,
    Join,
    Warmup,
    join,
    schedule,
    warmup,
)

#: Those that need no more than their highest rate, by name: the command line offers them.
SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant, "linear": Linear, "polynomial": Polynomial, "cosine": Cosine,
    "one_cycle": OneCycle,
}  # fmt: skip

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
    "is_number",
    "join",
    "schedule",
    "warmup",
]
