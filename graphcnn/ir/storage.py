"""How the elements of a value lie in memory: the names of layouts, and packing by them.

A type keeps its logical shape whatever its layout. With L the lanes of a vector (4, 8 or 16):

    plain          row-major
    cL             images (N, C, H, W) as [N][C/L][H][W][L]
    cL+t,b,l,r     the same with t, b, l, r rows and columns of zeros around H and W
    oLiLxB         kernels (O, I, KH, KW) as [O/(L·B)][I/L][KH][KW][L in][L·B out]
    iLoLxB         the same for the gradient of the input: O and I exchanged and both window axes
                   reversed, [I/(L·B)][O/L][KH][KW][L out][L·B in]
    w4oLiLxB       kernels (O, I, 3, 3) transformed for tiles of 4 × 4 outputs of Winograd's
                   convolution, G g Gᵀ as [36][O/(L·B)][I][L·B]; w2... for 2 × 2; w4iLoLxB likewise
    dL             kernels (C, 1, KH, KW) of depthwise convolutions as [C/L][KH][KW][L]
    vL             vectors, one number per channel, padded to a multiple of L

Sizes that are no multiples are rounded up and the rest is zeros. Matrices (O, I) have the layouts
of kernels of one tap. Transformed kernels are rounded: unpacking gives back what they
were made of but for that, so nothing that is to keep its bits lies so.
"""

import math
import re
from dataclasses import dataclass, replace
from functools import cache
from typing import cast

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.geometry import Sides
from graphcnn.ir.node import Array
from graphcnn.ir.tensor_type import Dim, Shape, TensorType, known_size

PLAIN = "plain"
NO_HALO: Sides = (0, 0, 0, 0)

_IMAGE = re.compile(r"c(4|8|16)(?:\+(\d+),(\d+),(\d+),(\d+))?")
_KERNEL = re.compile(r"([oi])(4|8|16)([oi])(4|8|16)x([1-9]\d?)")
_DEPTHWISE = re.compile(r"d(4|8|16)")
_VECTOR = re.compile(r"v(4|8|16)")
_TRANSFORMED = re.compile(r"w([24])([oi].*)")

#: G of Winograd's F(m × m, 3 × 3) by m: the transform of kernels along one axis.
KERNEL_TRANSFORM = {
    2: np.array([[1, 0, 0], [1 / 2, 1 / 2, 1 / 2], [1 / 2, -1 / 2, 1 / 2], [0, 0, 1]]),
    4: np.array(
        [
            [1 / 4, 0, 0],
            [-1 / 6, -1 / 6, -1 / 6],
            [-1 / 6, 1 / 6, -1 / 6],
            [1 / 24, 1 / 12, 1 / 6],
            [1 / 24, -1 / 12, 1 / 6],
            [0, 0, 1],
        ]
    ),
}


@dataclass(frozen=True)
class Images:
    """`c16+1,1,1,1`: channels in blocks of lanes, and a border of zeros."""

    lanes: int
    halo: Sides = NO_HALO

    rank = (4,)

    def __str__(self) -> str:
        border = "+" + ",".join(map(str, self.halo)) if any(self.halo) else ""
        return f"c{self.lanes}{border}"

    def storage(self, shape: Shape) -> Shape:
        n, c, h, w = shape
        top, bottom, left, right = self.halo
        rows, columns = _more(h, top + bottom), _more(w, left + right)
        return n, _blocks(c, self.lanes), rows, columns, self.lanes

    def pack(self, x: Array, storage: Array) -> None:
        n, c, h, w = x.shape
        blocked = np.zeros((n, storage.shape[1] * self.lanes, h, w), x.dtype)
        blocked[:, :c] = x
        split = blocked.reshape(n, -1, self.lanes, h, w).transpose(0, 1, 3, 4, 2)
        self._inside(storage, h, w)[...] = split

    def unpack(self, storage: Array, shape: tuple[int, ...]) -> Array:
        n, c, h, w = shape
        inside = self._inside(storage, h, w).transpose(0, 1, 4, 2, 3)
        return inside.reshape(n, -1, h, w)[:, :c]

    def _inside(self, storage: Array, h: int, w: int) -> Array:
        top, _, left, _ = self.halo
        return storage[:, :, top : top + h, left : left + w]


