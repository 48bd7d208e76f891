"""Training curves: what is drawn, the numbers behind it, clear errors."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures.checks import check_picture, check_texts

import graphcnn as cnn
from graphcnn.errors import DataError
from graphcnn.network.weights import write_tensors
from graphcnn.pictures import curves_picture
from graphcnn.pictures.results.axes import Axis, whole_ticks
from graphcnn.pictures.results.curves import series
from graphcnn.pictures.results.panel import smoothed
from graphcnn.pictures.scene.scene import Path as Line
from graphcnn.pictures.scene.scene import shapes
from graphcnn.training.checkpoint import LAST, load_checkpoint
from graphcnn.training.history import History

HISTORY = [
    {"epoch": 1, "loss": 1.2, "accuracy": 0.5, "val_loss": 1.3, "val_accuracy": 0.4},
    {"epoch": 2, "loss": 0.4, "accuracy": 0.9, "val_loss": 0.6, "val_accuracy": 0.8},
]


def test_series_pairs_training_with_validation() -> None:
    assert series(HISTORY) == {
        "loss": {"train": [1.2, 0.4], "validation": [1.3, 0.6]},
        "accuracy": {"train": [0.5, 0.9], "validation": [0.4, 0.8]},
    }
    assert series([{"loss": 1.0, "seconds": 3.0}]) == {"loss": {"train": [1.0]}}
    assert series([{"loss": 1.0, "val_top5": 0.5}])["top5"] == {"validation": [0.5]}


def test_numbers_of_single_classes_have_no_panels() -> None:
    rows = [{"loss": 1.0, "val_f1": 0.5, "f1[cat]": 0.2, "val_f1[cat]": 0.3}]
    assert [*series(rows)] == ["loss", "f1"]
    assert "not drawn, of each class: f1" in curves_picture(rows).text()


def test_the_history_of_a_training_is_taken_as_it_is() -> None:
    assert series(History(list(HISTORY))) == series(HISTORY)


def test_a_missing_value_is_a_gap() -> None:
    found = series([{"loss": 1.0}, {"loss": 0.5, "val_loss": 0.7}])
    assert math.isnan(found["loss"]["validation"][0])
    assert found["loss"]["validation"][1] == 0.7


def long_run(epochs: int) -> list[dict[str, float]]:
    noise = np.random.default_rng(0).normal(size=(epochs, 2))
    falling = 2 * np.exp(-np.arange(epochs) / 8)
    return [
        {"loss": f + 0.02 * abs(a), "val_loss": f + 0.1 + 0.05 * abs(b), "val_recall_of_all": 1 / 3}
        for f, (a, b) in zip(falling, noise, strict=True)
    ]


GAPS: list[dict[str, float]] = [{"loss": 1.0}, {"loss": math.nan}, {"loss": 0.3}, {"loss": 1e-7}]
PICTURES: dict[str, tuple[list[dict[str, float]], dict[str, Any]]] = {
    "short": (HISTORY, {"title": r"a $ b_c $\not{math$"}),
    "one epoch": (HISTORY[:1], {"rates": [0.1]}),
    "long": (long_run(60), {"rates": [0.1 / (i + 1) for i in range(60)], "resumed": [20, 33.5]}),
    "gaps": (GAPS, {}),
    "no number": ([{"loss": math.nan}], {}),
    "flat": ([{"loss": 0.0}] * 3, {"rates": [math.nan, 0.1, 0.1]}),
    "very long": ([{"loss": 1 / (i + 1)} for i in range(4000)], {}),
}


@pytest.mark.parametrize("name", PICTURES)
def test_nothing_lies_over_anything(name: str) -> None:
    history, options = PICTURES[name]
    picture = curves_picture(history, **options)
    check_picture(picture)
    check_texts(picture.scene)


def test_the_best_epoch_is_that_of_the_least_validation_loss() -> None:
    history = [{"loss": 1 / e, "val_loss": abs(e - 3) + 0.5} for e in range(1, 6)]
    picture = curves_picture(history)
    assert "best in epoch 3: validation loss 0.5" in picture.scene.description
    assert json.loads(picture.json())["data"]["best_epoch"] == 3
    # Without validation it is that of training.
    assert "best in epoch 5: loss 0.2" in curves_picture([{"loss": 1 / e} for e in range(1, 6)]
                                                         ).text()  # fmt: skip


def test_lines_are_means_and_gaps_are_told() -> None:
    values = [1.0, 2.0, 6.0, math.nan, 5.0]
    assert smoothed(values, 3)[:3] == [1.5, 3.0, 4.0]
    assert math.isnan(smoothed(values, 3)[3]) and smoothed(values, 3)[4] == 5.0
    assert "no finite value in epoch 2" in curves_picture(GAPS).text()
    assert "lines are means of 7 epochs" in curves_picture(PICTURES["long"][0]).text()
    assert "resumed after 20, 33.5 epochs" in curves_picture(HISTORY, resumed=[20, 33.5]).text()


def test_validation_of_some_epochs_is_a_line_through_them() -> None:
    """Epochs without it leave no gap, and no line is a mean of two of them."""
    rows = [{"loss": 1 / e} | ({} if e % 5 else {"val_loss": 2 / e}) for e in range(1, 41)]
    picture = curves_picture(rows)
    check_picture(picture)
    check_texts(picture.scene)
    assert "loss of validation was measured in 8 of 40 epochs" in picture.text()
    assert "no finite value" not in picture.text()
    lines = [x for x in shapes(picture.scene.items)
             if isinstance(x, Line) and x.paint == "curve_validation"]  # fmt: skip
    assert 8 in [len(line.steps) for line in lines]


def test_outputs_have_their_loss_and_accuracy_without_validation() -> None:
    row = {"loss": 1.0, "digit_loss": 0.5, "digit_accuracy": 0.5, "angle_loss": 0.5, "angle_mae": 1}
    found = series([row])
    assert [*found] == ["loss", "digit_loss", "digit_accuracy", "angle_loss"]
    assert [*series([row | {"val_loss": 2.0, "val_angle_mae": 2.0}])][1] == "angle_mae"


def test_axes_hold_their_numbers() -> None:
    for values in ([0.0, 1.0], [3.0], [-2.0, 7.3], [1e-5, 0.2], [0.971, 0.9713], [5e6, 9e6]):
        axis = Axis.of(values, 200, 10)
        ticks = axis.ticks()
        assert 2 <= len(ticks) <= 8, values
        assert all(9.999 <= axis.place(v) <= 200.001 for v in (*values, *ticks))
        assert len(set(map(axis.words, ticks))) == len(ticks)
    assert Axis.of([1e-5, 0.2], 0, 1).log
    assert whole_ticks(60, 8) == [1, 10, 20, 30, 40, 50, 60]


def test_a_run_tells_its_rates_and_where_it_was_resumed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data = cnn.data.arrays(rng.normal(size=(20, 1, 4, 4)).astype(np.float32), [0, 1] * 10)

    def fit(epochs: int) -> History:
        x = cnn.input("x", (1, 4, 4))
        model = cnn.Model(x, cnn.dense(cnn.flatten(x), 2, name="out"), name="small")
        rate = cnn.schedules.Step(0.1, factor=0.5, every=4)
        return model.fit(data, epochs=epochs, batch_size=5, optimizer=cnn.SGD(rate),
                         resume=tmp_path / "run")  # fmt: skip

    assert fit(2).rates == pytest.approx([0.1, 0.05])
    history = fit(3)
    assert history.rates == pytest.approx([0.1, 0.05, 0.025]) and history.resumed == [2.0]
    path = history.draw(tmp_path / "curves.svg", "small")
    assert path.read_text() == history.picture("small").svg()
    assert "learning rate" in path.read_text() and "resumed after 2 epochs" in path.read_text()
    assert set(history._repr_mimebundle_()) == {"image/svg+xml", "text/plain"}
    assert set(History()._repr_mimebundle_()) == {"text/plain"}


def test_checkpoints_of_old_tell_no_rates(tmp_path: Path) -> None:
    x = cnn.input("x", (1, 4, 4))
    model = cnn.Model(x, cnn.dense(cnn.flatten(x), 2, name="out"), name="small")
    data = (np.zeros((8, 1, 4, 4), np.float32), np.zeros(8, np.int64))
    model.fit(data, epochs=1, resume=tmp_path)
    states, position = load_checkpoint(tmp_path)
    told = {k: v for k, v in asdict(position).items() if k not in ("rates", "resumed")}
    write_tensors(tmp_path / LAST, states, {"position": json.dumps(told)})
    history = model.fit(data, epochs=2, resume=tmp_path)
    assert math.isnan(history.rates[0]) and history.rates[1] > 0 and history.resumed == [1.0]
    check_texts(history.picture().scene)


def test_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no epochs"):
        History().draw(tmp_path / "x.svg")
    with pytest.raises(DataError, match="no loss and no accuracy, only: seconds"):
        curves_picture([{"seconds": 1.0}])
    with pytest.raises(DataError, match="smooth must be an odd number"):
        curves_picture(HISTORY, smooth=4)
    assert not list(tmp_path.iterdir())
