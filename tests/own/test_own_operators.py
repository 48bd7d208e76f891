"""Operators of one's own in networks: both runtimes, training, files, and what is refused."""

import copy
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.compile.profiling import profile
from graphcnn.ir.node import OPS
from graphcnn.testing import Draw, Sample, check_operator
from graphcnn.testing.runs import same_bits

RNG = np.random.default_rng(0)
IMAGES = RNG.random((12, 1, 6, 6), np.float32)
DATA = IMAGES, np.arange(12) % 2


@cnn.operator
class OwnSwish(cnn.Operator):
    """y = x · sigmoid(beta · x)."""

    beta: float = 1.0
    acts_on = "elements"

    def forward(self, x: Any) -> Any:
        return x / (1 + np.exp(-self.beta * x))

    def backward(self, dy: Any, x: Any, y: Any) -> Any:
        s = 1 / (1 + np.exp(-self.beta * x))
        return dy * (s + self.beta * y * (1 - s))

    def onnx(self, x: Any) -> Any:
        return x * cnn.sigmoid(x * self.beta)


@cnn.operator
class OwnMoments(cnn.Operator):
    """Mean and variance of each feature map, times a weight."""

    acts_on = "items"
    weights = ("w",)

    def shape(self, x: cnn.TensorType, w: cnn.TensorType) -> Any:
        if x.rank != 4:
            raise cnn.GraphError(f"x must be images, found {x}")
        return x.shape[:2], x.shape[:2]

    def forward(self, x: Any, w: Any) -> Any:
        return x.mean((2, 3)) * w, x.var((2, 3))

    def differentiate(self, dm: Any, dv: Any, x: Any, w: Any, m: Any, v: Any) -> Any:
        size = x.shape[2] * x.shape[3]
        centred = x - cnn.mean(x, (2, 3), keepdims=True)
        wide = [cnn.reshape(t, (*t.shape, 1, 1)) for t in (dm * w, dv)]
        return (
            wide[0] / size + centred * wide[1] * (2 / size),
            cnn.sum(dm * cnn.mean(x, (2, 3)), 0),
        )


@cnn.operator
class OwnFailing(cnn.Operator):
    """x, until the smallest element is below 0."""

    def forward(self, x: Any) -> Any:
        if x.min() < 0:
            raise RuntimeError("below zero")
        return x

    def backward(self, dy: Any, x: Any, y: Any) -> Any:
        return dy


def network() -> cnn.Model:
    image = cnn.input("image", (1, 6, 6))
    x = OwnSwish(beta=1.5)(cnn.conv2d(image, 4, 3, padding=1, name="C1"), name="A1")
    mean, variance = OwnMoments()(x, cnn.parameter((4,), "ones", name="M1.w"), name="M1")
    return cnn.Model(image, cnn.dense(cnn.relu(mean) + variance, 2, name="out")).initialize(0)


def test_they_are_what_they_say() -> None:
    check_operator(OwnSwish, [Sample(OwnSwish(2.0), (3, 5)), Sample(OwnSwish(), ())])
    check_operator(OwnMoments, [Sample(OwnMoments(), Draw((3, 2, 2, 3)), (2,))])


def test_threads_runtimes_and_shards_give_the_same() -> None:
    def trained(**how: Any) -> list[Any]:
        model = network()
        model.fit(DATA, epochs=2, batch_size=4, seed=0, progress=False, **how)
        return [model.states[key] for key in sorted(model.states)]

    one = trained(threads=1)
    assert all(map(same_bits, one, trained(threads=2)))
    for a, b in zip(one, trained(runtime="reference"), strict=True):
        np.testing.assert_allclose(a, b, 1e-4, 1e-6)
    shards = trained(threads=1, shards=2)
    assert all(map(same_bits, shards, trained(threads=2, shards=2)))
    for a, b in zip(one, shards, strict=True):
        np.testing.assert_allclose(a, b, 1e-4, 1e-6)


def test_what_passes_through_has_the_bits_of_numpy() -> None:
    x = cnn.input("x", (3, 70, 70))
    model = cnn.Model(x, OwnSwish(0.5)(x))
    array = RNG.normal(size=(5, 3, 70, 70)).astype(np.float32)  # large: it is read where it lies
    expected = OwnSwish(0.5).forward(array)
    for how in ({"threads": 1}, {"threads": 2}, {"runtime": "reference"}):
        assert same_bits(model.predict(array, **how), expected)
    other = model.predict(array[::-1], threads=1)
    assert same_bits(other, expected[::-1].copy()), "another array, elsewhere"


