"""`cnn.ctc_loss` against its definition and against PyTorch, its gradient, and `cnn.ctc_greedy`."""

import itertools
from typing import Any

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.errors import DataError, GraphError
from graphcnn.ir.node import Array

ITEMS, STEPS, CLASSES = 5, 9, 4
LOGITS = 3 * np.sin(1.7 * np.arange(ITEMS * STEPS * CLASSES)).reshape(ITEMS, STEPS, CLASSES)
LABELS = np.array([[1, 2, 3, -1], [1, 1, 2, -1], [3, -1, -1, -1], [-1] * 4, [2, 2, 2, 2]])
LENGTHS = np.array([9, 7, 3, 4, 6])
#: By `torch.nn.functional.ctc_loss` of PyTorch 2.13 in float64 with reduction "none" and
#: zero_infinity: losses, derivatives by the logit of class 1 at step 2, sums of all squared.
TORCH = [
    (
        LENGTHS,
        [6.341533519657, 11.489770764879, 2.716702710263, 4.234015438109, 0.0],
        [0.055666114452, 0.057831993578, 0.011935298011, 0.003364640156, 0.0],
        10.361515462213,
    ),
    (
        np.full(ITEMS, STEPS),
        [6.341533519657, 10.691516144796, 21.196818073111, 29.453554579262, 17.918842669807],
        [0.055666114452, -0.081712744795, 0.011935298011, 0.003364640156, 0.412315966728],
        34.190302939085,
    ),
]


def graph(
    steps: int = STEPS,
    count: int = 4,
    lengths: bool = True,
    dtype: str = "float64",
    **settings: Any,
) -> cnn.Model:
    logits = cnn.input("logits", (steps, CLASSES), dtype=dtype)
    labels = cnn.input("labels", (count,), dtype="int64")
    given = [cnn.input("lengths", (), dtype="int64")] if lengths else []
    loss = cnn.ctc_loss(logits, labels, *given, **{"blank": 0, **settings})
    (slope,) = cnn.gradients(loss, [logits])
    return cnn.Model([logits, labels, *given], {"loss": loss, "slope": slope})


def run(
    model: cnn.Model, logits: Array, labels: Array, lengths: Array | None = None,
    runtime: str = "reference", threads: int | None = None,
) -> tuple[float, Array]:  # fmt: skip
    feeds = {"logits": logits, "labels": labels}
    if lengths is not None:
        feeds["lengths"] = lengths
    outputs, _ = model.runner(runtime, threads, "strict", False).run(feeds, {})
    return float(outputs["loss"]), outputs["slope"]


def one_by_one(model: cnn.Model, *arrays: Array, **told: Any) -> tuple[list[float], Array]:
    found = [run(model, *(a[i : i + 1] for a in arrays), **told) for i in range(len(arrays[0]))]
    return [loss for loss, _ in found], np.concatenate([slope for _, slope in found])


@pytest.mark.parametrize("lengths, losses, slopes, squares", TORCH)
def test_losses_and_gradients_are_those_of_pytorch(
    lengths: Array, losses: list[float], slopes: list[float], squares: float
) -> None:
    for runtime in ("reference", "native"):
        model = graph(zero_infinity=True)
        found, slope = one_by_one(model, LOGITS, LABELS, lengths, runtime=runtime)
        np.testing.assert_allclose(found, losses, rtol=1e-11)
        np.testing.assert_allclose(slope[:, 2, 1], slopes, rtol=1e-9)
        np.testing.assert_allclose((slope**2).sum(), squares, rtol=1e-11)


def read(path: tuple[int, ...], blank: int) -> list[int]:
    return [k for k, _ in itertools.groupby(path) if k != blank]


