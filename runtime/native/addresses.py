"""From buffers to addresses: the one place where it is decided how code finds its memory.

Neither kernels nor the driver hold an address: they read tables of operands, which a record of
each step points to. These tables have two forms.

    Entries           for a run in this process: numbers in memory, known now, and changed when a
                      buffer comes to lie elsewhere
    constants_text    ahead of time: constants in LLVM IR, each a symbol and an offset, to which a
                      linker gives addresses on the machine that will run the code
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from graphcnn.ir.plan import ALIGN, Buffer
from graphcnn.runtime.native.code.codegen import entry_of
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.driver import STEP_WORDS, WORD
from graphcnn.runtime.native.loops import Spot
from graphcnn.runtime.native.program import Operand, Record

Words = np.ndarray[tuple[int, ...], np.dtype[np.int64]]


class Entries:
    """Records and tables in memory. `codes` are the addresses of the kernels, those in loops too.

    Attributes:
        table: the operands of all records, as numbers.
        places: where in it the address of a buffer stands.
    """

    def __init__(
        self,
        records: Sequence[Record],
        codes: Sequence[int],
        address: Callable[[Buffer], int],
        parts: int = 1,
    ) -> None:
        operands = [operand for record in records for operand in record.operands]
        self.places: dict[Buffer, list[int]] = {}
        self.offsets = np.zeros(len(operands), np.int64)
        for i, operand in enumerate(operands):
            if isinstance(operand, Spot):
                self.offsets[i] = operand.offset
                self.places.setdefault(operand.buffer, []).append(i)
            elif isinstance(operand, Buffer):
                self.places.setdefault(operand, []).append(i)
        self.table = np.array([o if isinstance(o, int) else 0 for o in operands], np.int64)
        for buffer in self.places:
            self.point(buffer, address(buffer))
        base = address_of(self.table)
        self._loops: list[Words] = []
        self._records = self._rows(records, iter(codes), base, parts, 0)
        self._starts = [*_starts(records), len(operands)]

    def _rows(
        self, records: Sequence[Record], codes: Iterator[int], base: int, parts: int, depth: int
    ) -> Words:
        """Records in memory, whose operands stand from `base` on."""
        rows = []
        for record, start in zip(records, _starts(records), strict=True):
            code = self._loop(record, codes, parts, depth) if record.body else next(codes)
            rows.append((code, base + WORD * start, record.shares, record.flags))
        return np.array(rows, np.int64).reshape(-1, STEP_WORDS)

    def _loop(self, record: Record, codes: Iterator[int], parts: int, depth: int) -> int:
        """Address of what a loop is: see `driver`. The tables of its threads share no line."""
        records = self._rows(record.body, codes, 0, parts, depth + 1)
        operands = [operand for each in record.body for operand in each.operands]
        strides = [o.strides[depth] if isinstance(o, Spot) else 0 for o in operands]
        moves = np.array(strides, np.int64)
        width = -(-len(operands) * WORD // ALIGN) * ALIGN + ALIGN
        tables = np.zeros(parts * width // WORD, np.int64)
        addresses = [address_of(each) for each in (records, moves, tables)]
        what = [record.times, addresses[0], len(record.body), len(operands), *addresses[1:], width]
        about = np.array(what, np.int64)
        self._loops += [records, moves, tables, about]
        return address_of(about)

    def record(self, step: int) -> int:
        """Address of the record of a step; those of the copies come after them."""
        return address_of(self._records) + WORD * STEP_WORDS * step

    def operands(self, step: int) -> Words:
        """The addresses of a step's operands, as they are at any time."""
        return self.table[self._starts[step] : self._starts[step + 1]]

    def point(self, buffer: Buffer, address: int) -> None:
        """Let all steps find `buffer` at `address`."""
        places = self.places.get(buffer, [])
        self.table[places] = self.offsets[places] + address


class Moving:
    """Buffers that lie at fixed distances from an address that changes, and are pointed to at once:
    what is added up over shards, of which every row in turn is written."""

    def __init__(self, entries: Entries, starts: Mapping[Buffer, int]) -> None:
        self._table = entries.table
        places = {b: entries.places.get(b, []) for b in starts}
        self._at = np.array([i for found in places.values() for i in found], np.intp)
        self._starts = np.array([starts[b] for b, found in places.items() for _ in found], np.int64)
        self._starts += entries.offsets[self._at]

    def point(self, address: int) -> None:
        """Let all steps find them from `address` on."""
        self._table[self._at] = self._starts + address


def constants_text(records: Sequence[Record], names: dict[Buffer, str], target: Target) -> str:
    """LLVM IR that defines `steps`, what the driver's `run` is given, and no memory.

    Buffers of the arena lie at their offsets in `arena`, each other one at its symbol in `names`;
    who makes an object of it defines these.
    """
    kernels = dict.fromkeys(entry_of(record.kernel) for record in records)
    inside = [o for r in records for o in r.operands if isinstance(o, Buffer)]
    symbols = dict.fromkeys("arena" if b.offset is not None else names[b] for b in inside)
    operands = [_constant(o, names, target) for record in records for o in record.operands]
    # A record is words of the driver, which may be longer than an address.
    rest = f", [{WORD - target.pointer_bytes} x i8]" if target.pointer_bytes < WORD else ""
    none = f"{rest} zeroinitializer" if rest else ""
    kind = f"{{ ptr{rest}, ptr{rest}, i64, i64 }}"
    rows = [
        f"{kind} {{ ptr @{entry_of(r.kernel)}{none}, ptr getelementptr (ptr, ptr @operands, "
        f"i32 {start}){none}, i64 {r.shares}, i64 {r.flags} }}"
        for r, start in zip(records, _starts(records), strict=True)
    ]
    layout = [f'target datalayout = "{target.data_layout}"'] if target.data_layout else []
    return "\n".join(
        [
            f'target triple = "{target.triple}"',
            *layout,
            *(f"declare void @{name}(ptr, i64, i64)" for name in kernels),
            *(f'@"{name}" = external global i8' for name in symbols),
            f"@operands = internal constant [{len(operands)} x ptr] [{', '.join(operands)}]",
            f"@steps = constant [{len(rows)} x {kind}] [{', '.join(rows)}]",
        ]
    )


def _constant(operand: Operand, names: dict[Buffer, str], target: Target) -> str:
    if isinstance(operand, int):
        return f"ptr inttoptr (i{8 * target.pointer_bytes} {operand} to ptr)"
    if isinstance(operand, Spot):
        raise AssertionError(f"a loop over {operand.buffer} ahead of time")
    if operand.offset is None:
        return f'ptr @"{names[operand]}"'
    return f"ptr getelementptr (i8, ptr @arena, i64 {operand.offset})"


def _starts(records: Sequence[Record]) -> list[int]:
    """Where the operands of each record begin in the table."""
    lengths = (len(record.operands) for record in records)
    return list(itertools.accumulate(lengths, initial=0))[:-1]


def address_of(array: Words) -> int:
    return int(array.__array_interface__["data"][0])
