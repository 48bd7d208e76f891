"""Optimisers, as graph nodes, against the same formulas as loops over arrays."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from pictures.checks import check_picture, check_texts
from support.evaluate import run
from support.tiny import leaf

import graphcnn as cnn
from graphcnn.errors import GraphError
from graphcnn.learning.optimizers import (
    EMA,
    LAMB,
    OPTIMIZERS,
    SGD,
    SWA,
    Adagrad,
    Adam,
    AdamW,
    Lion,
    Lookahead,
    Muon,
    Optimizer,
    RMSProp,
    layer_decay,
    optimizer,
)
from graphcnn.learning.optimizers.muon import orthogonal
from graphcnn.learning.schedules import Cosine, Linear, OneCycle, Step, epochs

STEPS = 5
LR = 0.05
LABELS = cnn.TensorType((cnn.N,), cnn.DType.INT64)

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
    assert EMA(Lookahead(SGD(LR, 0.9))).slots == ("velocity", "slow", "average")
    kernel, bias = leaf("p", (4, 2, 3, 3)), leaf("b", (4,))
    assert Muon().slots_of(kernel) == ("velocity",)
    assert Muon().slots_of(bias) == EMA(Muon()).slots_of(bias)[:2] == ("mean", "square")
    assert Muon(orthogonal=False).slots_of(kernel) == ("mean", "square")


def test_newton_and_schulz_make_singular_values_1_and_leave_the_vectors() -> None:
    """As NumPy writes them, for matrices that lie and that stand; a kernel is one by its rows."""
    rng = np.random.default_rng(0)
    for shape in ((4, 18), (18, 4), (5, 5)):
        matrix = rng.normal(size=shape)
        x = matrix / np.linalg.norm(matrix)
        for _ in range(5):
            square = x @ x.T
            x = 3.4445 * x + (-4.775 * square + 2.0315 * square @ square) @ x
        matrix_ = leaf("x", shape, "float64")
        (found,) = run([orthogonal(matrix_, 5)], {matrix_: matrix})
        np.testing.assert_allclose(found, x, 1e-10, 1e-12)
        u, _, vt = np.linalg.svd(matrix, full_matrices=False)
        values = np.diag(u.T @ found @ vt.T)
        assert 0.6 < values.min() <= values.max() < 1.3
    flat, start = rng.normal(size=(4, 18)), np.zeros((4, 18))
    for rule in (Muon(LR), Muon(LR, nesterov=False)):
        as_matrix = with_graph(rule, start, [flat] * 3, "float64")
        kernel = [flat.reshape(4, 2, 3, 3)] * 3
        as_kernel = with_graph(rule, start.reshape(4, 2, 3, 3), kernel, "float64")
        np.testing.assert_array_equal(as_kernel.reshape(4, 18), as_matrix)


def test_lamb_steps_are_as_long_as_the_weights() -> None:
    start = np.random.default_rng(0).normal(size=(3, 4))
    moved = with_graph(LAMB(LR, weight_decay=0.1), start, [start**3], "float64") - start
    assert np.linalg.norm(moved) == pytest.approx(LR * np.linalg.norm(start))
    # From nothing the quotient is 1, and so is the size of the first step of Adam.
    zero = with_graph(LAMB(LR), np.zeros((1, 2)), [np.array([[2.0, -3.0]])], "float64")
    np.testing.assert_allclose(zero, [[-LR, LR]], 1e-6)


def small() -> cnn.Model:
    image = cnn.input("image", (1, 8, 8))
    x = cnn.conv2d(image, 4, 3, name="first")
    x = cnn.max_pool2d(cnn.relu(cnn.batch_norm(x, name="norm")), 2)
    return cnn.Model(image, cnn.dense(cnn.flatten(x), 3, name="head")).initialize(0)


GROUPED = SGD(LR, 0.9, weight_decay=0.01, groups={
    "head.*": {"learning_rate": 10, "momentum": 0.0}, "*.bias": {"weight_decay": 0.5}
})  # fmt: skip
FALLING = {"first.*": {"learning_rate": Linear(1, 0, epochs(1))}}
ALL: list[Optimizer] = [
    *(made() for made in OPTIMIZERS.values()),  # type: ignore[call-arg]
    GROUPED,
    Adam(LR, OneCycle(0.85, 12, first=0.95, last=0.95), amsgrad=True, clip_norm_each=0.5),
    SGD(OneCycle(0.2, 12), momentum=OneCycle(0.85, 12, first=0.95, last=0.95), clip_value=0.01),
    EMA(Lookahead(Adam(LR), every=3), 0.9, warmup=True),
    SWA(Lion(0.001), start=2, every=3),
    Lookahead(Muon(clip_norm=1.0)),
    Muon(normalised=True, groups=FALLING).over(4, 2),
]


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: str(rule)[:40])
def test_same_bits_for_any_threads_and_across_a_stop(rule: Optimizer) -> None:
    """Eight steps with one thread, with two, and in two sessions: the second goes on with the
    states of the first alone."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(16, 1, 8, 8)).astype(np.float32)
    labels = rng.integers(0, 3, 16)

    def session(threads: int) -> cnn.Session:
        return cnn.Session(small(), optimizer=rule, runtime="native", threads=threads)

    whole, beside, begun, after = session(1), session(2), session(2), session(1)
    for _ in range(8):
        whole.step(images, labels)
        beside.step(images, labels)
    for _ in range(5):
        begun.step(images, labels)
    after.step(images, labels)
    after.load({key: array.copy() for key, array in begun.states.items()})
    for _ in range(3):
        after.step(images, labels)
    wanted = whole.states
    for found in (beside.states, after.states):
        assert found.keys() == wanted.keys()
        assert not [k for k in wanted if not np.array_equal(found[k], wanted[k])]
    averaged = whole.averaged()
    if not rule.averages:
        assert averaged is None
        return
    assert averaged is not None and list(averaged) == list(whole.model.parameters)
    assert any(not np.array_equal(averaged[k], wanted[k]) for k in averaged)


