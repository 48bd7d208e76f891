"""Tiny data files, written as the real ones are, and the way to the real ones."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest

#: The real data, beside the repository. It is no part of it.
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def real(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"the real data is not there: {path}")
    return path


def idx(array: np.ndarray) -> bytes:
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def picture(
    level: int, size: tuple[int, int] = (6, 5), format: str = "JPEG", mode: str = "RGB"
) -> bytes:
    """A file of one picture of height and width `size`, with one level everywhere."""
    image = pytest.importorskip("PIL.Image")
    colour = (level,) * len(mode) if mode in ("RGB", "RGBA", "LA") else level
    file = io.BytesIO()
    image.new(mode, size[::-1], colour).save(file, format)
    return file.getvalue()
