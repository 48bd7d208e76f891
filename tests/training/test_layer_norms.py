"""Updates and gradients of each layer: the numbers of the definition, without touching the run."""

import json
from pathlib import Path

import numpy as np
import pytest
from pictures.checks import check_picture, check_texts
from support.small_training import small, stripes

import graphcnn as cnn
from graphcnn.errors import DataError
from graphcnn.pictures import layers_picture


def linear() -> cnn.Model:
    x = cnn.input("x", (6,))
    return cnn.Model(x, cnn.dense(x, 3, name="out"), name="linear").initialize(2)


def test_the_numbers_are_those_of_the_formula() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 6)).astype(np.float32), rng.integers(0, 3, 12)
    for batch_size in (4, 12):
        model, norms = linear(), cnn.LayerNorms()
        weights: list[np.ndarray] = []

        def note(run: cnn.Watcher, weights: list[np.ndarray] = weights) -> None:
            weights.append(np.float64(run.model.parameters["out.weight"]))

        class After(cnn.Watcher):
            def start(self, run: cnn.Watcher) -> None:
                note(run)

            def batch(self, run: cnn.Watcher, items: int, row: dict) -> None:
                note(run)

        data = cnn.data.arrays(x, y)
        model.fit(data, epochs=2, batch_size=batch_size, callbacks=[After(), norms])
        steps = 12 // batch_size
        for epoch in (0, 1):
            old, new = weights[(epoch + 1) * steps - 1], weights[(epoch + 1) * steps]
            expected = np.linalg.norm(new - old) / np.linalg.norm(old)
            assert norms.updates["out.weight"][epoch] == pytest.approx(expected, rel=1e-6)
        # Softmax and cross-entropy: the gradient is (p - t)ᵀ x / n, of the last weights.
        shown = np.float64(model.prepare(x[:batch_size]))
        scores = np.float64(model.predict(x[:batch_size], raw=True, precision="strict"))
        p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        gradient = (p - np.eye(3)[y[:batch_size]]).T @ shown / batch_size
        assert norms.gradients["out.weight"][-1] == pytest.approx(
            np.linalg.norm(gradient), rel=1e-4
        )


def test_watching_changes_no_bit_and_no_number_of_threads_does() -> None:
    def run(threads: int, *watchers: cnn.Watcher) -> cnn.Model:
        model = small()
        model.fit(stripes(40), epochs=2, batch_size=16, seed=3, threads=threads, callbacks=watchers)
        return model

    one, two = cnn.LayerNorms(), cnn.LayerNorms()
    plain, watched = run(1), run(1, one)
    run(2, two)
    assert all(np.array_equal(plain.states[k], watched.states[k]) for k in plain.states)
    assert one.updates == two.updates and one.gradients == two.gradients
    assert list(one.updates) == ["c1.weight", "logits.weight"]
    assert one.picture().svg() == two.picture().svg()


@pytest.mark.parametrize("size", [16, 40])
def test_a_run_that_goes_on_is_watched_as_one(tmp_path: Path, size: int) -> None:
    """From where it is watched, stopped after any step; also of one step an epoch."""
    whole = cnn.LayerNorms()
    told = dict(batch_size=size, progress=False)
    small().fit(stripes(40), epochs=3, callbacks=[whole], **told)
    for steps in range(1, 3 * -(-40 // size)):
        folder = tmp_path / str(steps)
        options = dict(epochs=3, resume=folder, **told)
        small().fit(stripes(40), max_steps=steps, callbacks=[cnn.LayerNorms()], **options)
        norms = cnn.LayerNorms()
        small().fit(stripes(40), callbacks=[norms], **options)
        assert (norms.first, norms.updates, norms.gradients) == (1, whole.updates, whole.gradients)
    late = cnn.LayerNorms()
    options = dict(resume=tmp_path / "late", **told)
    small().fit(stripes(40), epochs=1, **options)
    small().fit(stripes(40), epochs=3, callbacks=[late], **options)
    assert late.first == 2 and len(late.updates["c1.weight"]) == 2
    path = late.draw(tmp_path / "layers.svg")
    assert "2 layers over 2 epochs" in path.read_text()


def test_the_picture() -> None:
    rng = np.random.default_rng(0)
    names = ["a", "a name that is much too long for its column", *map(str, range(45))]
    updates = {name: list(10 ** rng.normal(-3, 1, 30)) for name in names}
    gradients = {name: list(10 ** rng.normal(0, 1, 30)) for name in names}
    updates["a"][:4] = [float("nan"), 0.0, 1e-3, float("inf")]
    for first in (1, 21):
        picture = layers_picture(updates, gradients, first=first, title="all")
        check_picture(picture)
        check_texts(picture.scene)
    assert "7 further layers are in the data" in picture.text()
    told = json.loads(picture.json())["data"]
    assert told["updates"]["a"][:4] == [None, 0.0, 1e-3, None]
    assert "updates of a: –, 0, 0.001, –" in picture.text()
    check_picture(layers_picture({"a": [1e-3]}, {"a": [0.0]}))


def test_nothing_to_draw() -> None:
    with pytest.raises(DataError, match="no epoch was watched"):
        cnn.LayerNorms().picture()
    with pytest.raises(DataError, match="2 and 1 layers of 1 epochs"):
        layers_picture({"a": [1.0], "b": [1.0]}, {"a": [1.0]})
    with pytest.raises(DataError, match="no update and no gradient"):
        layers_picture({"a": [0.0]}, {"a": [float("nan")]})
