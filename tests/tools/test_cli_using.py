"""`graphcnn evaluate`, `predict` and `export`."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from support import foreign_weights
from support.command_line import XO, done, refused, run

import graphcnn as cnn


def test_an_autoencoder_learns_its_input(here: Path) -> None:
    common = ("--data", "digits", "--reconstruct", "--metric", "mae")
    pytest.importorskip("sklearn")
    text = done("train", "autoencoder", *common, "--no-progress")
    assert text.startswith("test loss 0.") and ", mae 0." in text
    assert done("evaluate", "autoencoder.safetensors", *common).split("(")[0] == text.split("(")[0]
    np.save("zeros.npy", np.zeros((2, 1, 8, 8), np.float32))
    done("predict", "autoencoder.safetensors", "zeros.npy", "-o", "out.npy")
    assert np.load("out.npy").shape == (2, 1, 8, 8)
    assert "--output" in refused(1, "predict", "autoencoder.safetensors", "zeros.npy")


def test_evaluate(trained: Path, here: Path) -> None:
    report = json.loads(done("evaluate", trained, "--data", XO, "--json"))
    model, (_, test) = cnn.load(trained), cnn.data.load(XO)
    assert report["accuracy"] == model.evaluate(test)["accuracy"]
    assert report["images"] == len(test)
    assert done("evaluate", trained, "--data", XO, "--part", "train").startswith("train accuracy")
    drawn = done("evaluate", trained, "--data", XO, "--confusion", "c.svg", "--errors", "e.html")
    assert "drawn: c.svg" in drawn and "confusion of tiny" in Path("c.svg").read_text()
    assert Path("e.html").exists() == ("drawn: e.html" in drawn)
    assert Path("e.html").exists() != ("no mistake" in drawn)
    assert "unknown file type" in refused(1, "evaluate", trained, "--data", XO, "--errors", "e.bmp")
    of_test = ("evaluate", trained, "--data", XO)
    table = done(
        "evaluate", trained, "--data", XO, "--report", "--metric", "f1", "--metric", "auc",
        "--table", "t.svg", "--roc", "r.svg",
    )  # fmt: skip
    assert "precision" in table and "drawn: t.svg\ndrawn: r.svg" in table and " · f1 " in table
    assert "ROC" in Path("r.svg").read_text()
    found = json.loads(done("evaluate", trained, "--data", XO, "--report", "--json"))
    assert found["report"][""]["confusion"] == model.evaluate(test, report=True).confusion.tolist()
    assert "did you mean 'recall'" in refused(1, *of_test, "--metric", "recal")
    assert "not trained" in run("evaluate", "digits_cnn", "--data", "digits").stderr


def test_scores_are_averaged_over_views(here: Path, trained: Path) -> None:
    model, (_, test) = cnn.load(trained), cnn.data.load(XO)
    report = json.loads(done("evaluate", trained, "--data", XO, "--tta", "flip+shift", "--json"))
    assert report["loss"] == model.evaluate(test, tta="flip+shift")["loss"]
    assert report["loss"] != model.evaluate(test)["loss"]
    drawn = ("--tta", "flip", "--confusion", "c.svg")
    assert "leave out --tta" in refused(2, "evaluate", trained, "--data", XO, *drawn)
    np.save("two.npy", test.images[:2])
    done("predict", trained, "two.npy", "--tta", "flip", "-o", "out.npy")
    np.testing.assert_array_equal(np.load("out.npy"), model.predict(test.images[:2], tta="flip"))


def test_weights_from_elsewhere_become_a_model(here: Path) -> None:
    facts = foreign_weights.facts()["torchvision squeezenet 1.1"]
    save_file(facts.tensors(), "theirs.safetensors")
    words = ("convert", "squeezenet", "theirs.safetensors", "--set", "size=40")
    text = done(*words, "--names", "torchvision")
    assert text == "52 tensors read\nsaved: squeezenet.safetensors\n"
    model = cnn.load("squeezenet.safetensors")
    np.testing.assert_array_equal(
        model.states["conv1.weight"], facts.tensors()["features.0.weight"]
    )
    assert model.normalisation is not None and model.normalisation.mean == (0.485, 0.456, 0.406)
    assert "missing conv1.weight" in refused(1, *words)
    few = (*words, "--set", "classes=3", "--names", "torchvision", "-o", "few.safetensors")
    assert 'skip="head"' in refused(1, *few)
    assert "conv10.weight, conv10.bias left as they are" in done(*few, "--skip", "head")
    same = refused(2, *words, "--names", "torchvision", "-o", "theirs.safetensors")
    assert "would take the place of WEIGHTS" in same


def test_export(here: Path, trained: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    text = done("export", trained, "-o", "tiny.onnx")
    assert "written: tiny.onnx" in text
    assert "within float32" in text or "within 2e-06" in text  # as there was time for
    done("export", trained, "-o", "tiny20.onnx", "--opset", 20, "--no-verify")
    assert onnx.load("tiny20.onnx").opset_import[0].version == 20
    assert "--opset" in refused(2, "export", trained, "-o", "x.onnx", "--opset", "newest")
    assert "does not exist" in refused(1, "export", trained, "-o", "none/x.onnx")


def test_an_export_that_computes_something_else_fails(
    here: Path, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")

    def zeros(_: object, feeds: dict[str, np.ndarray], *__: object) -> tuple[object, object]:
        return {"logits": np.zeros((len(feeds["image"]), 2), np.float32)}, {}

    monkeypatch.setattr("graphcnn.runtime.reference.Reference.run", zeros)
    text = refused(1, "export", trained, "-o", "x.onnx")
    assert "ONNX Runtime computes something else" in text
    assert "MORE than float32 explains" in text and not Path("x.onnx").exists()


# Pictures


def test_predict_prints_classes_and_probabilities(pictures: Path, trained: Path) -> None:
    model, (_, test) = cnn.load(trained), cnn.data.load(XO)
    expected = [model.classes[int(i)] for i in model.predict(test.images[:2]).argmax(axis=1)]
    lines = done("predict", trained, "first.png", "colour.png", "--top", 1).splitlines()
    assert [line.split()[1] for line in lines] == expected
    assert all(line.endswith(" %") for line in lines)
    report = json.loads(done("predict", trained, "two.npy", "--json"))
    assert [each["classes"][0]["class"] for each in report] == expected
    assert [each["image"] for each in report] == ["two.npy[0]", "two.npy[1]"]
    assert abs(sum(c["value"] for c in report[0]["classes"]) - 1) < 1e-5
    assert "large.png" in done("predict", trained, "large.png", "--resize")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("large.png", "large.png is 20×30 (height × width), but the model takes 12×12"),
        ("text.png", "text.png is no picture"),
        ("none.png", "cannot read none.png: no such file"),
        ("nets.py", "unknown kind of file"),
    ],
)
def test_pictures_that_cannot_be_used(
    pictures: Path, trained: Path, name: str, message: str
) -> None:
    assert message in refused(1, "predict", trained, name)


def test_arrays_that_cannot_be_used(here: Path, trained: Path) -> None:
    np.save("wide.npy", np.zeros((1, 12, 13), np.float32))
    assert "shape (1, 12, 13)" in refused(1, "predict", trained, "wide.npy")
    np.save("nan.npy", np.full((12, 12), np.nan, np.float32))
    assert "NaN" in refused(1, "predict", trained, "nan.npy")
    Path("bad.npy").write_text("text")
    assert "no .npy array" in refused(1, "predict", trained, "bad.npy")
