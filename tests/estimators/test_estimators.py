"""Networks as estimators: what they take, what they remember, and the same bits each time."""

import copy
import pickle
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest

import graphcnn as cnn

pytest.importorskip("sklearn", "1.6", reason="scikit-learn is an extra")
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from support.estimated import net

from graphcnn.sklearn import Classifier, Regressor

RNG = np.random.default_rng(0)
LABELS = np.array(["bright", "dark", "striped"])[np.arange(60) % 3]
IMAGES = RNG.random((60, 1, 6, 6), dtype=np.float32) * 0.2
IMAGES[LABELS == "bright"] += 0.7
IMAGES[LABELS == "striped", :, ::2] += 0.7
ROWS = IMAGES.reshape(60, 36)
INK = IMAGES.mean((1, 2, 3))
QUICK: dict[str, Any] = {"epochs": 4, "learning_rate": 0.02, "random_state": 3}


def of_any_shape(k: int, *, shape: tuple[int, ...]) -> cnn.Model:
    x = cnn.input("x", shape)
    return cnn.Model(x, cnn.dense(x if len(shape) == 1 else cnn.flatten(x), k), name="any")


def bits(estimator: Any) -> dict[str, bytes]:
    return {key: array.tobytes() for key, array in estimator.model_.states.items()}


def test_a_classifier_of_words() -> None:
    model = Classifier(net, **{**QUICK, "epochs": 20})
    assert model.fit(IMAGES, LABELS) is model and is_classifier(model)
    assert model.classes_.tolist() == ["bright", "dark", "striped"]
    assert model.score(IMAGES, LABELS) > 0.9 and set(model.predict(IMAGES)) <= {*model.classes_}
    probabilities, scores = model.predict_proba(IMAGES), model.decision_function(IMAGES)
    assert probabilities.shape == scores.shape == (60, 3)
    np.testing.assert_allclose(probabilities.sum(1), 1, rtol=1e-5)
    assert (probabilities.argmax(1) == scores.argmax(1)).all()
    assert (model.n_iter_, model.n_features_in_, model.shape_) == (20, 36, (1, 6, 6))
    assert model.model_.classes == ("bright", "dark", "striped") and len(model.history_) == 20
    two = LABELS != "dark"
    model.fit(IMAGES[two], LABELS[two])
    above = model.decision_function(IMAGES)
    assert above.shape == (60,)
    assert ((above > 0) == (model.predict(IMAGES) == "striped")).all()


def test_images_and_rows_are_the_same_items() -> None:
    expected = bits(Classifier(net, **QUICK).fit(IMAGES, LABELS))
    for items in (ROWS, ROWS.astype(np.float64), IMAGES[:, 0], ROWS.tolist()):
        model = Classifier(net, **QUICK).fit(items, LABELS)
        assert bits(model) == expected
        assert model.predict(IMAGES).tolist() == model.predict(ROWS).tolist()
    told = Classifier(of_any_shape, shape=(1, 6, 6), **QUICK).fit(ROWS, LABELS)
    assert told.shape_ == (1, 6, 6)
    assert Classifier(of_any_shape, **QUICK).fit(ROWS, LABELS).shape_ == (36,)
    for shape, seen in ((None, (1, 6, 6)), ((1, 6, 6), (1, 6, 6)), ((6, 6), (6, 6))):
        grey = Classifier(of_any_shape, shape=shape, **QUICK).fit(IMAGES[:, 0], LABELS)
        assert grey.shape_ == seen
    whole = (IMAGES * 255).astype(np.uint8)
    assert bits(Classifier(net, **QUICK).fit(whole, LABELS)) == bits(
        Classifier(net, **QUICK).fit(whole.reshape(60, 36), LABELS)
    )


