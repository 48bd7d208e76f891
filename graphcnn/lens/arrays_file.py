"""The arrays of a finding as a file of NumPy's, the same bytes every time."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from graphcnn.base.files import atomic_write
from graphcnn.ir.node import Array

#: The moment that ZIP files count from: a time of writing would make the bytes others.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_arrays(path: Path, arrays: Mapping[str, Array], facts: Mapping[str, str]) -> Path:
    """Write an .npz file: each array by its name, and the facts as JSON under `facts`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in {**arrays, "facts": np.array(json.dumps(dict(facts)))}.items():
            part = io.BytesIO()
            np.lib.format.write_array(part, np.asanyarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), part.getvalue())
    return atomic_write(path, buffer.getvalue())
