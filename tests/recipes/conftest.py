"""A folder of its own, with the module `nets`."""

from pathlib import Path

import pytest

NETS = """
import graphcnn as cnn

def tiny(channels=4):
    image = cnn.input("image", (1, 12, 12))
    x = cnn.max_pool2d(cnn.conv2d(image, channels, 3, activation="relu", name="conv"), 2)
    return cnn.Model(image, cnn.dense(cnn.flatten(x), 2, name="logits"), name="tiny")
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    return tmp_path
