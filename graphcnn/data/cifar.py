"""CIFAR-10: 32×32 colour pictures of ten classes, as binary batches or as picture files.

Data: A. Krizhevsky, "Learning multiple layers of features from tiny images", 2009. A record of a
binary batch is one byte of label and 3 × 32 × 32 bytes of pixels, channel by channel.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from graphcnn.base.regular_files import is_folder, read_regular
from graphcnn.data.dataset import Dataset
from graphcnn.data.folders.image_folders import image_folder
from graphcnn.data.normalisation import Normalisation
from graphcnn.data.parts import Parts
from graphcnn.errors import DataError
from graphcnn.ir.node import Array

_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip
_NORMALISATION = Normalisation(mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616))
#: Bytes of one batch; the real ones have 30,730,000.
MAX_BYTES = 1 << 28

_SHAPE = (3, 32, 32)
_RECORD = 1 + 3 * 32 * 32
_TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
_TEST = ("test_batch.bin",)


def cifar10(path: str | Path) -> Parts:
    """(train, test) of CIFAR-10: images 3×32×32 of uint8.

    Args:
        path: the folder of the binary version (data_batch_1.bin to data_batch_5.bin and
            test_batch.bin, or the folder that contains cifar-10-batches-bin), or a folder or zip
            file of pictures in train/CLASS/ and test/CLASS/, as `image_folder` reads them (these
            need Pillow).

    Raises:
        DataError: a file is missing, truncated or damaged, or holds something else. The version
            for Python is refused: reading a pickle can run any code that was put into it.
    """
    path = Path(path).expanduser()
    if is_folder(path):
        for folder in (path, path / "cifar-10-batches-bin"):
            if any((folder / name).exists() for name in _TRAIN + _TEST):
                return Parts(_batches(folder, _TRAIN, "train"), _batches(folder, _TEST, "test"))
        _refuse_pickle(path)
    if path.name.endswith((".tar.gz", ".tgz", ".tar")):
        raise DataError(f"{path} is an archive: unpack it and name the folder it makes")
    return _pictures(path)


def _batches(folder: Path, names: tuple[str, ...], part: str) -> Dataset:
    missing = [name for name in names if not (folder / name).exists()]
    if missing:
        raise DataError(f"{folder} lacks {', '.join(missing)}")
    records = np.concatenate([_records(folder / name) for name in names])
    images = np.ascontiguousarray(records[:, 1:]).reshape(-1, *_SHAPE)
    return Dataset(images, records[:, 0], _CLASSES, _NORMALISATION, f"cifar10 {part}")


def _records(path: Path) -> Array:
    try:
        data = np.frombuffer(read_regular(path, MAX_BYTES), np.uint8)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    whole, rest = divmod(len(data), _RECORD)
    if rest or not whole:
        raise DataError(
            f"{path} is truncated or no CIFAR-10 batch: record {whole} is incomplete "
            f"(a record is 1 + 3 × 32 × 32 = {_RECORD} bytes, found {rest})"
        )
    records: Array = data.reshape(whole, _RECORD)
    if (wrong := records[:, 0] > 9).any():
        row = int(wrong.argmax())
        raise DataError(f"{path}: label {records[row, 0]} in record {row} is not in 0..9")
    return records


def _refuse_pickle(path: Path) -> None:
    for folder in (path, path / "cifar-10-batches-py"):
        if (folder / "data_batch_1").is_file():
            raise DataError(
                f"{folder} is the Python version of CIFAR-10, a pickle, which can run any code "
                "when it is read; expected the binary version (data_batch_1.bin, ...) or pictures"
            )


def _pictures(path: Path) -> Parts:
    parts = image_folder(path, grey=False)
    train = parts.train
    if train.classes != _CLASSES or train.image_shape != _SHAPE:
        raise DataError(
            f"{path} is not CIFAR-10: expected images {_SHAPE} of the classes "
            f"{', '.join(_CLASSES)}; found {train.image_shape} of {', '.join(train.classes)}"
        )
    return parts.map(
        lambda part, kind: replace(part, normalisation=_NORMALISATION, name=f"cifar10 {kind}")
    )
