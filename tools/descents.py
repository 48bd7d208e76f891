"""The picture of docs/training.md with the ways of optimisers down H. Rosenbrock's valley."""

import numpy as np

from graphcnn.language.reduce import sum
from graphcnn.language.sources import parameter
from graphcnn.learning.optimizers import (
    LAMB,
    SGD,
    Adagrad,
    Adam,
    Lion,
    Lookahead,
    Muon,
    Optimizer,
    RMSProp,
)
from graphcnn.learning.schedules import Cosine
from graphcnn.pictures import Picture, descent_picture
from graphcnn.training.minimise import Minimisation

STEPS = 150
START = (-1.3, 1.6)
OPTIMIZERS: dict[str, Optimizer] = {
    "SGD": SGD(0.001),
    "with momentum": SGD(0.001, 0.9),
    "Nesterov": SGD(0.001, 0.9, nesterov=True),
    "Lookahead": Lookahead(SGD(0.001, 0.9)),
    "Adagrad": Adagrad(0.5),
    "RMSProp": RMSProp(0.02, momentum=0.9),
    "Adam": Adam(0.2),
    "AMSGrad": Adam(0.2, amsgrad=True),
    "Lion, cosine": Lion(Cosine(0.08)),
    "LAMB": LAMB(0.05, weight_decay=0),
    "Muon, cosine": Muon(Cosine(0.1)),
    "momentum, cosine": SGD(Cosine(0.002), 0.9),
}


def valley(x: float, y: float) -> float:
    """(1 - x)² + 100·(y - x²)², H. Rosenbrock, The Computer Journal, 1960."""
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def descents() -> Picture:
    """150 steps of each from the same point."""
    place = parameter((1, 2), "zeros", name="place")
    x, y = place[:, 0], place[:, 1]
    height = sum((1 - x) ** 2.0 + 100 * (y - x**2.0) ** 2.0)
    start = [np.array([START], np.float32)]
    paths = {}
    for name, rule in OPTIMIZERS.items():
        step = Minimisation(height, [place], rule.over(STEPS))
        found = step.run(STEPS, snapshots=1, start=start)
        paths[name] = [tuple(map(float, values[0][0])) for values in found.snapshots.values()]
    title = "150 steps down Rosenbrock's valley"
    return descent_picture(paths, valley, (-1.8, -0.5), (1.8, 2.1), title, (1.0, 1.0))  # type: ignore[arg-type]
