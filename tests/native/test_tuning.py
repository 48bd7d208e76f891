"""`tune=True`: what is measured decides, within the precision, and is measured once."""

import os
import subprocess
import sys

import numpy as np
import pytest
from native.networks import batches, network, relative
from support.command_line import done

import graphcnn as cnn
from graphcnn.ir.sources import Input
from graphcnn.ir.storage import Choice
from graphcnn.ir.tensor_type import TensorType
from graphcnn.ops.conv import Conv2d
from graphcnn.runtime.native import tuning
from graphcnn.runtime.native.code import cache
from graphcnn.runtime.native.code.registry import choices
from graphcnn.runtime.native.code.target import host, named


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """A cache of its own, which the tests may damage, and a process that knows nothing."""
    monkeypatch.setenv("GRAPHCNN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_source_hash", lambda: "sources")
    monkeypatch.setattr(tuning, "_known", {})
    return tmp_path / "cache" / "native"


@pytest.fixture
def planted(fresh, monkeypatch):
    """Times by algorithm in place of measured ones; counts what would be measured."""

    def plant(times: dict[str, float]) -> list[str]:
        asked: list[str] = []

        def seconds(node, target, threads):
            asked.append(node.op.algorithm)
            return times[node.op.algorithm]

        monkeypatch.setattr(tuning, "seconds", seconds)
        return asked

    return plant


def convolution(channels: int = 32, size: int = 28):
    """A node for which several algorithms are offered."""
    x = Input("x", TensorType((2, channels, size, size)))()
    w = Input("w", TensorType((channels, channels, 3, 3)))()
    return Conv2d(padding=(1, 1, 1, 1))(x, w).node


def algorithms(**options) -> str:
    model, _ = network("vgg_cifar")
    executable = model.runner("native", 1, **options).prepared(2).executable
    return " ".join(executable.algorithms)


FAST, SLOW = 1e-6, 1.0


@pytest.mark.parametrize(
    ("best", "shown"),
    [("direct", "direct"), ("winograd2", "winograd F2"), ("winograd4", "winograd F4")],
)
def test_the_choice_follows_what_was_measured(best, shown, planted):
    times = dict.fromkeys(("", "first", "direct", "winograd2", "winograd4"), SLOW)
    asked = planted({**times, best: FAST})
    found = algorithms(tune=True)
    others = {"direct", "winograd F2", "winograd F4"} - {shown}
    assert shown in found and not any(other in found for other in others)
    assert set(asked) == set(times)


def test_training_steps_are_tuned_too(planted):
    model, loss = network("vgg_cifar")
    times = {"": SLOW, "first": SLOW, "winograd2": SLOW, "winograd4": SLOW, "direct": FAST}
    planted(times)
    session = cnn.Session(model, loss, tune=True, threads=1)
    for batch in batches(model, loss, 2, 1):
        session.step(*batch)
    assert "winograd" not in " ".join(session._engine._active.algorithms)


def test_strict_is_strict_however_fast_the_others_are(planted):
    times = {"": SLOW, "first": SLOW, "direct": SLOW, "winograd2": FAST, "winograd4": FAST}
    asked = planted(times)
    assert "winograd" not in algorithms(tune=True, precision="strict")
    assert set(asked) == {"", "first", "direct"}


def test_without_tune_nothing_is_measured(planted, monkeypatch):
    asked = planted({})
    assert algorithms() == algorithms(tune=False) and asked == []
    monkeypatch.setenv("GRAPHCNN_TUNE", "1")
    with pytest.raises(KeyError):  # it asks, and nothing was planted
        algorithms()
    algorithms(tune=False)


@pytest.mark.parametrize(
    "command",
    [
        ("profile", "lenet5", "--threads", 1),
        ("evaluate", "lenet5", "--data", "xo:n=20,size=28,seed=0", "--threads", 1),
    ],
    ids=lambda c: c[0],
)
def test_commands_tune(command, planted):
    asked = planted(dict.fromkeys(("", "first", "direct", "winograd2", "winograd4"), SLOW))
    done(*command)
    assert asked == []
    done(*command, "--tune")
    assert len(asked) >= 2
    done(*command)
    assert "GRAPHCNN_TUNE" not in os.environ