def test_the_same_bits_as_fit_for_any_threads() -> None:
    model = net(3)
    numbers = np.unique(LABELS, return_inverse=True)[1]
    model.fit(IMAGES, numbers, epochs=4, learning_rate=0.02, optimizer="adam", seed=3,
              progress=False)  # fmt: skip
    expected = {key: array.tobytes() for key, array in model.states.items()}
    for threads in (1, 2):
        found = Classifier(net, threads=threads, **QUICK).fit(IMAGES, LABELS)
        assert bits(found) == expected
    by_state = [Classifier(net, **{**QUICK, "random_state": np.random.RandomState(7)})
                .fit(IMAGES, LABELS) for _ in range(2)]  # fmt: skip
    assert bits(by_state[0]) == bits(by_state[1]) != expected


def test_searches_and_scores_with_any_number_of_processes() -> None:
    found = {}
    for jobs in (1, 2):
        search = GridSearchCV(Classifier(net, **QUICK), {"model__width": [2, 4]}, cv=2, n_jobs=jobs)
        search.fit(IMAGES, LABELS)
        found[jobs] = search.cv_results_["mean_test_score"].tolist(), bits(search.best_estimator_)
        assert search.best_estimator_.model__width == search.best_params_["model__width"]
    assert found[1] == found[2]
    line = make_pipeline(StandardScaler(), Classifier(net, **QUICK))
    scores = [cross_val_score(line, ROWS, LABELS, cv=2, n_jobs=jobs) for jobs in (1, 2)]
    assert (scores[0] == scores[1]).all()
    assert line.set_params(classifier__model__width=2)[-1].model__width == 2


def test_names_of_columns() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is an extra")
    frame = pandas.DataFrame(ROWS, columns=[f"pixel {i}" for i in range(36)])
    scaled = StandardScaler().set_output(transform="pandas")
    line = make_pipeline(scaled, Classifier(net, **QUICK)).fit(frame, LABELS)
    assert line[-1].feature_names_in_[1] == "pixel 1"
    with pytest.raises(ValueError, match="feature names"):
        line[-1].predict(frame.rename(columns={"pixel 1": "other"}))


def test_parameters() -> None:
    model = Classifier(net, model__width=2, threads=1, optimizer=cnn.SGD(0.1), **QUICK)
    told = model.get_params()
    assert told["model__width"] == 2 and told["threads"] == 1 and told["model_fn"] is net
    other = clone(model)
    assert other is not model and other.get_params().keys() == told.keys()
    assert repr(other) == repr(model) and "model__width=2" in repr(model)
    assert "model__width" in model._repr_html_()
    assert Classifier("digits_cnn").set_params(class_weights="balanced").class_weights == "balanced"
    assert model.set_params(model__width=5) is model and "threads" in model.get_params()
    assert model.fit(IMAGES, LABELS).model_.graph.nodes
    with pytest.raises(ValueError, match=r"Invalid parameter 'epoch' for estimator Classifier\("):
        model.set_params(epoch=3)
    hints = {"epoch": "did you mean 'epochs'", "seed": "random_state=0", "treads": "'threads'"}
    for name, hint in hints.items():
        with pytest.raises(TypeError, match=hint):
            Classifier(net, **{name: 1})


def test_a_copy_of_any_kind_predicts_the_same() -> None:
    model = Classifier("digits_cnn", epochs=1, random_state=0)
    images = RNG.random((12, 1, 8, 8))
    model.fit(images, np.arange(12) % 4)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert other.predict_proba(images).tobytes() == model.predict_proba(images).tobytes()
        assert other.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        clone(model).predict(images)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_parts_one_after_the_other(optimizer: str) -> None:
    """Three calls are three epochs of `fit`, also through a pickle: slots and counters go along."""
    told = {**QUICK, "epochs": 3, "optimizer": optimizer}
    whole = Classifier(net, **told).fit(IMAGES, LABELS)
    parts = Classifier(net, **told)
    for _ in range(2):
        parts.partial_fit(IMAGES, LABELS)
    pickled = pickle.loads(pickle.dumps(parts))
    parts.partial_fit(IMAGES, LABELS)
    pickled.predict(IMAGES)
    assert bits(pickled.partial_fit(IMAGES, LABELS)) == bits(parts) == bits(whole)
    assert parts.history_["loss"] == pytest.approx(whole.history_["loss"]) and parts.n_iter_ == 3
    few = Classifier(net, **told).partial_fit(IMAGES[:1], LABELS[:1], classes=np.unique(LABELS))
    few.partial_fit(IMAGES[1:5], LABELS[1:5])
    assert few.predict(IMAGES).shape == (60,)
    with pytest.raises(ValueError, match="that are none of the classes"):
        few.partial_fit(IMAGES[:1], ["grey"])
    with pytest.raises(ValueError, match="not the same as on last call"):
        few.partial_fit(IMAGES[:1], LABELS[:1], classes=["a", "b"])


