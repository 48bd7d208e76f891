"""Images at places between their pixels."""

import numpy as np

from graphcnn.data.augment.plane import Map
from graphcnn.data.augment.transform import groups, rounded
from graphcnn.ir.node import Array


def sample(x: Array, source: Map, mode: str, outside: float = 0, nearest: bool = False) -> Array:
    """Images (n, C, H, W) as they are at other places.

    Between four pixels the image is bilinear: (1 - u)·(1 - v), u·(1 - v), (1 - u)·v and u·v of
    them, at u and v from the first. Coordinates are those of centres, as `grid_sample` of PyTorch
    has them with `align_corners=True`.

    Args:
        source: from places of pixels to those that they come from.
        mode: beyond the image it is `outside` ("zero"), its mirror image ("reflect", without the
            pixel at the edge twice), or the nearest pixel ("edge").
        nearest: the nearest pixel in place of a mean of four.
    """
    y = np.empty_like(x)
    for rows in groups(x):
        y[rows] = _sample(x[rows], source[rows], mode, outside, nearest)
    return y


def _sample(x: Array, source: Map, mode: str, outside: float, nearest: bool) -> Array:
    n, channels, height, width = x.shape
    across, down = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    places = np.broadcast_to(across, (n, 1, width)), np.broadcast_to(down, (n, height, 1))
    sx, sy = source.of(*places)
    if mode == "reflect":
        sx, sy = _folded(sx, width), _folded(sy, height)
    low = -1.0 if mode == "zero" else 0.0
    shift = np.float32(0.5 if nearest else 0.0)
    sx, sy = (
        np.clip(s, low, size - 1 - low) + np.float32(1) + shift
        for s, size in ((sx, width), (sy, height))
    )
    left, top = sx.astype(np.intp), sy.astype(np.intp)  # not negative: the floor
    if not nearest:
        np.minimum(left, width, out=left)
        np.minimum(top, height, out=top)
    y = np.empty_like(x)
    framed = _framed(x, outside if mode == "zero" else None)
    at = top * (width + 2) + left
    at += (np.arange(n) * (height + 2) * (width + 2))[:, None, None]
    if nearest:
        for c in range(channels):
            y[:, c] = framed[c].take(at)
        return y
    u, v = sx - left.astype(np.float32), sy - top.astype(np.float32)
    for c in range(channels):
        plane = framed[c].astype(np.float32, copy=False)
        above = _between(plane.take(at), plane.take(at + 1), u)
        under = at + (width + 2)
        below = _between(plane.take(under), plane.take(under + 1), u)
        y[:, c] = rounded(_between(above, below, v), x.dtype)
    return y


def _between(first: Array, second: Array, share: Array) -> Array:
    second -= first
    second *= share
    second += first
    return second


def _framed(x: Array, outside: float | None) -> Array:
    """Planes (C, n·(H + 2)·(W + 2)) of images with a frame of one pixel: `outside`, or the pixels
    at the edge once more, which count nothing there."""
    n, channels, height, width = x.shape
    y = np.full((channels, n, height + 2, width + 2), outside or 0, x.dtype)
    y[:, :, 1:-1, 1:-1] = x.swapaxes(0, 1)
    if outside is None:
        y[..., 0, :], y[..., -1, :] = y[..., 1, :], y[..., -2, :]
        y[..., 0], y[..., -1] = y[..., 1], y[..., -2]
    return y.reshape(channels, -1)


def _folded(s: Array, size: int) -> Array:
    """Coordinates beyond 0..size - 1 as those of the mirror image."""
    last = size - 1
    if not last:
        return np.zeros_like(s)
    s = np.abs(s)
    if s.max() > 2 * last:
        s = np.mod(s, np.float32(2 * last))
    folded: Array = last - np.abs(last - s)
    return folded
