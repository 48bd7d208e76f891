"""What the processor can do at most, measured: multiply-adds in registers, bytes through caches.

Against this every step of a profile is held:

    least time = max(operations / peak, bytes moved / bandwidth)
"""

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from graphcnn.ir.node import Array
from graphcnn.ir.tensor_type import DType
from graphcnn.runtime.native.addresses import address_of
from graphcnn.runtime.native.code.emit import Emitter
from graphcnn.runtime.native.code.jit import compile_kernel
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.driver import STEP_WORDS, driver
from graphcnn.runtime.native.threads import run_steps

F32 = DType.FLOAT32
#: Random numbers that operands are filled with, again and again.
_NUMBERS = 1 << 16
#: Memory that surely lies outside the caches, and a limit to it.
_LARGE, _LARGEST = 64 << 20, 256 << 20
LEAST_RUNS = 3


@dataclass(frozen=True)
class Machine:
    """`peak` FLOP/s in float32; `bandwidths` are (up to so many bytes, bytes per second)."""

    peak: float
    bandwidths: tuple[tuple[int, float], ...]

    def bandwidth(self, size: int) -> float:
        """Bytes per second while `size` bytes are worked on: of the cache that can hold them."""
        return next(
            (rate for most, rate in self.bandwidths if size <= most), self.bandwidths[-1][1]
        )


@functools.cache
def machine(target: Target, threads: int = 1) -> Machine:
    """This machine with so many threads; measured once, in about half a second."""
    large = min(max(_LARGE, 2 * target.l3), _LARGEST)
    levels = ((target.l2 * threads, target.l2 * threads // 2), (target.l3, target.l3 // 2))
    rates = [(most, copy_rate(target, size, threads)) for most, size in (*levels, (large, large))]
    return Machine(peak(target, threads), tuple(rates))


def measure(
    kernel: Kernel,
    sizes: Sequence[int],
    target: Target,
    seconds: float = 0.2,
    parts: int = 1,
    between: Callable[[], None] | None = None,
) -> float:
    """The least time of a run over random operands of so many bytes, of three runs at least.

    `between` is called before each run and not timed.
    """
    scratch = [kernel.scratch * parts] if kernel.scratch else []
    buffers = [_operand(size) for size in (*sizes, *scratch)]
    table = np.array([b.__array_interface__["data"][0] for b in buffers], np.int64)
    record = np.zeros(STEP_WORDS, np.int64)
    record[:3] = compile_kernel(kernel, target), address_of(table), kernel.units
    functions = driver(target)
    best, runs, start = float("inf"), 0, time.perf_counter()
    while runs < LEAST_RUNS or time.perf_counter() - start < seconds:
        if between is not None:
            between()
        begin = time.perf_counter()
        run_steps(functions, address_of(record), 1, parts)
        best, runs = min(best, time.perf_counter() - begin), runs + 1
    return best


def peak(target: Target, threads: int = 1) -> float:
    """FLOP/s of independent multiply-adds in registers, in float32."""
    lanes, sums, turns = target.lanes(F32), 12, 100_000
    room = lanes * (sums + 1)

    def emit(e: Emitter) -> None:
        (y,) = e.operands
        y = e.at(y, F32, (e.part, room))
        start = [e.load(e.at(y, F32, (i * lanes, 1)), F32, lanes) for i in range(sums)]
        factor = e.load(e.at(y, F32, (sums * lanes, 1)), F32, lanes)
        done = e.loop(0, turns, lambda _, *s: [e.fma(v, factor, factor) for v in s], carry=start)
        for i, value in enumerate(done):
            e.store(value, e.at(y, F32, (i * lanes, 1)))

    kernel = Kernel("machine peak", emit, 1, units=threads)
    seconds = measure(kernel, [4 * room * threads], target, 0.1, threads)
    return 2 * lanes * sums * turns * threads / seconds


def copy_rate(target: Target, size: int, threads: int = 1) -> float:
    """Bytes per second, read and written, of copying one half of `size` bytes to the other."""
    lanes = target.lanes(F32)
    unit = 8 * lanes
    units = size // 2 // (4 * unit)

    def emit(e: Emitter) -> None:
        x, y = e.operands
        first, last = e.share(units)

        def body(i: object) -> None:
            places = [((i, unit), (j * lanes, 1)) for j in range(8)]
            values = [e.load(e.at(x, F32, *place), F32, lanes) for place in places]
            for value, place in zip(values, places, strict=True):
                e.store(value, e.at(y, F32, *place))

        e.loop(first, last, body)

    kernel = Kernel(f"machine copy {units}", emit, 2, units=units)
    return 8 * units * unit / measure(kernel, [4 * units * unit] * 2, target, 0.05, threads)


def _operand(size: int) -> Array:
    """Random numbers at an aligned address, with room behind them that may be read."""
    count = -(-size // 4) + 48
    numbers = np.random.default_rng(0).standard_normal(min(count, _NUMBERS), dtype=np.float32)
    buffer = np.resize(numbers, count)
    return buffer[-buffer.__array_interface__["data"][0] // 4 % 16 :]
