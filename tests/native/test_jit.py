"""From LLVM IR to running code."""

import ctypes
import threading

import numpy as np
import pytest
from native.chains import scale_kernel
from native.run_kernel import Guarded

from graphcnn.errors import GraphCnnError
from graphcnn.runtime.native.code import jit
from graphcnn.runtime.native.code.codegen import kernel_text, parsed
from graphcnn.runtime.native.code.emit import Emitter
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.target import can_run, host, named

FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    monkeypatch.setenv("GRAPHCNN_CACHE", "off")


def call(address, x, y, part=0, parts=1):
    table = (ctypes.c_void_p * 2)(x.ctypes.data, y.ctypes.data)
    FUNCTION(address)(ctypes.addressof(table), part, parts)


@pytest.mark.parametrize("name", ["host", "sse2", "avx2", "avx512"])
def test_runs_what_this_machine_runs(name):
    target = host() if name == "host" else named(name)
    if not can_run(target):
        pytest.skip(f"no {name} here")
    x, y = np.arange(64, dtype=np.float32), np.zeros(64, np.float32)
    address = jit.compile_kernel(scale_kernel(2.5), target)
    call(address, x, y, 0, 2)
    assert not y[32:].any()
    call(address, x, y, 1, 2)
    assert np.array_equal(y, 2.5 * x)


def test_other_machines_get_object_code_only():
    neon = named("neon") if not host().triple.startswith("aarch64") else named("avx2")
    code = jit.compile_object(scale_kernel(2.0), neon)
    assert code[:4] == b"\x7fELF"
    with pytest.raises(GraphCnnError, match="cannot run on this machine"):
        jit.compile_kernel(scale_kernel(2.0), neon)


def test_equal_kernels_are_compiled_once(monkeypatch):
    emitted = []

    def emit(e: Emitter) -> None:
        emitted.append(e)

    first = jit.compile_kernel(Kernel("test once", emit, 2), host())
    assert jit.compile_kernel(Kernel("test once", emit, 2), host()) == first
    assert len(emitted) == 1
    assert jit.compile_kernel(Kernel("test once", emit, 3), host()) != first
    assert jit.compile_kernel(Kernel("test twice", emit, 2), host()) != first


def test_what_is_new_is_linked_at_once(monkeypatch):
    links = []
    load = jit.load
    monkeypatch.setattr(jit, "load", lambda *a: (links.append(a), load(*a))[1])
    known = scale_kernel(7.0, key="at once")
    (address,) = jit.compile_kernels([known], host())
    kernels = [scale_kernel(float(i % 3 + 5), key="at once") for i in range(6)]  # 7 is known
    found = jit.compile_kernels(kernels, host())
    assert len(links) == 2 and len(links[1][1:]) == 2
    assert found[:3] == found[3:] and found[2] == address
    for i, each in enumerate(found[:3]):
        x, y = np.ones(64, np.float32), np.zeros(64, np.float32)
        call(each, x, y)
        assert (y == i + 5).all()


def test_threads_compile_side_by_side():
    addresses, failures = {}, []

    def work(i):
        try:
            addresses[i] = jit.compile_kernel(scale_kernel(float(i % 4), key="side"), host())
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(set(addresses.values())) == 4
    for i, address in addresses.items():
        x, y = np.ones(64, np.float32), np.zeros(64, np.float32)
        call(address, x, y)
        assert (y == i % 4).all()


def test_operands_that_may_be_the_same_memory_are_not_noalias():
    kernel = scale_kernel(3.0, key="in place")
    apart = kernel_text(kernel, host())
    shared = kernel_text(Kernel(kernel.key, kernel.emit, 2, inplace=((0, 1),)), host())
    assert apart.count("noalias") == 2
    assert "noalias" not in shared


def test_assembly_can_be_read():
    assert "ret" in jit.assembly(scale_kernel(2.0), host())


def test_invalid_ir_shows_itself():
    with pytest.raises(AssertionError, match=r"invalid LLVM IR[\s\S]*nonsense"):
        parsed("nonsense")


def test_margins_are_watched():
    guarded = Guarded(100, "operand")
    guarded.check_margins()
    guarded.inside[guarded.start + 103] = 0
    with pytest.raises(AssertionError, match="operand: written 3 bytes after the end of it"):
        guarded.check_margins()
    guarded = Guarded(100, "operand")
    guarded.inside[guarded.start - 1] = 0
    with pytest.raises(AssertionError, match="operand: written 0 bytes before it"):
        guarded.check_margins()
