"""Parameters whose group has a rate of 0 for good: they stay, and no gradient of them is made."""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.ir.plan import GRADIENT
from graphcnn.learning import optimizers
from graphcnn.learning.schedules.base import Schedule

S = cnn.schedules
STEPS = 6


def net(seed=0):
    image = cnn.input("image", (1, 8, 8))
    x = cnn.conv2d(image, 4, 3, activation="relu", name="first")
    x = cnn.conv2d(x, 6, 3, activation="relu", name="second")
    model = cnn.Model(image, cnn.dense(cnn.flatten(x), 3, name="head"))
    return model.initialize(seed)


def batches(n=STEPS, size=16):
    rng = np.random.default_rng(0)
    for _ in range(n):
        yield rng.normal(size=(size, 1, 8, 8)).astype(np.float32), rng.integers(0, 3, size)


def falling(optimizer=cnn.SGD, end=3, **settings):
    """The first layer rests from step `end` + 1 on."""
    rates = {"first.*": {"learning_rate": S.Linear(1.0, 0.0, steps=end)}}
    return optimizer(0.05, groups=rates, **settings)


def trained(by, model=None, **options):
    session = cnn.Session(model or net(), "cross_entropy", by, **options)
    kept = []
    with session:
        for images, labels in batches():
            session.step(images, labels)
            kept.append({name: array.copy() for name, array in session.states.items()})
    return kept, session


@pytest.mark.parametrize("runtime", ["reference", "native"])
def test_all_else_is_as_with_the_gradient(runtime, monkeypatch):
    by = falling(momentum=0.9)
    kept, _ = trained(by, runtime=runtime, precision="strict")
    monkeypatch.setattr(optimizers.SGD, "stays_at_zero", False)
    whole, _ = trained(by, runtime=runtime, precision="strict")
    still = ("first.weight.velocity", "first.bias.velocity")
    for step, (a, b) in enumerate(zip(kept, whole, strict=True), start=1):
        for name in a:
            same = a[name].tobytes() == b[name].tobytes()
            assert same or (step > 3 and name in still), (step, name)
    assert kept[2]["first.weight"].tobytes() == kept[5]["first.weight"].tobytes()
    assert kept[2]["first.weight.velocity"].tobytes() == kept[5]["first.weight.velocity"].tobytes()
    assert whole[5]["first.weight.velocity"].tobytes() != kept[5]["first.weight.velocity"].tobytes()
    assert kept[2]["second.weight"].tobytes() != kept[5]["second.weight"].tobytes()


def test_the_bits_are_those_of_any_threads_shards_and_of_a_session_that_goes_on():
    by = falling(momentum=0.9)
    (*_, once), _ = trained(by, threads=1)
    (*_, twice), _ = trained(by, threads=2)
    assert all(once[name].tobytes() == twice[name].tobytes() for name in once)
    (*_, cut), _ = trained(by, threads=2, shards=2)
    (*_, alone), _ = trained(by, threads=1, shards=2)
    assert all(cut[name].tobytes() == alone[name].tobytes() for name in cut)
    for stop in (2, 3, 4):
        model, states = net(), None
        given = list(batches())
        for part in (given[:stop], given[stop:]):
            with cnn.Session(model, "cross_entropy", by) as session:
                if states is not None:
                    session.load(states)
                for images, labels in part:
                    session.step(images, labels)
                states = session.states
        assert all(states[name].tobytes() == once[name].tobytes() for name in once)


def test_slots_of_another_optimiser_stay_too():
    others = cnn.AdamW(0.5, beta1=S.Linear(0.9, 0.5, steps=4))
    (*_, rested, last), _ = trained(falling(cnn.Muon, normalised=True, others=others))
    names = {name for name in last if rested[name].tobytes() == last[name].tobytes()}
    slots = {name for name in last if name.startswith("first.bias.")}
    assert len(slots) == 2 and slots <= names and "first.bias" in names
    assert "first.weight.velocity" not in names and "second.bias" not in names