@pytest.mark.parametrize("blank", [0, 2, -1])
@pytest.mark.parametrize("labels", [[], [1], [1, 1], [1, 0], [0, 1, 0], [1, 1, 1]])
def test_it_is_the_sum_over_all_paths(labels: list[int], blank: int) -> None:
    """Of 4 steps, 256 paths, each of them written down."""
    stands = blank % CLASSES
    labels = [k + (k >= stands) for k in labels]  # none is the blank
    p = np.exp(LOGITS[0, :4])
    p /= p.sum(1, keepdims=True)
    total = sum(
        p[range(4), path].prod()
        for path in itertools.product(range(CLASSES), repeat=4)
        if read(path, stands) == labels
    )
    row = np.array([[*labels, *[-7] * (3 - len(labels))]])
    model = graph(4, 3, lengths=False, blank=blank, padding=-7)
    loss, _ = run(model, LOGITS[:1, :4], row)
    np.testing.assert_allclose(loss, -np.log(total) if total else np.inf, rtol=1e-12)


def test_the_gradient_is_that_of_differences() -> None:
    """Of the mean over items, in float64; those without a path have none."""
    model = graph(zero_infinity=True)
    _, slope = run(model, LOGITS, LABELS, LENGTHS)
    rng, step = np.random.default_rng(0), 1e-5
    for _ in range(5):
        way = rng.normal(size=LOGITS.shape)
        up, _ = run(model, LOGITS + step * way, LABELS, LENGTHS)
        down, _ = run(model, LOGITS - step * way, LABELS, LENGTHS)
        np.testing.assert_allclose((slope * way).sum(), (up - down) / (2 * step), rtol=1e-8)
    assert slope[0].any() and not slope[4].any()
    assert not slope[2, 3:].any()  # behind the length


def test_it_can_be_differentiated_again() -> None:
    logits = cnn.input("logits", (STEPS, CLASSES), dtype="float64")
    labels = cnn.input("labels", (4,), dtype="int64")
    (slope,) = cnn.gradients(cnn.ctc_loss(logits, labels, blank=0), [logits])
    bend = cnn.gradients(cnn.sum(slope * slope), [logits])[0]
    model = cnn.Model([logits, labels], {"loss": cnn.sum(slope * slope), "slope": bend})
    way, step = np.cos(np.arange(LOGITS[:2].size)).reshape(LOGITS[:2].shape), 1e-5
    _, found = run(model, LOGITS[:2], LABELS[:2])
    up, _ = run(model, LOGITS[:2] + step * way, LABELS[:2])
    down, _ = run(model, LOGITS[:2] - step * way, LABELS[:2])
    np.testing.assert_allclose((found * way).sum(), (up - down) / (2 * step), rtol=1e-7)


def test_labels_without_a_path() -> None:
    """Three equal labels need two blanks between them: five steps."""
    row, steps = np.array([[2, 2, 2, -1]]), LOGITS[:1]
    for count, reads in ((4, False), (5, True)):
        found, slope = run(graph(), steps, row, np.array([count]))
        assert np.isfinite(found) == reads and np.isfinite(slope).all()
        assert slope.any() == reads
    assert run(graph(zero_infinity=True), steps, row, np.array([4]))[0] == 0


def test_items_have_weights() -> None:
    each, _ = one_by_one(graph(zero_infinity=True), LOGITS, LABELS, LENGTHS)
    logits = cnn.input("logits", (STEPS, CLASSES), dtype="float64")
    labels, lengths = (
        cnn.input(k, s, dtype="int64") for k, s in (("labels", (4,)), ("lengths", ()))
    )
    weights = cnn.input("weights", (), dtype="float64")
    loss = cnn.ctc_loss(logits, labels, lengths, blank=0, zero_infinity=True, weights=weights)
    model = cnn.Model([logits, labels, lengths, weights], {"loss": loss})
    w = np.arange(ITEMS) / 2
    feeds = {"logits": LOGITS, "labels": LABELS, "lengths": LENGTHS, "weights": w}
    (found,) = model.runner("reference", None, "strict", False).run(feeds, {})[0].values()
    np.testing.assert_allclose(found, np.mean(w * each), rtol=1e-12)


