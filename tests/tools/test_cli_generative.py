"""`graphcnn sample`, and training networks that draw."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.command_line import done, refused

import graphcnn as cnn


@pytest.fixture
def drawer(here: Path) -> Path:
    image = cnn.input("image", (1, 8, 8))
    logits = cnn.conv2d(image, 1, 3, padding=1, mask="A", name="c")
    model = cnn.Model(image, {"logits": logits}, name="small").initialize(0)
    model.sampler = cnn.samplers.Pixels()
    return model.save(here / "small.safetensors")


def test_sample_writes_numbers_sheets_and_pictures(drawer: Path) -> None:
    assert done("sample", drawer, "-n", 5, "--seed", 3, "-o", "a.npy") == "drawn: a.npy\n"
    expected = cnn.load(drawer).sample(5, seed=3)
    assert np.array_equal(np.load("a.npy"), expected)
    done("sample", drawer, "-n", 5, "-o", "a.png")
    assert Path("a.png").read_bytes()[:4] == b"\x89PNG"
    done("sample", drawer, "-n", 5, "--temperature", 0.5, "-o", "a.svg")
    assert "temperature 0.5" in Path("a.svg").read_text()


@pytest.mark.parametrize("side", ["upper", "lower=0.25", "left", "right=0.75"])
def test_sample_completes_images(drawer: Path, side: str) -> None:
    pytest.importorskip("sklearn")
    done("sample", drawer, "-n", 3, "--data", "digits", "--keep", side, "-o", "a.npy")
    images = cnn.data.digits()[1].images[:3]
    whole = np.rint(images)  # the nearer level
    name, _, share = side.partition("=")
    kept = round(float(share or 0.5) * 8)
    part = {
        "upper": np.s_[:, :, :kept],
        "lower": np.s_[:, :, 8 - kept :],
        "left": np.s_[..., :kept],
        "right": np.s_[..., 8 - kept :],
    }[name]
    assert np.array_equal(np.load("a.npy")[part], whole[part])


def test_what_draws_is_exported(drawer: Path) -> None:
    pytest.importorskip("onnxruntime")
    assert "within float32" in done("export", drawer, "--sampler", "-o", "s.onnx")
    inputs = [v.node.name for v in cnn.import_onnx("s.onnx").graph.inputs]
    assert inputs == ["uniform", "temperature", "given", "known"]
    both = refused(2, "export", drawer, "--sampler", "--training", "-o", "s")
    assert "give one" in both
    assert "does not say how it draws" in refused(
        1, "export", "lenet5", "--sampler", "-o", "s.onnx"
    )


def test_sample_tells_what_it_needs(drawer: Path) -> None:
    assert "give both" in refused(2, "sample", drawer, "--keep", "upper", "-o", "a.png")
    wrong = refused(2, "sample", drawer, "--keep", "top", "--data", "digits", "-o", "a.png")
    assert "upper, lower, left, right" in wrong
    assert "label=7" in refused(2, "sample", drawer, "--with", "label", "-o", "a.png")
    assert "no input 'label'" in refused(1, "sample", drawer, "--with", "label=1", "-o", "a.png")
    assert "unknown file type" in refused(1, "sample", drawer, "-o", "a.bmp")
    assert "does not say how it draws" in refused(1, "sample", "lenet5", "-o", "a.png")
    assert "above 0, found 0" in refused(1, "sample", drawer, "--temperature", 0, "-o", "a.png")


def test_training_and_measuring_of_a_network_that_draws(drawer: Path) -> None:
    pytest.importorskip("sklearn")
    images = ("--data", "digits", "--binarise", "--reconstruct")
    text = done(
        "train", drawer, *images, "--loss", "binary_cross_entropy", "--epochs", 2,
        "--drawn", "film.html", "-o", "new.safetensors", "--no-progress",
    )  # fmt: skip
    assert "epoch 2" in Path("film.html").read_text()
    again = done("evaluate", "new.safetensors", "--data", "digits")  # it knows what it takes
    assert again.split("(")[0] == text.split("(")[0]
    classifier = ("train", "digits_cnn", "--data", "digits", "--drawn", "film.html")
    assert "has no sampler" in refused(2, *classifier, "--no-progress")


def test_evaluate_measures_the_bound_of_many_codes(here: Path) -> None:
    pytest.importorskip("sklearn")
    model = cnn.models.vae(size=8, z=2, units=8).initialize(0)
    path = model.save(here / "coder.safetensors")
    common = ("evaluate", path, "--data", "digits", "--binarise")
    found = json.loads(done(*common, "--codes", 3, "--json"))
    test = cnn.data.binarised(cnn.data.digits()[1])
    wanted = cnn.generative.importance_bound(model, test, 3).mean()
    assert found["bound_of_3_codes"] == pytest.approx(wanted, rel=1e-6)
    assert "give one of them" in refused(2, *common, "--codes", 3, "--report")


def test_sample_draws_a_plane_of_codes(here: Path) -> None:
    model = cnn.models.vae(size=8, z=2, units=8).initialize(0)
    path = model.save(here / "coder.safetensors")
    assert "(N, 2)" in refused(1, "sample", "vae", "--plane", 3, "-o", "a.npy")
    done("sample", path, "--plane", 3, "-o", "a.npy")
    wanted = cnn.generative.plane(cnn.load(path), 3)
    assert np.array_equal(np.load("a.npy"), wanted.reshape(9, 1, 8, 8))
    done("sample", path, "--plane", 3, "-o", "a.svg")
    assert "the plane of its codes" in Path("a.svg").read_text()
    text = refused(2, "sample", path, "--plane", 3, "--with", "label=1", "-o", "a.npy")
    assert "without --keep and --with" in text
