"""The states of a session: in memory once, for all batch sizes and for the model."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from native.networks import batches, network

import graphcnn as cnn
from graphcnn.data.normalisation import Normalisation
from graphcnn.ir.graph import state_of
from graphcnn.runtime.native import executable as module
from graphcnn.runtime.native import step_table as table


def started(name="vgg_cifar", **options):
    model, loss = network(name)
    return model, cnn.Session(model, loss, cnn.SGD(0.01, momentum=0.9), threads=1, **options)


def same(found, expected):
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        assert array.tobytes() == found[key].tobytes(), key


@pytest.mark.whole_runs
def test_batches_of_other_sizes_go_on_with_the_same_states():
    model, session = started()
    _, fresh = started()
    sizes = (4, 3, 4, 1, 3)
    for i, n in enumerate(sizes):
        ((images, targets),) = batches(model, "cross_entropy", n, 1, seed=i)
        loss = session.step(images, targets)["loss"]
        before = fresh.states
        _, fresh = started()  # has seen no other size
        fresh.load(before)
        assert fresh.step(images, targets)["loss"] == loss
        same(session.states, fresh.states)
    assert session.steps == fresh.steps == len(sizes)
    blocks = [e.memory.states for e in session._engine._executables.values()]
    kinds = {str(block.kinds) for block in blocks}
    assert len(set(blocks)) == len(kinds) and len(blocks) == 3
    assert len({e.memory.arena for e in session._engine._executables.values()}) == 1


def test_nobody_else_holds_the_values():
    model, session = started()
    initial = dict(network("vgg_cifar")[0].states)
    same(dict(model.states), initial)
    (batch,) = batches(model, "cross_entropy", 2, 1)
    session.step(*batch)
    cells = [state_of(s).cell for s in model.graph.states]
    assert all(cell.array is None for cell in cells) and not session._engine._states
    trained = dict(model.states)
    assert not any(np.array_equal(trained[key], initial[key]) for key in initial)
    assert not next(iter(trained.values())).flags.writeable
    session.step(*batch)
    assert all(cell.array is None for cell in cells)
    session.sync()
    same(dict(model.states), {key: session.states[key] for key in initial})


@pytest.mark.parametrize("runtime", ["native", "reference"])
def test_a_model_that_shares_follows_the_session(runtime):
    model, session = started("lenet5", runtime=runtime)
    session.share()
    key = next(iter(model.states))
    seen = []
    for images, targets in batches(model, "cross_entropy", 2, 3):
        session.step(images, targets)
        assert model.states[key] is model.states[key]
        assert np.array_equal(model.states[key], session.states[key])
        seen.append(model.states[key])
    assert not np.array_equal(seen[0], seen[1]) and not np.array_equal(seen[1], seen[2])
    session.sync()
    assert np.array_equal(model.states[key], seen[2])
    session.step(images, targets)
    assert np.array_equal(model.states[key], session.states[key])
    assert not np.array_equal(model.states[key], seen[2])


@pytest.mark.parametrize("runtime", ["native", "reference"])
def test_loaded_weights_are_what_a_session_begins_with(runtime):
    model, _ = network("lenet5")
    session = cnn.Session(model, runtime=runtime)
    model.set_parameters({key: array + 1 for key, array in model.parameters.items()})
    expected = dict(model.states)
    images, targets = next(batches(model, "cross_entropy", 2, 1))
    cnn.Session(model, optimizer=cnn.SGD(1e-30), runtime=runtime).step(images, targets)
    same(dict(model.states), expected)
    with pytest.raises(cnn.TrainingError):
        session.step(np.full_like(images, 1e38), targets)
    same(dict(model.states), expected)


def test_a_refused_step_leaves_the_states():
    model, session = started("mnist_cnn")
    images, targets = next(batches(model, "cross_entropy", 2, 1))
    session.step(images, targets)
    before = session.states
    with pytest.raises(cnn.TrainingError):
        session.step(np.full_like(images, 1e38), targets)
    same(session.states, before)
    assert session.steps == 1


def test_after_a_failure_in_fit_the_model_has_the_weights_before_the_bad_step():
    model, session = started("mnist_cnn")
    images, targets = next(batches(model, "cross_entropy", 16, 1))
    images[12:] = 1e38
    for part in (slice(0, 4), slice(4, 8), slice(8, 12)):
        session.step(images[part], targets[part])
    other, _ = network("mnist_cnn")
    other.normalisation = Normalisation()
    with pytest.raises(cnn.TrainingError, match="at step 4"):
        other.fit(
            (images, targets), batch_size=4, shuffle=False, progress=False, threads=1,
            optimizer=cnn.SGD(0.01, momentum=0.9),
        )  # fmt: skip
    same(dict(other.states), {key: session.states[key] for key in model.states})


@pytest.mark.whole_runs
@pytest.mark.parametrize("optimizer", [cnn.SGD(0.01), cnn.Adam(0.01), cnn.SGD(0.01, clip_norm=1)])
def test_an_interrupt_at_any_moment_leaves_whole_steps(optimizer, monkeypatch):
    """Ctrl-C after any native call: the states are those before or after the step, and so is the
    number of steps."""
    monkeypatch.setattr(table, "LONG", 1 << 16)
    monkeypatch.setattr(table, "cut", lambda work: [(i, i + 1) for i in range(len(work))])
    model, loss = network("lenet5")
    session = cnn.Session(model, loss, optimizer, threads=1)
    images, targets = next(batches(model, loss, 2, 1))
    session.step(images, targets)
    before = session.states
    session.step(images, targets)
    after = session.states
    real, calls = module.run_steps, []
    monkeypatch.setattr(module, "run_steps", lambda *a: (calls.append(a), real(*a)))
    session.load(before)
    session.step(images, targets)
    total = len(calls)
    assert total > 10
    for stop in range(1, total + 1):
        session.load(before)
        calls.clear()

        def interrupted(*arguments, stop=stop):
            real(*arguments)
            calls.append(arguments)
            if len(calls) == stop:
                raise KeyboardInterrupt

        monkeypatch.setattr(module, "run_steps", interrupted)
        with pytest.raises(KeyboardInterrupt):
            session.step(images, targets)
        same(session.states, before if stop < total else after)
        assert session.steps == (1 if stop < total else 2)


MEASURED = """
import re
import numpy as np
import graphcnn as cnn

