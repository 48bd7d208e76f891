"""Arrays as PNG files, written with the standard library."""

import struct
import zlib
from typing import Any

import numpy as np

from graphcnn.errors import DataError
from graphcnn.ir.node import Array


def to_grey(values: Any, low: float | None = None, high: float | None = None) -> Array:
    """Numbers (H, W) as grey pixels: `low` is black, `high` is white. Not-a-number is black."""
    array = np.nan_to_num(np.asarray(values, np.float64), posinf=0.0, neginf=0.0)
    if array.ndim != 2:
        raise DataError(f"a picture has height and width, found an array of shape {array.shape}")
    low = float(array.min(initial=0)) if low is None else low
    high = float(array.max(initial=0)) if high is None else high
    span = high - low
    scaled = (array - low) / span if span > 0 else np.zeros_like(array)
    return np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8)


def write_png(pixels: Array) -> bytes:
    """Pixels of uint8, (H, W) grey or (H, W, 3) red, green, blue, as a PNG file."""
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,)):
        raise DataError(
            f"a PNG takes uint8 of shape (H, W) or (H, W, 3), found {pixels.dtype} {pixels.shape}"
        )
    height, width = pixels.shape[:2]
    rows = np.zeros((height, 1 + pixels[0].size), np.uint8)  # each row starts with filter 0: none
    rows[:, 1:] = pixels.reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    packed = zlib.compress(rows.tobytes(), 9)
    chunks = _chunk(b"IHDR", head) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def compressed(png: bytes) -> tuple[int, bytes]:
    """Numbers a pixel (1 or 3) and the compressed pixels of a file as `write_png` writes it.

    PDF takes them as they are: with the filter FlateDecode and the predictor 15.
    """
    colors, packed, at = 1, b"", 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            colors = 3 if data[9] == 2 else 1
        elif kind == b"IDAT":
            packed += data
        at += 12 + length
    return colors, packed


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
