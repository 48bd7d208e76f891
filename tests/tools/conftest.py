"""Folders to run commands in, and a model that was trained by one."""

import sys
from pathlib import Path

import numpy as np
import pytest
from support.command_line import XO, done

import graphcnn as cnn

NETS = """
import graphcnn as cnn

def tiny(channels=4):
    image = cnn.input("image", (1, 12, 12))
    x = cnn.max_pool2d(cnn.conv2d(image, channels, 3, activation="relu", name="conv"), 2)
    return cnn.Model(image, cnn.dense(cnn.flatten(x), 2, name="logits"), name="tiny")

def rows():
    image = cnn.input("image", (1, 12, 12))
    return cnn.Model(image, cnn.flatten(cnn.softmax(cnn.conv2d(image, 2, 12, padding=6), 2)))

def broken():
    return cnn.conv2d(cnn.input("image", (1, 4, 4)), 1, 9, name="C1")

def crash():
    return undefined_name

def number():
    return 7
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder of its own, with the module `nets`."""
    (tmp_path / "nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    sys.modules.pop("nets", None)
    return tmp_path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model that tells X from O."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "nets.py").write_text(NETS)
    path = folder / "tiny.safetensors"
    done("train", f"{folder / 'nets.py'}:tiny", "--data", XO, "--epochs", 2, "-o", path)
    return path


@pytest.fixture
def pictures(here: Path) -> Path:
    image = pytest.importorskip("PIL.Image")
    _, test = cnn.data.load(XO)
    pixels = np.rint(255 * test.images[:2, 0].astype(np.float64))
    pixels = (pixels if test.images.dtype.kind == "f" else test.images[:2, 0]).astype(np.uint8)
    image.fromarray(pixels[0]).save("first.png")
    image.fromarray(np.stack([pixels[1]] * 3, -1)).save("colour.png")
    image.fromarray(pixels[0]).resize((30, 20)).save("large.png")
    Path("text.png").write_text("no picture")
    np.save("two.npy", pixels)
    return here
