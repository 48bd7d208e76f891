"""The transpose of pooling, pixel by pixel: which windows reach a pixel, and by which tap.

    dx[r, c] = sum over taps (u, v) of what window (i, j) gives to that tap,
               i = (r + p - d·u) / s, j = (c + p - d·v) / s  where these are whole numbers

Every pixel is written once, in order, by vectors. With r = s·q + phase the taps of a phase are
known: those where s divides phase + p - d·u, of the windows i = q + (phase + p - d·u) / s. What the
windows give lies in scratch, with a margin for the windows that do not exist.
"""

from collections.abc import Callable

import llvmlite.ir as ir

from graphcnn.ir.geometry import Window
from graphcnn.ir.tensor_type import DType
from graphcnn.runtime.native.code.emit import Emitter, Int
from graphcnn.runtime.native.kernels.parts.image_places import ImagePlaces
from graphcnn.runtime.native.kernels.parts.pixel_rows import (
    MAX_STEP,
    interleave,
    join_scalars,
    lanes_for,
    tiles,
)
from graphcnn.runtime.native.kernels.parts.pool_windows import Pooling

#: Taps of the largest window whose gradient is gathered: they are all unrolled.
MAX_TAPS = 49

#: (u, off): a tap, and how far its window lies from q.
Reach = list[tuple[int, int]]
#: term(i, j, tap, lanes): what the windows (i, j), (i, j + 1), … give to a tap.
Term = Callable[[Int, Int, int, int], ir.Value]


def can_gather(p: Pooling) -> bool:
    """Whether gathering is little enough code."""
    steps, taps = (p.rows.stride, p.columns.stride), p.rows.kernel * p.columns.kernel
    return max(steps) <= MAX_STEP and taps <= MAX_TAPS


class PoolReach:
    """Gathers images `to` from the windows of `p`, in scratch with their margins."""

    def __init__(self, p: Pooling, to: ImagePlaces) -> None:
        self.p, self.to = p, to
        self.rows, self.columns = _reach(p.rows), _reach(p.columns)
        self.top, below = _margins(self.rows, to.h, p.rows.stride, p.oh)
        self.left, right = _margins(self.columns, to.w, p.columns.stride, p.ow)
        self.height, self.width = self.top + p.oh + below, self.left + p.ow + right

    @property
    def count(self) -> int:
        """Numbers for all windows of a plane, margin included."""
        return self.height * self.width * self.to.cell

    @property
    def bytes(self) -> int:
        return -(-self.count * self.to.dtype.bytes // 64) * 64

    def scratch(self, e: Emitter, room: ir.Value, count: int) -> list[ir.Value]:
        """`count` places for `self.count` numbers in this part's scratch."""
        own = e.at(room, DType.UINT8, (e.part, count * self.bytes))
        return [e.at(own, DType.UINT8, (k, self.bytes)) for k in range(count)]

    def at(self, e: Emitter, start: ir.Value, i: Int, j: Int) -> ir.Value:
        """The address of window (i, j) in scratch."""
        cell, row, column = self.to.cell, e.iadd(i, self.top), e.iadd(j, self.left)
        return e.at(start, self.to.dtype, (row, self.width * cell), (column, cell))

    def pixels(self, e: Emitter, plane: ir.Value, term: Term) -> None:
        """Writes all pixels of a plane: the sum of term(i, j, tap, lanes) over taps."""
        step = self.p.rows.stride
        whole, rest = divmod(self.to.h, step)

        def rows(q: Int, phases: int) -> None:
            for phase in range(phases):
                row = e.iadd(e.imul(q, step), phase)
                self._row(e, self.to.pixel(e, plane, row, 0), q, self.rows[phase], term)

        e.loop(0, whole, lambda q: rows(q, step))
        if rest:
            rows(e.int(whole), rest)

    def _row(self, e: Emitter, start: ir.Value, q: Int, us: Reach, term: Term) -> None:
        cell, dtype, step = self.to.cell, self.to.dtype, self.p.columns.stride
        whole, rest = divmod(self.to.w, step)
        lanes = 1 if cell > 1 else lanes_for(whole, e.target, dtype)

        def total(k: Int, phase: int, lanes: int) -> ir.Value:
            found: ir.Value | None = None
            for u, off in us:
                for v, shift in self.columns[phase]:
                    tap = u * self.p.columns.kernel + v
                    value = term(e.iadd(q, off), e.iadd(k, shift), tap, lanes)
                    found = value if found is None else e.add(found, value)
            return e.splat(0.0, dtype, lanes * cell) if found is None else found

        def block(k: Int) -> None:
            parts = [total(k, phase, lanes) for phase in range(step)]
            at = e.at(start, dtype, (k, step * cell))
            if cell > 1:
                for phase, part in enumerate(parts):
                    e.store(part, e.at(at, dtype, (phase, cell)))
            else:
                wide = interleave(e, parts, lanes) if lanes > 1 else join_scalars(e, parts)
                e.store(wide, at)

        if whole:
            tiles(e, 0, whole, lanes, block)
        for phase in range(rest):
            value = total(whole, phase, 1)
            e.store(value, e.at(start, dtype, (whole * step + phase, cell)))


def _reach(window: Window) -> list[Reach]:
    """For each phase of a pixel: the taps that can reach it and how far their window is off."""
    s = window.stride
    found = []
    for phase in range(s):
        offs = [phase + window.before - u * window.dilation for u in range(window.kernel)]
        found.append([(u, off // s) for u, off in enumerate(offs) if off % s == 0])
    return found


def _margins(reach: list[Reach], size: int, step: int, count: int) -> tuple[int, int]:
    """Windows before the first and after the last that pixels ask for."""
    before = after = 0
    for phase, taps in enumerate(reach):
        last = (size - 1 - phase) // step  # the last q of this phase, -1 where it has no pixel
        for _, off in taps:
            before = max(before, -off)
            after = max(after, last + off - (count - 1))
    return before, after
