"""20 steps from the same weights, in float64: the losses are those of PyTorch.

Three tables, one for each axis: optimisers, schedules and losses. PyTorch's numbers are made by
`learning/torch_numbers/parity.py`, where each has a line of the same name; a new loss is a line of
`LOSSES` in `problem.py` beside it.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from learning.torch_numbers import problem

import graphcnn as cnn
from graphcnn.learning.losses import LOSSES
from graphcnn.learning.optimizers import Adadelta, Optimizer
from graphcnn.learning.schedules import (
    Cosine,
    CosineRestarts,
    Exponential,
    Linear,
    OneCycle,
    Polynomial,
    Schedule,
    Step,
    Steps,
    Triangular,
    epochs,
    join,
)

FOLDER = Path(__file__).parent.parent / "learning" / "torch_numbers"
TORCH = json.loads((FOLDER / "parity.json").read_text())
RATE = 0.0625  # of which float32 loses nothing
MOMENTUM = cnn.SGD(RATE, momentum=0.9)

OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": cnn.SGD(RATE, weight_decay=0.1),
    "momentum": cnn.SGD(RATE, 0.9, weight_decay=0.1),
    "nesterov": cnn.SGD(RATE, 0.9, nesterov=True),
    "rmsprop": cnn.RMSProp(RATE / 8, momentum=0.5, weight_decay=0.1),
    "adam": cnn.Adam(RATE, weight_decay=0.1),
    "amsgrad": cnn.Adam(RATE, amsgrad=True),
    "adamw": cnn.AdamW(RATE, weight_decay=0.1),
    "adamw_amsgrad": cnn.AdamW(RATE, amsgrad=True, weight_decay=0.1),
    "adagrad": cnn.Adagrad(RATE, weight_decay=0.1),
    "adadelta": Adadelta(weight_decay=0.1),
    "lion": cnn.Lion(RATE / 8, weight_decay=0.1),
    "lamb": cnn.LAMB(RATE, weight_decay=0.1),
    "muon": cnn.Muon(RATE, weight_decay=0.1, others=cnn.Adam(0.015625, 0.9, 0.95, 1e-10)),
    "airbench": cnn.Muon(
        RATE,
        0.6,
        steps=3,
        normalised=True,
        others=cnn.SGD(1, 0.85, nesterov=True),
        groups={
            "c.bias": {"learning_rate": Linear(0.5, 0, 8)},
            "head.weight": {"learning_rate": 0.25, "weight_decay": 0.1, "orthogonal": False},
        },
    ),
    "groups": cnn.SGD(
        RATE, 0.9, groups={"head.*": {"learning_rate": 4, "momentum": 0.5}, "c.*": {}}
    ),
    "clip_norm": cnn.SGD(RATE, 0.9, clip_norm=0.25),
    "clip_norm_each": cnn.SGD(RATE, 0.9, clip_norm_each=0.125),
    "clip_value": cnn.SGD(RATE, 0.9, clip_value=0.03125),
    "lookahead": cnn.Lookahead(MOMENTUM, every=6),
    "ema": cnn.EMA(MOMENTUM, 0.9),
    "ema_warmup": cnn.EMA(MOMENTUM, 0.9, warmup=True),
    "swa": cnn.SWA(MOMENTUM, start=8, every=4),
    "ema_of_lookahead": cnn.EMA(cnn.Lookahead(MOMENTUM, every=6), 0.9),
}
SCHEDULES: dict[str, Schedule] = {
    "step": Step(RATE, 0.5, 5),
    "steps": Steps(RATE, (4, 15), 0.2),
    "exponential": Exponential(RATE, 0.9, 1),
    "linear": Linear(RATE / 4, RATE, 12),
    "polynomial": Polynomial(RATE),
    "cosine": Cosine(RATE),
    "restarts": CosineRestarts(RATE, epochs(0.2), 2),
    "one_cycle": OneCycle(2 * RATE, 21),
    "triangular": Triangular(RATE / 4, RATE, 4, 6),
    "joined": join(Linear(RATE / 10, RATE), Cosine(RATE), at=5),
}


def network(maps: bool, several: int | None, steps: bool = False) -> cnn.Model:
    """Predictions for each item, or maps of them, of which some are outputs by themselves, or whose
    pixels are steps."""
    image = cnn.input("image", (1, problem.SIZE, problem.SIZE), dtype="float64")
    x = cnn.conv2d(image, problem.KERNELS, 3, activation="relu", name="c")
    if maps:
        side = problem.SIZE - 2
        y = cnn.conv2d(x, problem.CLASSES, side, padding=problem.AROUND, name="head")
    else:
        y = cnn.dense(cnn.flatten(x), problem.CLASSES, name="head")
    if steps:
        y = cnn.transpose(cnn.reshape(y, (cnn.N, problem.CLASSES, -1)), (0, 2, 1))
    parts = y if several is None else {f"map{i}": y[:, i] for i in range(several)}
    model = cnn.Model(image, parts)
    model.set_parameters({
        key: np.reshape(problem.WEIGHTS[key], model.states[key].shape) for key in problem.SHAPES
    })  # fmt: skip
    return model


def course(optimizer: Optimizer, loss: str = "cross_entropy", **options: Any) -> list[float]:
    """The losses before each step and after the last; then that of the averages."""
    name, settings, kind = problem.LOSSES[loss]
    several = problem.PREDICTIONS.get(loss)
    model = network(problem.sees_maps(loss), several, problem.reads_steps(loss))
    own = type(LOSSES[name])(**settings)
    function: Any = own if several is None else {tuple(f"map{i}" for i in range(several)): own}
    targets = None if kind is None else np.reshape(*problem.TARGETS[kind])
    images = np.reshape(problem.IMAGES, (-1, 1, problem.SIZE, problem.SIZE))
    with cnn.Session(model, function, optimizer.over(problem.STEPS), **options) as session:
        found = [session.step(images, targets)["loss"] for _ in range(problem.STEPS)]
        averaged = session.averaged()
        found.append(session.step(images, targets)["loss"])  # taken before its update
    if averaged is not None:
        model.set_parameters(averaged)
        with cnn.Session(model, function, cnn.SGD(1e-9), **options) as session:
            found.append(session.step(images, targets)["loss"])
    return found


def compare(found: dict[str, list[float]], table: str, tolerance: float) -> None:
    assert found.keys() == TORCH[table].keys()
    for name, losses in found.items():
        np.testing.assert_allclose(losses, TORCH[table][name], tolerance, err_msg=name)


def test_optimizers() -> None:
    found = {name: course(rule) for name, rule in OPTIMIZERS.items()}
    compare(found, "optimizers", 1e-10)
    # And by the definition, which NumPy computes.
    reference = {name: course(rule, runtime="reference") for name, rule in OPTIMIZERS.items()}
    compare(reference, "optimizers", 1e-10)


def test_schedules() -> None:
    """Where float32 keeps the rates."""
    momenta = {"one_cycle": OneCycle(0.85, 21, first=0.95, last=0.95)}
    rules = {name: cnn.SGD(rate, momenta.get(name, 0.9)) for name, rate in SCHEDULES.items()}
    compare({name: course(rule) for name, rule in rules.items()}, "schedules", 1e-5)


def test_losses() -> None:
    assert {name for name, *_ in problem.LOSSES.values()} == LOSSES.keys()
    compare({line: course(MOMENTUM, line) for line in problem.LOSSES}, "losses", 1e-10)
