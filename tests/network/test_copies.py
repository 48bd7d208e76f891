"""Copies of models: by `copy`, `pickle` and `joblib`, with weights of their own or shared ones."""

import copy
import multiprocessing
import pickle
import pickletools
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.data.normalisation import Normalisation
from graphcnn.network import weights

RNG = np.random.default_rng(4)
IMAGES = RNG.random((12, 1, 6, 6), dtype=np.float32)
TRAIN = cnn.data.arrays(
    IMAGES, np.arange(12) % 3, classes=("a", "b", "c"), normalisation=Normalisation((0.4,), (0.3,))
)
QUIET = {"threads": 1, "progress": False, "batch_size": 4}
WAYS = {
    "deepcopy": copy.deepcopy,
    **{f"pickle {p}": lambda m, p=p: pickle.loads(pickle.dumps(m, p)) for p in (0, 2, 5)},
}
EACH_WAY = pytest.mark.parametrize("copied", WAYS.values(), ids=WAYS.keys())


def net() -> cnn.Model:
    image = cnn.input("image", (1, 6, 6))
    x = cnn.relu(cnn.batch_norm(cnn.conv2d(image, 5, 3, name="C1"), name="norm"))
    return cnn.Model(image, cnn.dense(cnn.flatten(x), 3, name="logits"), name="net")


def trained() -> cnn.Model:
    model = net()
    model.fit(TRAIN, seed=5, **QUIET)
    model.freeze("C1.*")
    return model


def bits(model: cnn.Model) -> dict[str, bytes]:
    return {key: array.tobytes() for key, array in model.states.items()}


@EACH_WAY
def test_a_copy_is_the_same_and_apart(copied: Any) -> None:
    model = trained()
    other = copied(model)
    assert type(other) is cnn.Model and str(other.graph) == str(model.graph)
    assert bits(other) == bits(model) and other.metadata() == model.metadata()
    assert other.predict(IMAGES).tobytes() == model.predict(IMAGES).tobytes()
    before = bits(model)
    history = other.fit(TRAIN, seed=6, **QUIET)
    assert history.ended == "finished" and bits(model) == before != bits(other)
    assert other.states["C1.weight"].tobytes() == before["C1.weight"]  # frozen
    other.set_parameters({"C1.weight": np.zeros((5, 1, 3, 3))})
    assert bits(model) == before
    head = cnn.Model(other.graph.inputs, cnn.dense(other["logits"], 2))
    assert "C1.weight" not in {v.node.op.key for v in head.training_graph().updates}


@EACH_WAY
def test_a_copy_of_what_was_never_trained_draws_the_same(copied: Any) -> None:
    model = net()
    other = copied(model)
    assert not other.is_initialized and not model.is_initialized
    assert bits(other.initialize(3)) == bits(net().initialize(3))
    trunk = trained()
    part = cnn.Model(trunk.graph.inputs, cnn.dense(trunk["logits"], 2, name="head"))
    assert not copied(part).is_initialized


@EACH_WAY
def test_weights_that_a_function_draws(copied: Any) -> None:
    x = cnn.input("x", (4,))
    w = cnn.parameter((4, 2), init=lambda shape: np.full(shape, 0.5), name="w")
    model = cnn.Model(x, cnn.matmul(x, w))
    assert (copied(model).states["w"] == 0.5).all()


def test_copies_of_models_that_share_states_share_theirs() -> None:
    trunk = trained()
    head = cnn.Model(trunk.graph.inputs, cnn.dense(trunk["logits"], 2, name="head"))
    head.initialize_missing(0)
    both = copy.deepcopy([trunk, head])
    assert both[0].states["C1.weight"] is both[1].states["C1.weight"]
    assert both[0].states["C1.weight"] is not trunk.states["C1.weight"]
    assert bits(both[1]) == bits(head) and both[1].normalisation == trunk.normalisation


