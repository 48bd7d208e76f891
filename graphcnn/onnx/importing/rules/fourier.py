"""Fourier transforms of ONNX: products with a matrix of cosines and sines, convolutions for frames.

Complex numbers are pairs along the last axis. Lengths have to be known: the matrices are constants.
"""

from math import prod
from typing import Any

import numpy as np

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Array, Value, constant_of
from graphcnn.onnx.importing.context import Call, imports, reshaped
from graphcnn.onnx.importing.file.arrays import element_type
from graphcnn.onnx.importing.known.fold import folds, only_known
from graphcnn.onnx.importing.rules.parts import cut
from graphcnn.onnx.importing.rules.scatter import moved, size_of
from graphcnn.ops.conv import Conv2d
from graphcnn.ops.dense import MatMul
from graphcnn.ops.shape import Transpose


@imports("DFT")
def dft(call: Call) -> Value:
    """y[k] = sum over t of x[t]·e^(∓2πi·kt/n), the inverse divided by n.

    `onesided` leaves out what follows from symmetry: y[n - k] is the conjugate of y[k] where x is
    real. The inverse of such a half is real.
    """
    x = call.value(0)
    rank = x.type.rank
    parts = size_of(x, rank - 1)
    default, given = (-2, call.has(2)) if call.opset >= 20 else (1, False)
    axis = int(call.scalar(2, "axis")) if given else call.attribute("axis", default)
    axis = call.axis(axis, rank)
    inverse, half = bool(call.attribute("inverse", 0)), bool(call.attribute("onesided", 0))
    if not x.dtype.is_float or rank < 2 or parts not in (1, 2) or axis == rank - 1:
        raise ImportModelError(f"expected (..., 1) or (..., 2), and an axis before, found {x.type}")
    if half and parts != 1 + inverse:
        raise ImportModelError(f"onesided needs {('real', 'complex')[inverse]} numbers: {x.type}")
    x = moved(x, axis, rank - 2)
    length = size_of(x, rank - 2)
    n = int(call.scalar(1, "dft_length")) if call.has(1) else 0
    n = n or (2 * (length - 1) if half and inverse else length)
    if n < 1:
        raise ImportModelError(f"the length of the transform must be at least 1, found {n}")
    used = min(length, n // 2 + 1 if half and inverse else n)
    x = cut(x, rank - 2, 0, used)
    if half and inverse:
        matrix = _irfft(call, used, n)
    else:
        matrix = _dft(call, used, n // 2 + 1 if half else n, n, parts, inverse)
    _, _, *behind = matrix.shape
    flat = reshaped(x, (*x.shape[:-2], used * parts))
    whole = constant_of(matrix.reshape(used * parts, prod(behind)), x.dtype)
    y = reshaped(MatMul()(flat, whole), (*x.shape[:-2], *behind))
    return moved(y, rank - 2, axis)


def _angles(call: Call, rows: int, columns: int, n: int) -> Any:
    """2π·kt/n for t < rows and k < columns; kt is taken modulo n, so that no digit is lost."""
    call.store.fold((rows, columns, 8), np.float64)
    return np.outer(np.arange(rows), np.arange(columns)) % n * (2 * np.pi / n)


def _dft(call: Call, used: int, bins: int, n: int, parts: int, inverse: bool) -> Array:
    """(t, part of x, k, part of y)."""
    angles = _angles(call, used, bins, n)
    cos, sin = np.cos(angles), np.sin(angles) if inverse else -np.sin(angles)
    rows = [np.stack([cos, sin], -1), np.stack([-sin, cos], -1)][:parts]
    matrix: Array = np.stack(rows, 1)
    return matrix / n if inverse else matrix


def _irfft(call: Call, used: int, n: int) -> Array:
    """(k, part of y, t, 1): every frequency counts twice but the first and, of an even n, the
    last."""
    angles = _angles(call, used, n, n)
    twice: Any = np.where((np.arange(used) * 2) % n == 0, 1, 2)[:, None] / n
    return np.stack([np.cos(angles) * twice, -np.sin(angles) * twice], 1)[..., None]


@imports("STFT")
def stft(call: Call) -> Value:
    """Frames of a signal, times a window, transformed: a convolution whose kernels are waves."""
    x = call.value(0)
    if x.type.rank == 2:
        x = reshaped(x, (*x.shape, 1))
    if x.type.rank != 3 or x.shape[2] not in (1, 2) or not x.dtype.is_float:
        raise ImportModelError(f"expected a signal (N, T, 1) or (N, T, 2), found {x.type}")
    total, parts = size_of(x, 1), size_of(x, 2)
    step = int(call.scalar(1, "frame_step"))
    window: Any = call.known(2, "window").astype(np.float64) if call.has(2) else None
    n = int(call.scalar(3, "frame_length")) if call.has(3) else 0
    n = n or (total if window is None else len(window))
    if window is None:
        window = np.ones(n)
    half = bool(call.attribute("onesided", 1))
    if step < 1 or not 1 <= n <= total or window.shape != (n,) or (half and parts == 2):
        raise ImportModelError(
            f"frames of {n} at steps of {step}, a window {window.shape}, onesided = {half:d}, of "
            f"the signal {x.type}"
        )
    bins = n // 2 + 1 if half else n
    waves = _dft(call, n, bins, n, parts, False)
    kernel = (waves * window[:, None, None, None]).transpose(3, 2, 1, 0)
    kernel = constant_of(kernel.reshape(2 * bins, parts, 1, n), x.dtype)
    image = reshaped(Transpose((0, 2, 1))(x), (x.shape[0], parts, 1, total))
    y = Conv2d(stride=(1, step))(image, kernel)
    frames = size_of(y, 3)
    return Transpose((0, 3, 2, 1))(reshaped(y, (x.shape[0], 2, bins, frames)))


@folds("MelWeightMatrix")
def _mel_weights(call: Call, arrays: list[Any]) -> Any:
    """Triangles over the bins of a transform, at equal distances on the mel scale
    2595·log10(1 + f / 700); each is 1 at its tip, as (bins, bands)."""
    bands, n, rate = (int(a.reshape(())) for a in arrays[:3])
    low, high = (2595 * np.log10(1 + float(a.reshape(())) / 700) for a in arrays[3:5])
    dtype = element_type(call.attribute("output_datatype", 1), "the result")
    if bands < 1 or n < 1 or rate < 1:
        raise ImportModelError(f"{bands} bands of {n} samples at {rate} per second")
    bins = n // 2 + 1
    call.store.fold((bins, bands), np.float64)
    mel = low + np.arange(bands + 2) * (high - low) / (bands + 2)
    ends = ((n + 1) * 700 * (10 ** (mel / 2595) - 1) // rate).astype(np.int64)
    at = np.arange(bins)[:, None]
    first, tip, last = (ends[i : i + bands] for i in range(3))
    with np.errstate(all="ignore"):
        rise, fall = (at - first) / (tip - first), (last - at) / (last - tip)
    y = np.where((first <= at) & (at < tip), rise, np.where((tip < at) & (at < last), fall, 0.0))
    return np.where(at == tip, 1.0, y).astype(dtype.numpy)


only_known("MelWeightMatrix", "bands", "length", "rate", "lower edge", "upper edge")
