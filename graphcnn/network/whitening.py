"""A first layer that whitens patches: its filters are not learned, they follow from the images.

Patches x of the normalised images, K = C·kh·kw numbers each, have the second moments
S = E[x·xᵀ] = sum of λ·e·eᵀ. The filters e / sqrt(λ + epsilon) give numbers of no correlation and of
size 1, and with each its negative comes: no activation loses one half of what a filter finds.

All of uint8 images is added up in whole numbers, and the eigenvectors are found by rotations one
after another: the same images give the same bits.
"""

import math
from typing import Any

import numpy as np

from graphcnn.data.dataset import Dataset
from graphcnn.data.normalisation import Normalisation, as_pixels, refuse_normalised
from graphcnn.errors import DataError, GraphError
from graphcnn.ir.graph import state_of
from graphcnn.ir.node import Array, Value
from graphcnn.ir.sources import State
from graphcnn.language.arguments import choose, number
from graphcnn.network.network import Network
from graphcnn.ops.conv import Conv2d

#: Images whose patches are in memory at a time.
_PIECE = 64
#: Rounds over all pairs of axes; five or six are enough for any matrix of these sizes.
_ROUNDS = 30


def whiten(model: Network, node: str, images: Any, *, epsilon: float = 5e-4) -> list[float]:
    """Set the kernel of a convolution of the image to the whitening of its patches.

    The first half of the filters is e / sqrt(λ + epsilon) for the largest eigenvalues λ of
    E[x·xᵀ] and their eigenvectors e, x the patches of all normalised images; the second half is
    the first with the other sign. (A. Krizhevsky, 2009; as a frozen first layer K. Jordan,
    arXiv:2404.00498, section 3.2.) A bias stays as it is, and so does what is trained:
    `model.freeze("name.weight")` keeps the filters.

    Args:
        node: the name of a `conv2d` of the first input, with twice as many filters as are wanted:
            at most 2·C·kh·kw, in one group. Its kernel is not shared with other layers.
        images: a data set, or images (n, C, H, W) of uint8 or floats. The model takes over the
            normalisation of a data set, if it has none.
        epsilon: added to the eigenvalues; what is below it is noise.

    Returns:
        The eigenvalues, in the order of the filters.

    Raises:
        GraphError: no such convolution.
        DataError: images that are constant, not finite, or do not fit.
    """
    kernel, flipped = _convolution(model, node)
    o, c, kh, kw = (int(size) for size in kernel.shape if isinstance(size, int))
    least = number(epsilon, "epsilon")
    if isinstance(images, Dataset):
        if model.normalisation is None:
            model.normalisation = images.normalisation
        images = images.images
    moments = _second_moments(images, (c, kh, kw), model.normalisation or Normalisation())
    values, vectors = eigen(moments)
    wanted = o // 2
    if not values[0] > 0:
        raise DataError("the images are constant: they have no patches to whiten")
    half = vectors[:wanted] / np.sqrt(np.maximum(values[:wanted], 0.0) + least)[:, None]
    filters = np.concatenate([half, -half]).reshape(o, c, kh, kw)
    if flipped:
        filters = filters[..., ::-1, ::-1]
    model.set_parameters({state_of(kernel).key: filters.astype(kernel.dtype.numpy)})
    return [float(x) for x in values[:wanted]]


def _convolution(model: Network, name: str) -> tuple[Value, bool]:
    """The kernel of a convolution of the first input, and whether it is turned."""
    nodes = {n.name: n for n in model.graph.nodes if isinstance(n.op, Conv2d)}
    found = choose(nodes, name, "convolution")
    image, kernel = found.inputs[:2]
    if image is not model.graph.inputs[0]:
        raise GraphError(f"{name!r} does not see the images themselves, but {image.node.name!r}")
    if not isinstance(kernel.node.op, State):
        raise GraphError(f"the kernel of {name!r} is computed, and cannot be set")
    o, c, kh, kw = (int(size) for size in kernel.shape if isinstance(size, int))
    most = 2 * c * kh * kw
    op = found.op
    assert isinstance(op, Conv2d)
    if op.groups > 1 or o % 2 or o > most:
        raise GraphError(
            f"{name!r} must have an even number of filters in one group, at most 2·{c}·{kh}·{kw} = "
            f"{most}, found {o} in {op.groups}"
        )
    return kernel, op.flip_kernel


def _second_moments(
    images: Any, patch: tuple[int, int, int], normalisation: Normalisation
) -> Array:
    """E[x·xᵀ] of the patches (C, kh, kw) of all images, normalised, in float64."""
    refuse_normalised(images, "whiten")
    size = patch[0] * patch[1] * patch[2]
    count, total, products = 0, np.zeros(size), np.zeros((size, size))
    exact = False
    for at in range(0, len(images), _PIECE):
        piece = as_pixels(images[at : at + _PIECE])
        if piece.ndim != 4 or piece.shape[1] != patch[0] or min(piece.shape[2:]) < max(patch[1:]):
            raise DataError(
                f"images must be (n, {patch[0]}, height, width), at least {patch[1]}×{patch[2]} "
                f"pixels large, found {piece.shape}"
            )
        exact = piece.dtype == np.uint8
        windows = np.lib.stride_tricks.sliding_window_view(piece, patch[1:], axis=(2, 3))
        x = windows.transpose(1, 4, 5, 0, 2, 3).reshape(size, -1).astype(np.float64)
        count += x.shape[1]
        total += x.sum(1)
        # Whole numbers below 2^53 in any order; others in that of NumPy's own loops.
        products += x @ x.T if exact else np.einsum("ik,jk->ij", x, x)
    if not count:
        raise DataError("there are no images to whiten patches of")
    of_channel = patch[1] * patch[2]
    std = np.broadcast_to(np.array(normalisation.std), patch[0]).repeat(of_channel)
    mean = np.broadcast_to(np.array(normalisation.mean), patch[0]).repeat(of_channel)
    factor = (normalisation.scale if exact else 1.0) / std
    shift, first = -mean / std, total / count * factor
    across = np.outer(first, shift)
    moments: Array = products / count * np.outer(factor, factor)
    return moments + across + across.T + np.outer(shift, shift)


def eigen(symmetric: Array) -> tuple[Array, Array]:
    """Eigenvalues from the largest to the smallest, and their eigenvectors as rows, of which each
    has its first number of largest size positive. By the rotations of C. Jacobi (1846)."""
    a, vectors = symmetric.astype(np.float64), np.eye(len(symmetric))
    for _ in range(_ROUNDS):
        apart = a - np.diag(np.diag(a))
        if not apart.any():
            break
        for p in range(len(a) - 1):
            for q in range(p + 1, len(a)):
                if abs(a[p, q]) < 1e-300 or abs(a[p, q]) < 1e-17 * math.sqrt(
                    abs(a[p, p] * a[q, q])
                ):
                    a[p, q] = a[q, p] = 0.0
                    continue
                ratio = (a[q, q] - a[p, p]) / (2 * a[p, q])
                t = math.copysign(1.0, ratio) / (abs(ratio) + math.hypot(1.0, ratio))
                c = 1 / math.hypot(1.0, t)
                s = t * c
                for matrix in (a, a.T, vectors):
                    rows = matrix[[p, q]]
                    matrix[p], matrix[q] = c * rows[0] - s * rows[1], s * rows[0] + c * rows[1]
    values = np.diag(a)
    order = np.argsort(-values, kind="stable")
    found = vectors[order]
    largest = found[np.arange(len(found)), np.abs(found).argmax(1)]
    return values[order], found * np.where(largest < 0, -1.0, 1.0)[:, None]