def test_averages_begin_with_the_parameters() -> None:
    """The first is all there is; before an average the parameters are."""
    images, labels = np.ones((4, 1, 8, 8), np.float32), np.array([0, 1, 2, 0])
    for rule in (EMA(SGD(LR), 0.9), SWA(SGD(LR), start=3, every=1)):
        session = cnn.Session(small(), optimizer=rule, target=LABELS)
        for _ in range(2 if isinstance(rule, EMA) else 4):
            averaged, own = session.averaged(), dict(session.model.parameters)
            assert averaged is not None and averaged.keys() == own.keys()
            for key, array in own.items():
                np.testing.assert_array_equal(averaged[key], array)
            session.step(images, labels)


def test_groups_are_told() -> None:
    text = GROUPED.describe(small().parameters)
    head, bias = text.index("head.*: learning_rate × 10"), text.index("*.bias: learning_rate × 1")
    assert head < text.index("head.bias") < bias < text.index("first.bias")
    assert text.index("others: learning_rate × 1") < text.index("norm.gamma")
    lines = {line.split()[0]: line for line in text.splitlines()[1:]}
    assert "decays by 0.5" in lines["first.bias"] and "no decay" in lines["head.bias"]
    assert "decays by 0.01" in lines["first.weight"] and "no decay" in lines["norm.gamma"]
    assert layer_decay(small().parameters, 0.5) == {
        "head.*": {"learning_rate": 1.0},
        "norm.*": {"learning_rate": 0.5},
        "first.*": {"learning_rate": 0.25},
    }
    for pattern, words in (
        ("haed.*", r"SGD: groups\['haed.\*'\] fits no parameter; the nearest are head"),
        ("*.mean", "fits no parameter"),
    ):
        wrong = SGD(LR, groups={pattern: {"learning_rate": 2}})
        with pytest.raises(GraphError, match=words):
            cnn.Session(small(), optimizer=wrong, target=LABELS)
    # In Muon, too, where others update the biases and what is not to be orthogonal.
    muon = EMA(Muon(weight_decay=0.02, groups={"*.bias": {"weight_decay": 0.5},
                                               "head.*": {"orthogonal": False}}))  # fmt: skip
    rules = {name: rule for name, (rule, _) in muon.grouped(small().parameters).items()}
    decays = {name: rules[name].decay_of(array.ndim) for name, array in small().parameters.items()}
    assert decays == {"first.weight": 0.02, "first.bias": 0.5, "norm.gamma": 0, "norm.beta": 0,
                      "head.weight": 0, "head.bias": 0.5}  # fmt: skip
    # A group of frozen layers waits for a run that trains them.
    model = small()
    model.freeze("head.*")
    cnn.Session(model, optimizer=GROUPED, target=LABELS)


