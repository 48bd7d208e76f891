"""A layer worked step by step: real weights, a real image, the numbers of the compiled layer."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from pictures.checks import check_picture

import graphcnn as cnn
from graphcnn.errors import GraphError, LensError
from graphcnn.models import build

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light/light_squeezenet.onnx"


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).random(shape, dtype=np.float32)


@pytest.mark.parametrize("layer", ["C1", "S2", "C3"])
def test_around_the_largest_number(layer: str) -> None:
    model, x = build("lenet5").initialize(0), noise(1, 28, 28)
    found = model.lens().steps(layer, x)
    made = model.activations(x)[layer][0]
    channel = int(found.facts["layer"].rpartition(" ")[2])
    assert made[channel].max() == made.max()
    assert found["y"].max() == pytest.approx(made.max(), abs=1e-6)
    assert float(found.facts["from the compiled layer"].split()[2]) < 1e-5
    if layer != "S2":
        weight = model.states[f"{layer}.weight"][channel]
        assert np.array_equal(found["weight"][0], weight)
    assert found.caption.split(" · ")[0] in found.picture.scene.footer[-1]
    films = [model.lens(threads=n).steps(layer, x).svg() for n in (1, 2)]
    assert films[0] == films[1] == found.svg(), "the same bytes for any number of threads"
    check_picture(found.picture.strip(frames=(0,)))


def test_imported_and_depthwise_layers() -> None:
    image = cnn.input("image", (3, 6, 6))
    y = cnn.conv2d(image, 6, 3, groups=3, padding=1, stride=2, name="apart")
    y = cnn.avg_pool2d(y, 2, padding=1, name="mean")
    model = cnn.Model(image, cnn.flatten(y), name="small").initialize(0)
    lens, x = model.lens(), noise(3, 6, 6)
    for layer in ("apart", "mean"):
        made = model.activations(x)[layer][0, 4]
        found = lens.steps(layer, x, channel=4, at=(1, 0), shown=(1, 2))
        assert np.allclose(found["y"][0], made[1:2, :2], atol=1e-6)
    assert "depthwise convolution" in lens.steps("apart", x).picture.scene.title


def test_imported_networks() -> None:
    model = cnn.import_onnx(LIGHT)
    layer = next(n.name for n in model.graph.operations if n.op.name == "conv2d")
    found = model.lens().steps(layer, noise(*model.graph.inputs[0].shape[1:]), channel=1)
    assert found["y"].shape == (1, 3, 3)
    assert float(found.facts["from the compiled layer"].split()[2]) < 1e-3


def test_refusals() -> None:
    lens = build("lenet5").initialize(0).lens()
    with pytest.raises(LensError, match="one image is worked at a time, found 2"):
        lens.steps("C1", noise(2, 1, 28, 28))
    with pytest.raises(GraphError, match="slides no window"):
        lens.steps("F6", noise(1, 28, 28))
    with pytest.raises(LensError, match="0 to 5"):
        lens.steps("C1", noise(1, 28, 28), channel=6)
    with pytest.raises(GraphError, match="C9"):
        lens.steps("C9", noise(1, 28, 28))
