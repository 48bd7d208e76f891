import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.data_files import idx


@pytest.fixture
def mnist_folder(tmp_path: Path) -> Path:
    """Five images of 4×3 for training and two for testing; the images are compressed."""
    rng = np.random.default_rng(0)
    for prefix, n in (("train", 5), ("t10k", 2)):
        images = idx(rng.integers(0, 256, (n, 4, 3)))
        (tmp_path / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (tmp_path / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(np.arange(n)))
    return tmp_path


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., Path]:
    """Writes files {name: bytes} into a folder, or into a zip file."""

    def write(files: dict[str, bytes], as_zip: bool = False) -> Path:
        if as_zip:
            with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
                for name, data in files.items():
                    archive.writestr(name, data)
            return tmp_path / "set.zip"
        for name, data in files.items():
            path = tmp_path / "set" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        return tmp_path / "set"

    return write