def test_lengths_in_epochs() -> None:
    rule = SWA(SGD(Cosine(LR), OneCycle(0.8)), epochs(3))
    told = rule.over(10, 5)
    assert (told.start, told.every) == (30, 10) and told.rate(51) == 0
    assert told.settings["momentum"].at(50) == pytest.approx(0.0, abs=1e-4)
    assert Adam(0.1).over(10, 5) == Adam(0.1)
    grouped = EMA(SGD(LR, groups=FALLING)).over(10, 5)
    assert grouped.settings["learning_rate[first.*]"].at(6) == 0.5
    with pytest.raises(GraphError, match=r"SWA: start is epochs\(3\), which fit knows"):
        cnn.Session(small(), optimizer=SWA(SGD(LR), epochs(3)), target=LABELS)
    with pytest.raises(GraphError, match="Cosine: steps is the rest of the run, which fit knows"):
        cnn.Session(small(), optimizer=SGD(Cosine(LR)))


def test_each_has_a_drawing_of_its_update_with_the_formula() -> None:
    for rule in ALL:
        picture = rule.picture()
        check_picture(picture)
        check_texts(picture.scene)
        drawn = picture.graph
        assert drawn is not None
        slots = rule.slots_of(next(v for v in drawn.inputs if v.node.name == "p"))
        assert {"new p", *(f"new {slot}" for slot in slots)} <= drawn.outputs.keys()
        assert any("p -= lr" in line for line in picture.scene.footer), rule


def test_averages_of_what_is_minimised() -> None:
    p = cnn.parameter((3,), "ones", name="p")
    found = cnn.minimise(cnn.sum(p * p), [p], EMA(SGD(Cosine(0.1)), 0.5), steps=4)
    assert found.averaged is not None
    assert (found.averaged[0] > found.values[0]).all()


def test_optimizers_by_name() -> None:
    assert optimizer("sgd") == SGD(0.01)
    assert optimizer("AdamW") == AdamW() and optimizer("AdamW").weight_decay == 0.01
    assert optimizer("lion") == Lion() and optimizer("muon") == Muon()
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
        (lambda: SGD(clip_norm=1, clip_value=1), "only one of clip_norm and clip_value can be set"),
        (lambda: SGD(clip_value=0), "SGD: clip_value must be a number greater than 0"),
        (lambda: SGD(groups=[1]), "groups must be settings by pattern, such as"),
        (lambda: SGD(groups={"*": {"momentun": 0}}), "in a group 'momentun'; did you mean 'mom"),
        (lambda: SGD(groups={"*": {"clip_norm": 1}}), "unknown setting of SGD in a group"),
        (lambda: SGD(groups={"b": {"momentum": 2}}), r"groups\['b'\]: SGD: momentum must be"),
        (lambda: SGD(groups={"b": {"learning_rate": -1}}), "learning_rate is a factor, a number"),
        (lambda: SGD(groups={"b": {"momentum": OneCycle(1)}}), "only the learning rate follows"),
        (lambda: Adagrad(epsilon=0), "Adagrad: epsilon must be a number greater than 0"),
        (lambda: Lion(beta1=1), "Lion: beta1 must be a number at least 0 and less than 1"),
        (lambda: Muon(steps=0), "Muon: steps must be an int of at least 1, found 0"),
        (lambda: Muon(others=SGD(Step(0.1))), "Muon: others must be an optimiser whose learning"),
        (lambda: EMA("sgd"), "EMA goes around an optimiser such as SGD"),
        (lambda: EMA(SGD(), decay=1), "EMA: decay must be a number greater than 0 and less than 1"),
        (lambda: EMA(SWA(SGD(), 3)), "EMA goes around an optimiser that keeps 'average' already"),
        (
            lambda: SWA(SGD(), 0),
            "SWA: start must be a whole number of steps, at least 1, or epochs",
        ),
        (lambda: Lookahead(SGD(), every=2.5), "Lookahead: every must be a whole number"),
        (lambda: AdamW(epsilon=-1), "AdamW: epsilon must be a number greater than 0"),
    ],
)
def test_settings_that_make_no_sense(make: Callable[[], Optimizer], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        make()
