"""Images that networks draw: number after number, and from codes."""

import copy
import pickle

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.generative.noise import normals, uniforms


def pixel_model(channels: int = 1, size: int = 5, **sampler) -> cnn.Model:
    image = cnn.input("image", (channels, size, size))
    groups = {} if channels == 1 else {"mask_groups": channels}
    x = cnn.conv2d(image, 6 * channels, 3, padding=1, mask="A", name="first", **groups)
    x = cnn.tanh(x)
    logits = cnn.conv2d(x, channels, 1, mask="B", name="last", **groups)
    model = cnn.Model(image, {"logits": logits}, name="small").initialize(3)
    model.set_parameters({k: v * 4 for k, v in model.parameters.items()})
    model.sampler = cnn.samplers.Pixels(cnn.distributions.Bernoulli(), **sampler)
    return model


def decoder_model() -> cnn.Model:
    image = cnn.input("image", (1, 4, 4))
    mean = cnn.dense(cnn.flatten(image), 3, name="mean")
    code = cnn.normal(mean, 1.0, name="code")
    pixels = cnn.sigmoid(cnn.dense(code, 16, name="decoder"))
    drawn = cnn.reshape(pixels, (cnn.N, 1, 4, 4))
    model = cnn.Model(image, {"mean": mean, "drawn": drawn}, name="coder").initialize(1)
    model.sampler = cnn.samplers.Codes("code")
    return model


@pytest.mark.parametrize("channels", [1, 3])
def test_each_number_is_drawn_from_what_those_before_it_tell(channels):
    """The definition, in NumPy: p(x) = Π p(xᵢ | x₁ … xᵢ₋₁)."""
    model = pixel_model(channels)
    u = uniforms(7, 0, 3, (channels, 5, 5))
    expected = np.zeros((3, channels, 5, 5), np.float32)
    for y in range(5):
        for x in range(5):
            for c in range(channels):
                logits = model.predict(expected, raw=True, runtime="reference")
                p = 1 / (1 + np.exp(-logits[:, c, y, x] / 0.7))
                expected[:, c, y, x] = u[:, c, y, x] < p
    drawn = model.sample(3, seed=7, temperature=0.7)
    assert drawn.dtype == np.float32
    assert np.array_equal(drawn, expected)
    assert 0 < drawn.mean() < 1


def test_an_image_is_the_same_beside_any_others():
    model = pixel_model()
    whole = model.sample(9, seed=1)
    assert np.array_equal(model.sample(4, seed=1), whole[:4])
    assert np.array_equal(model.sample(9, seed=1, batch_size=2, threads=1), whole)
    assert np.array_equal(model.sample(9, seed=1, runtime="reference"), whole)
    assert not np.array_equal(model.sample(9, seed=2), whole)
    coder = decoder_model()
    codes = coder.sample(9, seed=1)
    assert np.array_equal(coder.sample(4, seed=1), codes[:4])
    assert np.array_equal(coder.sample(9, seed=1, batch_size=2), codes)


def test_what_is_given_stays_and_the_rest_follows_from_it():
    model = pixel_model()
    given = model.sample(6, seed=5)
    given[:, :, 2:] = np.nan
    found = model.sample(6, seed=5, given=given)
    assert np.array_equal(found, model.sample(6, seed=5))  # the same numbers were to be drawn
    other = np.where(np.isnan(given), given, 1 - given)
    found = model.sample(6, seed=5, given=other)
    assert np.array_equal(found[:, :, :2], other[:, :, :2])
    assert not np.array_equal(found[:, :, 2:], model.sample(6, seed=5)[:, :, 2:])
    one = np.full((2, 1, 5, 5), np.nan)
    one[0] = 1.0  # of the other image nothing is known
    found = model.sample(2, seed=5, given=one)
    assert np.array_equal(found[0], one[0])
    assert np.array_equal(found[1], model.sample(2, seed=5)[1])
    grey = np.full((1, 5, 5), 0.4)
    assert np.array_equal(model.sample(2, given=grey), np.zeros((2, 1, 5, 5)))  # the nearest level


def test_a_code_of_normal_numbers_makes_an_image():
    model = decoder_model()
    weight, bias = model.states["decoder.weight"], model.states["decoder.bias"]
    code = normals(4, 0, 5, (3,)) * np.float32(0.5)
    expected = 1 / (1 + np.exp(-(code @ weight.T + bias)))
    drawn = model.sample(5, seed=4, temperature=0.5)
    np.testing.assert_allclose(drawn.reshape(5, 16), expected, atol=1e-6)


def test_what_draws_is_a_model_of_the_same_weights():
    model = pixel_model()
    sampler = model.as_sampler()
    u, zeros = uniforms(5, 0, 3, (1, 5, 5)), np.zeros((3, 1, 5, 5), np.float32)
    fed = {"uniform": u, "temperature": np.float32(1), "given": zeros, "known": zeros}
    assert np.array_equal(sampler.predict(fed), model.sample(3, seed=5))
    model.set_parameters({k: v * 0.1 for k, v in model.parameters.items()})
    assert np.array_equal(sampler.predict(fed), model.sample(3, seed=5))  # shared
    coder = decoder_model()
    drawn = coder.as_sampler().predict(normals(4, 0, 5, (3,)))
    assert np.array_equal(drawn, coder.sample(5, seed=4))