def test_long_sequences_in_float32_native_and_by_any_number_of_threads() -> None:
    """Probabilities of e^-1000 and less, which only logarithms hold."""
    rng = np.random.default_rng(0)
    logits = (rng.normal(size=(16, 400, CLASSES)) * 5).astype(np.float32)
    labels = rng.integers(1, CLASSES, (16, 30))
    exact, slope = run(graph(400, 30, lengths=False), logits.astype(np.float64), labels)
    model = graph(400, 30, lengths=False, dtype="float32")
    one = run(model, logits, labels, runtime="native", threads=1)
    np.testing.assert_allclose(one[0], exact, rtol=1e-5)
    np.testing.assert_allclose(one[1], slope, atol=1e-4)
    for threads in (2, 3):
        found = run(model, logits, labels, runtime="native", threads=threads)
        assert found[0] == one[0] and found[1].tobytes() == one[1].tobytes()


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"blank": 4}, "blank must be one of 4 classes, found 4"),
        ({"padding": 2}, r"no class of a label \(0 to 3, but for the blank 3\), found 2"),
        ({"padding": 0.5}, "padding must be an integer"),
        ({"labels": ((), "int64")}, r"labels must be i64\[N, labels\], filled up, found i64\[N\]"),
        ({"labels": ((4,), "float32")}, r"labels must be i64\[N, labels\].*, found f32"),
        ({"lengths": ((), "float32")}, r"lengths must be i64\[N\], one number of steps"),
        ({"lengths": ((2,), "int64")}, r"lengths must be i64\[N\].*found i64\[N,2\]"),
        ({"logits": ((4,), "float32")}, r"logits must be \(N, steps, classes\), found f32\[N,4\]"),
        ({"logits": ((5, 4), "int64")}, "logits must be of a float type"),
    ],
)
def test_what_is_refused(changed: dict[str, Any], message: str) -> None:
    kinds = {"logits": ((5, 4), "float32"), "labels": ((2,), "int64"), "lengths": ((), "int64")}
    kinds.update({key: kind for key, kind in changed.items() if key in kinds})
    settings = {key: value for key, value in changed.items() if key not in kinds}
    values = [cnn.input(key, shape, dtype=dtype) for key, (shape, dtype) in kinds.items()]
    with pytest.raises(GraphError, match=message):
        cnn.ctc_loss(*values, **settings)


def test_probabilities_are_refused() -> None:
    logits, labels = cnn.input("logits", (5, 4)), cnn.input("labels", (2,), dtype="int64")
    with pytest.raises(GraphError, match="ctc_loss takes logits and applies softmax itself"):
        cnn.ctc_loss(cnn.softmax(logits, axis=2), labels)


def test_the_best_path_is_read() -> None:
    paths = [[0, 1, 1, 0, 1, 2], [2, 2, 2, 2, 2, 2], [0, 0, 0, 0, 0, 0], [3, 3, 0, 0, 3, 1]]
    scores = np.eye(CLASSES)[paths]
    labels, counts = cnn.ctc_greedy(scores, blank=0)
    assert labels.tolist() == [
        [1, 1, 2, -1, -1, -1], [2, -1, -1, -1, -1, -1], [-1] * 6, [3, 3, 1, -1, -1, -1],
    ]  # fmt: skip
    assert counts.tolist() == [3, 1, 0, 3] and labels.dtype == counts.dtype == np.int64
    labels, counts = cnn.ctc_greedy(scores, [4, 0, 6, 2], blank=0, padding=9)
    assert labels[:, :2].tolist() == [[1, 9], [9, 9], [9, 9], [3, 9]]
    for path, row, count in zip(paths, *cnn.ctc_greedy(scores), strict=True):
        assert row[:count].tolist() == read(tuple(path), 3)


@pytest.mark.parametrize(
    "scores, lengths, blank, message",
    [
        (np.zeros((2, 3)), None, 0, r"scores must be \(N, steps, classes\), found \(2, 3\)"),
        (np.zeros((2, 3, 4)), None, 4, "blank must be one of 4 classes, found 4"),
        (np.zeros((2, 3, 4)), [1], 0, r"lengths must be \(2,\), one number of steps"),
        (np.zeros((2, 3, 4)), [1.0, 2.0], 0, r"found float64\(2,\)"),
    ],
)
def test_what_cannot_be_read(scores: Array, lengths: Any, blank: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        cnn.ctc_greedy(scores, lengths, blank=blank)
