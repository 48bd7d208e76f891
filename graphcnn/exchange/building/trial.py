"""What was built, run here where it can be, beside the same network in this process: bit for bit.

Both are made of the same plan and kernels, so that a difference is a fault. WebAssembly has the
arithmetic of SSE2: vectors of 16 bytes, no fused multiply-add. Of what cannot run here nothing is
claimed.
"""

import ctypes
import importlib.util
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from graphcnn.compile.ahead import Ahead
from graphcnn.compile.native import Prepared
from graphcnn.errors import GraphCnnError
from graphcnn.ir.node import Array
from graphcnn.runtime.execution import Execution
from graphcnn.runtime.native.ahead.places import Port
from graphcnn.runtime.native.code.target import can_run, named
from graphcnn.runtime.reference import Reference

Arrays = Mapping[str, Array]
#: Of results with fused multiply-adds, which a processor may round once or twice: the largest
#: distance from ours, as a share of the largest number.
RELAXED = 1e-4


class BuildError(GraphCnnError):
    """What was built computes something else than this process; nothing is written."""


def tried(made: Ahead, feeds: Arrays, states: Arrays) -> str:
    """How the network was tried, in words. Raises `BuildError` where it does not pass."""
    target = made.machine.target
    if made.machine.format == "wasm":
        if importlib.util.find_spec("wasmtime") is None:
            return 'not run: pip install "graphcnn[wasm]" for a comparison'
        found = run_module(made, made.module(), feeds)
        here, name = named("sse2"), "as WebAssembly"
    elif made.machine.loadable and can_run(target):
        found = run_library(made, made.shared_library(), feeds)
        here, name = replace(target, attributes=()), "as a library"
    else:
        return "not run: this machine is another"
    if not can_run(here):
        expected, _ = Reference(made.graph).run(feeds, states)
        return _near(made, found, expected, name)
    execution = Execution("native", 1, made.precision, False, here)
    prepared = Prepared(made.graph, execution)
    prepared.bind_states(states)
    expected, _ = prepared.run(feeds)
    if target.relaxed:
        return _near(made, found, expected, name)
    for port in made.places.outputs:
        if found[port.key].tobytes() != np.ascontiguousarray(expected[port.key]).tobytes():
            raise BuildError(
                f"{made.name} for {made.machine.name} computes other bits of {port.key!r} than "
                "this process does for the same processor; this is a fault of graphcnn"
            )
    return f"run {name}: the bits of this process for {here.name}"


def _near(made: Ahead, found: Arrays, expected: Arrays, name: str) -> str:
    worst = 0.0
    for port in made.places.outputs:
        a, b = (np.asarray(x[port.key], np.float64) for x in (found, expected))
        apart = float(np.abs(a - b).max(initial=0)) / max(float(np.abs(b).max(initial=0)), 1e-30)
        worst = max(worst, apart)
    if not worst <= RELAXED:
        raise BuildError(
            f"{made.name} for {made.machine.name} is {worst:.2g} of the largest number away from "
            f"what this process computes, more than {RELAXED:g}"
        )
    return f"run {name}: within {worst:.1g} of the largest number"


def run_library(made: Ahead, library: bytes, feeds: Arrays) -> dict[str, Array]:
    """The outputs of a shared library, in an arena that held no numbers before."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"lib{made.name}.so")
        path.write_bytes(library)
        loaded = ctypes.CDLL(str(path))
        run = getattr(loaded, made.function)
        inputs = [_fed(port, feeds) for port in made.places.inputs]
        outputs = [np.zeros(port.bytes, np.uint8) for port in made.places.outputs]
        memory = [_aligned(np.full(made.places.arena, 0xFF, np.uint8))]
        if not made.inside:
            memory.insert(0, _aligned(np.frombuffer(made.places.weights, np.uint8)))
        pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (*inputs, *outputs, *memory)]
        if run(*pointers):
            raise BuildError(f"{made.name} refuses an arena that begins at a multiple of 64")
        del run, loaded
    return _read(made, [a.tobytes() for a in outputs])


def run_module(made: Ahead, module: bytes, feeds: Arrays) -> dict[str, Array]:
    """The outputs of a WebAssembly module, by wasmtime."""
    import wasmtime

    config: Any = wasmtime.Config()
    config.wasm_relaxed_simd = True
    config.parallel_compilation = False  # whose threads no fork of this process would have
    store = wasmtime.Store(wasmtime.Engine(config))
    instance = wasmtime.Instance(store, wasmtime.Module(store.engine, module), [])
    exports: Any = instance.exports(store)
    memory = exports["memory"]

    def at(name: str) -> int:
        return int(exports[name].value(store))

    for port in made.places.inputs:
        memory.write(store, _fed(port, feeds).tobytes(), at(port.name))
    if not made.inside:
        memory.write(store, made.places.weights, at("weights"))
    memory.write(store, b"\xff" * made.places.arena, at("arena"))
    names = [port.name for port in (*made.places.inputs, *made.places.outputs)]
    places = [at(n) for n in (*names, *([] if made.inside else ["weights"]), "arena")]
    exports[made.function](store, *places)
    return _read(
        made,
        [
            bytes(memory.read(store, at(port.name), at(port.name) + port.bytes))
            for port in made.places.outputs
        ],
    )


def _fed(port: Port, feeds: Arrays) -> Array:
    return np.ascontiguousarray(feeds[port.key], port.type.dtype.numpy)


def _read(made: Ahead, results: list[bytes]) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for port, content in zip(made.places.outputs, results, strict=True):
        shape: Any = port.type.shape
        found[port.key] = np.frombuffer(content, port.type.dtype.numpy).reshape(shape)
    return found


def _aligned(array: Array) -> Array:
    """A copy that begins at a multiple of 64."""
    room = np.empty(array.nbytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    found: Array = room[start : start + array.nbytes]
    found[...] = array
    return found