@EACH_WAY
@pytest.mark.parametrize("begun", [True, False])
def test_models_that_are_copied_together(copied: Any, begun: bool) -> None:
    trunk = trained() if begun else net()
    head = cnn.Model(trunk.graph.inputs, cnn.dense(trunk["logits"], 2, name="head"))
    if begun:
        head.initialize_missing(0)
    first, second = copied([trunk, head])
    assert first.is_initialized == second.is_initialized == begun
    if begun:
        assert bits(first) == bits(trunk) and bits(second) == bits(head)
        assert first.normalisation == second.normalisation == trunk.normalisation
    before = bits(trunk.initialize(8))
    second.initialize(9)
    assert first.states["C1.weight"] is second.states["C1.weight"]
    assert bits(trunk) == before
    twice = copied([first, copy.copy(first), first])
    assert twice[0] is twice[2] is not twice[1]
    assert twice[0].states["C1.weight"] is twice[1].states["C1.weight"]


def test_keeping_a_model_says_nothing_of_what_is_frozen() -> None:
    model = trained()
    other = cnn.Model(model.graph.inputs, model["logits"])
    other.unfreeze()
    for copied in (*WAYS.values(), copy.copy):
        copied(model)
    head = cnn.Model(other.graph.inputs, cnn.dense(other["logits"], 2))
    assert "C1.weight" in {v.node.op.key for v in head.training_graph().updates}


def test_a_shallow_copy_shares_the_weights() -> None:
    model = trained()
    other = copy.copy(model)
    other.set_parameters({"logits.bias": np.ones(3)})
    assert (model.states["logits.bias"] == 1).all() and other.classes == ("a", "b", "c")
    other.classes = ("x", "y", "z")
    assert model.classes == ("a", "b", "c")
    other.unfreeze("*")
    assert "C1.weight" not in {v.node.op.key for v in model.training_graph().updates}


def test_a_class_made_of_model_keeps_what_it_adds() -> None:
    for copied in WAYS.values():
        model = named()
        other = copied(model)
        assert type(other) is Named and other.notes == ["mine"] and other.notes is not model.notes
    assert copy.copy(model).notes is model.notes
    model.best = model
    assert copy.deepcopy(model).best is not model and pickle.loads(pickle.dumps(model)).best.notes


class Named(cnn.Model):
    """A model with something of its own."""

    notes: list[str]
    best: cnn.Model


def named() -> Named:
    image = cnn.input("image", (4,))
    model = Named(image, cnn.dense(image, 2))
    model.notes = ["mine"]
    return model


def test_in_a_run_and_for_mappings_of_weights() -> None:
    model, seen = net(), []

    def keep(epoch: int, row: object) -> None:
        seen.append((copy.deepcopy(model), copy.deepcopy(model.parameters), bits(model)))
        pickle.loads(pickle.dumps(model.states))

    model.fit(TRAIN, epochs=2, callbacks=[keep], **QUIET)
    for other, parameters, then in seen:
        assert bits(other) == then
        assert {k: v.tobytes() for k, v in parameters.items()} == {k: then[k] for k in parameters}
        parameters["C1.bias"][:] = 7
    assert seen[0][2] != seen[1][2] == bits(model)


