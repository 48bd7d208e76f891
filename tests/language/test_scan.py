"""`cnn.scan`: a function called once, computed for every step; what it uses of outside."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ops.loops import Scan

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 5, 3)).astype("f")


def predicted(outputs: Any, x: Any, arrays: Any = X) -> Any:
    """By the native runtime, which has the numbers of the reference."""
    model = cnn.Model(x, outputs)
    native, reference = model.predict(arrays), model.predict(arrays, runtime="reference")
    for a, b in zip(*map(_arrays, (native, reference)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    return native


def _arrays(found: Any) -> list[Any]:
    return list(found.values()) if isinstance(found, dict) else [found]


def sequence() -> Any:
    return cnn.input("x", (5, 3))


@pytest.mark.parametrize("reverse", [False, True])
def test_running_sums(reverse: bool) -> None:
    x = sequence()
    last, sums = cnn.scan(lambda c, v: (c + v, c + v), cnn.zeros((cnn.N, 3)), x, reverse=reverse)
    assert str(sums.type) == "f32[N,5,3]" and str(last.type) == "f32[N,3]"
    found = predicted({"last": last, "sums": sums}, x)
    turned = X[:, ::-1] if reverse else X
    expected = np.cumsum(turned, 1)[:, :: -1 if reverse else 1]
    np.testing.assert_allclose(found["sums"], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["last"], X.sum(1), rtol=1e-5, atol=1e-6)


def test_tuples_at_every_place() -> None:
    x = sequence()
    start = (cnn.zeros((cnn.N, 3)), cnn.zeros((cnn.N,)))

    def step(carry: Any, xs: Any) -> Any:
        (total, squares), (v, w) = carry, xs
        return (total + v, squares + cnn.sum(w * w, axes=1)), (v * 2.0, w)

    (total, squares), (doubled, same) = cnn.scan(step, start, (x, x))
    found = predicted({"a": total, "b": squares, "c": doubled, "d": same}, x)
    np.testing.assert_allclose(found["a"], X.sum(1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found["b"], (X * X).sum((1, 2)), rtol=1e-5)
    np.testing.assert_array_equal(found["c"], X * 2)
    np.testing.assert_array_equal(found["d"], X)


def test_no_results_for_each_step_and_nothing_new_to_read() -> None:
    x = cnn.input("x", (3,))
    last, ys = cnn.scan(lambda c, _: (c * 0.5, ()), x, length=4)
    assert ys == ()
    np.testing.assert_array_equal(predicted(last, x, X[:, 0]), X[:, 0] / 16)


def test_steps_along_other_axes() -> None:
    x = sequence()
    _, ys = cnn.scan(lambda c, v: (c + v, c + v), cnn.zeros((cnn.N, 5)), x, axis=-1)
    np.testing.assert_allclose(predicted(ys, x), np.cumsum(X, 2), rtol=1e-5, atol=1e-6)


def test_what_the_body_uses_of_outside_is_given() -> None:
    x = sequence()
    factor = cnn.parameter((3,), 2.0, name="factor")
    mean = cnn.mean(x, axes=1)

    def step(c: Any, v: Any) -> Any:
        return c + v * factor - mean + 1.0, cnn.dense(v, 2, init=0.5, name="out")

    last, ys = cnn.scan(step, cnn.zeros((cnn.N, 3)), x, name="loop")
    model = cnn.Model(x, {"last": last, "ys": ys})
    (loop,) = (n for n in model.graph.nodes if isinstance(n.op, Scan))
    given = loop.op.parts(loop.inputs).given
    assert sorted(v.node.name for v in given) == [
        "factor", "loop.out.bias", "loop.out.weight", "mean_1",
    ]  # fmt: skip
    found = model.predict(X)
    expected = X.sum(1) * 2 - 5 * X.mean(1) + 5
    np.testing.assert_allclose(found["last"], expected, rtol=1e-4, atol=1e-5)
    expected = np.repeat(X.sum(2, keepdims=True), 2, 2) / 2
    np.testing.assert_allclose(found["ys"], expected, rtol=1e-5, atol=1e-6)


def test_loops_in_loops_use_what_the_outer_one_sees() -> None:
    x = sequence()

    def row(c: Any, v: Any) -> Any:  # v (N, 3)
        total, _ = cnn.scan(lambda s, e: (s + e * c, ()), c, v)
        return total, total

    _, ys = cnn.scan(row, cnn.zeros((cnn.N,)) + 1.0, x)
    c, expected = np.ones(6), []
    for t in range(5):
        total = c.copy()
        for k in range(3):
            total = total + X[:, t, k] * c
        c = total
        expected.append(c)
    np.testing.assert_allclose(predicted(ys, x), np.stack(expected, 1), rtol=1e-4, atol=1e-5)


def test_names_of_two_loops_do_not_meet() -> None:
    x = sequence()

    def step(h: Any, v: Any) -> Any:
        h = cnn.tanh(cnn.dense(v, 3) + cnn.dense(h, 3))
        return h, h

    _, a = cnn.scan(step, cnn.zeros((cnn.N, 3)), x)
    _, b = cnn.scan(step, cnn.zeros((cnn.N, 3)), a)
    model = cnn.Model(x, b)
    assert len(model.graph.parameters) == 8
    assert len({v.node.name for v in model.graph.parameters}) == 8


def trained(threads: int) -> Any:
    x = sequence()

    def step(h: Any, v: Any) -> Any:
        h = cnn.tanh(cnn.dense(v, 4, name="in") + cnn.dense(h, 4, bias=False, name="again"))
        return h, ()

    last, _ = cnn.scan(step, cnn.zeros((cnn.N, 4)), x, name="loop")
    model = cnn.Model(x, cnn.dense(last, 2))
    items = np.random.default_rng(1).normal(size=(48, 5, 3)).astype("f")
    labels = (items[:, :, 0].sum(1) > 0).astype(int)
    history = model.fit(
        (items, labels), epochs=20, seed=0, batch_size=16, progress=False, threads=threads,
        optimizer=cnn.Adam(0.02),
    )  # fmt: skip
    return model, history


def test_it_learns_with_the_same_bits_for_any_number_of_threads() -> None:
    one, history = trained(1)
    two, _ = trained(2)
    assert history[-1]["accuracy"] > 0.9
    for key, array in one.states.items():
        assert array.tobytes() == two.states[key].tobytes(), key


def test_summary_says_what_is_in_the_loop() -> None:
    x = sequence()
    last, _ = cnn.scan(lambda c, v: (cnn.tanh(c + v), ()), cnn.zeros((cnn.N, 3)), x, reverse=True)
    assert "scan × 5 backwards (add, tanh)" in str(cnn.Model(x, last).summary())


def test_it_is_drawn_with_its_number_of_steps(tmp_path: Path) -> None:
    x = sequence()
    last, _ = cnn.scan(lambda c, v: (cnn.tanh(c + v), ()), cnn.zeros((cnn.N, 3)), x, name="loop")
    cnn.Model(x, last).draw(tmp_path / "loop.svg")
    drawn = (tmp_path / "loop.svg").read_text(encoding="utf-8")
    assert all(f">{words}<" in drawn for words in ("×5", "loop of 5 steps", "add", "tanh"))


def test_it_is_saved_and_read_back(tmp_path: Path) -> None:
    x = sequence()
    last, _ = cnn.scan(
        lambda c, v: (cnn.tanh(c + cnn.dense(v, 3)), ()), cnn.zeros((cnn.N, 3)), x, name="loop"
    )
    model = cnn.Model(x, last)
    back = cnn.load(model.save(tmp_path / "loop"))
    assert model.predict(X).tobytes() == back.predict(X).tobytes()


@pytest.mark.parametrize(
    ("body", "options", "message"),
    [
        (lambda c, v: c, {}, r"body must give \(carry, y\)"),
        (lambda c: (c, c), {}, r"body must be a function of \(carry, x\)"),
        (lambda c, v: ((c,), v), {}, r"a carry like the one that it gets, f32\[N,3\], found a tu"),
        (lambda c, v: (c[:, :2], v), {}, r"carry 0, 'carry', is f32\[N,3\] and becomes"),
        (lambda c, v: (c, 3), {}, "y must be a tensor or a tuple of tensors, found 3"),
        (lambda c, v: (c, v), {"axis": 0}, "number of steps must be known, found N"),
        (lambda c, v: (c, v), {"axis": 3}, "axis must be an int from -3 to 2"),
        (lambda c, v: (c, v), {"length": 4}, r"one number of steps along axis 1, found \[5\], le"),
        (lambda c, v: (c, cnn.mean(v)), {}, r"y of one step is f32\[\]: it has no axis 1"),
        (lambda c, v: (cnn.dropout(c, 0.5), v), {}, "dropout.* cannot stand in the body"),
        (lambda c, v: (cnn.batch_norm(c), v), {}, "keeps statistics of what it sees"),
    ],
)  # fmt: skip
def test_mistakes(body: Callable[..., Any], options: dict[str, Any], message: str) -> None:
    with pytest.raises(GraphError, match=message) as found:
        cnn.scan(body, cnn.zeros((cnn.N, 3)), sequence(), **options)
    assert "test_scan.py" in str(found.value)


def test_without_sequence_or_length() -> None:
    with pytest.raises(GraphError, match="give the number of steps: length"):
        cnn.scan(lambda c, _: (c, ()), cnn.zeros((3,)))


def test_zeros_have_the_size_of_the_batch() -> None:
    graph = Graph.of([], {"y": cnn.zeros((cnn.N, 2), "int64")})
    assert str(graph.outputs["y"].type) == "i64[N,2]"
    assert str(graph.bind(3).outputs["y"].type) == "i64[3,2]"