def test_nothing_that_is_kept_shows_what_others_write() -> None:
    kept = []

    @cnn.operator
    class Keeps(cnn.Operator):
        """x."""

        def forward(self, x: Any) -> Any:
            kept.append(x)
            return x

    x = cnn.input("x", (4,))
    model = cnn.Model(x, Keeps()(x * 2.0) + 1.0)
    first = model.predict(np.ones((2, 4), np.float32))
    model.predict(np.zeros((2, 4), np.float32))
    assert (kept[0] == 2).all() and (first == 3).all()
    assert not kept[0].flags.writeable


def test_an_error_names_node_line_and_method_and_keeps_its_traceback() -> None:
    x = cnn.input("x", (4,))
    model = cnn.Model(x, OwnFailing()(x, name="guard"))
    assert (model.predict(np.ones((1, 4), np.float32)) == 1).all()
    for runtime in ("native", "reference"):
        with pytest.raises(cnn.OperatorError) as caught:
            model.predict(-np.ones((1, 4), np.float32), runtime=runtime)
        found = re.fullmatch(
            r'own_failing "guard" \(test_own_operators.py:\d+\): forward raised RuntimeError: '
            r"below zero \(test_own_operators.py:\d+\)",
            str(caught.value),
        )
        assert found, caught.value
        cause = caught.value.__cause__
        assert isinstance(cause, RuntimeError) and cause.__traceback__ is not None
    assert (model.predict(np.ones((1, 4), np.float32)) == 1).all(), "and it goes on"


def test_a_step_that_fails_changes_nothing() -> None:
    x = cnn.input("x", (4,))
    h = OwnFailing()(cnn.dense(x, 4, init="ones", name="D1"), name="guard")
    model = cnn.Model(x, cnn.dense(h, 2, name="out")).initialize(0)
    session = cnn.Session(model, "cross_entropy", cnn.SGD(0.1))
    good = np.ones((2, 4), np.float32), np.array([0, 1])
    session.step(*good)
    before = {key: np.array(a) for key, a in session.states.items()}
    with pytest.raises(cnn.OperatorError, match="below zero"):
        session.step(-5 * good[0], good[1])
    assert all(same_bits(a, session.states[key]) for key, a in before.items())
    session.step(*good)


def test_batches_are_cut_where_that_is_claimed() -> None:
    model = network()
    assert model.predict(IMAGES, batch_size=5).shape == (12, 2)
    x = cnn.input("x", (4,))
    whole = cnn.Model(x, OwnFailing()(x, name="guard"))
    with pytest.raises(cnn.DataError, match=r'own_failing "guard".* acts on the batch'):
        whole.predict(np.ones((8, 4), np.float32), batch_size=2)


def test_a_profile_tells_what_python_takes() -> None:
    found = profile(network().training_graph("cross_entropy").bind(4), {})
    told = {s.operator: s.bound for s in found.steps}
    assert told["own_swish"] == told["own_swish backward"] == told["own_moments"] == "python"
    assert "in Python, own_swish, own_moments, own_swish backward: " in str(found)


