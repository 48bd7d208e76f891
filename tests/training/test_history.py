"""What a history gives to other tools."""

import sys
from typing import Any

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.training.history import History

ROWS = [{"loss": 0.5}, {"loss": 0.25, "val_loss": 0.75}]


def test_a_frame_has_the_columns_the_epochs_and_the_rate() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is an extra")
    frame = History(ROWS, rates=[0.1, 0.01]).to_pandas()
    expected = pandas.DataFrame(
        {"loss": [0.5, 0.25], "val_loss": [np.nan, 0.75], "learning_rate": [0.1, 0.01]},
        index=pandas.RangeIndex(1, 3, name="epoch"),
    )
    pandas.testing.assert_frame_equal(frame, expected)
    assert [*History(ROWS, rates=[np.nan] * 2).to_pandas()] == ["loss", "val_loss"]
    assert len(History().to_pandas()) == len(History().to_pandas(steps=True)) == 0
    steps = [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]
    frame = History(ROWS, steps=steps).to_pandas(steps=True)
    assert frame.index.tolist() == [1, 2] and frame["loss"].tolist() == [0.5, 0.25]


def test_without_pandas_the_error_says_what_to_install(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(cnn.MissingExtraError, match=r'pip install "graphcnn\[pandas\]"'):
        History(ROWS).to_pandas()
