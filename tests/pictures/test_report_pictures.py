"""Tables and ROC curves as pictures: all numbers are said, nothing lies over anything."""

import json
from typing import Any

import numpy as np
import pytest
from pictures.checks import check_picture, check_texts

from graphcnn.errors import DataError
from graphcnn.pictures import ranks_picture, report_picture
from graphcnn.pictures.results.report import Section
from graphcnn.pictures.scene.scene import Path, Rect, shapes

RNG = np.random.default_rng(0)
NAMES = ["airplane", "automobile", "a name that is much too long for any table, or nearly so"]


def section(**changes: Any) -> Section:
    settings: dict[str, Any] = {
        "title": "digit", "what": "class", "names": NAMES,
        "columns": {"precision": [0.5, 0.25, float("nan")], "mae": [1e-9, -123456.7, 0.0],
                    "support": [10, 123_456_789, 0]},
        "averages": {"macro": {"precision": 0.375}}, "counts": ["support"],
        "shares": ["precision"], "remarks": ["a taken for b: 3 of 10 (30.0%)"],
    }  # fmt: skip
    return Section(**(settings | changes))


def test_tables() -> None:
    picture = report_picture([section(), section(title="", columns={"r2": [-5e6, 0.5, 1.0]})])
    check_picture(picture)
    check_texts(picture.scene)
    text = picture.text()
    assert "automobile: precision 0.2500, mae −1.235e+05, support 123,456,789" in text
    assert "macro: precision 0.3750" in text
    data = json.loads(picture.json())["data"]["tables"]
    assert data[0]["columns"]["precision"] == [0.5, 0.25, None]
    with pytest.raises(DataError, match=r"3 rows has as many numbers in each.*: r2"):
        report_picture([section(columns={"r2": [1.0]})])
    with pytest.raises(DataError, match="nothing to draw"):
        report_picture([])


@pytest.mark.parametrize("classes, better", [(1, 0.5), (3, 2.0), (9, 4.0), (4, 50.0)])
def test_curves(classes: int, better: float) -> None:
    truth = RNG.integers(0, 2, (400, classes)).astype(bool)
    scores = RNG.normal(size=truth.shape).round(1) + better * truth
    picture = ranks_picture(scores, truth, facts=["precision strict"])
    check_picture(picture)
    check_texts(picture.scene)
    data = json.loads(picture.json())["data"]
    assert len(data["auc"]) == classes and data["auc"] == sorted(data["auc"])
    for name, area in zip(data["classes"], data["auc"], strict=True):
        above = scores[truth[:, int(name)], int(name), None]
        below = scores[~truth[:, int(name)], int(name)]
        assert area == pytest.approx((above > below).mean() + (above == below).mean() / 2)
        assert f"{name}: AUC {area:.4f}" in picture.text()
    assert ("ROC shows the corner of" in picture.text()) == (better > 3)


def test_a_line_that_enters_a_corner_comes_from_its_edge() -> None:
    """Some of the others are above all of the class, which then comes at once."""
    truth = np.arange(200) < 100
    picture = ranks_picture(np.where(truth, 0.95, np.linspace(-1, 1, 200)), truth)
    assert "ROC shows the corner of" in picture.text()
    drawn = [*shapes(picture.scene.items)]
    area = next(x.box for x in drawn if isinstance(x, Rect) and x.paint == "body")
    line = next(x for x in drawn if isinstance(x, Path) and x.paint == "curve_train")
    assert line.steps[0][2] == area.bottom and line.steps[2][2] == area.top


def test_what_is_not_ranked() -> None:
    truth = np.array([[1, 0], [0, 0], [1, 0]])
    assert "not ranked, because no item" in ranks_picture(np.eye(3, 2), truth, ["a", "b"]).text()
    for scores, wrong, message in (
        (np.ones((3, 2)), truth[:, :1], "of that shape, found"),
        (np.full((3, 2), np.nan), truth, "must be finite"),
        (np.ones((3, 2)), truth * 0, "nothing is ranked"),
    ):
        with pytest.raises(DataError, match=message):
            ranks_picture(scores, wrong)
    with pytest.raises(DataError, match="2 classes but 1 names"):
        ranks_picture(np.ones((3, 2)), truth, ["a"])
