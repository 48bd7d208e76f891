"""The recipe `cifar10` in PyTorch: the same network, optimiser and batches as ours."""

from typing import Any

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn import recipes
from graphcnn.data.parts import Parts
from graphcnn.tools.bench.cases import ACCURACY, LOSS, Options
from graphcnn.tools.bench.cifar import Race, Raced, told
from graphcnn.tools.bench.report import Result, curves, table

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (60, 3, 32, 32), np.uint8)
DATA = cnn.data.Dataset(IMAGES, RNG.integers(0, 10, 60), normalisation=cnn.Normalisation.of(IMAGES))
THIN: dict[str, Any] = {"network.arguments": {"width": 8}, "run.batch_size": 20, "run.epochs": 2}


def race(**options: Any) -> Race:
    given = Options(("cifar",), whole=True, **options)
    return Race(given, Parts(DATA, DATA[:10]), **THIN)


def test_the_steps_are_those_of_fit() -> None:
    """Its losses, rates and accuracy come from the loop here, those of `fit` from its own."""
    contest = race()
    one, two = contest.ours("fast", 1), contest.ours("fast", 2)
    assert one.rows == two.rows and [LOSS, ACCURACY] == [*one.rows[2]] == [*one.rows[5]]
    assert len(one.rows) == 6 == len(one.minutes) and one.minutes == sorted(one.minutes)
    quiet = {"output.progress": False, "measuring.tta": "flip+shift", **THIN}
    found = recipes.train(recipes.load("cifar10").with_(quiet), Parts(DATA, DATA[:10]))
    assert found.results["accuracy"] == one.rows[-1][ACCURACY]
    means = [sum(row[LOSS] for row in one.rows[i : i + 3]) / 3 for i in (0, 3)]
    assert means == pytest.approx(found.history["loss"], rel=1e-6)
    few = Race(Options(("cifar",), steps=1), Parts(DATA, DATA[:10]), **THIN).ours("fast", 1)
    assert few.rows[0][LOSS] == one.rows[0][LOSS] and len(few.rows) == 1


def test_pytorch_computes_the_same_steps() -> None:
    """In float64, of the layers, the loss, the updates and the running statistics."""
    pytest.importorskip("torch", reason="PyTorch is not installed")
    contest = race(runtime="reference")
    ours, theirs = contest.ours("strict", 1), contest.torch(1, double=True)
    losses = [[row[LOSS] for row in each.rows] for each in (ours, theirs)]
    assert losses[0][0] == pytest.approx(losses[1][0], rel=1e-6)  # one forward pass
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert losses[1][0] != pytest.approx(losses[1][1], rel=1e-2)
    assert [row.get(ACCURACY) for row in ours.rows] == [row.get(ACCURACY) for row in theirs.rows]


def test_what_is_told_and_drawn() -> None:
    rows = [{LOSS: 2.0}, {LOSS: 1.0, ACCURACY: 0.5}]
    runs = {"graphcnn": Raced(30.0, rows, [0.25, 0.5]), "torch": Raced(75.0, rows, [0.7, 1.25])}
    found = told(runs, race())
    assert found[0] == (
        "graphcnn: accuracy 0.5000 on the test images after 2 epochs of 3 steps in 0.50 minutes"
    )
    assert found[2] == "graphcnn takes 0.400 of the time of torch"
    result = Result("cifar", "cifar_fast", "train", 20, 1, "s", told=found)
    assert table([result]).splitlines()[-1] == found[2] and curves([result]) is None
    result.curves = {n: {"rows": r.rows, "minutes": r.minutes} for n, r in runs.items()}
    picture = curves([result])
    assert picture is not None and "test accuracy, torch: 0.5" in picture.text()
    assert "numbers are test accuracy at the end" in picture.text()