@dataclass(frozen=True)
class Kernels:
    """`o16i16x2`, and `i16o16x2` where `transposed`."""

    lanes: int
    vectors: int = 1
    transposed: bool = False

    rank = (2, 4)

    def __str__(self) -> str:
        outer, inner = "io" if self.transposed else "oi"
        return f"{outer}{self.lanes}{inner}{self.lanes}x{self.vectors}"

    def storage(self, shape: Shape) -> Shape:
        o, i, *window = shape
        outer, inner = (i, o) if self.transposed else (o, i)
        wide = self.lanes * self.vectors
        window = window or [1, 1]
        return _blocks(outer, wide), _blocks(inner, self.lanes), *window, self.lanes, wide

    def pack(self, x: Array, storage: Array) -> None:
        x = self.turned(x if x.ndim == 4 else x[:, :, None, None])
        blocks, inner, kh, kw, lanes, wide = storage.shape
        if x.shape[:2] != (blocks * wide, inner * lanes):
            full = np.zeros((blocks * wide, inner * lanes, kh, kw), x.dtype)
            full[: x.shape[0], : x.shape[1]] = x
            x = full
        split = x.reshape(blocks, wide, inner, lanes, kh, kw)
        storage[...] = split.transpose(0, 2, 4, 5, 3, 1)

    def unpack(self, storage: Array, shape: tuple[int, ...]) -> Array:
        blocks, inner, kh, kw, lanes, wide = storage.shape
        joined = storage.transpose(0, 5, 1, 4, 2, 3)
        x = self.turned(joined.reshape(blocks * wide, inner * lanes, kh, kw))
        return x[: shape[0], : shape[1]].reshape(shape)

    def turned(self, x: Array) -> Array:
        """(outer, inner, KH, KW): the kernel as it is, or exchanged and reversed."""
        return x.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1] if self.transposed else x


@dataclass(frozen=True)
class DepthwiseKernels:
    """`d16`: the kernels of a convolution in which each channel is a group."""

    lanes: int

    rank = (4,)

    def __str__(self) -> str:
        return f"d{self.lanes}"

    def storage(self, shape: Shape) -> Shape:
        c, one, kh, kw = shape
        if one != 1:
            raise GraphError(f"layout {self} is for kernels (C, 1, KH, KW), found {shape}")
        return _blocks(c, self.lanes), kh, kw, self.lanes

    def pack(self, x: Array, storage: Array) -> None:
        Images(self.lanes).pack(x.transpose(1, 0, 2, 3), storage[None])

    def unpack(self, storage: Array, shape: tuple[int, ...]) -> Array:
        c, _, kh, kw = shape
        return Images(self.lanes).unpack(storage[None], (1, c, kh, kw)).transpose(1, 0, 2, 3)


@dataclass(frozen=True)
class Vectors:
    """`v16`: a vector padded to whole registers."""

    lanes: int

    rank = (1,)

    def __str__(self) -> str:
        return f"v{self.lanes}"

    def storage(self, shape: Shape) -> Shape:
        return _blocks(shape[0], self.lanes), self.lanes

    def pack(self, x: Array, storage: Array) -> None:
        storage.reshape(-1)[: x.size] = x

    def unpack(self, storage: Array, shape: tuple[int, ...]) -> Array:
        return storage.reshape(-1)[: shape[0]]


@dataclass(frozen=True)
class TransformedKernels:
    """`w4o16i16x2`: kernels 3 × 3 as Winograd's convolution with tiles of 4 × 4 reads them."""

    tile: int
    kernels: Kernels

    rank = (4,)

    def __str__(self) -> str:
        return f"w{self.tile}{self.kernels}"

    @property
    def points(self) -> int:
        return (self.tile + 2) ** 2

    def storage(self, shape: Shape) -> Shape:
        if shape[2:] != (3, 3):
            raise GraphError(f"layout {self} is for kernels 3 × 3, found {shape[2:]}")
        blocks, inner, _, _, lanes, wide = self.kernels.storage(shape)
        return self.points, blocks, cast(int, inner) * cast(int, lanes), wide

    def pack(self, x: Array, storage: Array) -> None:
        matrix, g = KERNEL_TRANSFORM[self.tile], self.kernels.turned(x).astype(np.float64)
        rows = np.tensordot(matrix, g, (1, 2))
        u = np.tensordot(rows, matrix, (3, 1)).transpose(0, 3, 1, 2)  # [row][column][O][I]
        points, blocks, depth, wide = storage.shape
        full = np.zeros((points, blocks * wide, depth), storage.dtype)
        full[:, : g.shape[0], : g.shape[1]] = u.reshape(points, *g.shape[:2])
        storage[...] = full.reshape(points, blocks, wide, depth).transpose(0, 1, 3, 2)

    def unpack(self, storage: Array, shape: tuple[int, ...]) -> Array:
        """The kernels that fit best: those that were packed, but for rounding."""
        depth = storage.shape[2]
        back, edge = np.linalg.pinv(KERNEL_TRANSFORM[self.tile]), self.tile + 2
        u = storage.astype(np.float64).transpose(0, 1, 3, 2).reshape(edge, edge, -1, depth)
        rows = np.tensordot(back, u, (1, 0))
        g = np.tensordot(rows, back, (1, 1)).transpose(1, 2, 0, 3)  # [O][I][row][column]
        x = self.kernels.turned(g)[: shape[0], : shape[1]]
        return np.ascontiguousarray(x, storage.dtype)


Layout = Images | Kernels | DepthwiseKernels | Vectors | TransformedKernels


@dataclass(frozen=True)
class Choice:
    """One way to run a node, offered by a runtime to the pass that assigns layouts.

    Attributes:
        reads, writes: layouts of the inputs and of the results.
        algorithm: name of the algorithm; empty leaves it open.
        cost: seconds.
        follows: places of inputs whose images are read with whatever halo they have; `reads` names
            their layout without one.
    """

    reads: tuple[str, ...]
    writes: tuple[str, ...]
    algorithm: str = ""
    cost: float = 0.0
    follows: tuple[int, ...] = ()

    @property
    def is_plain(self) -> bool:
        return {*self.reads, *self.writes} <= {PLAIN}


