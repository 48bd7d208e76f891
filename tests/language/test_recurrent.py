"""`rnn`, `lstm` and `gru` against plain NumPy, step by step and item by item."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.errors import GraphError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(5, 7, 3)).astype("f")
LENGTHS = np.array([7, 1, 4, 0, 6])
SIZE = 4
LAYERS = {"rnn": cnn.rnn, "lstm": cnn.lstm, "gru": cnn.gru}


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def rnn_step(weights: Any, x: Any, states: Any) -> Any:
    w, b, u = weights
    return (np.tanh(w @ x + b + u @ states[0]),)


def lstm_step(weights: Any, x: Any, states: Any) -> Any:
    w, b, u = weights
    i, f, g, o = np.split(w @ x + b + u @ states[0], 4)
    c = sigmoid(f) * states[1] + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru_step(weights: Any, x: Any, states: Any) -> Any:
    w, b, u, b2 = weights
    r, z, n = np.split(w @ x + b, 3)
    r2, z2, n2 = np.split(u @ states[0] + b2, 3)
    new, share = np.tanh(n + sigmoid(r + r2) * n2), sigmoid(z + z2)
    return ((1 - share) * new + share * states[0],)


STEPS = {"rnn": rnn_step, "lstm": lstm_step, "gru": gru_step}


def by_hand(kind: str, weights: Any, lengths: Any, reverse: bool, start: Any = None) -> Any:
    """All results (N, T, H), and the last states (N, H), one item and one step after the other."""
    count = 2 if kind == "lstm" else 1
    ys = np.zeros((len(X), X.shape[1], SIZE))
    last = np.zeros((count, len(X), SIZE))
    for n, length in enumerate(lengths):
        states = tuple(np.zeros(SIZE) for _ in range(count)) if start is None else start[n]
        for t in range(length)[:: -1 if reverse else 1]:
            states = STEPS[kind](weights, X[n, t], states)
            ys[n, t] = states[0]
        last[:, n] = states
    return ys, last


def weights_of(model: Any, name: str, kind: str) -> Any:
    keys = [f"{name}.input.weight", f"{name}.input.bias", f"{name}.recurrent.weight"]
    return [model.states[k] for k in [*keys, *([f"{name}.recurrent.bias"] * (kind == "gru"))]]


def states_of(kind: str, last: Any) -> list[Any]:
    return list(last) if kind == "lstm" else [last]


def randomised(model: Any) -> Any:
    """Biases begin with zeros, which would show nothing."""
    rng = np.random.default_rng(5)
    model.update_states({k: rng.normal(size=v.shape).astype("f") for k, v in model.states.items()})
    return model


@pytest.mark.parametrize("masked", [False, True], ids=["all steps", "lengths"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("kind", LAYERS)
def test_one_way(kind: str, reverse: bool, masked: bool) -> None:
    x, n = cnn.input("x", (7, 3)), cnn.input("n", (), dtype="int64")
    layer: Callable[..., Any] = LAYERS[kind]
    ys, last = layer(x, SIZE, lengths=n if masked else None, reverse=reverse, name="L")
    outputs = {"ys": ys, **{f"s{i}": s for i, s in enumerate(states_of(kind, last))}}
    model = randomised(cnn.Model([x, n] if masked else x, outputs))
    lengths = LENGTHS if masked else [7] * len(X)
    expected_ys, expected_last = by_hand(kind, weights_of(model, "L", kind), lengths, reverse)
    feeds = {"x": X, "n": LENGTHS} if masked else X
    for runtime in ("native", "reference"):
        found = model.predict(feeds, runtime=runtime)
        np.testing.assert_allclose(found["ys"], expected_ys, rtol=1e-4, atol=1e-5)
        for i, state in enumerate(expected_last):
            np.testing.assert_allclose(found[f"s{i}"], state, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", LAYERS)
def test_both_ways(kind: str) -> None:
    x = cnn.input("x", (7, 3))
    ys, last = LAYERS[kind](x, SIZE, bidirectional=True, name="L")  # type: ignore[operator]
    assert str(ys.type) == "f32[N,7,8]"
    outputs = {"ys": ys, **{f"s{i}": s for i, s in enumerate(states_of(kind, last))}}
    model = randomised(cnn.Model(x, outputs))
    found = model.predict(X)
    sides = [
        by_hand(kind, weights_of(model, f"L.{word}", kind), [7] * len(X), way)
        for way, word in ((False, "forward"), (True, "backward"))
    ]
    expected = np.concatenate([ys for ys, _ in sides], 2)
    np.testing.assert_allclose(found["ys"], expected, rtol=1e-4, atol=1e-5)
    for i, state in enumerate(np.concatenate([last for _, last in sides], 2)):
        np.testing.assert_allclose(found[f"s{i}"], state, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", LAYERS)
def test_other_states_to_start_with(kind: str) -> None:
    x, h = cnn.input("x", (7, 3)), cnn.input("h", (SIZE,))
    start = (h, h * 0.5) if kind == "lstm" else h
    ys, _ = LAYERS[kind](x, SIZE, start=start, name="L")  # type: ignore[operator]
    model = randomised(cnn.Model([x, h], ys))
    at = RNG.normal(size=(5, SIZE)).astype("f")
    given = [(row, row * 0.5) if kind == "lstm" else (row,) for row in at]
    expected, _ = by_hand(kind, weights_of(model, "L", kind), [7] * len(X), False, given)
    found = model.predict({"x": X, "h": at})
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_new_lstm_remembers() -> None:
    x = cnn.input("x", (7, 3))
    model = cnn.Model(x, cnn.lstm(x, 2, name="L")[0])
    np.testing.assert_array_equal(model.states["L.input.bias"], [0, 0, 1, 1, 0, 0, 0, 0])


def test_layers_above_each_other_have_names_of_their_own() -> None:
    x = cnn.input("x", (7, 3))
    ys, _ = cnn.gru(x, 4)
    ys, _ = cnn.gru(ys, 4)
    keys = sorted(cnn.Model(x, ys).states)
    assert keys[0] == "gru.input.bias" and len(keys) == 8 and "gru_2.recurrent.weight" in keys


def test_it_learns_what_was_first() -> None:
    """The first element of a sequence, at its end."""
    x = cnn.input("x", (12, 1))
    _, (h, _) = cnn.lstm(x, 8, name="L")
    model = cnn.Model(x, cnn.dense(h, 2))
    items = np.random.default_rng(2).normal(size=(256, 12, 1)).astype("f")
    labels = (items[:, 0, 0] > 0).astype(int)
    history = model.fit(
        (items, labels), epochs=30, seed=0, batch_size=32, progress=False, optimizer=cnn.Adam(0.02)
    )
    assert history[-1]["accuracy"] > 0.95


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: cnn.rnn(x[:, 0], 4), r"sequences \(N, T, F\) .*, found f32\[N,3\]"),
        (lambda x: cnn.rnn(x, 0), "units must be an int of at least 1"),
        (lambda x: cnn.lstm(x, 4, start=cnn.zeros((cnn.N, 4))), r"start must be 2 × f32\[N,4\]"),
        (lambda x: cnn.gru(x, 4, start=3), "start must be a tensor"),
        (lambda x: cnn.gru(x, 4, start=cnn.zeros((cnn.N, 4)), bidirectional=True), "one direction"),
        (lambda x: cnn.gru(x, 4, lengths=x), r"lengths must be i64\[N\], .*, found f32\[N,7,3\]"),
    ],
)
def test_mistakes(call: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(GraphError, match=message) as found:
        call(cnn.input("x", (7, 3)))
    assert "test_recurrent.py" in str(found.value)
