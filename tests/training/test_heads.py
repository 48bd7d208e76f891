"""New heads: where the old one is, what is shared, what is refused."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.errors import GraphError
from graphcnn.ir.graph import state_of
from graphcnn.training.transfer.heads import found_head, head_states


def frozen(model: cnn.Model) -> list[str]:
    return [state_of(p).key for p in model.graph.parameters if not state_of(p).trainable]


def trained(model: cnn.Model) -> list[str]:
    return [state_of(p).key for p in model.graph.parameters if state_of(p).trainable]


@pytest.mark.parametrize("name", ["lenet5", "resnet18", "squeezenet", "vgg16", "mobilenet_v2"])
def test_the_head_of_a_built_in_network_is_replaced(name: str) -> None:
    """SqueezeNet's is a convolution, with a ReLU and a global average behind it."""
    thin: dict[str, Any] = {"vgg16": {"channels": (4,) * 5, "hidden": 8}}.get(name, {})
    base = cnn.models.build(name, **({} if name == "lenet5" else {"size": 64}), **thin)
    model = cnn.replace_head(base, classes=7)
    last = "conv10" if name == "squeezenet" else "logits"
    assert trained(model) == [f"{last}.weight", f"{last}.bias"] == head_states(base.graph)
    fitting = {"classes": 7, **({} if name == "lenet5" else {"size": 64}), **thin}
    own = cnn.models.build(name, **fitting)
    assert [n.op for n in model.graph.operations] == [n.op for n in own.graph.operations]
    assert {k: a.shape for k, a in model.states.items()} == {
        k: a.shape for k, a in own.states.items()
    }


def test_weights_and_normalisation_are_those_of_the_base() -> None:
    base = cnn.models.digits_cnn().initialize(3)
    base.normalisation = cnn.Normalisation((0.25,), (0.5,))
    base.classes = [str(i) for i in range(10)]
    model = base.with_head(classes=["cat", "dog"])
    assert model.classes == ("cat", "dog") and model.normalisation == base.normalisation
    assert model.states["conv1.weight"] is base.states["conv1.weight"]
    assert model.predict(np.zeros((4, 1, 8, 8), np.uint8)).shape == (4, 2)
    assert frozen(model) == ["conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias"]
    assert frozen(base) == []
    assert frozen(base.with_head(classes=2, freeze=False)) == []
    apart = copy.deepcopy(base).with_head(classes=2)
    assert apart.states["conv1.weight"] is not base.states["conv1.weight"]


def test_a_head_on_a_layer_and_one_of_ones_own() -> None:
    base = cnn.models.resnet18(size=64).initialize(0)
    model = base.with_head("stage2.block2.relu2", classes=3)
    assert trained(model) == ["logits.weight", "logits.bias"]
    assert model.states["logits.weight"].shape == (3, 128)
    assert len(model.graph.nodes) < len(base.graph.nodes)

    def head(x: cnn.Value) -> cnn.Value:
        x = cnn.dense(cnn.flatten(cnn.max_pool2d(x, 4)), 8, activation="relu", name="hidden")
        return cnn.dense(x, 2, name="logits")

    model = base.with_head("stage3.block1.relu2", head=head)
    assert trained(model) == [f"{n}.{o}" for n in ("hidden", "logits") for o in ("weight", "bias")]
    assert base.with_head("stage2.block2.relu2", classes=3, freeze=False).name == "resnet18"


def test_an_imported_model_gets_a_head_and_trains_in_three_lines(tmp_path: Path) -> None:
    """With softmax at its end, which stays there."""
    image = cnn.input("image", (1, 8, 8))
    x = cnn.conv2d(image, 6, 3, bias=False, name="conv")
    x = cnn.max_pool2d(cnn.batch_norm(x, activation="relu", name="norm"), 2)
    x = cnn.softmax(cnn.reshape(cnn.conv2d(x, 4, 3, name="last"), (4,)), axis=1)
    base = cnn.Model(image, x, name="small").initialize(1)
    base.export_onnx(tmp_path / "small.onnx", verify=False)
    data = cnn.data.digits()[0][:300]
    before = dict(base.states)

    model = cnn.import_onnx(tmp_path / "small.onnx")
    model = cnn.replace_head(model, classes=10)
    with pytest.warns(cnn.TrainingWarning, match="softmax"):
        history = model.fit(data, epochs=3, optimizer=cnn.Adam(0.01))

    assert history["loss"][-1] < history["loss"][0]
    assert [a.shape for key, a in model.states.items() if "last" in key] == [(10, 6, 3, 3), (10,)]
    for key, array in before.items():  # the statistics of frozen layers among them
        if not key.startswith("last"):
            np.testing.assert_array_equal(model.states[key], array)
    assert np.allclose(model.predict(data.images[:5]).sum(axis=1), 1)


def test_a_matrix_product_with_a_bias_behind_it_is_a_head() -> None:
    """As `MatMul` and `Add` of an ONNX file; units and features may be equally many."""
    image = cnn.input("x", (6,))
    for weight in (
        cnn.parameter((6, 6), name="w"),
        cnn.reshape(cnn.parameter((6, 3, 2), name="w"), (6, 6)),  # by a file that keeps it so
    ):
        y = cnn.matmul(image, weight, name="product")
        y = cnn.add(y, cnn.parameter((1, 6), name="b"), name="sum")
        model = cnn.Model(image, y).with_head(classes=4)
        assert {k: a.shape for k, a in model.states.items()} == {"w": (6, 4), "b": (1, 4)}
        assert not model.states["b"].any() and model.states["w"].any()
        assert frozen(model) == []


def test_what_is_not_proven_is_refused() -> None:
    unet = cnn.models.unet(size=16)
    assert found_head(unet.graph)[0].name == "logits"  # a class for each pixel
    assert cnn.replace_head(unet, classes=3).graph.outputs["logits"].shape[1:] == (3, 16, 16)
    base = cnn.models.lenet5()
    x = base["F6"]
    two = cnn.add(cnn.dense(x, 4, name="a"), cnn.dense(x, 4, name="b"), name="both")
    with pytest.raises(GraphError, match=r"add 'both' .*with_head\(layer=NAME"):
        cnn.replace_head(cnn.Model(base.graph.inputs, two), classes=3)
    maps = cnn.flatten(cnn.conv2d(base["S4"], 3, 1, name="last"))
    with pytest.raises(GraphError, match=r"conv2d 'last' .* makes 3 scores, and the prediction is"):
        cnn.replace_head(cnn.Model(base.graph.inputs, maps), classes=3)
    with pytest.raises(GraphError, match=r"has no tensor 'S5'; did you mean"):
        base.with_head("S5", classes=3)
    with pytest.raises(GraphError, match=r"with_head takes classes"):
        base.with_head("S4")
    with pytest.raises(GraphError, match=r"classes must be their number"):
        base.with_head("S4", classes=2.5)  # type: ignore[arg-type]
