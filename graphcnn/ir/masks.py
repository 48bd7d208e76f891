"""Which weights of a kernel a masked convolution has, so that no pixel sees what comes after it.

Pixels come row by row, from left to right, and the colours of one pixel one after the other. The
kernel of a masked convolution has the taps above its centre and those to the left of it. At the
centre itself colours see those before them: mask "A" only these, mask "B" their own as well.
A. van den Oord, N. Kalchbrenner, K. Kavukcuoglu, "Pixel recurrent neural networks",
arXiv:1601.06759, section 3.4.
"""

from functools import lru_cache

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.geometry import Pair
from graphcnn.ir.node import Array, freeze

#: What a mask may be; "" is none.
MASKS = ("", "A", "B")


def check_mask(mask: str, colors: int, kernel: Pair, stride: Pair, flip: bool) -> None:
    """Raise `GraphError` where a convolution cannot be masked so."""
    if mask not in MASKS:
        raise GraphError(f'mask must be "A" or "B" (or "" for none), found {mask!r}')
    if colors < 1 or (colors > 1 and not mask):
        raise GraphError(f"mask_groups is at least 1, and 1 without a mask, found {colors}")
    if not mask:
        return
    if kernel[0] % 2 == 0 or kernel[1] % 2 == 0:
        raise GraphError(
            f"a masked kernel has a centre: its sizes are odd, found {kernel[0]}×{kernel[1]}"
        )
    if stride != (1, 1):
        raise GraphError(
            "a masked convolution has stride 1, as each result belongs to the pixel under the "
            f"centre of the kernel; found stride {stride[0]}×{stride[1]}"
        )
    if flip:
        raise GraphError("a masked kernel is not rotated: set flip_kernel=False")
    if kernel == (1, 1) and mask == "A" and colors == 1:
        raise GraphError('mask "A" leaves nothing of a kernel 1×1 with mask_groups=1')


def read_taps(mask: str, colors: int, kernel: Pair) -> int:
    """How many taps, counted row by row, are read at all."""
    if not mask:
        return kernel[0] * kernel[1]
    centre = kernel[0] // 2 * kernel[1] + kernel[1] // 2
    return centre + (mask == "B" or colors > 1)


@lru_cache(maxsize=64)
def kernel_mask(mask: str, colors: int, groups: int, shape: tuple[int, int, int, int]) -> Array:
    """True for the weights (O, C/groups, KH, KW) that a masked convolution has.

    `colors` equal parts of the channels, in and out, are the colours in their order. Raises
    `GraphError` where the channels do not divide.
    """
    o, per_group, kh, kw = shape
    c = per_group * groups
    if c % colors or o % colors:
        raise GraphError(
            f"mask_groups = {colors} must divide the {c} input channels and the {o} output channels"
        )
    found = np.zeros((o, per_group, kh * kw), bool)
    centre = kh // 2 * kw + kw // 2
    found[:, :, :centre] = True
    written = np.arange(o)[:, None]
    read = written // (o // groups) * per_group + np.arange(per_group)
    mine, other = written // (o // colors), read // (c // colors)
    found[:, :, centre] = other <= mine if mask == "B" else other < mine
    return freeze(found.reshape(shape))
