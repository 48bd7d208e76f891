"""Optimisers, as graph nodes, against the same formulas as loops over arrays."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from support.evaluate import run
from support.tiny import leaf

from graphcnn.errors import GraphError
from graphcnn.learning.optimizers import SGD, Adam, AdamW, Optimizer, RMSProp, optimizer
from graphcnn.learning.schedules import Cosine, Step

STEPS = 5
LR = 0.05

Array = np.ndarray[Any, Any]
Loop = Callable[[Array, list[Array]], Array]


def with_graph(rule: Optimizer, start: Array, gradients: list[Array], dtype: str) -> Array:
    """The parameter after the graph's update has been run once per gradient."""
    p, g = leaf("p", start.shape, dtype), leaf("g", start.shape, dtype)
    lr, t = leaf("lr", (), "float32"), leaf("t", (), "int64")
    slots = {name: leaf(name, start.shape, dtype) for name in rule.slots}
    new, moved = rule.update(p, g, slots, lr, t)
    assert new.type == p.type
    assert list(moved) == list(slots)
    assert all(v.type == p.type for v in moved.values())
    value = start
    kept = {name: np.zeros_like(start) for name in slots}
    for step, gradient in enumerate(gradients, 1):
        feeds = {p: value, g: gradient, lr: LR, t: step}
        feeds.update({slots[name]: array for name, array in kept.items()})
        value, *arrays = run([new, *moved.values()], feeds)
        kept = dict(zip(moved, arrays, strict=True))
    return value


def sgd(momentum: float = 0.0, nesterov: bool = False, wd: float = 0.0) -> Loop:
    def loop(p: Array, gradients: list[Array]) -> Array:
        v = np.zeros_like(p)
        for g in gradients:
            g = g + wd * p
            v = momentum * v + g
            p = p - LR * (g + momentum * v if nesterov else v)
        return p

    return loop


def rmsprop(decay: float = 0.99, momentum: float = 0.0, wd: float = 0.0) -> Loop:
    def loop(p: Array, gradients: list[Array]) -> Array:
        s, b = np.zeros_like(p), np.zeros_like(p)
        for g in gradients:
            g = g + wd * p
            s = decay * s + (1 - decay) * g**2
            b = momentum * b + g / (np.sqrt(s) + 1e-8)
            p = p - LR * b
        return p

    return loop


def adam(beta1: float = 0.9, beta2: float = 0.999, l2: float = 0.0, decoupled: float = 0.0) -> Loop:
    def loop(p: Array, gradients: list[Array]) -> Array:
        m, v = np.zeros_like(p), np.zeros_like(p)
        for t, g in enumerate(gradients, 1):
            g = g + l2 * p
            p = p * (1 - LR * decoupled)
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g**2
            p = p - LR * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + 1e-8)
        return p

    return loop


CASES: list[tuple[Optimizer, Loop]] = [
    (SGD(LR), sgd()),
    (SGD(LR, 0.9), sgd(0.9)),
    (SGD(LR, momentum=0.9, nesterov=True), sgd(0.9, True)),
    (SGD(LR, 0.5, weight_decay=0.1), sgd(0.5, wd=0.1)),
    (SGD(LR, 0.5, True, weight_decay=0.1), sgd(0.5, True, 0.1)),
    (RMSProp(LR), rmsprop()),
    (RMSProp(LR, decay=0.9, weight_decay=0.1), rmsprop(0.9, wd=0.1)),
    (RMSProp(LR, momentum=0.8), rmsprop(momentum=0.8)),
    (Adam(LR), adam()),
    (Adam(LR, 0.8, 0.95, weight_decay=0.1), adam(0.8, 0.95, 0.1)),
    (AdamW(LR), adam(decoupled=0.01)),
    (AdamW(LR, weight_decay=0.3), adam(decoupled=0.3)),
    (AdamW(LR, weight_decay=0), adam()),
]


@pytest.mark.parametrize(("rule", "loop"), CASES, ids=lambda x: str(x) if x in dict(CASES) else "")
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-7), ("float32", 2e-6)])
def test_equals_a_loop(rule: Optimizer, loop: Loop, dtype: str, tolerance: float) -> None:
    rng = np.random.default_rng(0)
    start = rng.normal(size=(3, 4)).astype(dtype)
    gradients = [rng.normal(size=(3, 4)).astype(dtype) for _ in range(STEPS)]
    found = with_graph(rule, start, gradients, dtype)
    wide = [g.astype(np.float64) for g in gradients]
    np.testing.assert_allclose(found, loop(start.astype(np.float64), wide), tolerance, tolerance)


