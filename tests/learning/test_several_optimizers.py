"""Optimisers by patterns: each parameter has exactly one, with its own settings."""

import numpy as np
import pytest

import graphcnn as cnn
from graphcnn.errors import GraphError

S = cnn.schedules


def net():
    image = cnn.input("image", (1, 6, 6))
    x = cnn.relu(cnn.conv2d(image, 4, 3, name="conv"))
    return cnn.Model(image, cnn.dense(cnn.flatten(x), 3, name="head")).initialize(0)


def batches(n=4, size=8):
    rng = np.random.default_rng(0)
    for _ in range(n):
        yield rng.normal(size=(size, 1, 6, 6)).astype(np.float32), rng.integers(0, 3, size)


def trained(by, model=None, loss="cross_entropy", rate=None):
    model = model or net()
    with cnn.Session(model, loss, by) as session:
        if rate is not None:
            session.learning_rate = rate
        rows = [session.step(*batch) for batch in batches()]
    return {key: array.copy() for key, array in model.parameters.items()}, rows


def same(a, b):
    return all(a[key].tobytes() == b[key].tobytes() for key in a)


@pytest.mark.parametrize(
    "by",
    [cnn.SGD(0.1, momentum=0.9), cnn.Adam(S.Linear(0.1, 0.01, steps=4)), cnn.EMA(cnn.Adam(0.1)),
     cnn.Adam(0.1, clip_norm=0.1), cnn.Muon(0.02),
     cnn.SGD(0.1, groups={"head.*": {"learning_rate": S.Linear(1.0, 0.1, steps=4)}})],
    ids=lambda by: type(by).__name__,
)  # fmt: skip
def test_one_of_all_parameters_has_the_bits_of_itself(by):
    assert same(trained(by)[0], trained({"*": by})[0])


def test_each_changes_its_own():
    conv, head = cnn.SGD(0.1, momentum=0.9), cnn.Adam(S.Linear(0.1, 0.01, steps=4))
    (both, _), (rest, _), (other, _) = (
        trained(by) for by in ({"conv.*": conv, "head.*": head}, conv, head)
    )
    (first, *_), model = batches(), net()
    with cnn.Session(model, "cross_entropy", {"conv.*": conv, "head.*": head}) as session:
        session.step(*first)
    one, two = net(), net()
    for alone, by in ((one, conv), (two, head)):
        with cnn.Session(alone, "cross_entropy", by) as session:
            session.step(*first)
    assert same(model.parameters, {k: (one if k[0] == "c" else two).parameters[k] for k in both})
    assert not same(both, rest) and not same(both, other)


def test_each_clips_its_own_gradients():
    def norm(clip):
        _, rows = trained({"conv.*": cnn.SGD(0.1, clip_norm=clip), "head.*": cnn.SGD(0.1)})
        return rows[0]["gradient_norm[conv.*]"]

    model = net()
    found = cnn.Session(model, "cross_entropy", "sgd").gradients(*next(batches()))
    own = np.sqrt(sum((found[key] ** 2).sum() for key in found if key.startswith("conv")))
    assert norm(1e-3) == pytest.approx(own, rel=1e-5)


def test_the_rate_of_all_is_a_factor():
    rates = {"conv.*": cnn.SGD(0.5), "head.*": cnn.SGD(0.25)}
    halves = {"conv.*": cnn.SGD(0.25), "head.*": cnn.SGD(0.125)}
    assert same(trained(rates, rate=0.5)[0], trained(halves)[0])
    assert same(trained(cnn.Optimizers(rates, learning_rate=0.5))[0], trained(halves)[0])
    assert cnn.Optimizers(rates).at_rate(0.5).rate(1) == 0.5


def test_lengths_of_schedules_are_those_of_the_run():
    by = cnn.Optimizers({"conv.*": cnn.SGD(S.Cosine(0.1)), "head.*": cnn.SGD(0.1)})
    resolved = by.over(5, 4)
    assert resolved.settings["learning_rate[conv.*]"].at(20) < 0.1
    assert resolved.over(5, 4) is resolved
    assert net().fit(
        np.concatenate([x for x, _ in batches()]), np.concatenate([y for _, y in batches()]),
        optimizer=by, epochs=2, progress=False,
    ).ended == "finished"  # fmt: skip


def test_a_goal_of_all_parameters_has_the_bits_of_its_loss():
    aim = cnn.Goal(lambda head, target: cnn.cross_entropy(head, target))
    (plain, rows), (goal, others) = trained(cnn.Adam(0.01)), trained(cnn.Adam(0.01), loss=aim)
    assert same(plain, goal)
    assert [row["loss"] for row in rows] == [row["loss"] for row in others]


def test_who_is_where_is_a_table():
    by = cnn.Optimizers({"conv.*": cnn.SGD(0.1, weight_decay=0.01), "head.w*": cnn.Adam(0.01)})
    table = by.describe(net().parameters)
    assert "conv.weight" in table and "decays by 0.01" in table
    assert table.endswith("without an optimiser: head.bias")
    assert repr(by).startswith("Optimizers({'conv.*': SGD(learning_rate=0.1")


def test_frozen_parameters_need_none():
    model = net()
    model.freeze("conv.*")
    before = model.parameters["conv.weight"].copy()
    found, _ = trained({"head.*": cnn.SGD(0.1)}, model)
    assert np.array_equal(found["conv.weight"], before)


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ({"convx.*": cnn.SGD(0.1)}, r"optimizer\['convx.\*'\] fits no parameter; .* conv.weight"),
        ({"*": cnn.SGD(0.1), "head.*": cnn.SGD(0.1)},
         r"head.weight would be changed by two optimisers, of '\*' and of 'head.\*'"),
        ({"conv.*": cnn.SGD(0.1)}, "no optimiser changes head.weight, head.bias: name them"),
        ({}, "names no parameters"),
        ({"conv.*": 0.1}, "optimizer must be a name"),
        ({"*": cnn.Optimizers({"*": cnn.SGD(0.1)})}, "is several optimisers itself"),
        ({"conv.*": cnn.SGD(0.1, groups={"head.*": {"weight_decay": 0}}), "head.*": "sgd"},
         "groups.*fits no parameter"),
    ],
)  # fmt: skip
def test_refusals(by, message):
    with pytest.raises(GraphError, match=message):
        net().training_graph("cross_entropy", by)
