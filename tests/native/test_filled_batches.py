"""An answer has the same bits whatever was asked before: batches are filled up where they do."""

from random import Random

import numpy as np
import pytest
from support.random_models import random_model

import graphcnn as cnn
from graphcnn.compile.runner import Runner
from graphcnn.runtime.execution import Execution


def rows_and_wide_rows() -> list[cnn.Model]:
    """Of which one or two rows are multiplied in another way than three."""
    x = cnn.input("x", (400,))
    return [cnn.Model(x, cnn.dense(x, 120), "rows")]


def few_pixels() -> list[cnn.Model]:
    """Convolutions of which one image is computed by another algorithm than several; how small it
    must be for that depends on the processor."""
    images = [cnn.input("x", (256, size, size)) for size in (7, 4)]
    return [cnn.Model(x, cnn.conv2d(x, 256, 3, padding=1), "pixels") for x in images]


def check(model: cnn.Model, seed: int) -> set[bool]:
    """Bits of a batch in a fresh runner and in one that ran a larger one; whether it was filled."""
    rng = np.random.default_rng(seed)
    key = model.graph.inputs[0].node.name
    x = rng.standard_normal((9, *model.graph.inputs[0].shape[1:])).astype(np.float32)
    found = set()
    for n, larger in ((1, 2), (1, 4), (2, 3), (2, 7), (3, 4), (5, 9), (6, 8)):
        fresh, used = (Runner(model.graph, Execution(threads=1)) for _ in range(2))
        used.run({key: x[:larger]}, model.states)
        wanted, _ = fresh.run({key: x[:n]}, model.states)
        outputs, _ = used.run({key: x[:n]}, model.states)
        for name, array in wanted.items():
            assert np.array_equal(outputs[name], array, equal_nan=True), (n, larger, name)
        found.add(n not in used._prepared)
    return found


@pytest.mark.parametrize("make", [rows_and_wide_rows, few_pixels])
def test_another_algorithm_is_not_filled_up_to(make) -> None:  # type: ignore[no-untyped-def]
    found = [check(model.initialize(0), 0) for model in make()]
    assert set.union(*found) == {True, False}


@pytest.mark.parametrize("seed", range(4))
def test_random_networks(seed: int) -> None:
    check(random_model(Random(seed)).initialize(seed), seed)


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(4, 60))
def test_random_networks_sweep(seed: int) -> None:
    check(random_model(Random(seed)).initialize(seed), seed)
