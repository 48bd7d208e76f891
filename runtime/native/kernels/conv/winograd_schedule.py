"""How the work of a Winograd convolution is cut: blocks of tiles, register tiles, units."""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import ceil

from graphcnn.ir.geometry import Pair
from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.conv.geometry import ConvGeometry
from graphcnn.runtime.native.kernels.parts.numbers import Numbers
from graphcnn.runtime.native.kernels.parts.tiles import choose_tile, step_cost

#: What the time on so many threads counts when a schedule is chosen.
_THREADS = {1: 1.0, 2: 2.0, 4: 0.8, 8: 0.8}
#: Blocks of tiles that are looked at.
_ENOUGH = 64


@dataclass(frozen=True)
class WinogradSchedule:
    """Output tiles of `m` × `m`; `block` of them at a time in scratch; the register tile of the
    products is `rows` × `vectors`; the filters go to `split` units."""

    m: int
    block: int
    rows: int
    vectors: int
    split: int = 1

    def __str__(self) -> str:
        return f"F{self.m} {self.block} tiles {self.rows}×{self.vectors}"


@lru_cache(256)
def choose_winograd(
    g: ConvGeometry, numbers: Numbers, target: Target, m: int = 4, vectors: int | None = None
) -> WinogradSchedule:
    """Tiles that stay in the second cache, in blocks large enough to reuse the kernels, and as
    many units as keep one, two or four threads busy."""
    tiles = tile_count(g, m)
    points = (m + 2) ** 2
    wide = choose_tile(target, min(tiles, 28), min(2, g.y.blocks)).vectors
    b = vectors or (wide if g.y.blocks % wide == 0 else 1)
    per_tile = points * numbers.sums.bytes * (g.x.channels + g.y.channels + 2 * g.x.lanes)
    kernels = points * numbers.weight.bytes * g.x.channels * g.y.channels
    room = target.l2 // 2 if kernels < target.l2 else max(target.l2 * 4, kernels)
    limit = (target.registers - 2 - b) // b
    most = min(tiles, max(limit, min(96, room // per_tile)))
    panels, least = g.y.blocks // b, ceil(tiles / most)
    splits = {n for n in (1, 2, 4, 8, panels) if n <= min(8, panels)}
    found = []
    for count in range(least, min(tiles, least + 6) + 1):
        block = ceil(tiles / count)
        rows = ceil(block / ceil(block / limit))
        block = ceil(block / rows) * rows
        found += [WinogradSchedule(m, block, rows, b, split) for split in sorted(splits)]
    if target.tight:  # as many tiles at a time as there is memory for
        found = []
        for split in sorted(splits):
            one = scratch_size(g, numbers, WinogradSchedule(m, 1, 1, b, split))
            block = min(most, max(1, spare_bytes(g, numbers) // one))
            rows = ceil(block / ceil(block / limit))
            found.append(WinogradSchedule(m, block // rows * rows, rows, b, split))
    fetch = 1 if kernels < target.l2 // 2 else 3
    return min(found, key=lambda s: _time(g, s, target, fetch))


def scratch_size(g: ConvGeometry, numbers: Numbers, s: WinogradSchedule) -> int:
    """Bytes of a block of transformed tiles and of their products."""
    depth, width = depths(g, s)
    return (s.m + 2) ** 2 * s.block * (depth + width) * numbers.sums.bytes


def depths(g: ConvGeometry, s: WinogradSchedule) -> Pair:
    """Elements from tile to tile, of the transformed input and of the products: a line more than
    the channels, so that the rows of a product do not fall on the same places of the cache."""
    panels = g.y.blocks // s.vectors
    width = (-(-panels // s.split) * s.vectors + 1) * g.y.lanes
    return (g.x.blocks + 1) * g.x.lanes, width


def spare_bytes(g: ConvGeometry, numbers: Numbers) -> int:
    """Of scratch, at most, where memory is short: the mean of what is read and written."""
    x, y = (b.channels * b.sizes[0] * b.sizes[1] for b in (g.x, g.y))
    return g.batch * (x + y) * numbers.sums.bytes // 2


def _time(g: ConvGeometry, s: WinogradSchedule, target: Target, fetch: int) -> float:
    """Vector steps per tile of the thread that has most to do, of one and of several.

    `fetch` are those that a vector of the kernels costs before it is used. Of very many blocks of
    tiles the first ones tell.
    """
    tiles = min(tile_count(g, s.m), _ENOUGH * s.block)
    points, panels = (s.m + 2) ** 2, g.y.blocks // s.vectors
    step = step_cost(target, s.rows, s.vectors)
    reading, writing, done = [], [], [0.0]
    for first in range(0, tiles, s.block):
        count = min(s.block, tiles - first)
        for piece in range(s.split):
            width = panels * (piece + 1) // s.split - panels * piece // s.split
            products = -(-count // s.rows) * step + fetch * s.vectors
            products *= g.x.blocks * g.x.lanes * width
            reading.append(count * g.x.blocks * points * 8)
            writing.append(points * products + count * width * s.vectors * points * 8)
            done.append(done[-1] + writing[-1] + (reading[-1] if piece == 0 else 0))
    units = len(writing)

    def longest(threads: int) -> float:
        ends = [units * part // threads for part in range(threads + 1)]
        return max(
            done[b] - done[a] + (reading[a] if a % s.split and a < b else 0)
            for a, b in pairwise(ends)
        )

    return sum(weight * longest(threads) for threads, weight in _THREADS.items()) / tiles


def winograd_rule(g: ConvGeometry, s: WinogradSchedule) -> str:
    """Which rule chose a schedule, in words."""
    tiles = tile_count(g, s.m)
    cut = "all tiles at once" if s.block >= tiles else "blocks that stay in the second cache"
    shared = f"; kernels in {s.split} shares, for threads" if s.split > 1 else ""
    return f"{cut}: {min(s.block, tiles)} of {tiles}, {s.rows * s.vectors} sums{shared}"


def tile_count(g: ConvGeometry, m: int) -> int:
    (oh, ow) = g.y.sizes
    return g.batch * -(-oh // m) * -(-ow // m)