def test_going_on_and_stopping_in_time() -> None:
    warm = Classifier(net, warm_start=True, **QUICK).fit(IMAGES, LABELS)
    first = bits(warm)
    assert bits(warm.fit(IMAGES, LABELS)) != first
    assert bits(warm.set_params(warm_start=False).fit(IMAGES, LABELS)) == first
    stopping = Classifier(net, early_stopping=2, **{**QUICK, "epochs": 60, "learning_rate": 0.5})
    stopping.fit(IMAGES, LABELS)
    assert stopping.n_iter_ < 60 and "val_loss" in stopping.history_.columns
    held = Classifier(net, validation_fraction=0.25, **QUICK).fit(IMAGES, LABELS)
    assert len(held.history_["val_accuracy"]) == 4


def test_weights_are_repetitions() -> None:
    """In one batch, up to rounding; and only their shares count."""
    times = np.arange(60) % 4
    told = {**QUICK, "batch_size": 500, "optimizer": cnn.SGD(0.1)}
    weighted = Classifier(net, **told).fit(IMAGES, LABELS, sample_weight=times)
    repeated = Classifier(net, **told).fit(IMAGES.repeat(times, 0), LABELS.repeat(times))
    half = Classifier(net, **told).fit(IMAGES, LABELS, sample_weight=times / 2)
    for other in (repeated, half):
        np.testing.assert_allclose(
            weighted.predict_proba(IMAGES), other.predict_proba(IMAGES), rtol=1e-4
        )
    plain = Classifier(net, **told).fit(IMAGES, LABELS)
    by_class = Classifier(net, class_weights={"dark": 9.0}, **told).fit(IMAGES, LABELS)
    dark = plain.predict_proba(IMAGES)[:, 1].sum()
    assert by_class.predict_proba(IMAGES)[:, 1].sum() > dark + 1


def test_several_labels_at_a_time() -> None:
    both = np.stack([LABELS == "bright", LABELS == "striped"], 1).astype(int)
    model = Classifier(net, **{**QUICK, "epochs": 25}).fit(IMAGES, both)
    assert model.predict(IMAGES).shape == (60, 2) and set(model.predict(IMAGES).flat) <= {0, 1}
    assert model.score(IMAGES, both) > 0.8
    probabilities = model.predict_proba(IMAGES)
    assert ((probabilities > 0.5) == (model.decision_function(IMAGES) > 0)).all()
    with pytest.raises(ValueError, match="of another kind"):
        model.set_params(warm_start=True).fit(IMAGES, LABELS)


def test_a_regressor_of_one_number_and_of_two() -> None:
    told = {**QUICK, "epochs": 40, "learning_rate": 0.005, "model__width": 8}
    told["random_state"] = 0
    model = Regressor(net, **told).fit(IMAGES, INK)
    assert is_regressor(model) and model.predict(IMAGES).shape == (60,)
    assert model.score(IMAGES, INK) > 0.8
    both = np.stack([INK, 1 - INK], 1)
    assert Regressor(net, **QUICK).fit(IMAGES, both).predict(IMAGES).shape == (60, 2)

    def one() -> cnn.Model:
        x = cnn.input("x", (36,))
        return cnn.Model(x, cnn.reshape(cnn.dense(x, 1), (-1,)))

    assert Regressor(one, **QUICK).fit(ROWS, INK).predict(ROWS).shape == (60,)
    with pytest.warns(DataConversionWarning, match="column-vector"):
        Regressor(net, **QUICK).fit(IMAGES, INK[:, None])
    for threads in (1, 2):
        again = Regressor(net, threads=threads, **told).fit(IMAGES, INK)
        assert bits(again) == bits(model)
    parts = Regressor(net, **QUICK)
    assert bits(parts.partial_fit(IMAGES, INK)) == bits(
        Regressor(net, **{**QUICK, "epochs": 1}).fit(IMAGES, INK)
    )


