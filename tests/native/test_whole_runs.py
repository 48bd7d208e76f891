"""What a process that trains and predicts may count on: refusals, memory, the cache."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from native.networks import batches, network
from samples import library

import graphcnn as cnn
from graphcnn.compile.runner import Runner
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native.code.registry import LOWERINGS, load_lowerings

pytestmark = pytest.mark.whole_runs


def test_every_operator_has_a_lowering():
    """Or is made of operators that have."""
    load_lowerings()
    expanded = {name for name, op in library().items() if op.has("expand")}
    others = {"input", "state", "constant", "own_gradient"}  # which Python computes
    assert set(library()) - set(LOWERINGS) - expanded == others


def test_empty_batches_are_refused():
    model, loss = network("lenet5")
    session = cnn.Session(model, loss)
    images, labels = np.zeros((0, 1, 28, 28), np.float32), np.zeros(0, np.int64)
    for run in (lambda: model.predict(images), lambda: session.step(images, labels)):
        with pytest.raises(cnn.GraphCnnError, match=r"at least|empty|no images"):
            run()


def test_what_does_not_fit_into_memory_is_refused_before_it_starts():
    model, _ = network("vgg_cifar")
    runner = Runner(model.graph, Execution("native"))
    with pytest.raises(cnn.GraphCnnError) as caught:
        runner.prepared(10_000_000)
    message = str(caught.value)
    assert "a run needs" in message and "TiB of memory" in message
    assert "The largest tensors: 'stage1." in message and "A smaller batch" in message


# Memory


def resident() -> int:
    """Bytes of memory that this process has now."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("resident memory is read from /proc")
    gc.collect()
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def growth(action, count: int) -> int:
    """The least growth in bytes of three times `count` runs: what is lost is lost each time, what
    the allocator or the kernel keeps for later is not."""
    found = []
    for _ in range(3):
        before = resident()
        for _ in range(count):
            action()
        found.append(resident() - before)
    return min(found)


def test_steps_do_not_grow(full):
    model, loss = network("lenet5")
    session = cnn.Session(model, loss, threads=2)
    batch = next(batches(model, loss, 2, 1))
    for _ in range(200):
        session.step(*batch)
    assert growth(lambda: session.step(*batch), 10_000 if full else 2_000) < 1 << 20


def test_compilations_do_not_grow(full):
    """The same network compiled again and again: its code is kept once, all else goes."""

    def compile_and_run():
        model, loss = network("digits_cnn")
        batch = next(batches(model, loss, 3, 1))
        cnn.Session(model, loss, threads=1).step(*batch)
        model.predict(batch[0], threads=1)

    for _ in range(5):
        compile_and_run()
    assert growth(compile_and_run, 100 if full else 20) < 2 << 20


# The cache

PROCESS = """
import numpy as np, graphcnn as cnn
from graphcnn.models import MODELS
from graphcnn.runtime.native.code.cache import cache_info
model = MODELS["digits_cnn"]().initialize(0)
session = cnn.Session(model, threads=1)
loss = session.step(np.ones((2, 1, 8, 8), np.float32), np.array([1, 2]))["loss"]
info = cache_info()
print(loss, info.hits, info.misses, info.why)
"""


def test_another_process_finds_what_was_compiled(tmp_path):
    environment = {**os.environ, "GRAPHCNN_CACHE": str(tmp_path / "cache")}

    def run():
        command = [sys.executable, "-c", PROCESS]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        loss, hits, misses, *why = done.stdout.split()
        return loss, int(hits), int(misses), " ".join(why)

    loss, hits, misses, why = run()
    if "changed" in why:
        pytest.skip(why)
    assert (hits, misses > 10) == (0, True)
    assert run() == (loss, misses, 0, "")
