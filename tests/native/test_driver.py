"""The loop over steps and the barrier between them."""

from dataclasses import replace

import llvmlite.binding as llvm
import numpy as np
import pytest
from native.chains import mean_kernel, scale_kernel

from graphcnn.runtime.native import threads
from graphcnn.runtime.native.code.jit import compile_kernel
from graphcnn.runtime.native.code.target import described, host
from graphcnn.runtime.native.driver import BARRIER, STEP_WORDS, driver, driver_text

pytestmark = pytest.mark.whole_runs

SIZE = 64


class Steps:
    """Steps to and fro between two arrays."""

    def __init__(self, kernels, flags):
        self.arrays = [np.linspace(-1, 1, SIZE, dtype=np.float32), np.zeros(SIZE, np.float32)]
        a, b = (array.ctypes.data for array in self.arrays)
        self.tables = [np.array([a, b]), np.array([b, a])]
        self.records = np.zeros((len(kernels), STEP_WORDS), np.int64)
        for i, (kernel, flag) in enumerate(zip(kernels, flags, strict=True)):
            table = self.tables[i % 2].ctypes.data
            self.records[i] = compile_kernel(kernel, host()), table, kernel.units, flag

    def run(self, parts):
        threads.run_steps(driver(host()), self.records.ctypes.data, len(self.records), parts)
        return self.arrays[len(self.records) % 2].copy()


def test_steps_run_in_order():
    steps = Steps([scale_kernel(2.0), scale_kernel(3.0), scale_kernel(5.0)], [0, 1, 1])
    expected = 30 * steps.arrays[0]
    assert np.allclose(steps.run(1), expected)


def test_no_steps():
    steps = Steps([], [])
    assert steps.run(1) is not None
    assert steps.run(2) is not None


@pytest.mark.parametrize("units", [1, 2, 3, 64])
def test_every_number_of_parts_gives_the_same_bits(units):
    kernels = [mean_kernel(SIZE, units if i % 3 else 1) for i in range(200)]
    flags = [BARRIER] * 200
    one = Steps(kernels, flags).run(1)
    assert np.isfinite(one).all() and np.ptp(one) >= 0
    for parts in (2, 3, 4):
        for _ in range(5):
            assert Steps(kernels, flags).run(parts).tobytes() == one.tobytes()


def test_without_barriers_it_goes_wrong():
    """The test above would notice: shares of the next step begin too early."""
    kernels = [mean_kernel(SIZE, 64) for _ in range(400)]
    one = Steps(kernels, [BARRIER] * 400).run(1)
    results = {Steps(kernels, [0] * 400).run(4).tobytes() for _ in range(200)}
    assert results != {one.tobytes()}


def test_single_units_in_a_row_need_no_barrier():
    kernels = [mean_kernel(SIZE, 1) for _ in range(100)]
    one = Steps(kernels, [0] * 100).run(1)
    assert Steps(kernels, [0] * 100).run(3).tobytes() == one.tobytes()


@pytest.mark.parametrize(
    "triple, sleeps, by_futex",
    [
        ("x86_64-unknown-linux-gnu", True, True),
        ("aarch64-unknown-linux-gnu", True, True),
        ("arm64-apple-darwin", True, False),
        ("x86_64-pc-windows-msvc", False, False),
        ("s390x-unknown-linux-gnu", True, False),
    ],
)
def test_is_valid_everywhere(triple, sleeps, by_futex):
    target = described("there", triple, "generic", {})
    text = driver_text(target)
    llvm.parse_assembly(text).verify()
    assert (target.sleeps, "@syscall" in text) == (sleeps, by_futex)


def test_sleeps_without_a_futex(monkeypatch):
    """The way of other systems, on this one."""
    napping = driver(replace(host(), futex=None))
    monkeypatch.setattr(threads, "_pool", None)
    monkeypatch.setattr("native.test_driver.driver", lambda target: napping)
    kernels = [mean_kernel(SIZE, 4)] * 50
    one = Steps(kernels, [BARRIER] * 50).run(1)
    assert Steps(kernels, [BARRIER] * 50).run(3).tobytes() == one.tobytes()
    assert threads.pool().workers
    threads.pool().close()