def test_normal_numbers_are_normal():
    drawn = normals(0, 0, 4000, (10,))
    assert abs(drawn.mean()) < 0.02
    assert abs(drawn.std() - 1) < 0.02
    assert abs((np.abs(drawn) < 1).mean() - 0.6827) < 0.01


def test_conditions_are_inputs(tmp_path):
    image = cnn.input("image", (1, 3, 3))
    label = cnn.input("label", (), dtype="i64")
    shift = cnn.dense(cnn.one_hot(label, 4), 1, bias=False, name="shift")
    shift = cnn.reshape(shift, (cnn.N, 1, 1, 1))
    logits = cnn.conv2d(image, 1, 3, padding=1, mask="A", name="c") + shift
    model = cnn.Model([image, label], {"logits": logits}).initialize(0)
    model.set_parameters({"shift.weight": np.float32([[-99, 99, -99, 99]])})
    model.sampler = cnn.samplers.Pixels()
    assert model.sample(2, label=1).min() == 1
    assert np.array_equal(model.sample(3, label=[0, 1, 2]).mean((1, 2, 3)), [0, 1, 0])
    with pytest.raises(cnn.DataError, match=r"draws for a given 'label' .*sample\(label="):
        model.sample(2)
    with pytest.raises(cnn.DataError, match="no input 'class'"):
        model.sample(2, **{"class": 1})
    with pytest.raises(cnn.DataError, match="label must be one item"):
        model.sample(2, label=[1, 2, 3])


@pytest.mark.parametrize("make", [pixel_model, decoder_model])
def test_the_sampler_is_kept_with_the_model(make, tmp_path):
    model = make()
    expected = model.sample(2)
    path = model.save(tmp_path / "m.safetensors")
    for other in (
        cnn.load(path),
        copy.copy(model),
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        make().load(path),
    ):
        assert other.sampler == model.sampler
        assert np.array_equal(other.sample(2), expected)


@pytest.mark.parametrize("name", ["pixelcnn", "vae"])
def test_what_a_built_in_is_trained_for_is_kept_before_it_is(name, tmp_path):
    model = cnn.models.build(name, size=8)
    again = cnn.load(model.save(tmp_path / "m.safetensors"))
    assert again.objective in (model.objective, "pixel_nll")
    images = np.zeros((2, 1, 8, 8), np.float32)
    assert again.evaluate((images, images)).keys() == model.evaluate((images, images)).keys()


def test_a_model_that_draws_takes_images_as_they_are():
    model = pixel_model()
    train = cnn.data.Dataset(
        np.full((4, 1, 5, 5), 255, np.uint8), np.ones((4, 1, 5, 5), np.float32),
        normalisation=cnn.data.Normalisation((0.5,), (0.1,)),
    )  # fmt: skip
    model.fit(train, loss="binary_cross_entropy", epochs=1, progress=False)
    assert model.normalisation == cnn.data.Normalisation()


def test_what_cannot_draw_is_told():
    plain = cnn.models.lenet5()
    with pytest.raises(cnn.GraphError, match="lenet5 does not say how it draws"):
        plain.sample(2)
    with pytest.raises(cnn.GraphError, match="'logits'"):
        plain.sampler = cnn.samplers.Pixels()
    with pytest.raises(cnn.GraphError, match=r"one of cnn\.samplers"):
        plain.sampler = "pixels"
    model = pixel_model()
    with pytest.raises(cnn.DataError, match="temperature must be finite and above 0, found 0"):
        model.sample(2, temperature=0)
    with pytest.raises(cnn.DataError, match=r"given must be 2 images .*\(2, 1, 5, 5\)"):
        model.sample(2, given=np.zeros((3, 1, 5, 5)))
    with pytest.raises(cnn.DataError, match=r"numbers in \[0, 1\]"):
        model.sample(2, given=np.full((1, 5, 5), 2.0))
    coder = decoder_model()
    with pytest.raises(cnn.DataError, match="given= is for networks that draw pixel after pixel"):
        coder.sample(2, given=np.zeros((1, 4, 4)))
    coder.sampler = cnn.samplers.Codes("mean", "drawn")
    coder.sample(1)
    coder.sampler = cnn.samplers.Codes("decoder", "drawn")
    coder.sample(1)
    whole = cnn.Model(coder.graph.inputs, {"drawn": coder.graph.inputs[0] + coder["drawn"]})
    whole.sampler = cnn.samplers.Codes("code")
    with pytest.raises(cnn.GraphError, match="depends on the input 'image' as well"):
        whole.sample(1)


def test_wrong_shapes_of_logits_are_told_with_the_formula():
    image = cnn.input("image", (3, 4, 4))
    logits = cnn.conv2d(image, 4, 1, name="c")
    model = cnn.Model(image, {"logits": logits})
    with pytest.raises(cnn.GraphError, match=r"3 channels · 1 = 3, found"):
        model.sampler = cnn.samplers.Pixels()