def test_files_and_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, path = network(), tmp_path / "own.safetensors"
    model.save(path)
    expected = model.predict(IMAGES)
    for again in (cnn.load(path), pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert same_bits(again.predict(IMAGES), expected)
    monkeypatch.delitem(OPS, "own_moments")
    with pytest.raises(cnn.WeightsError) as caught:
        cnn.load(path)
    assert (
        "unknown operator 'own_moments': it is an operator of its user's own, class OwnMoments of "
        f"{OwnMoments.__module__}; import or run what defines it"
    ) in str(caught.value)


def test_onnx(tmp_path: Path) -> None:
    with pytest.raises(cnn.ExportError) as caught:
        network().export_onnx(tmp_path / "model.onnx")
    assert str(caught.value).startswith(
        "own_moments 'M1' has no equivalent in ONNX: it is class OwnM"
    )
    assert "give it a method onnx(self, x, w)" in str(caught.value)
    x = cnn.input("x", (4,))
    model = cnn.Model(x, OwnSwish(2.0)(x, name="A1"))
    model.export_onnx(tmp_path / "model.onnx", verify=False)
    array = RNG.normal(size=(3, 4)).astype(np.float32)
    found = cnn.import_onnx(tmp_path / "model.onnx").predict(array)
    np.testing.assert_allclose(found, model.predict(array), 1e-5)


#: A class as a cell of a notebook has it, and its constant.
CELL = """
@cnn.operator
class Anew(cnn.Operator):
    '''y = k · x.'''

    k: float = {k}

    def forward(self, x):
        return x * {factor}
"""


def run_cell(k: str = "1.0", factor: str = "self.k") -> Any:
    names: dict[str, Any] = {"cnn": cnn, "__name__": "notebook"}
    exec(CELL.format(k=k, factor=factor), names)
    return names["Anew"]


def test_a_class_that_is_defined_again(tmp_path: Path) -> None:
    first = run_cell()
    x = cnn.input("x", (2,))
    model = cnn.Model(x, first()(x))
    ones = np.ones((1, 2), np.float32)
    assert run_cell() is first, "nothing in it changed"
    model.save(tmp_path / "own.safetensors")
    for cell in ({"k": "3.0"}, {"factor": "(self.k + 1)"}):
        changed = run_cell(**cell)
        assert changed is not first and OPS["anew"] is changed
        assert (model.predict(ones, threads=1) == 1).all(), "what was built keeps the old one"
        assert (cnn.Model(x, changed()(x)).predict(ones) > 1).all()
        with pytest.raises(
            cnn.GraphError, match="'anew', class Anew of notebook, was defined anew"
        ):
            model.save(tmp_path / "other.safetensors")


def test_without_a_gradient_what_is_before_cannot_be_trained() -> None:
    @cnn.operator
    class NoGradient(cnn.Operator):
        """x."""

        def forward(self, x: Any) -> Any:
            return x

    x = cnn.input("x", (4,))
    h = NoGradient()(cnn.dense(x, 3, name="D1"), name="N1")
    model = cnn.Model(x, cnn.dense(h, 2, name="out"))
    data = np.ones((4, 4), np.float32), np.array([0, 1, 0, 1])
    with pytest.raises(cnn.GradientError, match="no_gradient has no derivative"):
        model.fit(data, epochs=1, progress=False)
    model.freeze("D1.*")
    model.fit(data, epochs=1, progress=False)


def cls(name: str = "Odd", base: Any = cnn.Operator, **members: Any) -> Any:
    forward = {"forward": lambda self, x: x}
    return type(name, (base,), {"__module__": "odd", **forward, **members})


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: cls(base=object), "classes derived from cnn.Operator"),
        (lambda: cls(forward=None), "class Odd of odd: forward is missing"),
        (lambda: cls(name="Relu"), "'relu' is an operator of graphcnn"),
        (lambda: cls(name="OwnSwish"), "two operators are called 'own_swish': class OwnSwish of "),
        (lambda: cls(elementwise=True), "elementwise is not for users to define; they may shape"),
        (lambda: cls(evaluate=lambda self, x: x), "evaluate is not for users to define"),
        (lambda: cls(acts_on="pixels"), "acts_on must be one of batch, items, elements"),
        (lambda: cls(weights=("w",)), "weights must be a tuple of inputs, of x, found"),
        (lambda: cls(forward=lambda self, x, k=1: x), "without a default: found k=1"),
        (lambda: cls(forward=lambda self: 1), "forward must have an input"),
        (lambda: cls(name="Öl"), "its name must be one of letters"),
    ],
)
def test_what_is_not_entered(made: Any, message: str) -> None:
    before = dict(OPS)
    with pytest.raises(cnn.OperatorError, match=message):
        cnn.operator(made())
    assert before == OPS


def test_what_is_not_built() -> None:
    x = cnn.input("x", (4,))
    with pytest.raises(cnn.OperatorError, match=r"Odd is not entered: write @cnn\.operator"):
        cls()()(x)
    with pytest.raises(cnn.GraphError, match=r'own_moments "M" \(test_own.*: x must be images'):
        OwnMoments()(x, x, name="M")
    with pytest.raises(cnn.GraphError, match=r"own_swish \(test_own.*: takes the inputs \(x\), "):
        OwnSwish()(x, x)
    with pytest.raises(cnn.GraphError, match="attribute of type list has no text form"):
        OwnSwish([1.0])(x)  # type: ignore[arg-type]
