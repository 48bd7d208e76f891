"""Training curves: what is drawn, the same bytes every time, clear errors."""

import math
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from graphcnn.errors import DataError, MissingExtraError, OutputError
from graphcnn.tools.plots import series, training_curves
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


def test_the_history_of_a_training_is_taken_as_it_is() -> None:
    assert series(History(list(HISTORY))) == series(HISTORY)


def test_a_missing_value_is_a_gap() -> None:
    found = series([{"loss": 1.0}, {"loss": 0.5, "val_loss": 0.7}])
    assert math.isnan(found["loss"]["validation"][0])
    assert found["loss"]["validation"][1] == 0.7


@pytest.mark.parametrize("suffix", [".svg", ".pdf", ".png"])
def test_same_history_same_bytes(suffix: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    first = training_curves(HISTORY, tmp_path / f"a{suffix}", title="a $ b_c")
    second = training_curves(HISTORY, tmp_path / f"b{suffix}", title="a $ b_c")
    assert first.read_bytes() == second.read_bytes()


def test_the_picture_holds_both_curves_of_both_measures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = training_curves(HISTORY, tmp_path / "curves.svg")
    root = ElementTree.fromstring(path.read_bytes())
    ids = [e.get("id", "") for e in root.iter()]
    assert {"axes_1", "axes_2"} <= set(ids)
    assert "axes_3" not in ids
    assert path.read_text().count("#cc6633") >= 2  # the validation curve in each panel


def test_not_a_number_does_not_stop_the_drawing(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    history = [{"loss": 1.0}, {"loss": math.nan}, {"loss": math.inf}]
    assert training_curves(history, tmp_path / "nan.svg", title=r"$\not{math$").exists()


def test_nothing_to_draw(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no epochs"):
        training_curves([], tmp_path / "x.svg")
    with pytest.raises(DataError, match="no loss and no accuracy, only: seconds"):
        training_curves([{"seconds": 1.0}], tmp_path / "x.svg")
    assert not list(tmp_path.iterdir())


def test_bad_targets(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"'\.bmp'; known are \.svg, \.pdf, \.png"):
        training_curves(HISTORY, tmp_path / "x.bmp")
    pytest.importorskip("matplotlib")
    with pytest.raises(OutputError, match="does not exist"):
        training_curves(HISTORY, tmp_path / "none" / "x.svg")


def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r'pip install "graphcnn\[plot\]"'):
        training_curves(HISTORY, tmp_path / "x.svg")
