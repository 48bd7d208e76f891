"""The schedule of direct convolutions: tiles of R pixels × b vectors of output channels.

A tile has R · b sums in registers, beside b vectors of the kernel. A step of its innermost loop
broadcasts R numbers of the image, loads b vectors and does R · b multiply-adds. Of all tiles whose
sums fit the one is chosen that does the whole image in the least steps: multiply-adds, at least as
many as hide their latency, loads, and what the rest of a row adds. `tiling_rule` says what decided.
"""

from dataclasses import dataclass

from graphcnn.runtime.native.code.target import Target
from graphcnn.runtime.native.kernels.conv.geometry import ConvGeometry
from graphcnn.runtime.native.kernels.parts.tiles import LATENCY, step_cost


@dataclass(frozen=True)
class Tiling:
    """Tile of `rows` × `columns` pixels × `vectors` blocks; `lines` rows of tiles to a unit."""

    rows: int
    columns: int
    vectors: int
    lines: int = 1

    def __str__(self) -> str:
        return f"{self.rows}×{self.columns}×{self.vectors}"


def choose_schedule(g: ConvGeometry, target: Target, vectors: int | None = None) -> Tiling:
    """The tile with the least multiply-adds, loads and rest; `vectors` is given with a kernel."""
    best: tuple[float, Tiling] | None = None
    limit = target.sums
    main = max(g.parts, key=lambda p: p.sizes[0] * p.sizes[1])
    height, width = main.sizes
    for b in range(1, 5) if vectors is None else (vectors,):
        if g.y.blocks // g.groups % b:
            continue
        for pixels in range(1, (limit - b) // b + 1):
            rows = min(height, max(1, pixels // width))
            columns = min(width, pixels)
            if rows > 1 and columns != width:
                continue
            tile = step_cost(target, rows * columns, b) + 0.5
            rest = (height % rows > 0) + (width % columns > 0)
            count = (height / rows + 0.5 * (height % rows > 0)) * -(-width // columns)
            if width % columns:  # the rest is a smaller tile
                small = step_cost(target, rows * (width % columns), b) + 0.5
                count = (height / rows) * (width // columns + small / tile)
            cost = count * tile * (g.y.blocks // b) * (1 + 0.02 * rest)
            if best is None or cost < best[0] * 0.999:
                best = (cost, Tiling(rows, columns, b))
    assert best is not None
    found = best[1]
    lines = -(-height // found.rows)
    wanted = -(-8 // (g.batch * (g.y.blocks // found.vectors)))
    return Tiling(found.rows, found.columns, found.vectors, max(1, lines // wanted))


def tiling_rule(g: ConvGeometry, target: Target, s: Tiling) -> str:
    """Which rule chose a tile, in words."""
    main = max(g.parts, key=lambda p: p.sizes[0] * p.sizes[1])
    height, width = main.sizes
    pixels = s.rows * s.columns
    most = (target.sums - s.vectors) // s.vectors
    rest = width % s.columns
    if pixels * s.vectors < LATENCY:
        rule = "few pixels"
    elif pixels == most:
        rule = "widest tile without spills"
    elif s.columns == width:
        rule = "whole rows"
    else:
        rule = "rows without a rest" if not rest else "smallest rest"
    if s.rows > 1:
        shape = f"{s.rows} of {height} rows of {width} pixels"
    else:
        shape = f"{s.columns} of {width} pixels of a row" + (f", then {rest}" if rest else "")
    return f"{rule}: {shape}; {pixels * s.vectors} sums, {most * s.vectors} fit"
