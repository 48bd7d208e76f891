"""Runs one kernel on buffers that catch what it must not do.

Every operand ends, after its 64 readable bytes, at a page that cannot be touched, and begins after
another one with a margin between: a read or write further out ends the process (run pytest with
`-X faulthandler`), a write nearer by is found afterwards. All bytes that are not input are 0xFF,
which is NaN to floats: what is read without having been written shows in the result.

    y, = run_node(node, arrays, target=named("avx2"), parts=3)
    check_sample(sample, np.float32, parts=2)

Scratch is one operand of parts × kernel.scratch bytes; part p may use only its own slice,
[p · scratch, (p + 1) · scratch).
"""

import ctypes
import importlib
import mmap
import pkgutil
from collections.abc import Sequence

import numpy as np
from native.emulated import NeedsLibraryError, can_emulate, emulate
from samples import Sample

from graphcnn.ir.node import Array, Node, build
from graphcnn.ir.sources import Input
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.runtime.native import kernels
from graphcnn.runtime.native.code.jit import compile_kernel, compile_object
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.registry import LOWERINGS, lower
from graphcnn.runtime.native.code.target import Target, can_run, host

PAGE = mmap.PAGESIZE
READABLE = 64  # bytes after the end of an operand that may be read
SHARE = {2: 1e-3, 4: 1e-5, 8: 1e-12}  # of the largest output that a float may be off

_libc = ctypes.CDLL(None)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
_function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


class Guarded:
    """`size` bytes between two untouchable pages, 64-byte aligned, all 0xFF."""

    def __init__(self, size: int, what: str) -> None:
        self.size, self.what = size, what
        room = -(-(size + READABLE) // 64) * 64
        pages = -(-(room + 64) // PAGE)
        self._map = mmap.mmap(-1, (pages + 2) * PAGE)
        base = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        for guard in (base, base + (pages + 1) * PAGE):
            assert _libc.mprotect(guard, PAGE, 0) == 0  # PROT_NONE
        self.inside = _bytes_at(base + PAGE, pages * PAGE)
        self.inside[:] = 0xFF
        self.start = pages * PAGE - room
        self.address = base + PAGE + self.start

    @property
    def content(self) -> Array:
        return self.inside[self.start : self.start + self.size]

    def check_margins(self) -> None:
        before = self.inside[: self.start]
        after = self.inside[self.start + self.size :]
        for where, margin in (("before", before[::-1]), ("after the end of", after)):
            wrong = np.flatnonzero(margin != 0xFF)
            assert not wrong.size, f"{self.what}: written {wrong[0]} bytes {where} it"


def _bytes_at(address: int, size: int) -> Array:
    return np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))


def run_node(
    node: Node,
    arrays: Sequence[Array],
    target: Target | None = None,
    parts: int = 1,
    inplace: tuple[int, int] | None = None,
) -> tuple[Array, ...]:
    """The results of a node's kernel, its parts run one after the other.

    `inplace` = (input, output) puts these two in the same memory. A kernel for a machine that
    this one is not is emulated, or only compiled where that cannot be: the results are then empty.
    """
    load_lowerings()
    target = target or host()
    kernel = lower(node, target)
    if not can_run(target) and not can_emulate(target):
        assert compile_object(kernel, target)
        return ()
    try:
        return run_kernel(kernel, node, arrays, target, parts, inplace)
    except NeedsLibraryError:
        return ()


def run_kernel(
    kernel: Kernel,
    node: Node,
    arrays: Sequence[Array],
    target: Target,
    parts: int = 1,
    inplace: tuple[int, int] | None = None,
) -> tuple[Array, ...]:
    """As `run_node`, with a kernel of your choice."""
    parts = min(parts, kernel.units)
    values = [v.type for v in node.inputs]
    inputs = [Guarded(t.bytes, f"input {i}") for i, t in enumerate(values)]
    outputs = [Guarded(t.bytes, f"output {i}") for i, t in enumerate(node.types)]
    if inplace:
        outputs[inplace[1]] = inputs[inplace[0]]
    scratch = [Guarded(kernel.scratch * parts, "scratch")] if kernel.scratch else []
    table = inputs + outputs + scratch
    assert kernel.operands == len(table), (
        f"kernel.operands is {kernel.operands}, the node has {len(table)}"
    )
    for guarded, array, kind in zip(inputs, arrays, values, strict=True):
        array = np.asarray(array, order="C")
        assert array.dtype == kind.dtype.numpy and array.shape == kind.shape
        guarded.content[:] = array.reshape(-1).view(np.uint8)
    addresses = (ctypes.c_void_p * len(table))(*(g.address for g in table))
    if not can_run(target):
        emulate(kernel, target, [g.inside[g.start - 64 :] for g in table], parts)
    function = _function(compile_kernel(kernel, target)) if can_run(target) else None
    for part in range(parts) if function else ():
        foreign = [_others(g, kernel.scratch, part) for g in scratch]
        function(ctypes.addressof(addresses), part, parts)
        for guarded, before in zip(scratch, foreign, strict=True):
            same = np.array_equal(_others(guarded, kernel.scratch, part), before)
            assert same, f"part {part} wrote to the scratch of another part"
    for guarded in table:
        guarded.check_margins()
    for i, (guarded, array) in enumerate(zip(inputs, arrays, strict=True)):
        if guarded not in outputs:
            expected = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
            assert np.array_equal(guarded.content, expected), f"input {i} was written"
    return tuple(
        g.content.copy().view(t.dtype.numpy).reshape(t.shape)
        for g, t in zip(outputs, node.types, strict=True)
    )