def test_an_unknown_setting_is_refused(monkeypatch):
    monkeypatch.setenv("GRAPHCNN_TUNE", "often")
    with pytest.raises(cnn.GraphCnnError, match="GRAPHCNN_TUNE='often' is unknown; it is 1 or 0"):
        network("lenet5")[0].runner()


def test_real_times_are_numbers_of_this_machine(fresh):
    node = convolution()
    found = tuning.measured(node, choices(node, host()), host())
    assert all(1e-7 < choice.cost < 1 for choice in found)
    kinds = {tuning._kind(choice): choice.cost for choice in found}
    assert len(kinds) >= 4  # plain, direct and two of Winograd's; halos share their times
    assert len(found) > len(kinds) and {c.cost for c in found} == set(kinds.values())
    assert [(c.algorithm, c.reads, c.writes, c.follows) for c in found] == [
        (c.algorithm, c.reads, c.writes, c.follows) for c in choices(node, host())
    ]


def test_the_numbers_stay_right(fresh):
    model, _ = network("digits_cnn")
    images = np.random.default_rng(0).normal(size=(3, 1, 8, 8)).astype(np.float32)
    expected = model.predict(images, runtime="reference")
    assert relative(expected, model.predict(images, tune=True, threads=2)) < 1e-4


def times_of(node, threads: int = 1) -> list[float]:
    return [c.cost for c in tuning.measured(node, choices(node, host()), host(), threads)]


def test_a_candidate_is_measured_once(planted):
    times = {"": 4e-3, "direct": 2e-3, "winograd2": 3e-3, "winograd4": 1e-3}
    asked, node = planted(times), convolution()
    first = times_of(node)
    assert len(asked) == tuning.ROUNDS * len(times)
    assert times_of(node) == first and len(asked) == tuning.ROUNDS * len(times)
    tuning._known.clear()  # as in another process: the disk knows
    assert times_of(node) == first and len(asked) == tuning.ROUNDS * len(times)
    times_of(node, threads=2)
    assert len(asked) == 2 * tuning.ROUNDS * len(times)
    times_of(convolution(size=14))
    assert len(asked) == 3 * tuning.ROUNDS * len(times)


@pytest.mark.parametrize("damage", [lambda b: b[:20], lambda b: b[:-1] + b"9", lambda b: b""])
def test_a_damaged_entry_is_measured_again(damage, planted, fresh):
    times = dict.fromkeys(("", "direct", "winograd2", "winograd4"), 2e-3)
    asked, node = planted(times), convolution()
    times_of(node)
    for path in fresh.glob("*.o"):
        path.write_bytes(damage(path.read_bytes()))
    tuning._known.clear()
    assert set(times_of(node)) == {2e-3}
    assert len(asked) == 2 * tuning.ROUNDS * len(times)


def test_where_there_is_nothing_to_choose_or_to_run_nothing_is_measured(planted, monkeypatch):
    asked, node = planted({}), convolution()
    only = [Choice(("plain", "plain"), ("plain",), cost=1.0)]
    assert tuning.measured(node, only, host()) == only
    other = named("neon")
    assert tuning.measured(node, choices(node, other), other) == choices(node, other)
    monkeypatch.setattr(tuning, "available_memory", lambda: 1000)
    assert tuning.measured(node, choices(node, host()), host()) == choices(node, host())
    assert asked == []


PROCESS = """
import numpy as np, graphcnn as cnn
from graphcnn.models import MODELS
from graphcnn.runtime.native import tuning
from graphcnn.runtime.native.code.cache import cache_info
asked, real = [], tuning.seconds
tuning.seconds = lambda *a: asked.append(a) or real(*a)
model = MODELS["digits_cnn"]().initialize(0)
images = np.ones((2, 1, 8, 8), np.float32)
model.predict(images, threads=1)
model.fit((images, np.array([1, 2])), batch_size=2, threads=1)
print(len(asked), cache_info().why)
"""


def test_another_process_measures_nothing(tmp_path):
    environment = {**os.environ, "GRAPHCNN_CACHE": str(tmp_path / "c"), "GRAPHCNN_TUNE": "1"}

    def measurements() -> int:
        command = [sys.executable, "-c", PROCESS]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        count, *why = done.stdout.splitlines()[-1].split()
        if why:
            pytest.skip(" ".join(why))
        return int(count)

    assert measurements() > 4
    assert measurements() == 0
