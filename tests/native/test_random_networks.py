"""Networks nobody thought of, in both runtimes: predictions and three training steps."""

from random import Random

import numpy as np
import pytest
from support.cases import each
from support.random_models import random_model

import graphcnn as cnn
from graphcnn.text.parse import parse_graph
from graphcnn.text.write import dump_graph

#: Of the largest output: sums in another order, and Winograd.
BOUND = 1e-4


def relative(expected: np.ndarray, found: np.ndarray, least: float = 1e-3) -> float:
    return float(np.abs(expected - found).max() / max(least, np.abs(expected).max()))


def copied(model: cnn.Model) -> cnn.Model:
    """The same network with weights of its own."""
    graph = parse_graph(dump_graph(model.graph))
    other = cnn.Model(graph.inputs, graph.outputs, graph.name)
    other.replace_states({key: array.copy() for key, array in model.states.items()})
    return other


def check(seed: int) -> None:
    random = Random(seed)
    model = random_model(random).initialize(seed)
    rng = np.random.default_rng(seed)
    n = random.randint(1, 5)
    images = rng.normal(size=(n, *model.graph.inputs[0].shape[1:])).astype(np.float32)
    labels = rng.integers(0, 2, n)
    expected = model.predict(images, raw=True, runtime="reference")
    found = model.predict(images, raw=True, runtime="native", threads=1)
    assert relative(expected, found) < BOUND
    optimizer = random.choice((cnn.SGD(0.01, momentum=0.9), cnn.Adam(1e-3), cnn.SGD(0.01)))
    models = [model, copied(model)]  # sessions of one model would train the same weights
    sessions = [
        cnn.Session(each, optimizer=optimizer, seed=1, runtime=runtime, threads=1)
        for each, runtime in zip(models, ("reference", "native"), strict=True)
    ]
    for _ in range(3):
        losses = [s.step(images, labels)["loss"] for s in sessions]
        assert losses[1] == pytest.approx(losses[0], rel=1e-3, abs=1e-4)
    for key, array in sessions[0].states.items():
        if isinstance(optimizer, cnn.Adam):
            continue  # divides by the size of the gradient: rounding of a zero becomes a step
        # A bias before a batch norm has the gradient 0: what is there is rounding, in both.
        assert relative(array, sessions[1].states[key], least=1.0) < 20 * BOUND, key


@pytest.mark.parametrize("seed", range(60))
def test_native_is_the_reference(seed: int) -> None:
    check(seed)


@pytest.mark.sweep
@each(range(1000, 2000), of=lambda seed: f"{seed // 100}xx")
def test_native_is_the_reference_sweep(seed: int) -> None:
    check(seed)
