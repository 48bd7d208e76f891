"""Programs that train with the files of a training export, and need nothing of graphcnn.

They are copied as they are: what they must know of a model stands in `training.json` beside them.
"""

from pathlib import Path


def drivers() -> dict[str, bytes]:
    """The programs by file name."""
    folder = Path(__file__).parent
    return {name: (folder / name).read_bytes() for name in ("train.py", "train.mjs")}