@pytest.mark.parametrize(
    ("items", "labels", "network", "words"),
    [
        (ROWS[:, :35], LABELS, net, r"items of shape \(35,\), but 'net' takes \(1, 6, 6\)"),
        (IMAGES.transpose(0, 2, 3, 1), LABELS, net, r"items of shape \(6, 6, 1\), but 'net'"),
        (IMAGES, LABELS[:-1], net, "X has 60 items, but y has 59"),
        (IMAGES, ["a"] * 60, net, "y has one class: 'a'"),
        (IMAGES, None, net, "requires y to be passed"),
        (IMAGES, INK, net, "Unknown label type"),
        (IMAGES * np.nan, LABELS, net, "Input X contains NaN"),
        (IMAGES, LABELS, lambda: net(7), r"has an output f32\[N,7\], .* 3 classes"),
        (IMAGES, LABELS, lambda: 3, "must return a graphcnn.Model, found 3"),
        (IMAGES, LABELS, 3, "must be a function that makes a Model"),
        (IMAGES, LABELS, net(3), "must be a function that makes a Model"),
        (IMAGES, LABELS, "digit_cnn", "digits_cnn"),
    ],
)
def test_what_does_not_fit(items: Any, labels: Any, network: Any, words: str) -> None:
    with pytest.raises((ValueError, TypeError, cnn.GraphError), match=words):
        Classifier(network, **QUICK).fit(items, labels)


@pytest.mark.parametrize("wrong", [{"loss": "nonsense"}, {"batch_size": 0}])
def test_what_fails_changes_nothing(wrong: dict[str, Any]) -> None:
    model = Classifier(net, **QUICK)
    for train in (model.fit, model.partial_fit):
        with pytest.raises(cnn.GraphCnnError):
            model.set_params(**wrong) and train(IMAGES, LABELS)
        with pytest.raises(NotFittedError):
            model.predict(IMAGES)
    model.set_params(loss=None, batch_size=None, model_fn=of_any_shape).fit(IMAGES, LABELS)
    before, known = bits(model), {**vars(model)}
    with pytest.raises(cnn.GraphCnnError):
        model.set_params(**wrong).fit(IMAGES[..., 1:], INK > 0.5)
    model.set_params(loss=None, batch_size=None)
    assert vars(model) == known and bits(model) == before
    assert {*model.predict(IMAGES)} <= {*LABELS}


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"none of shape=\(1, 5, 5\)"):
        Classifier(of_any_shape, shape=(1, 5, 5)).fit(ROWS, LABELS)
    with pytest.raises(ValueError, match="shape must be sizes"):
        Classifier(of_any_shape, shape="flat").fit(ROWS, LABELS)
    model = Classifier(net, **QUICK).fit(IMAGES, LABELS)
    with pytest.raises(ValueError, match="X has 35 features, but Classifier is expecting 36"):
        model.predict(ROWS[:, 1:])
    hinge = Classifier(net, loss="hinge", **QUICK).fit(IMAGES, LABELS)
    assert not hasattr(hinge, "predict_proba") and hinge.predict(IMAGES).shape == (60,)


def test_it_is_loaded_when_it_is_asked_for(monkeypatch: Any) -> None:
    code = (
        "import sys, graphcnn as cnn; assert not any(m.startswith(('sklearn', 'graphcnn.sklearn'))"
        " for m in sys.modules); assert cnn.sklearn.Classifier"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    for name in [m for m in sys.modules if m.startswith("graphcnn.sklearn")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(cnn.MissingExtraError, match=r'pip install "graphcnn\[sklearn\]"'):
        import graphcnn.sklearn  # noqa: F401


def test_nothing_is_said_unless_it_is_asked_for(capfd: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Classifier(net, **QUICK).fit(IMAGES, LABELS)
    assert capfd.readouterr() == ("", "")
