"""MNIST and its relatives: pictures of digits in IDX files, compressed or not.

An IDX file is big-endian: two zero bytes, the element type (8 = unsigned byte), the number of
axes, one 32-bit size per axis, then the elements. Format and data: Y. LeCun, C. Cortes, C. Burges.
"""

import math
import struct
from pathlib import Path

import numpy as np

from graphcnn.base.regular_files import is_folder
from graphcnn.data.dataset import Dataset
from graphcnn.data.normalisation import Normalisation
from graphcnn.data.parts import Parts
from graphcnn.data.unpacked import unpacked
from graphcnn.errors import DataError
from graphcnn.ir.node import Array

#: Nothing larger is unpacked: a small damaged or hostile file cannot claim the whole memory.
MAX_BYTES = 1 << 30

_NORMALISATION = Normalisation(mean=(0.1307,), std=(0.3081,))
_CLASSES = tuple("0123456789")


def mnist(folder: str | Path) -> Parts:
    """(train, test) of the handwritten digits: 60,000 and 10,000 images 1×28×28 of uint8.

    The folder holds the four IDX files under their usual names, each plain or `.gz`:
    train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
    t10k-labels-idx1-ubyte (or with a dot: train-images.idx3-ubyte). Other sets in the same format
    with ten classes, such as Fashion-MNIST, are read as well.

    Raises:
        DataError: a file is missing, truncated, too long, damaged, or of another kind; or the
            numbers of images and labels differ, or a label is greater than 9.
    """
    folder = Path(folder).expanduser()
    if not is_folder(folder):
        raise DataError(f"{folder} is not a folder; expected the folder of the four MNIST files")
    return Parts(_part(folder, "train", "mnist train"), _part(folder, "t10k", "mnist test"))


def read_idx(path: Path, axes: int) -> Array:
    """The unsigned bytes of an IDX file with `axes` axes."""
    header = 4 + 4 * axes
    with unpacked(path, MAX_BYTES) as source:
        shape = _shape(path, source.read(header), axes)
        expected = math.prod(shape)
        sizes = f"header + {' × '.join(map(str, shape))} = {header + expected} bytes"
        if source.packed and header + expected > MAX_BYTES:
            raise DataError(f"{path} decompresses to more than {MAX_BYTES} bytes: {sizes}")
        data = np.empty(min(expected, source.most), np.uint8)
        found = source.read_into(data.data) + source.skip()
        complete = source.complete
    if found < expected:
        early = "" if complete else "; the gzip stream stops early"
        raise DataError(
            f"{path} is truncated: record {found // (expected // shape[0])} of {shape[0]} is "
            f"incomplete ({sizes}, found {header + found}{early})"
        )
    if found > expected or not complete:
        excess = f"{found - expected} bytes too many" if complete else "an unfinished gzip stream"
        raise DataError(f"{path} has {excess}: {sizes}, found {header + found}")
    return data.reshape(shape)


def _shape(path: Path, header: bytes, axes: int) -> tuple[int, ...]:
    magic = bytes([0, 0, 8, axes])
    if header[:4] != magic[: len(header)] or not header:
        raise DataError(
            f"{path} is no IDX file of {axes} axes of bytes: expected it to begin with "
            f"{magic.hex(' ')}, found {header[:4].hex(' ') or 'nothing'}"
        )
    if len(header) < 4 + 4 * axes:
        raise DataError(
            f"{path} is truncated: a header of {4 + 4 * axes} bytes, found {len(header)}"
        )
    return struct.unpack(f">{axes}I", header[4:])


def _part(folder: Path, prefix: str, name: str) -> Dataset:
    image_file, label_file = (
        _find(folder, prefix, kind) for kind in ("images.idx3-ubyte", "labels.idx1-ubyte")
    )
    images, labels = read_idx(image_file, 3), read_idx(label_file, 1)
    if len(images) != len(labels):
        raise DataError(
            f"{image_file} has {len(images)} images, but {label_file} has {len(labels)} labels"
        )
    if len(labels) and labels.max() > 9:
        row = int((labels > 9).argmax())
        raise DataError(f"{label_file}: label {labels[row]} in record {row} is not in 0..9")
    # The format knows numbers only: those of Fashion-MNIST are no digits.
    return Dataset(images[:, None], labels, _CLASSES, _NORMALISATION, name, numbered=True)


def _find(folder: Path, prefix: str, kind: str) -> Path:
    stems = (f"{prefix}-{kind.replace('.', '-')}", f"{prefix}-{kind}")
    names = [stem + suffix for stem in stems for suffix in ("", ".gz")]
    for name in names:
        if (folder / name).exists():
            return folder / name
    raise DataError(f"{folder} lacks a file; looked for {', '.join(names)}")
