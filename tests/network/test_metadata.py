"""What stands with the weights of a saved model, damaged field by field."""

import json
from pathlib import Path

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.data.normalisation import Normalisation
from graphcnn.errors import ImportModelError
from graphcnn.network.weights import read_tensors, write_tensors

DEEP = "[" * 100_000
GOOD = json.dumps({"mean": [0.5], "std": [0.2], "scale": 1.0})


def net(classes: int = 3, channels: int = 3) -> cnn.Model:
    image = cnn.input("image", (channels, 4, 4))
    return cnn.Model(image, cnn.dense(cnn.flatten(image), classes, name="logits"), name="net")


def saved(model: cnn.Model, folder: Path, **changes: str) -> Path:
    path = model.save(folder / "m.safetensors")
    tensors, metadata = read_tensors(path)
    metadata.pop("format")
    return write_tensors(path, tensors, {**metadata, **changes})


@pytest.mark.parametrize("loss", ["cross_entropy", None])
@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("classes", "{}", "a JSON list of the names of the classes, found '{}'"),
        ("classes", "", "a JSON list of the names of the classes, found ''"),
        ("classes", "[1, 2, 3]", "a JSON list of the names"),
        ("classes", '["a", null, "c"]', "a JSON list of the names"),
        ("classes", '"abc"', "a JSON list of the names"),
        ("classes", "null", "a JSON list of the names"),
        ("classes", DEEP, "a JSON list of the names"),
        ("classes", '["a", "b"]', r"3 names, one for each score of 'logits' f32\[N,3\]"),
        ("classes", '["a", "b", "c", "d"]', "3 names, one for each score"),
        ("seed", "x", "an integer, found 'x'"),
        ("seed", "1.5", "an integer, found '1.5'"),
        ("seed", "", "an integer"),
        ("seed", "9" * 5000, r"an integer, found '9+' \.\.\."),
        ("loss", "perceptron", "one of cross_entropy, .* found 'perceptron'"),
        ("normalisation", "{}", "JSON with a mean and a std for each channel"),
        ("normalisation", "[]", "JSON with a mean"),
        ("normalisation", DEEP, "JSON with a mean"),
        ("normalisation", GOOD.replace("0.5", '"0.5"'), "JSON with a mean"),
        ("normalisation", GOOD.replace("[0.5]", "0.5"), "JSON with a mean"),
        ("normalisation", GOOD.replace("0.5", "NaN"), "means must be finite"),
        ("normalisation", GOOD.replace("0.5", "1" + "0" * 400), "JSON with a mean"),
        ("normalisation", GOOD.replace("0.2", "0"), "stds greater than 0"),
        ("normalisation", GOOD.replace("scale", "size"), "JSON with a mean"),
        ("normalisation", GOOD.replace("[0.5]", "[0.5, 0.5]"), "one mean and one std"),
        (
            "normalisation",
            json.dumps({"mean": [0, 0], "std": [1, 1], "scale": 1}),
            "that of 3 channels, as the input has",
        ),
        ("graph", "nonsense", "field 'graph' of the metadata: "),
        ("graph", "", "field 'graph' of the metadata: "),
    ],
)
def test_each_field(field: str, text: str, words: str, loss: str | None, tmp_path: Path) -> None:
    model = net().initialize(1)
    model.loss = loss
    path = saved(model, tmp_path, **{field: text})
    with pytest.raises(cnn.WeightsError, match=words) as found:
        cnn.load(path)
    assert str(found.value).startswith(f"{path}: field {field!r} of the metadata")
    assert len(str(found.value)) < 400
    if field == "graph":
        return
    other = net().initialize(2)
    before = other.metadata(), {k: v.tobytes() for k, v in other.states.items()}
    with pytest.raises(cnn.WeightsError, match=words):
        other.load(path)
    assert (other.metadata(), {k: v.tobytes() for k, v in other.states.items()}) == before


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    for loss, classes, outputs in (
        ("cross_entropy", ("a", "b", "c"), 3),
        ("cross_entropy", ("a", "b"), 3),  # the third score has no name
        ("binary_cross_entropy", ("no", "yes"), 1),
        ("mse", ("a", "b", "c", "d", "e"), 2),  # names say nothing of numbers
        (None, ("a",), 3),
        (None, (), 3),
    ):
        model = net(outputs).initialize(0)
        model.loss, model.classes, model.seed = loss, classes, -(2**70)
        model.normalisation = Normalisation((0.1, 0.2, 0.3), (1.0, 2.0, 3.0))
        loaded = cnn.load(model.save(tmp_path / "m.safetensors"))
        assert (loaded.loss, loaded.classes, loaded.seed) == (loss, classes, model.seed)
        assert loaded.normalisation == model.normalisation
        assert loaded.metadata() == model.metadata()


def test_names_beyond_the_scores_are_not_kept(tmp_path: Path) -> None:
    model = net(2).initialize(0)
    model.loss, model.classes = "cross_entropy", ("a", "b", "c")
    assert cnn.load(model.save(tmp_path / "m.safetensors")).classes == ("a", "b")


def test_fields_of_onnx_files(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = net().initialize(1)
    model.classes = ("a", "b", "c")
    path = tmp_path / "m.onnx"
    model.export_onnx(path, verify=False)
    assert cnn.import_onnx(path).classes == ("a", "b", "c")
    proto = onnx.load(path)
    next(p for p in proto.metadata_props if p.key == "classes").value = "{}"
    with pytest.raises(ImportModelError, match="field 'classes' of the metadata must be a JSON"):
        cnn.import_onnx(proto.SerializeToString())


def test_a_file_of_weights_alone_keeps_what_the_model_knows_not(tmp_path: Path) -> None:
    model = net().initialize(1)
    arrays = {k: np.zeros_like(v) for k, v in model.states.items()}
    write_tensors(tmp_path / "w.safetensors", arrays, {})
    assert model.load(tmp_path / "w.safetensors").classes == ()
