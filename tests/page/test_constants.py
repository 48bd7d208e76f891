"""Weights that are constants are stored like any others, and taken apart like these."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.pages import about_of

import graphcnn as cnn
from graphcnn.passes.simplify.fold_states import freeze_states

HERE = Path(__file__).parent
CODE = Path(cnn.__file__).parent / "page"


def learned() -> cnn.Model:
    image = cnn.input("image", (3, 12, 12))
    x = cnn.conv2d(image, 24, 5, padding=2, name="first")
    x = cnn.relu(cnn.batch_norm(x, name="norm"))
    x = cnn.conv2d(x, 24, 3, name="second") * np.linspace(1, 2, 24, dtype=np.float32).reshape(
        24, 1, 1
    )
    x = cnn.dense(cnn.flatten(cnn.max_pool2d(x, 2)), 40, name="inner")
    model = cnn.Model(image, cnn.dense(x, 1, name="score"), name="learned").initialize(2)
    rng = np.random.default_rng(0)  # a norm that does nothing would hide what it does
    parts = ("gamma", "beta", "mean", "variance")
    model.update_states({f"norm.{p}": rng.uniform(0.5, 2, 24).astype(np.float32) for p in parts})
    return model


def frozen(model: cnn.Model) -> cnn.Model:
    """The same with constants in place of its states."""
    states = {key: np.asarray(array) for key, array in model.states.items()}
    graph = freeze_states(model.graph, states)
    (image,) = graph.inputs
    return cnn.Model(image, next(iter(graph.outputs.values())), name="learned")


@pytest.mark.parametrize("float16", [False, True])
def test_constants_take_the_room_of_weights(tmp_path: Path, float16: bool) -> None:
    model = learned()
    fixed = frozen(model)
    usual = model.page(tmp_path / "usual.html", float16=float16)
    constant = fixed.page(tmp_path / "constant.html", float16=float16)
    assert constant.weights == pytest.approx(usual.weights, rel=0.02)
    assert constant.size == pytest.approx(usual.size, rel=0.02)
    again = fixed.page(tmp_path / "again.html", float16=float16)
    assert again.path.read_bytes() == constant.path.read_bytes()


def told(page: Path) -> list[dict[str, Any]]:
    layers: list[dict[str, Any]] = about_of(page)["layers"]
    return layers


def test_numbers_of_channels_stand_with_the_weights_and_not_in_the_text(tmp_path: Path) -> None:
    image = cnn.input("image", (1, 6, 6))
    channels = np.linspace(1, 2, 512, dtype=np.float32).reshape(512, 1, 1)
    x = cnn.conv2d(image, 512, 1, name="wide")
    x = cnn.batch_norm(x, name="norm") * channels - channels
    x = cnn.batch_norm(cnn.conv2d(x / channels + 0.5, 1, 1, name="one"), name="single")
    model = cnn.Model(image, x, name="normal").initialize(0)
    norm = {"op": "scale", "by": "norm", "epsilon": 1e-5}
    parts = ("gamma", "beta", "mean", "variance")
    for each in (model, frozen(model)):
        each.page(tmp_path / "page.html")
        layers = told(tmp_path / "page.html")
        wide, one = (next(s for s in layers if s["name"] == name) for name in ("wide", "one"))
        assert [step["by"] for step in wide["then"]] == ["norm", "mul", "sub", "div", "add"]
        assert all(isinstance(key, str) for step in wide["then"][:4] for key in step["of"])
        assert wide["then"][4]["of"] == [0.5]
        assert [step["by"] for step in one["then"]] == ["norm"]
        assert wide["exact"] and one["exact"]
        assert len(json.dumps(layers)) < 5000
    norm["of"] = [f"norm.{part}" for part in parts]
    model.page(tmp_path / "page.html")
    wide = next(s for s in told(tmp_path / "page.html") if s["name"] == "wide")
    assert wide["then"][0] == norm


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_a_sum_with_constant_weights_is_taken_apart(tmp_path: Path) -> None:
    frozen(learned()).page(tmp_path / "page.html")
    command = ["node", str(HERE / "numbers.mjs"), str(CODE), str(tmp_path / "page.html")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    how = {layer: how for layer, how, _, _ in found}
    assert [how[name] for name in ("first", "second", "inner", "score")] == ["sum"] * 4
    assert max(worst for _, _, worst, _ in found) < 1e-5


def test_what_constants_are_computed_by_is_computed_once(tmp_path: Path) -> None:
    """A weight by ConstantOfShape, as files have them that were made small."""
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    value = helper.make_tensor("v", onnx.TensorProto.FLOAT, [1], [0.02])
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["w"], value=value),
        helper.make_node("Conv", ["image", "w"], ["y"], name="c"),
    ]
    graph = helper.make_graph(
        nodes, "computed",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 8, 9, 9])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 600, 1, 1])],
        [helper.make_tensor("shape", onnx.TensorProto.INT64, [4], [600, 8, 9, 9])],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opset), tmp_path / "c.onnx")
    made = cnn.import_onnx(tmp_path / "c.onnx").page(tmp_path / "c.html")  # 1.6 MB of floats
    assert made.weights < 20_000 and made.size < 300_000
    conv = about_of(tmp_path / "c.html")["layers"][-1]
    assert conv["exact"] and conv["weight"]