@cache
def parse_layout(name: str) -> Layout | None:
    """The layout of a name; None for "plain". Raises `GraphError` for names that are none."""
    if name == PLAIN:
        return None
    if match := _IMAGE.fullmatch(name):
        top, bottom, left, right = (int(side or 0) for side in match.groups()[1:])
        found: Layout = Images(int(match[1]), (top, bottom, left, right))
    elif match := _KERNEL.fullmatch(name):
        if match[1] == match[3] or match[2] != match[4]:
            raise GraphError(f"layout {name!r} must name both o and i with the same lanes")
        found = Kernels(int(match[2]), int(match[5]), match[1] == "i")
    elif match := _DEPTHWISE.fullmatch(name):
        found = DepthwiseKernels(int(match[1]))
    elif match := _VECTOR.fullmatch(name):
        found = Vectors(int(match[1]))
    elif match := _TRANSFORMED.fullmatch(name):
        kernels = parse_layout(match[2])
        assert isinstance(kernels, Kernels)
        found = TransformedKernels(int(match[1]), kernels)
    else:
        raise GraphError(
            f"unknown layout {name!r}; known are plain, c16, c16+1,1,1,1, o16i16x2, i16o16x2, "
            "w4o16i16x2, w2o16i16x2, d16, v16 and the same with 4 or 8 lanes"
        )
    if str(found) != name:
        raise GraphError(f"layout {name!r} is written {found}")
    return found


@cache
def without_halo(name: str) -> str:
    """The layout of images that differs from this one in its halo only; others stay."""
    layout = parse_layout(name)
    return str(replace(layout, halo=NO_HALO)) if isinstance(layout, Images) else name


def storage_shape(t: TensorType) -> Shape:
    """Sizes of the array that holds a value in memory, row-major. `N` stays `N`."""
    layout = parse_layout(t.layout)
    if layout is None:
        return t.shape
    if t.rank not in layout.rank:
        ranks = " or ".join(map(str, layout.rank))
        raise GraphError(f"layout {t.layout} is for rank {ranks}, found {plain(t)}")
    return layout.storage(t.shape)


def storage_bytes(t: TensorType) -> int:
    """Bytes that a value of a bound type takes in memory, without alignment."""
    if not t.is_bound:
        raise GraphError(f"{t} has no size before bind(N=...)")
    return known_size(storage_shape(t)) * t.dtype.bytes


def same_storage(t: TensorType, layout: str) -> bool:
    """Whether a value lies byte for byte the same under another layout.

    So it is for whole blocks of channels of a single pixel, (N, 64, 1, 1) in c16 and plain.
    """
    if t.layout == layout:
        return True
    other = replace(t, layout=layout)
    return _order(t) == _order(other) != None  # noqa: E711


def _order(t: TensorType) -> tuple[object, ...] | None:
    """What tells storage orders of one shape apart, where they can be equal at all."""
    layout = parse_layout(t.layout)
    if layout is None:
        return ("row-major",)
    if isinstance(layout, Images) and t.shape[2:] == (1, 1) and not any(layout.halo):
        c = t.shape[1]
        return ("row-major",) if isinstance(c, int) and c % layout.lanes == 0 else None
    if isinstance(layout, Vectors):
        c = t.shape[0]
        return ("row-major",) if isinstance(c, int) and c % layout.lanes == 0 else None
    return None


def plain(t: TensorType) -> TensorType:
    """The type in row-major layout."""
    return t if t.layout == PLAIN else replace(t, layout=PLAIN)


def pack(array: Array, t: TensorType) -> Array:
    """The storage of a value of type `t`, flat, from its logical elements."""
    if array.shape != t.shape:
        raise GraphError(f"cannot store an array of shape {array.shape} as {t}")
    layout = parse_layout(t.layout)
    if layout is None:
        return np.ascontiguousarray(array).reshape(-1)
    storage: Array = np.zeros(storage_shape(t), array.dtype)
    layout.pack(array, storage)
    return storage.reshape(-1)


def unpack(storage: Array, t: TensorType) -> Array:
    """The logical elements of a value from its storage: the inverse of `pack`."""
    shape: tuple[int, ...] = t.shape  # type: ignore[assignment]
    expected = storage_shape(t)
    if storage.size != math.prod(expected):
        raise GraphError(f"storage of {t} has {math.prod(expected)} elements, found {storage.size}")
    layout = parse_layout(t.layout)
    if layout is None:
        return storage.reshape(shape)
    return np.ascontiguousarray(layout.unpack(storage.reshape(expected), shape))


def _blocks(size: Dim, lanes: int) -> int:
    if not isinstance(size, int):
        raise GraphError(f"an axis that is stored in blocks must have a known size, found {size}")
    return -(-size // lanes)


def _more(size: Dim, halo: int) -> Dim:
    return size + halo if isinstance(size, int) else size
