"""Models that are made of the values of others share their states."""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.data.normalisation import Normalisation
from graphcnn.text.parse import parse_graph
from graphcnn.text.write import dump_graph

RNG = np.random.default_rng(0)
IMAGES = RNG.random((24, 1, 8, 8), dtype=np.float32)
LABELS = np.arange(24) % 3
SCALE = Normalisation((0.4,), (0.3,))
DATA = cnn.data.arrays(IMAGES, LABELS, normalisation=SCALE)
QUIET = {"batch_size": 8, "threads": 1, "progress": False}


def net(name: str = "net", classes: int = 3) -> cnn.Model:
    image = cnn.input("image", (1, 8, 8))
    x = cnn.conv2d(image, 4, 3, padding=1, activation="relu", name="C1")
    x = cnn.max_pool2d(cnn.batch_norm(x, name="norm"), 2, name="S2")
    x = cnn.dense(cnn.flatten(x), 6, activation="relu", name="F3")
    return cnn.Model(image, cnn.dense(x, classes, name="logits"), name=name)


def trained(**options: object) -> cnn.Model:
    model = net()
    model.fit(DATA, epochs=2, **QUIET, **options)
    return model


def kept(model: cnn.Model) -> dict[str, np.ndarray]:
    return {key: array.copy() for key, array in model.states.items()}


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(a[k].tobytes() == b[k].tobytes() for k in a)


def evaluated(model: cnn.Model, name: str, images: np.ndarray = IMAGES) -> np.ndarray:
    return np.concatenate([model.activations(image)[name] for image in images])


def head(x: cnn.Value, classes: int = 2) -> cnn.Value:
    return cnn.dense(cnn.flatten(x), classes, name="head")


@pytest.mark.parametrize("runtime", ["native", "reference"])
def test_a_model_of_the_outputs_of_a_trained_one_predicts_the_same(runtime: str) -> None:
    model = trained(runtime=runtime)
    again = cnn.Model(model.graph.inputs, model.graph.outputs)
    raw = model.predict(IMAGES, raw=True, runtime=runtime)
    assert again.is_initialized and again.normalisation == model.normalisation == SCALE
    assert again.predict(IMAGES, runtime=runtime).tobytes() == raw.tobytes()


@pytest.mark.parametrize("runtime", ["native", "reference"])
def test_a_new_head_learns_on_a_frozen_trunk(runtime: str) -> None:
    model = trained()
    model.freeze("*")
    before = kept(model)
    new = cnn.Model(model.graph.inputs, head(model["F3"]))
    assert not new.is_initialized
    new.fit((IMAGES, LABELS % 2), epochs=2, seed=5, runtime=runtime, **QUIET)
    parameters = {key for key in before if "norm.mean" not in key and "norm.var" not in key}
    statistics = before.keys() - parameters
    assert len(statistics) == 2  # batch norm goes on to measure its inputs
    for key in parameters:
        assert model.states[key].tobytes() == before[key].tobytes(), key
    assert "logits.weight" not in new.states
    for key in new.states.keys() & before.keys():
        assert new.states[key] is model.states[key]
    fresh = cnn.Model(model.graph.inputs, head(model["F3"]))
    fresh.initialize_missing(5)
    assert not same(kept(fresh), kept(new))


def test_the_new_head_is_drawn_by_seed_and_name_and_the_trunk_is_not() -> None:
    model = trained()
    before = kept(model)
    new = cnn.Model(model.graph.inputs, head(model["F3"]))
    new.initialize_missing(7)
    alone = cnn.input("x", (6,))
    expected = cnn.Model(alone, cnn.dense(alone, 2, name="head")).initialize(7)
    assert new.states["head.weight"].tobytes() == expected.states["head.weight"].tobytes()
    assert same(kept(model), before)
    new.initialize(7)
    assert same({k: new.states[k] for k in new.states if k in before} | {
        k: net().initialize(7).states[k] for k in ("logits.weight", "logits.bias")
    }, kept(net().initialize(7)))  # fmt: skip
    assert model.states["C1.weight"] is new.states["C1.weight"]


def test_what_one_learns_the_others_have() -> None:
    image = cnn.input("image", (1, 8, 8))
    code = cnn.dense(cnn.flatten(image), 5, name="code")
    whole = cnn.Model(image, cnn.dense(code, 3, name="logits"))
    encoder = cnn.Model(image, code)  # made before anything is learned
    first = encoder.predict(IMAGES)
    whole.fit(DATA, epochs=1, **QUIET)
    assert encoder.states["code.weight"] is whole.states["code.weight"]
    assert encoder.normalisation == whole.normalisation == SCALE
    assert np.abs(encoder.predict(IMAGES) - first).max() > 0.01
    assert np.allclose(encoder.predict(IMAGES), evaluated(whole, "code"), atol=1e-5)
    encoder.set_parameters({"code.bias": np.full(5, 2.0)})
    assert (whole.parameters["code.bias"] == 2).all()


