"""Memory: alignment, guards, poison, and refusal before it is too late."""

import ctypes
import faulthandler
import mmap
import os
import resource
import signal

import numpy as np
import pytest

from graphcnn.errors import GraphCnnError
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.runtime.native.memory import arena as arena_module
from graphcnn.runtime.native.memory import limits
from graphcnn.runtime.native.memory.arena import Arena, require_memory, usable_in_place

BYTES = TensorType((100,), DType.UINT8)


@pytest.mark.parametrize("guard", [False, True])
@pytest.mark.parametrize("size", [0, 1, 63, 64, 4032, 4033, 100_000])
def test_is_aligned_and_zero(size, guard):
    arena = Arena(size, guard)
    assert arena.address % 64 == 0
    if size:
        view = arena.view(0, TensorType((size,), DType.UINT8))
        assert not view.any()
        view[:] = 7
        assert (arena.view(0, TensorType((size,), DType.UINT8)) == 7).all()


def test_views_have_shape_and_type_and_stay_inside():
    arena = Arena(256)
    view = arena.view(64, TensorType((2, 3)))
    assert view.shape == (2, 3) and view.dtype == np.float32
    assert view.ctypes.data == arena.address + 64
    with pytest.raises(ValueError, match="does not lie within 256 bytes"):
        arena.view(240, TensorType((2, 3)))


def test_views_keep_the_memory():
    view = Arena(1 << 20).view(0, TensorType((1 << 18,)))
    Arena(1 << 20).view(0, TensorType((1 << 18,)))[:] = 5.0
    assert not view.any()


def test_huge_arenas_cost_nothing_until_touched():
    size = (limits.available_memory() or 4 << 30) // 2
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    Arena(size).view(size - 100, BYTES)[:] = 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


def in_a_child(action):
    """How a forked child ended that did something: exit status, or minus the signal."""
    child = os.fork()
    if child == 0:
        faulthandler.disable()
        try:
            action()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("size", [64, 100, 4096, 10_000])
def test_guards_catch_what_reaches_over_the_end(size):
    arena = Arena(size, guard=True)
    end = arena.address + -(-(size + 64) // 64) * 64
    caught = (-signal.SIGSEGV, -signal.SIGBUS)

    def touch(address):
        return in_a_child(lambda: ctypes.c_uint8.from_address(address).value)

    assert touch(arena.address + size + 63) == 0
    assert touch(end - 1) == 0
    assert touch(end) in caught
    assert touch(arena.address - mmap.PAGESIZE) in caught
    assert in_a_child(lambda: ctypes.memset(end, 0, 1)) in caught


def test_poison_spares_what_lives():
    arena = Arena(320)
    everything = arena.view(0, TensorType((320,), DType.UINT8))
    arena.poison([(200, 210), (0, 4), (205, 220)])
    live = np.zeros(320, bool)
    live[:4] = live[200:220] = True
    assert (everything[live] == 0).all()
    assert (everything[~live] == 0xFF).all()
    assert np.isnan(arena.view(64, TensorType((16,)))).all()
    arena.poison()
    assert (everything == 0xFF).all()


def test_the_switch(monkeypatch):
    monkeypatch.setenv("GRAPHCNN_ARENA", "guard")
    assert Arena(10).guard
    assert not Arena(10, guard=False).guard
    monkeypatch.setenv("GRAPHCNN_ARENA", "gard")
    with pytest.raises(GraphCnnError, match="GRAPHCNN_ARENA='gard'"):
        Arena(10)


def test_a_child_has_its_own():
    arena = Arena(64)
    view = arena.view(0, TensorType((16,)))

    def write():
        view[:] = 1.0

    assert in_a_child(write) == 0
    assert not view.any()


def test_what_may_be_read_where_it_lies():
    page = np.frombuffer(mmap.mmap(-1, 4 * mmap.PAGESIZE), np.uint8)
    assert usable_in_place(page[:100])
    assert usable_in_place(page[: mmap.PAGESIZE - 64])
    assert not usable_in_place(page[: mmap.PAGESIZE - 63])
    assert not usable_in_place(page[: mmap.PAGESIZE])
    assert not usable_in_place(page[16:100])
    assert not usable_in_place(page[:100:2])


def test_too_much_is_refused_with_numbers():
    buffers = [("conv1", 3 << 30), ("relu1", 1 << 20), ("input", 12), ("big", 5 << 30)]
    require_memory(8 << 30, lambda: buffers, available=8 << 30)
    with pytest.raises(GraphCnnError) as error:
        require_memory((8 << 30) + 1, lambda: buffers, available=8 << 30)
    assert str(error.value) == (
        "a run needs 8.0 GiB of memory, 8.0 GiB are available. The largest tensors: "
        "big 5.0 GiB, conv1 3.0 GiB, relu1 1.0 MiB. A smaller batch or smaller images need less."
    )


def test_the_system_is_asked(monkeypatch):
    monkeypatch.setattr(arena_module, "available_memory", lambda: 1000)
    with pytest.raises(GraphCnnError, match="needs 1001 bytes of memory, 1000 bytes are"):
        require_memory(1001, lambda: [("x", 1001)])
    monkeypatch.setattr(arena_module, "available_memory", lambda: None)
    require_memory(1 << 60, lambda: [])


def system(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MEMINFO = {"proc/meminfo": "MemTotal: 9000 kB\nMemAvailable:    8000 kB\n"}


def test_memory_of_the_machine(tmp_path):
    assert limits.available_memory(tmp_path) is None
    assert limits.available_memory(system(tmp_path, MEMINFO)) == 8000 << 10


def test_memory_of_control_groups(tmp_path):
    root = system(tmp_path, {
        **MEMINFO,
        "proc/self/cgroup": "0::/user/me\n",
        "sys/fs/cgroup/user/me/memory.max": "max\n",
        "sys/fs/cgroup/user/me/memory.current": "1\n",
        "sys/fs/cgroup/user/memory.max": "1000000\n",
        "sys/fs/cgroup/user/memory.current": "900000\n",
        "sys/fs/cgroup/user/memory.stat": "anon 5\ninactive_file 50000\n",
    })  # fmt: skip
    assert limits.available_memory(root) == 150_000
    root = system(tmp_path, {
        "proc/self/cgroup": "3:cpu,memory:/box\n",
        "sys/fs/cgroup/memory/box/memory.limit_in_bytes": "5000\n",
        "sys/fs/cgroup/memory/box/memory.usage_in_bytes": "6000\n",
    })  # fmt: skip
    assert limits.available_memory(root) == 0


def test_processors_of_control_groups(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert limits.available_processors(tmp_path) == 8
    root = system(tmp_path, {
        "proc/self/cgroup": "0::/me\n",
        "sys/fs/cgroup/me/cpu.max": "max 100000\n",
    })  # fmt: skip
    assert limits.available_processors(root) == 8
    (root / "sys/fs/cgroup/me/cpu.max").write_text("250000 100000\n")
    assert limits.available_processors(root) == 3
    root = system(tmp_path, {
        "proc/self/cgroup": "4:cpu,cpuacct:/me\n",
        "sys/fs/cgroup/cpu/me/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu/me/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    })  # fmt: skip
    assert limits.available_processors(root) == 1
