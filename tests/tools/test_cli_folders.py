"""Training and measuring on folders of pictures."""

from pathlib import Path

import numpy as np
import pytest
from support.command_line import done, refused, run
from support.data_files import picture

import graphcnn as cnn
from graphcnn.training.checkpoint import load_checkpoint

pytest.importorskip("PIL")

LEVELS = {"apple": 10, "banana": 120, "cherry": 240}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pictures 6×5 of one level for each class, in Train/, val/ and Test/."""
    monkeypatch.chdir(tmp_path)
    for part, n in (("Train", 4), ("val", 2), ("Test", 3)):
        for name, level in LEVELS.items():
            put(tmp_path / "set" / part / name, level, n)
    return tmp_path / "set"


def put(folder: Path, level: int, n: int, size: tuple[int, int] = (6, 5)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        (folder / f"{i}.png").write_bytes(picture(level + i, size, "PNG", mode="L"))


def levels_model() -> cnn.Model:
    """Says apple, banana or cherry by the brightness, without any training."""
    image = cnn.input("image", (1, 6, 5))
    bright = cnn.global_avg_pool2d(image)
    model = cnn.Model(image, cnn.dense(cnn.flatten(bright), 3, name="d"), name="levels")
    weight, bias = model.parameters
    x = np.array([0.1, 0.5, 0.9], np.float32)  # -(y - x)² without y²
    model.set_parameters(
        {weight: 200 * x.reshape(model.parameters[weight].shape), bias: -100 * x * x}
    )
    model.classes, model.loss = tuple(LEVELS), "cross_entropy"
    model.normalisation = cnn.data.Normalisation()
    return model


def test_a_model_is_measured_on_some_of_its_classes(folder: Path) -> None:
    levels_model().save("levels.safetensors")
    (folder / "val").rename(folder.parent / "val")
    for part in ("Train", "Test"):
        for name in ("apple", "cherry"):
            (folder / part / name).rename(folder.parent / f"{part}-{name}")
    text = done("evaluate", "levels.safetensors", "--data", f"images:{folder}")
    assert "test accuracy 100.00 %" in text and "(3 images)" in text
    (folder / "Train" / "banana").rename(folder / "Train" / "Banana")
    (folder / "Test" / "banana").rename(folder / "Test" / "Banana")
    text = refused(1, "evaluate", "levels.safetensors", "--data", f"images:{folder}")
    assert "(is it 'banana'?)" in text and "apple, banana, cherry" in text


@pytest.mark.parametrize(
    ("part", "images"), [("train", 12), ("validation", 6), ("test", 9), ("all", 27)]
)
def test_the_part_to_measure(folder: Path, part: str, images: int) -> None:
    levels_model().save("levels.safetensors")
    text = done("evaluate", "levels.safetensors", "--data", f"images:{folder}", "--part", part)
    assert f"{part} accuracy 100.00 %" in text and f"({images} images)" in text


def test_no_validation_to_measure(folder: Path) -> None:
    levels_model().save("levels.safetensors")
    text = refused(1, "evaluate", "levels.safetensors", "--data", "xo", "--part", "validation")
    assert "sets no images aside for validation" in text


def test_val_is_for_validation_and_test_for_the_test(folder: Path) -> None:
    data = f"images:{folder}"
    text = done("train", "lenet5", "--data", data, "--size", 28, "--epochs", 2, "--batch-size", 4,
                "--early-stopping", 5, "--checkpoint", "run")  # fmt: skip
    assert "(9 images)" in text
    rows = load_checkpoint("run")[1].rows
    assert len(rows) == 2 and all("val_loss" in row for row in rows)
    text = refused(2, "train", "lenet5", "--data", data, "--size", 28, "--validation-fraction", 0.5)
    assert "DATA sets 6 images aside for validation: leave out --validation-fraction" in text


def test_pictures_of_several_sizes(folder: Path) -> None:
    put(folder / "Train" / "apple", 10, 1, (9, 7))
    data = f"images:{folder}"
    text = refused(1, "train", "lenet5", "--data", data)
    assert "size=(height, width) resizes all to one size (--size HxW on the command line)" in text
    done("train", "lenet5", "--data", data, "--size", "28", "--batch-size", 4)
    assert cnn.load("lenet5.safetensors").graph.inputs[0].shape[1:] == (1, 28, 28)
    done("train", "autoencoder", "--data", data, "--size", "16x16", "--color", "--reconstruct",
         "--batch-size", 4)  # fmt: skip
    assert cnn.load("autoencoder.safetensors").graph.inputs[0].shape[1:] == (3, 16, 16)
    assert cnn.data.load(data, size=(12, 8))[0].image_shape == (1, 12, 8)


@pytest.mark.parametrize("size", ["0", "x", "12x", "1x2x3", "-3", "99999"])
def test_sizes_that_are_none(size: str) -> None:
    assert "must be spelled N or HEIGHTxWIDTH" in refused(
        2, "train", "lenet5", "--data", "images:x", f"--size={size}"
    )


def test_sizes_are_for_pictures() -> None:
    text = refused(2, "train", "lenet5", "--data", "xo", "--size", 28)
    assert "--size: for images:PATH and parquet:PATH, not for xo" in text


def test_warnings_are_notes(folder: Path) -> None:
    put(folder / "pred", 7, 2)
    saved = levels_model().save("levels.safetensors")
    result = run("evaluate", saved, "--data", f"images:{folder}")
    assert result.exit_code == 0
    assert result.stderr.startswith(f"note: {folder / 'pred'} is left out: its 2 pictures lie in")
    assert "Warning" not in result.stderr


def test_fewer_images_than_a_batch(folder: Path) -> None:
    saved = levels_model().save("levels.safetensors")
    assert "saved: " in done("train", saved, "--data", f"images:{folder}", "-o", "x.safetensors")
    told = refused(1, "train", saved, "--data", f"images:{folder}", "-o", "x.onnx")
    assert "a model is saved as .safetensors; export_onnx (graphcnn export) writes .onnx" in told
    assert not Path("x.onnx").exists()


def test_colour_for_a_grey_model(folder: Path) -> None:
    for path in folder.rglob("*.png"):
        path.write_bytes(picture(9, (6, 5), "PNG"))
    saved = levels_model().save("levels.safetensors")
    told = refused(1, "train", saved, "--data", f"images:{folder}")
    assert "--grey on the command line, reads them so" in told
    assert "is a folder; name the pictures in it" in refused(1, "predict", saved, folder)


def test_pictures_are_decoded_while_training_and_broken_ones_left_out(folder: Path) -> None:
    """The same weights as from pictures in memory, where none is broken."""
    given = ("train", "digits_cnn", "--data", "images:set", "--size", 8)

    def weights(*options: str) -> bytes:
        done(*given, "-o", "m.safetensors", *options)
        return Path("m.safetensors").read_bytes()

    assert weights() == weights("--lazy") == weights("--lazy", "--threads", "2")
    (folder / "Train" / "apple" / "3.png").write_bytes(b"broken")
    assert "apple/3.png is no picture that can be read" in refused(1, *given, "--lazy")
    weights("--on-error", "skip")
    names = [(f"{p}/{c}/{i}.png", c) for p, n in (("Train", 4), ("val", 2), ("Test", 3))
             for c in LEVELS for i in range(n)]  # fmt: skip
    Path("t.csv").write_text("file,label\n" + "".join(f"{a},{b}\n" for a, b in names))
    weights("--on-error", "skip", "--lazy", "--labels", "t.csv")
