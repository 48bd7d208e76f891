"""Methods that look at what the network says to other images, and class activation maps."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from support.small_training import small, stripes, train

import graphcnn as cnn
from graphcnn.lens.attribution.rise import masks_of
from graphcnn.models import lenet5
from graphcnn.onnx.exporting.export import export_graph


@pytest.fixture(scope="module")
def model() -> cnn.Model:
    return train(small().initialize(0))


def chances(model: cnn.Model, images: np.ndarray) -> np.ndarray:
    e = np.exp(model.lens().predicted(images).astype(np.float64))
    return e / e.sum(1, keepdims=True)


def test_occlusion_is_a_loop_over_patches(model: cnn.Model) -> None:
    image = stripes(1, seed=5).images
    found = model.lens().occlude(image, 1, patch=(3, 2), stride=(2, 3), baseline="mean")
    fall, covered, chance, winner = np.zeros((8, 8)), np.zeros((8, 8)), [], []
    whole = chances(model, image)[0, 1]
    for r in (0, 2, 4, 6):
        for c in (0, 3, 6):
            copy = image.copy()
            copy[0, 0, r : r + 3, c : c + 2] = image.mean()
            p = chances(model, copy)[0]
            fall[r : r + 3, c : c + 2] += whole - p[1]
            covered[r : r + 3, c : c + 2] += 1
            chance.append(p[1])
            winner.append(p.argmax())
    assert np.allclose(found["map"][0], fall / np.maximum(covered, 1), atol=1e-6)
    assert np.allclose(found["chance"].ravel(), chance, atol=1e-6)
    assert np.array_equal(found["winner"].ravel(), winner)
    assert (found["map"][0][:, 2] == 0).all(), "no patch lies there"
    assert found.facts["patch"] == "3×2" and found.facts["runs"] == "12"
    unit = model.lens().occlude(image, 0, layer="c1", patch=3)
    assert unit.facts["map"] == "drop of the score" and "winner" not in unit.arrays


def test_rise_is_the_mean_of_its_masks(model: cnn.Model) -> None:
    image = stripes(1, seed=5).images
    lens, black = model.lens(), model.lens().black()[0]
    found = lens.rise(image, 1, masks=70, cells=3, seed=4)
    masks = masks_of(4, 0, 70, (8, 8), 3, 0.5)
    assert masks.min() >= 0 and masks.max() <= 1 and abs(masks.mean() - 0.5) < 0.05
    assert np.array_equal(masks[30:40], masks_of(4, 30, 40, (8, 8), 3, 0.5))
    behind = lens.fed(image) * masks[:, None] + black * (1 - masks[:, None])
    expected = (chances(model, behind)[:, 1, None, None] * masks).sum(0) / (70 * 0.5)
    assert np.allclose(found["map"][0], expected, atol=1e-5)


def both(model: cnn.Model, image: np.ndarray, target: int) -> tuple[np.ndarray, ...]:
    """The maps of C3; of a network that starts there, the gradient of a score for them, and the
    share of the score that is lost without each."""
    tail = cnn.input("maps", (16, 10, 10))
    x = cnn.flatten(cnn.max_pool2d(tail, 2))
    x = cnn.dense(x, 120, activation="relu", name="C5")
    x = cnn.dense(x, 84, activation="relu", name="F6")
    rest = cnn.Model(tail, cnn.dense(x, 10, name="logits"))
    rest.set_parameters({key: model.states[key] for key in rest.states})
    maps = cnn.Model(model.graph.inputs, model["C3"]).lens().predicted(image)
    copies = maps.repeat(17, 0)
    for channel in range(16):
        copies[channel + 1, channel] = 0
    scores = rest.lens().predicted(copies)[:, target]
    slopes = rest.lens().gradient(maps, target).array
    return maps[0].astype(np.float64), slopes[0], (scores[0] - scores[1:]) / scores[0]


def test_class_activation_maps_are_their_formulas() -> None:
    model = lenet5().initialize(3)
    image = np.random.default_rng(0).random((1, 1, 28, 28)).astype(np.float32)
    lens = model.lens()
    target = int(model.predict(image).argmax())
    a, g, shares = both(model, image, target)
    closed: dict[str, Callable[[], np.ndarray]] = {
        "plain": lambda: (g.mean((1, 2))[:, None, None] * a).sum(0),
        "layer": lambda: (np.maximum(g, 0) * a).sum(0),
        "++": lambda: (
            (
                np.divide(
                    g**2, 2 * g**2 + a.sum((1, 2), keepdims=True) * g**3,
                    out=np.zeros_like(g), where=np.abs(g) > 1e-6,
                ) * np.maximum(g, 0)
            ).sum((1, 2))[:, None, None] * a
        ).sum(0),
        "ablation": lambda: (shares[:, None, None] * a).sum(0),
    }  # fmt: skip
    for kind, formula in closed.items():
        found, expected = lens.grad_cam(image, target, kind=kind), formula()
        assert found.facts["maps"].startswith("C3, 16 of 10×10"), "the last before pooling"
        off = np.abs(found["cam"][0] - expected).max() / np.abs(expected).max()
        assert off < 1e-4, (kind, off)
        assert found["map"].shape == (1, 28, 28) and found["map"].min() >= 0
    score = lens.grad_cam(image, target, kind="score", layer="C1")
    assert score.facts["maps"].startswith("C1, 6 of 28×28")


def test_all_of_it_has_the_same_bits_again_alone_and_on_two_threads(model: cnn.Model) -> None:
    images = stripes(3, seed=7).images
    one, two = model.lens(threads=1), model.lens(threads=2)
    for look in (
        lambda lens, x: lens.occlude(x, 1, patch=3),
        lambda lens, x: lens.rise(x, 1, masks=130, seed=3),
        lambda lens, x: lens.grad_cam(x, [1] * (len(x) if x.ndim == 4 else 1), kind="score"),
        lambda lens, x: lens.grad_cam(x, 1, kind="ablation"),
    ):
        first = look(one, images)
        assert first.array.tobytes() == look(two, images).array.tobytes()
        assert first.array[1].tobytes() == look(two, images[1]).array.tobytes()
        assert first.png() == look(two, images).png()


def test_maps_without_evidence_are_refused(model: cnn.Model) -> None:
    image = stripes(1, seed=5).images
    lens = model.lens()
    cam = lens.grad_cam(image, 1)["cam"]
    negated = train(small().initialize(0), epochs=1)
    weights = {k: np.array(v) for k, v in negated.states.items()}
    weights["logits.weight"] = -np.abs(weights["logits.weight"])
    negated.update_states(weights)
    with pytest.raises(cnn.LensError, match=r"LayerCAM of c1: no place speaks for logits\[1\]"):
        negated.lens().grad_cam(image, 1, kind="layer", layer="c1")
    assert cam.shape == (1, 6, 6)
    for call, message in (
        (dict(layer="logits"), "maps"),
        (dict(kind="grad"), "no kind of map is called 'grad'"),
    ):
        with pytest.raises(cnn.LensError, match=message):
            lens.grad_cam(image, 1, **call)
    with pytest.raises(cnn.LensError, match="patch of 9×9 covers all"):
        lens.occlude(image, 1, patch=9)
    for size in ("patch", "stride"):
        with pytest.raises(cnn.LensError, match=f"{size} must be at least 1, found 0"):
            lens.occlude(image, 1, **{size: 0})


def test_an_imported_network_of_one_image_is_looked_into() -> None:
    source = small().initialize(0)
    content = export_graph(source.graph.bind(N=1), source.states).SerializeToString()
    net = cnn.import_onnx(content)
    images = stripes(2, seed=5).images
    ours, theirs = source.lens(), net.lens()
    for look in (
        lambda lens: lens.gradient(images, 1),
        lambda lens: lens.occlude(images, 1, patch=3),
        lambda lens: lens.grad_cam(images, [0, 1], kind="++"),
    ):
        assert np.allclose(look(ours).array, look(theirs).array, atol=1e-5)


def test_memory_does_not_grow_with_the_samples(model: cnn.Model) -> None:
    lens, image = model.lens(), stripes(1, seed=5).images

    def most(samples: int) -> int:
        tracemalloc.start()
        lens.smooth(image, 1, samples=samples, seed=samples)
        lens.rise(image, 1, masks=samples, seed=samples)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    for samples in (192, 1920):
        most(samples)  # loads and compiles
    assert most(1920) < 1.2 * most(192)