def own():  # what the process has written; pages of program files depend on the machine
    return int(re.search(r"RssAnon:\\s+(\\d+)", open("/proc/self/status").read())[1]) >> 10

def trained(width, depth):
    x = cnn.input("x", (1, 32, width // 32))
    y = cnn.flatten(x)
    for _ in range(depth):
        y = cnn.relu(cnn.dense(y, width, bias=False))
    model = cnn.Model(x, cnn.dense(y, 10))
    session = cnn.Session(model, optimizer=cnn.SGD(0.01, momentum=0.9), threads=1)
    for n in (4, 3, 4):
        session.step(np.ones((n, 1, 32, width // 32), np.float32), np.zeros(n, np.int64))
    return session

trained(64, 2)  # what the compiler itself keeps
begin = own()
kept = trained(2048, 6)
print(own() - begin)
"""


def counts_own_pages() -> bool:
    status = Path("/proc/self/status")
    return status.exists() and "RssAnon:" in status.read_text()


@pytest.mark.whole_runs
@pytest.mark.skipif(not counts_own_pages(), reason="asks Linux for the memory")
def test_weights_and_velocities_are_in_memory_once(tmp_path):
    """96 MiB of weights, as much for velocities and for gradients, and some for LLVM."""
    settled = {
        **os.environ,
        "MALLOC_MMAP_THRESHOLD_": str(1 << 20),  # what is freed goes at once
        "GRAPHCNN_CACHE": str(tmp_path),  # to look through a crowded one takes megabytes, too
    }
    found = subprocess.run(
        [sys.executable, "-c", MEASURED], capture_output=True, text=True, env=settled
    )
    assert found.returncode == 0, found.stderr
    grown = int(found.stdout)
    print(f"{grown} MiB")
    assert 280 <= grown < 3.5 * 96