def test_an_imported_model(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    model = trained()
    model.export_onnx(tmp_path / "m.onnx", verify=False)
    imported = cnn.import_onnx(tmp_path / "m.onnx")
    other = pickle.loads(pickle.dumps(imported))
    assert other.predict(IMAGES).tobytes() == imported.predict(IMAGES).tobytes()
    assert other.classes == model.classes


def test_joblib(tmp_path: Path) -> None:
    joblib = pytest.importorskip("joblib")
    model = trained()
    joblib.dump(model, tmp_path / "m.joblib")
    for mode in (None, "r"):
        other = joblib.load(tmp_path / "m.joblib", mmap_mode=mode)
        assert bits(other) == bits(model)
        other.fit(TRAIN, **QUIET)
    # Processes of joblib's own, which map what is larger than so many bytes.
    run = joblib.Parallel(n_jobs=2, max_nbytes=100)
    found = run(joblib.delayed(cnn.Model.fit)(model, TRAIN, seed=s, **QUIET) for s in (6, 6, 7))
    rows = model.fit(TRAIN, seed=6, **QUIET).rows
    assert [history.rows == rows for history in found] == [True, True, False]


def test_another_process() -> None:
    model = trained()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        found = pool.submit(cnn.Model.predict, model, IMAGES).result()
    assert found.tobytes() == model.predict(IMAGES).tobytes()


def test_a_pickle_holds_the_file_that_save_writes(tmp_path: Path) -> None:
    """Nothing but it, its class and marks: reading calls no function of what was kept."""
    model = trained()
    kept = model.__getstate__()["model"]
    assert kept["file"].tobytes() == model.save(tmp_path / "m.safetensors").read_bytes()
    found = [arg for op, arg, _ in pickletools.genops(pickle.dumps(model, 2))
             if op.name == "GLOBAL"]  # fmt: skip
    ours = {name for name in found if not name.startswith(("numpy", "_codecs", "copyreg"))}
    assert ours == {"graphcnn.model Model", "graphcnn.network.pickling Mark"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: None, "of the format 'graphcnn model 2', found 'NoneType'"),
        (lambda s: {**s, "format": "x"}, "found 'x'"),
        (lambda s: {**s, "file": b"x"}, "its file as an array of bytes"),
        (lambda s: {**s, "file": np.zeros(9, np.uint8)}, "a pickled model: not a whole"),
        (lambda s: {**s, "file": s["file"][:-1]}, "a pickled model: not a whole"),
        (lambda s: {**s, "file": written(s, graph="nonsense")}, "field 'graph'"),
        (lambda s: {**s, "file": written(s, **{"C1.weight": np.zeros(3)})}, "C1.weight: expected"),
        (lambda s: {**s, "file": written(s, more=np.zeros(3))}, "extra more"),
        (lambda s: {**s, "file": written(s, seed="x")}, "field 'seed' .* found 'x'"),
        (lambda s: {**s, "marks": {"C1.weight": 1}}, "a mark for each of its states"),
    ],
)
def test_damaged_states_are_refused(change: Any, words: str) -> None:
    good = net().initialize(0).__getstate__()
    with pytest.raises(cnn.WeightsError, match=words):
        cnn.Model.__new__(cnn.Model).__setstate__({"model": change(good["model"])})
    with pytest.raises(cnn.WeightsError, match="a pickled model"):
        cnn.Model.__new__(cnn.Model).__setstate__(17)


def written(state: Any, **other: Any) -> Any:
    """The file of a model with another entry of its metadata, or other tensors."""
    tensors, metadata = weights.unpacked(state["file"].tobytes(), "it")
    metadata.pop("format")
    tensors |= {k: v for k, v in other.items() if not isinstance(v, str)}
    metadata |= {k: v for k, v in other.items() if isinstance(v, str)}
    return np.frombuffer(weights.packed(tensors, metadata), np.uint8)


@pytest.mark.parametrize(
    "thing",
    [
        TRAIN,
        Normalisation((0.1, 0.2, 0.3), (1.0, 2.0, 3.0)),
        cnn.SGD(cnn.schedules.Cosine(0.1, 10), 0.9),
        cnn.AdamW(cnn.schedules.Cosine(0.1, 10, warmup=2)),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_what_goes_with_models(thing: Any) -> None:
    for copied in (*WAYS.values(), copy.copy):
        other = copied(thing)
        assert type(other) is type(thing) and repr(other) == repr(thing)


def test_a_history() -> None:
    history = net().fit(TRAIN, **QUIET)
    for copied in (*WAYS.values(), copy.copy):
        assert copied(history).rows == history.rows


@pytest.mark.parametrize("copied", [copy.deepcopy, WAYS["pickle 5"]])
def test_graphs(copied: Any) -> None:
    model = trained()
    graph = copied(model.graph)
    other = cnn.Model(graph.inputs, graph.outputs)
    assert str(graph) == str(model.graph) and bits(other) == bits(model)
    other.initialize(9)
    assert bits(other) != bits(model)
    step = model.training_graph()
    assert str(copied(step)) == str(step)
    deep = cnn.input("x", (3,))
    x = deep
    for _ in range(2000):
        x = cnn.relu(x)
    assert len(copied(cnn.Model(deep, x).graph).nodes) == 2001


def test_a_session_is_not_copied() -> None:
    with cnn.Session(net(), data=TRAIN) as session:
        for copied in (*WAYS.values(), copy.copy):
            with pytest.raises(cnn.TrainingError, match="not copied or pickled; its model is"):
                copied(session)
