"""The curves of several runs in one picture."""

import json
import math
from typing import Any

import pytest
from pictures.checks import check_picture, check_texts

from graphcnn.errors import DataError
from graphcnn.pictures import runs_picture
from graphcnn.pictures.scene.scene import Path, Rect, shapes
from graphcnn.training.history import History

Rows = list[dict[str, float]]


def run(epochs: int, rate: float, validated: bool = True) -> Rows:
    rows = [{"loss": math.exp(-rate * e), "accuracy": 1 - math.exp(-rate * e)}
            for e in range(epochs)]  # fmt: skip
    return [r | {"val_loss": r["loss"] + 0.1} for r in rows] if validated else rows


RUNS = {"slow": run(40, 0.05), "fast": run(5, 0.5), "blind": run(9, 0.3, False), "none": []}
GAPS: dict[str, Rows] = {"gaps": [{"loss": 1.0}, {"loss": math.nan}, {"loss": 0.3}, {"top": 1.0}]}
PICTURES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "of different lengths": (RUNS, {"title": r"a $ b_c $\not{math$"}),
    "over minutes": (RUNS, {"at": {"fast": [1, 2, 3, 4, 9.5]}, "unit": "minutes", "smooth": 3}),
    "gaps": (GAPS, {}),
    "one epoch": ({"a": run(1, 1.0)}, {"measures": ["val_loss"]}),
    "all that are told apart": (
        {f"seed {i} of a long name that goes on and on": run(4, i) for i in range(24)}, {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PICTURES)
def test_nothing_lies_over_anything(name: str) -> None:
    runs, options = PICTURES[name]
    picture = runs_picture(runs, **options)
    check_picture(picture)
    check_texts(picture.scene)


def test_each_run_has_its_line_and_its_number() -> None:
    picture = runs_picture({**RUNS, "kept": History(run(5, 0.5))})
    data = json.loads(picture.json())["data"]
    assert [*data["runs"]["slow"]] == ["loss", "val_loss", "accuracy"]
    assert data["runs"]["blind"]["val_loss"] == [None] * 9 and data["at"]["fast"] == [1, 2, 3, 4, 5]
    text = picture.text()
    assert "numbers are validation loss at the end" in text
    assert f"fast: {math.exp(-2) + 0.1:.4g}" in text and "blind: " not in text.split("legend")[-1]
    assert "curves of slow, fast, blind, none, kept by epoch" in picture.scene.description.lower()
    lines = [s.paint for s in shapes(picture.scene.items) if isinstance(s, Path)]
    # In three panels and the legend; without validation in two, without epochs nowhere.
    assert [lines.count(f"run{i}") for i in range(5)] == [4, 4, 3, 1, 4]
    marks = [s.paint for s in shapes(picture.scene.items) if isinstance(s, Rect)]
    assert marks.count("mark_run0") == 0 and marks.count("mark_run1") == 15


def test_runs_over_time_lie_where_they_were_done() -> None:
    picture = runs_picture(
        {"a": [{"loss": 3.0}, {"loss": 1.0}]}, at={"a": [10.0, 40.0]}, unit="minutes"
    )
    line = next(s for s in shapes(picture.scene.items) if isinstance(s, Path) and s.paint == "run0")
    (_, first, _), (_, second, _) = line.steps
    assert (second - 62) == pytest.approx(4 * (first - 62))
    assert "minutes" in picture.text()


@pytest.mark.parametrize(
    ("runs", "options", "words"),
    [
        ({}, {}, "none of the runs has an epoch"),
        ({"a": []}, {}, "none of the runs has an epoch"),
        ({str(i): run(1, 1) for i in range(25)}, {}, "at most 24 runs .*, found 25"),
        ({"a": run(2, 1)}, {"measures": ["mae"]}, "no run has 'mae'; they have loss, accuracy"),
        ({"a": run(2, 1)}, {"at": {"a": [1]}}, "a has 2 epochs, but 1 places"),
        ({"a": run(2, 1)}, {"smooth": 2}, "smooth must be an odd number"),
        ({"a": [{"seconds": 1.0}]}, {}, "no loss and no accuracy"),
    ],
)
def test_what_cannot_be_drawn(runs: Any, options: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        runs_picture(runs, **options)