@pytest.mark.parametrize("rule", [SGD, RMSProp, Adam, AdamW])
def test_weight_decay_leaves_biases_alone(rule: type[Optimizer]) -> None:
    start, gradients = np.ones(4), [np.zeros(4)] * STEPS
    np.testing.assert_array_equal(
        with_graph(rule(LR, weight_decay=0.5), start, gradients, "float64"), start
    )
    matrix = np.ones((2, 2))
    moved = with_graph(rule(LR, weight_decay=0.5), matrix, [np.zeros((2, 2))] * STEPS, "float64")
    assert moved.max() < 1
    assert not rule(LR, weight_decay=0).decays(leaf("p", (2, 2)))


def test_first_step_of_adam_has_the_size_of_the_learning_rate() -> None:
    """Whatever the gradient is. In float32 too, since the corrections are computed in float64."""
    start = np.zeros((1, 3), np.float32)
    gradient = np.array([[0.5, -5.0, 1e4]], np.float32)
    found = with_graph(Adam(LR), start, [gradient], "float32")
    np.testing.assert_allclose(found, [[-LR, LR, -LR]], rtol=1e-6)


def test_slots() -> None:
    assert SGD(LR).slots == ()
    assert SGD(LR, 0.9).slots == ("velocity",)
    assert RMSProp().slots == ("square",)
    assert RMSProp(momentum=0.5).slots == ("square", "velocity")
    assert Adam().slots == AdamW().slots == ("mean", "square")


def test_optimizers_by_name() -> None:
    assert optimizer("sgd") == SGD(0.01)
    assert optimizer("AdamW") == AdamW() and optimizer("AdamW").weight_decay == 0.01
    assert optimizer("rmsprop") == RMSProp() and optimizer("adam") == Adam()
    rule = SGD(0.1, 0.9)
    assert optimizer(rule) is rule
    with pytest.raises(GraphError, match="unknown optimizer 'adm'; did you mean 'adam'"):
        optimizer("adm")
    with pytest.raises(GraphError, match="optimizer must be a name"):
        optimizer(0.1)


def test_rate_follows_the_schedule() -> None:
    assert SGD(0.1).rate(7) == 0.1
    rule = Adam(Step(0.1, 0.5, 10))
    assert [rule.rate(t) for t in (1, 10, 11)] == [0.1, 0.1, 0.05]
    assert SGD(Cosine(0.1, 10)).rate(11) == 0


def test_optimizers_are_immutable_and_comparable() -> None:
    rule = SGD(0.1)
    with pytest.raises(FrozenInstanceError):
        rule.momentum = 0.9  # type: ignore[misc]
    assert hash(SGD(0.1)) == hash(rule) and SGD(0.1) == rule != SGD(0.1, 0.9)
    assert repr(rule).startswith("SGD(learning_rate=0.1, ")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(0), "learning_rate must be a number greater than 0"),
        (lambda: SGD(-0.1), "learning_rate must be a number greater than 0"),
        (lambda: SGD("fast"), "learning_rate must be a number greater than 0 or a Schedule"),
        (lambda: SGD(float("nan")), "learning_rate must be a number greater than 0"),
        (lambda: SGD(True), "learning_rate must be a number greater than 0"),
        (lambda: SGD(0.1, 1.0), "SGD: momentum must be a number at least 0 and less than 1"),
        (lambda: SGD(0.1, -0.5), "SGD: momentum must be a number at least 0 and less than 1"),
        (lambda: SGD(0.1, nesterov=True), "nesterov needs a momentum greater than 0"),
        (lambda: SGD(0.1, weight_decay=-1), "SGD: weight_decay must be a number at least 0"),
        (lambda: SGD(0.1, clip_norm=0), "SGD: clip_norm must be a number greater than 0"),
        (lambda: RMSProp(decay=1), "RMSProp: decay must be a number at least 0 and less than 1"),
        (lambda: RMSProp(epsilon=0), "RMSProp: epsilon must be a number greater than 0"),
        (lambda: RMSProp(momentum=2), "RMSProp: momentum must be a number at least 0"),
        (lambda: Adam(beta1=1), "Adam: beta1 must be a number at least 0 and less than 1"),
        (lambda: Adam(beta2=-0.1), "Adam: beta2 must be a number at least 0 and less than 1"),
        (lambda: AdamW(epsilon=-1), "AdamW: epsilon must be a number greater than 0"),
    ],
)
def test_settings_that_make_no_sense(make: Callable[[], Optimizer], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        make()
