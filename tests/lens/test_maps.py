"""Filters and feature maps: the numbers are those of the definition, what is dead is said."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from pictures.checks import check_picture, images, words
from support.small_training import small, stripes

import graphcnn as cnn
from graphcnn.lens.study.layers import layers
from graphcnn.models import MODELS

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light/light_squeezenet.onnx"


def lenet(seed: int = 0) -> cnn.Model:
    return MODELS["lenet5"]().initialize(seed)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(5).random(shape, dtype=np.float32)


def test_maps_are_the_activations_by_energy() -> None:
    model, x = lenet(), noise(1, 28, 28)
    found = model.lens().maps(x, "C3")
    expected = model.activations(x)["C3.relu"][0]
    assert np.allclose(found["C3"][0], expected, atol=1e-5)
    energy = [sum(float(v) ** 2 for v in expected[c].flat) for c in range(16)]
    assert found["order"][0].tolist() == sorted(range(16), key=lambda c: -energy[c])
    check_picture(found.picture)
    everything = model.lens().maps(np.stack([x, x[:, ::-1]]))
    assert [*everything.arrays] == ["C1", "S2", "C3", "S4", "C5", "F6", "logits", "image"]
    assert np.allclose(everything["C3"][0], expected, atol=1e-5)
    check_picture(everything.picture)
    written = words(everything.picture.scene)
    assert written.count("image 0: image") == 1 and "image" not in written, "it is said once"


def test_a_layer_is_shown_behind_its_normalisation_and_activation() -> None:
    names = [*layers(MODELS["resnet18"](size=32).lens())]
    assert names[:4] == ["stem.relu", "stem.pool", "stage1.block1.relu1", "stage1.block1.norm2"]
    assert "stem.conv" not in names and names[-1] == "logits"


def test_dead_maps_are_crossed_and_a_dead_layer_is_refused() -> None:
    model, x = lenet(), noise(1, 28, 28)
    bias = np.zeros(6, np.float32)
    bias[2] = -99
    model.set_parameters({"C1.bias": bias})
    found = model.lens().maps(x, "C1")
    assert found["order"][0, -1] == 2 and "1 dead map" in found.svg()
    model.set_parameters({"C1.bias": bias - 99})
    with pytest.raises(cnn.LensError, match="all maps of 'C1' are constant: they are 0"):
        model.lens().maps(x, "C1")
    model.set_parameters({"C1.bias": np.full(6, np.nan, np.float32)})
    with pytest.raises(cnn.LensError, match="numbers of the maps of 'C1' are NaN or infinite"):
        model.lens().maps(x)


def test_filters_are_measured_and_the_dead_and_the_double_are_said() -> None:
    model = lenet()
    weights = np.array(model.states["C3.weight"])
    weights[4] = 0
    weights[9] = 3 * weights[1]
    model.set_parameters({"C3.weight": weights})
    found = model.lens().filters("C3")
    norms = [sum(float(w) ** 2 for w in weights[i].flat) ** 0.5 for i in range(16)]
    assert np.allclose(found["norm"], norms)
    assert np.flatnonzero(found["dead"]).tolist() == [4]
    assert found["duplicates"].tolist() == [[1, 9]]
    dot = sum(float(a) * float(b) for a, b in zip(weights[0].flat, weights[2].flat, strict=True))
    assert found["cosine"][0, 2] == pytest.approx(dot / norms[0] / norms[2])
    check_picture(found.picture)


def test_dense_units_behind_maps_have_the_maps_they_read() -> None:
    model, x = lenet(), noise(1, 28, 28)
    weights = model.lens().filters("C5", most=5)["weights"]
    read = model.activations(x)["S4"][0]
    sums = [float((w * read).sum()) for w in weights.astype(np.float64)]
    assert weights.shape == (120, 16, 5, 5)
    assert np.allclose(sums, model.activations(x)["C5"][0], atol=1e-4)
    assert model.lens().filters("F6")["weights"].shape == (84, 120)


def test_a_first_layer_of_three_channels_is_in_colours() -> None:
    lens = MODELS["vgg_cifar"]().initialize(0).lens()
    names = [n.name for n in lens.network.graph.nodes if n.op.name == "conv2d"]
    first, second = (lens.filters(name) for name in names[:2])
    assert "0 is mid grey" in first.caption and "0 is mid grey" not in second.caption
    check_picture(first.picture)


def test_filters_that_show_nothing_are_refused() -> None:
    model = lenet()
    with pytest.raises(cnn.LensError, match="'S2' is max_pool2d; filters have"):
        model.lens().filters("S2")
    model.set_parameters({"C1.weight": np.full((6, 1, 5, 5), 0.5, np.float32)})
    with pytest.raises(cnn.LensError, match=r"all weights of 'C1' are 0\.5: nothing to see"):
        model.lens().filters("C1")
    model.set_parameters({"C1.weight": np.full((6, 1, 5, 5), np.inf, np.float32)})
    with pytest.raises(cnn.LensError, match="150 of the 150 numbers of the weights of 'C1'"):
        model.lens().filters("C1")


def test_transposed_filters_are_read_by_output_channel() -> None:
    image = cnn.input("image", (4, 6, 6))
    y = cnn.conv_transpose2d(image, 6, 3, groups=2, name="up")
    model = cnn.Model(image, y).initialize(0)
    kernels, stored = model.lens().filters("up")["weights"], model.states["up.weight"]
    assert kernels.shape == (6, 2, 3, 3)
    for o in range(6):
        for i in range(2):
            assert (kernels[o, i] == stored[o // 3 * 2 + i, o % 3]).all()


def test_any_number_of_threads_gives_the_same_bytes() -> None:
    x = stripes(3).images
    one, two = (small().initialize(0).lens(threads=t).maps(x).svg() for t in (1, 2))
    assert one == two


def test_an_imported_network_is_looked_into() -> None:
    lens = cnn.import_onnx(LIGHT).lens()
    found = lens.maps(noise(3, 224, 224), "n4")
    assert found["n4"].shape == (1, 16, 55, 55) and images(found.picture.scene)
