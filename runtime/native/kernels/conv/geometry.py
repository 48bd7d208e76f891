"""From the attributes of a convolution to the geometry of its blocked kernels."""

from dataclasses import dataclass, replace

from graphcnn.ir.geometry import Pair, Sides, Window
from graphcnn.ops.conv import Conv2d, ConvTranspose2d
from graphcnn.runtime.native.kernels.conv.masked import read_taps
from graphcnn.runtime.native.kernels.conv.plain import remainders
from graphcnn.runtime.native.kernels.conv.taps import BlockedPart
from graphcnn.runtime.native.kernels.parts.blocked import Blocked

Convolution = Conv2d | ConvTranspose2d


@dataclass(frozen=True)
class ConvGeometry:
    """A convolution from one blocked value to another.

    `groups` is the number of groups in terms of blocks: every block is one in a depthwise
    convolution.
    """

    batch: int
    x: Blocked
    y: Blocked
    taps: int
    reading: Pair
    step: Pair
    parts: tuple[BlockedPart, ...]
    groups: int = 1

    @property
    def depth(self) -> int:
        """Blocks of input channels of one group."""
        return self.x.blocks // self.groups

    @property
    def flops(self) -> int:
        pixels = sum(p.sizes[0] * p.sizes[1] * len(p.taps) for p in self.parts)
        return 2 * self.batch * self.x.channels * self.y.channels // self.groups * pixels


def geometry(
    op: Convolution,
    batch: int,
    x: tuple[int, Pair],
    y: tuple[int, Pair],
    kernel: Pair,
    lanes: int,
    y_halo: Sides = (0, 0, 0, 0),
    x_halo: Sides | None = None,
) -> ConvGeometry:
    """The geometry of a convolution or its transpose; x and y are (channels, (height, width)).

    The input's halo is the least that the convolution needs, unless a wider one is given. Taps are
    numbered as in the kernel of the operator, (O, C, KH, KW) row-major, also for the transpose,
    whose kernel has its first two axes exchanged.
    """
    windows = op.windows(kernel)
    if isinstance(op, ConvTranspose2d):
        parts, step, reading = _transposed(op, y[1], windows), op.stride, (1, 1)
    else:
        taps = tuple(
            (
                _number(u, v, kernel, op.flip_kernel),
                (u * op.dilation[0] - op.padding[0], v * op.dilation[1] - op.padding[2]),
            )
            for u in range(kernel[0])
            for v in range(kernel[1])
            if u * kernel[1] + v < read_taps(op, kernel)
        )
        parts, step, reading = (BlockedPart((0, 0), y[1], taps),), (1, 1), op.stride
    halo = needed_halo(parts, x[1], reading)
    if x_halo is not None:
        if any(a < b for a, b in zip(x_halo, halo, strict=True)):
            raise ValueError(f"the halo {x_halo} is smaller than {halo}")
        halo = x_halo
    return ConvGeometry(
        batch,
        Blocked(x[0], x[1], lanes, halo),
        Blocked(y[0], y[1], lanes, y_halo),
        kernel[0] * kernel[1],
        reading,
        step,
        parts,
        block_groups(op, x[0], y[0], lanes) or 1,
    )


def is_depthwise(op: Convolution, x: int, y: int) -> bool:
    """Whether every channel is a group of its own, on both sides."""
    return op.groups == x == y and op.groups > 1


def block_groups(op: Convolution, x: int, y: int, lanes: int) -> int | None:
    """Groups in terms of blocks of channels; None where a block would belong to two groups."""
    if is_depthwise(op, x, y):
        return -(-x // lanes)
    whole = all(channels // op.groups % lanes == 0 for channels in (x, y))
    fits = op.groups == 1 or (whole and isinstance(op, Conv2d))
    return op.groups if fits else None


def numbered_back(g: ConvGeometry) -> ConvGeometry:
    """The geometry for a kernel whose window axes are reversed: taps counted from the end."""
    parts = tuple(replace(p, taps=tuple((g.taps - 1 - t, at) for t, at in p.taps)) for p in g.parts)
    return replace(g, parts=parts)


def needed_halo(parts: tuple[BlockedPart, ...], sizes: Pair, reading: Pair) -> Sides:
    """The pixels around the image that the taps reach: (top, bottom, left, right)."""
    reach: list[int] = []
    for axis in (0, 1):
        starts = [at[axis] for p in parts for _, at in p.taps]
        ends = [(p.sizes[axis] - 1) * reading[axis] + at[axis] for p in parts for _, at in p.taps]
        reach += [max(0, -min(starts, default=0)), max(0, max(ends, default=0) - sizes[axis] + 1)]
    return reach[0], reach[1], reach[2], reach[3]


def _transposed(
    op: ConvTranspose2d, output: Pair, windows: tuple[Window, Window]
) -> tuple[BlockedPart, ...]:
    kernel = (windows[0].kernel, windows[1].kernel)
    axes = [remainders(size, w) for size, w in zip(output, windows, strict=True)]
    return tuple(
        BlockedPart(
            (oy, ox),
            (rows, columns),
            tuple(
                (_number(u, v, kernel, op.flip_kernel), (du, dv))
                for u, du in row_taps
                for v, dv in column_taps
                if u * kernel[1] + v < read_taps(op, kernel)
            ),
        )
        for oy, rows, row_taps in axes[0]
        for ox, columns, column_taps in axes[1]
    )


def _number(u: int, v: int, kernel: Pair, flip: bool) -> int:
    kh, kw = kernel
    return (kh - 1 - u) * kw + kw - 1 - v if flip else u * kw + v