def test_frozen_stays_frozen_in_what_is_made_of_it() -> None:
    image = cnn.input("image", (1, 8, 8))
    code = cnn.dense(cnn.flatten(image), 5, name="code")
    trunk = cnn.Model(image, code)
    before = cnn.Model(image, cnn.dense(code, 3))
    trunk.freeze("*")
    for made in (cnn.Model(image, head(code)), cnn.Model(image, head(trunk["code"]))):
        assert "code.weight" not in {v.node.op.key for v in made.training_graph().updates}
    assert "code.weight" in {v.node.op.key for v in before.training_graph().updates}
    trunk.unfreeze("*")
    thawed = cnn.Model(image, head(trunk["code"]))
    assert "code.weight" in {v.node.op.key for v in thawed.training_graph().updates}
    old = cnn.Model(image, cnn.concat([before["code"], trunk["code"]], 1))
    assert sorted(old.states) == ["code.bias", "code.weight"]


def test_two_trained_models_in_one() -> None:
    one, two = trained(seed=1), trained(seed=2)
    image = cnn.input("image", (1, 8, 8))
    both = cnn.Model(image, (one(image) + two(image)) / 2)
    expected = (one.predict(IMAGES, raw=True) + two.predict(IMAGES, raw=True)) / 2
    assert np.allclose(both.predict(IMAGES), expected, atol=1e-5)
    assert {"C1.weight", "C1_2.weight", "norm_2.mean"} <= set(both.states)
    before = kept(one)
    both.freeze("*_2.*")
    both.fit(DATA, epochs=1, **QUIET)
    assert both.states["C1_2.weight"] is two.states["C1.weight"]
    assert both.states["C1.weight"] is one.states["C1.weight"]
    assert not same(kept(one), before)


def test_two_inputs_of_two_models() -> None:
    one, two = net().initialize(1), net().initialize(2)
    left, right = cnn.input("left", (1, 8, 8)), cnn.input("right", (1, 8, 8))
    both = cnn.Model([left, right], {"a": one(left), "b": two(right), "c": one(right)})
    found = both.predict({"left": IMAGES, "right": IMAGES[::-1]})
    assert np.allclose(found["a"], one.predict(IMAGES), atol=1e-5)
    assert np.allclose(found["b"], two.predict(IMAGES[::-1]), atol=1e-5)
    assert np.allclose(found["c"], one.predict(IMAGES[::-1]), atol=1e-5)
    assert len(both.parameters) == 2 * len(one.parameters)


def test_parts_with_different_normalisations_need_one_of_their_own() -> None:
    image = cnn.input("image", (1, 8, 8))
    one, two = net().initialize(1), net().initialize(2)
    one.normalisation, two.normalisation = Normalisation((0.5,), (1.0,)), Normalisation()
    both = cnn.Model(image, one(image) + two(image))
    with pytest.raises(cnn.GraphError, match="different normalisations of 'image'"):
        both.predict(IMAGES)
    both.normalisation = Normalisation()
    both.predict(IMAGES)


def test_the_same_input_alone_carries_no_normalisation() -> None:
    image = cnn.input("image", (1, 8, 8))
    one = cnn.Model(image, head(image, 3))
    two = cnn.Model(image, head(image, 3))
    one.fit(DATA, **QUIET)
    assert two.normalisation is None
    assert two.states["head.weight"] is not one.states["head.weight"]


def test_a_gradient_within_a_trained_model_needs_no_weights() -> None:
    model = trained()
    scores, maps = model["logits"], model["C1"]
    (slope,) = cnn.gradients(cnn.sum(cnn.slice(scores, 1, 1, 2)), [maps])
    weights = cnn.mean(slope, (2, 3), keepdims=True)
    cam = cnn.Model(model.graph.inputs, {"cam": cnn.relu(cnn.sum(maps * weights, 1))})
    found = cam.predict(IMAGES[:3])
    assert found.shape == (3, 8, 8) and not set(cam.states) - set(model.states)
    loaded = cnn.Model(cam.graph.inputs, cam.graph.outputs)
    assert loaded.predict(IMAGES[:3]).tobytes() == found.tobytes()
    copied = parse_graph(dump_graph(cam.graph))
    apart = cnn.Model(copied.inputs, copied.outputs)
    assert not apart.is_initialized
    apart.set_parameters({k: model.states[k] for k in apart.states})
    assert apart.predict(model.prepare(IMAGES[:3])).tobytes() == found.tobytes()