def test_gradients_and_apply_leave_out_what_rests():
    by = falling(momentum=0.9)
    (*_, whole), _ = trained(by)
    with cnn.Session(net(), "cross_entropy", by) as session:
        names = []
        for images, labels in batches():
            gradients = session.gradients(images, labels)
            names.append({*gradients})
            session.apply(gradients)
        states = session.states
    assert names[2] - names[3] == {"first.weight", "first.bias"} and not names[3] - names[2]
    assert all(states[name].tobytes() == whole[name].tobytes() for name in whole)
    seen = []
    with cnn.Session(net(), "cross_entropy", by) as session:
        for images, labels in batches():
            session.step(images, labels, ready=lambda gradients: seen.append({*gradients}))
        ready = session.states
    assert seen == names
    assert all(ready[name].tobytes() == whole[name].tobytes() for name in whole)


def test_the_gradient_is_not_computed():
    model = net()
    from graphcnn.compile.pipelines import training_graph

    told = model.graph, "cross_entropy", falling()
    whole = training_graph(*told)
    rest = training_graph(*told, resting=frozenset({"first.weight", "first.bias"}))
    backward = [n for n in whole.nodes if n.origin.forward == "second"]
    less = [n for n in rest.nodes if n.origin.forward == "second"]
    assert len(less) < len(backward)
    assert {v.node.name for v in whole.states} == {v.node.name for v in rest.states}
    kept = training_graph(*told, keep_gradients=True, resting=frozenset({"first.weight"}))
    assert GRADIENT + "first.weight" not in kept.outputs and GRADIENT + "first.bias" in kept.outputs


def all_optimizers():
    given = {"LAMB": {}, "Muon": {"normalised": False}}
    return [
        kind(0.1, **given.get(kind.__name__, {}))
        for kind in dict.fromkeys(optimizers.OPTIMIZERS.values())
    ]


@pytest.mark.parametrize("by", all_optimizers(), ids=lambda by: type(by).__name__)
def test_an_update_at_a_rate_of_0_leaves_the_parameter(by):
    """What `stays_at_zero` claims, of every optimiser."""
    model = net()
    before = {name: array.copy() for name, array in model.parameters.items()}
    assert all(by.stays(p) for p in model.graph.parameters)
    with cnn.Session(model, "cross_entropy", by) as session:
        for images, labels in batches(2):
            session.learning_rate = S.Constant(1e-30) * 0.0
            session.step(images, labels)
    assert all(model.parameters[name].tobytes() == before[name].tobytes() for name in before)


def test_what_may_move_at_a_rate_of_0_does_not_rest():
    class Own(cnn.SGD):
        def update(self, parameter, gradient, slots, learning_rate, step):
            return parameter * 0.5, {}

    parameters = {p.node.name: p for p in net().graph.parameters}
    assert {*falling().rests_from(parameters).items()} == {("first.weight", 4), ("first.bias", 4)}
    assert not falling(clip_norm=1.0).rests_from(parameters)
    assert not falling(Own).rests_from(parameters)
    assert not cnn.EMA(falling()).rests_from(parameters)
    assert not cnn.Lookahead(falling()).rests_from(parameters)
    turned = falling(cnn.Muon, normalised=True).rests_from(parameters)
    assert {*turned} == {"first.bias"}


def test_zero_from_is_the_first_step_of_zeros():
    rates = [
        S.Linear(1.0, 0.0, steps=5), S.Polynomial(1.0, steps=4), S.Cosine(0.3, steps=7),
        S.OneCycle(0.4, steps=6, last=0.0), S.OneCycle(0.4, steps=6, last=0.0, linear=True),
        S.warmup(S.Linear(1.0, 0.0, steps=5), 3), S.join(0.1, S.Cosine(0.3, steps=7), at=4),
        0.5 * S.Linear(1.0, 0.0, steps=5), S.Constant(1.0) * 0.0,
        S.Linear(1.0, 0.0, steps=5) * S.Cosine(0.3, steps=3),
    ]  # fmt: skip
    for rate in rates:
        first = rate.zero_from()
        numbers = [rate.at(step) for step in range(1, 40)]
        assert first is not None and not any(numbers[first - 1 :]), rate
        assert first == 1 or numbers[first - 2], rate
    for rate in (S.Linear(1.0, 0.1, steps=5), S.Step(1.0), S.Constant(1.0), S.OneCycle(1.0, 9)):
        assert rate.zero_from() is None
    assert all(hasattr(kind, "zero_from") for kind in Schedule.__subclasses__())