def _others(guarded: Guarded, size: int, part: int) -> Array:
    """The scratch of the other parts."""
    return np.delete(guarded.content, slice(part * size, (part + 1) * size))


def node_of(sample: Sample, dtype: object = np.float32) -> tuple[Node, tuple[Array, ...]]:
    """A sample as a node that reads inputs, and the arrays for these."""
    arrays = sample.arrays(dtype)
    values = [
        Input(f"x{i}", TensorType(a.shape, DType.of(a.dtype)))() for i, a in enumerate(arrays)
    ]
    return build(sample.op, values), arrays


def check_sample(
    sample: Sample,
    dtype: object = np.float32,
    parts: int = 1,
    target: Target | None = None,
    share: float | None = None,
) -> None:
    """The native result is the definition's, as far as rounding allows; in place too."""
    node, arrays = node_of(sample, dtype)
    target = target or host()
    results = run_node(node, arrays, target, parts)
    if not results:
        return
    with np.errstate(all="ignore"):
        expected = node.op.evaluate(*arrays)
    check_results(node, results, expected, share)
    for pair in lower(node, target).inplace:
        check_results(node, run_node(node, arrays, target, parts, pair), expected, share)
    if parts > 1:
        for one, many in zip(run_node(node, arrays, target), results, strict=True):
            assert one.tobytes() == many.tobytes(), f"{parts} parts give other bits than one"


def check_results(
    node: Node, found: tuple[Array, ...], expected: object, share: float | None = None
) -> None:
    """Each result equals the expected one: floats within a share of the largest, else exactly."""
    wanted = expected if isinstance(expected, tuple) else (expected,)
    for i, (a, b) in enumerate(zip(found, map(np.asarray, wanted), strict=True)):
        where = f"{node.op} result {i}"
        assert a.shape == b.shape and a.dtype == b.dtype, f"{where}: {a.dtype}{a.shape}"
        if a.dtype == np.bool_:
            a = a.view(np.uint8)  # a byte that is neither 0 nor 1 is wrong
        if a.dtype.kind != "f":
            assert np.array_equal(a, b), f"{where}:\n{a}\nexpected\n{b}"
            continue
        finite = np.isfinite(b)
        assert np.array_equal(a[~finite], b[~finite], equal_nan=True), f"{where}: not finite"
        assert np.isfinite(a[finite]).all(), (
            f"{where}: not finite at {np.argwhere(finite & ~np.isfinite(a))[:4].tolist()}"
        )
        largest = np.abs(b[finite]).max(initial=0.0)
        off = np.abs(a[finite] - b[finite])
        bound = (share or SHARE[a.dtype.itemsize]) * largest
        assert (off <= bound).all(), (
            f"{where}: off by {off.max():g} of {largest:g}, allowed {bound:g}"
        )


def load_lowerings() -> None:
    """Import the modules of kernels one by one, so that a broken one hurts only its own tests."""
    if "done" in _state:
        return
    _state.append("done")
    for module in pkgutil.walk_packages(kernels.__path__, f"{kernels.__name__}."):
        name = module.name
        try:
            importlib.import_module(name)
        except Exception as error:  # shown when an operator turns out to be missing
            _state.append(f"{name}: {error!r}")
            print(f"{name} cannot be imported: {error!r}")


def has_kernel(sample: Sample) -> bool:
    """Whether its operator has a kernel of its own: others are made of operators that have."""
    load_lowerings()
    return sample.op.name in LOWERINGS


_state: list[str] = []
__all__ = [
    "LOWERINGS",
    "check_results",
    "check_sample",
    "has_kernel",
    "node_of",
    "run_kernel",
    "run_node",
]