def test_saved_and_exported_with_the_shared_weights(tmp_path) -> None:
    model = trained()
    new = cnn.Model(model.graph.inputs, head(model["F3"]), name="new").initialize_missing(1)
    path = new.save(tmp_path / "new.safetensors")
    loaded = cnn.load(path)
    assert loaded.predict(IMAGES).tobytes() == new.predict(IMAGES).tobytes()
    assert loaded.states["C1.weight"] is not model.states["C1.weight"]
    loaded.set_parameters({"C1.bias": np.ones(4)})
    assert not (model.states["C1.bias"] == 1).all()
    new.load(path)
    assert model.states["C1.weight"] is new.states["C1.weight"]


def test_an_imported_model_is_shared_too(tmp_path) -> None:
    pytest.importorskip("onnx")
    model = trained()
    model.export_onnx(tmp_path / "m.onnx", verify=False)
    imported = cnn.import_onnx(tmp_path / "m.onnx")
    cut = cnn.Model(imported.graph.inputs, imported["F3"])
    assert cut.normalisation == model.normalisation == SCALE
    assert np.allclose(cut.predict(IMAGES), evaluated(model, "F3.relu"), atol=1e-5)
    other = cnn.import_onnx(tmp_path / "m.onnx")
    assert other.states["C1.weight"] is not imported.states["C1.weight"]


def test_each_call_of_a_function_makes_weights_of_its_own() -> None:
    one, two = net().initialize(1), net()
    assert not two.is_initialized
    two.initialize(2)
    assert not same(kept(one), kept(two))
    assert same(kept(net().initialize(1)), kept(one))


def test_states_of_another_type_change_nothing() -> None:
    model = net().initialize(1)
    before = kept(model)
    for wrong, words in (
        ({"C1.bias": np.zeros(3, np.float32)}, "C1.bias: expected"),
        ({"C1.bias": np.zeros(4, np.float64)}, "C1.bias: expected"),
        ({"C1.bias": np.zeros(4, np.float32), "C9.bias": np.zeros(4)}, "extra C9.bias"),
    ):
        with pytest.raises(cnn.WeightsError, match=words):
            model.update_states(wrong)
    with pytest.raises(cnn.WeightsError, match=r"missing C1\.weight"):
        model.replace_states({"C1.bias": np.zeros(4, np.float32)})
    assert same(kept(model), before)


def test_values_by_name() -> None:
    model = net()
    assert model["C1"].node.op.name == "relu" and model["C1"] is model["C1.relu"]
    assert model.value("C1", activated=False).node.op.name == "conv2d"
    assert model["S2"].node.op.name == "max_pool2d"
    assert model["image"] is model.graph.inputs[0]
    assert model["C1.weight"].node.op.key == "C1.weight"
    with pytest.raises(cnn.GraphError, match=r"no tensor 'C2'; did you mean '.*C1"):
        model["C2"]
    with pytest.raises(cnn.GraphError, match="by name, a string, found 0"):
        model[0]  # type: ignore[index]
    with pytest.raises(TypeError, match="not iterable"):
        list(model)  # type: ignore[call-overload]


def test_values_by_name_where_there_are_several() -> None:
    x = cnn.input("x", (4,))
    values, places = cnn.top_k(x, 2, name="best")
    model = cnn.Model(x, {"values": values, "places": places})
    assert model["best"] is model["best:0"] is model.graph.outputs["values"]
    assert model["best:1"] is model["places"]
    with pytest.raises(cnn.GraphError, match="2 results, counted from 0, found best:2"):
        model["best:2"]
    image = cnn.input("image", (1, 8, 8))
    y = cnn.conv2d(image, 2, 3, padding=1, activation="relu", name="C")
    twice = cnn.Model(image, cnn.conv2d(y, 2, 3, activation="sigmoid", name="C"))
    assert twice["C"].node.op.name == "relu" and twice["C_2"].node.op.name == "sigmoid"


def test_a_call_needs_a_tensor_for_each_input() -> None:
    model = net()
    with pytest.raises(cnn.GraphError, match=r"a tensor for each of its inputs .*found \(ndarray"):
        model(IMAGES)
    with pytest.raises(cnn.GraphError, match="input 'image' is f32"):
        model(cnn.input("x", (5,)))
    with pytest.raises(cnn.GraphError, match=r"'x' .*not among its declared inputs"):
        x = cnn.input("x", (1, 8, 8))
        cnn.Model(model.graph.inputs, model(x))
