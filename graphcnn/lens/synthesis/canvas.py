"""Images made of free numbers: what is changed when an image is sought, and how it becomes pixels.

The pixels are sigmoid(x), which lies in [0, 1] whatever x is. Three choices decide which images are
easily reached, since a step of the optimiser moves every free number p alike:

    pixels   x = p
    dct      x = c · Dᵀ (S ⊙ p) D: p are the amplitudes of cosines, S = 1 / max(f, 1 / size) for the
             frequency f of each, as in natural images, and c such that x begins with the spread
             `SPREAD`. D is the orthonormal cosine transform, a constant matrix.
    colours  of three channels are mixed by the square root of the covariance of colours in natural
             photographs, so that p are decorrelated; one channel, and any other number, is plain.

C. Olah, A. Mordvintsev, L. Schubert, "Feature Visualization", Distill 2017,
doi:10.23915/distill.00007, whose numbers for the colours (of ImageNet) these are. The cosines take
the place of its Fourier basis: they do not join opposite edges, and a real product is all that they
need.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from graphcnn.errors import LensError
from graphcnn.ir.node import Array, Value, constant_of
from graphcnn.ir.philox import uniform
from graphcnn.language.activations import sigmoid
from graphcnn.language.dense import matmul
from graphcnn.ops.shape import Reshape

KINDS: Final = ("pixels", "dct")
#: Standard deviation of x at first: pixels from black to white. A grey start can be dead: all
#: ReLUs shut, and no gradient to leave it by.
SPREAD: Final = 1.5
#: The stream of the first of the starts.
_STREAM: Final = 0x4C454E53
_COLOURS: Final = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))
#: Pixels that given images are moved away from black and white, where x would be infinite.
_INSIDE: Final = 0.002


@dataclass(frozen=True)
class Canvas:
    """How free numbers (n, C, H, W) become images of the same shape.

    Attributes:
        kind: "pixels" or "dct".
        shape: (C, H, W).
    """

    kind: str
    shape: tuple[int, int, int]

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise LensError(f"canvas must be one of {', '.join(KINDS)}, found {self.kind!r}")

    @property
    def words(self) -> str:
        colours = ", decorrelated colours" if self.shape[0] == 3 else ""
        return {"pixels": "pixels", "dct": "cosines"}[self.kind] + colours

    def image(self, p: Value) -> Value:
        """The pixels in [0, 1] of free numbers."""
        x = p
        if self.kind == "dct":
            rows, columns = map(constant_of, self._bases)
            x = matmul(matmul(rows, p * self._scale, transpose_a=True), columns)
        if self._mixing is not None:
            channels, height, width = self.shape
            flat = Reshape((x.shape[0], channels, height * width))(x)
            x = Reshape(x.shape)(matmul(constant_of(self._mixing), flat))
        return sigmoid(x)

    def noise(self, seed: int, index: int, attempt: int = 0) -> Array:
        """Free numbers (C, H, W) to begin with: the same for an index, whatever is sought beside
        it. Another attempt is another draw."""
        count = int(np.prod(self.shape))
        u = uniform(seed, index, _STREAM + attempt, 2 * count).reshape(2, *self.shape)
        normal = np.sqrt(-2 * np.log1p(-u[0])) * np.cos(2 * np.pi * u[1])
        spread = SPREAD if self.kind == "pixels" else 1.0
        found: Array = (spread * normal).astype(np.float32)
        return found

    def numbers(self, images: Array) -> Array:
        """The free numbers of images (n, C, H, W): `image` gives them back, but for the outermost
        blacks and whites."""
        inside = np.clip(np.asarray(images, np.float64), _INSIDE, 1 - _INSIDE)
        x = np.log(inside / (1 - inside))
        if self._mixing is not None:
            x = np.einsum("dc,ncij->ndij", np.linalg.inv(self._mixing.astype(np.float64)), x)
        if self.kind == "dct":
            rows, columns = self._bases
            x = np.einsum("ki,ncij,lj->nckl", rows, x, columns, optimize=True) / self._scale
        found: Array = x.astype(np.float32)
        return found

    @cached_property
    def _bases(self) -> tuple[Array, Array]:
        return _cosines(self.shape[1]), _cosines(self.shape[2])

    @cached_property
    def _scale(self) -> Array:
        """c · S, f32 (H, W)."""
        _, height, width = self.shape
        f = np.hypot(np.arange(height)[:, None] / (2 * height), np.arange(width) / (2 * width))
        scale = 1 / np.maximum(f, 1 / max(height, width))
        scale *= SPREAD / np.sqrt((scale**2).mean())
        found: Array = scale.astype(np.float32)
        return found

    @cached_property
    def _mixing(self) -> Array | None:
        """The colours (C, C) of decorrelated channels, of which each keeps its spread."""
        if self.shape[0] != 3:
            return None
        colours = np.array(_COLOURS)
        found: Array = (colours / np.sqrt((colours**2).sum(1).mean())).astype(np.float32)
        return found


def _cosines(size: int) -> Array:
    """The orthonormal cosine transform: D[k, i] = √(2 / size) cos(π k (i + ½) / size), D[0] its
    1/√2."""
    k = np.arange(size)
    basis = np.sqrt(2 / size) * np.cos(np.pi * np.outer(k, k + 0.5) / size)
    basis[0] /= np.sqrt(2)
    found: Array = basis.astype(np.float32)
    return found
