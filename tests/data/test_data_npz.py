from pathlib import Path

import numpy as np
import pytest

from graphcnn.data import npz
from graphcnn.errors import DataError

X, Y = np.zeros((10, 1, 4, 3), np.uint8), np.arange(10) % 2


def save(tmp_path: Path, **arrays) -> Path:
    np.savez(tmp_path / "set.npz", **arrays)
    return tmp_path / "set.npz"


def refuses(path: Path, match: str) -> None:
    with pytest.raises(DataError, match=match):
        npz(path)


@pytest.mark.parametrize(("x", "y"), [("x", "y"), ("images", "labels"), ("x_train", "y_train")])
def test_test_images_are_held_out(tmp_path, x, y):
    train, test = npz(save(tmp_path, **{x: X, y: Y}), test_fraction=0.4)
    assert (len(train), len(test)) == (6, 4) and np.bincount(test.labels).tolist() == [2, 2]


def test_test_images_of_their_own_and_names_of_classes(tmp_path):
    train, test = npz(save(tmp_path, x=X, y=Y, x_test=X[:3], y_test=Y[:3], classes=["cat", "dog"]))
    assert (len(train), len(test)) == (10, 3) and train.classes == test.classes == ("cat", "dog")


def test_both_parts_count_for_the_number_of_classes(tmp_path):
    train, test = npz(save(tmp_path, x=X, y=Y, x_test=X[:1], y_test=[4]))
    assert len(train.classes) == len(test.classes) == 5


def test_targets(tmp_path):
    train, _ = npz(save(tmp_path, x=X, y=np.zeros((10, 2))))
    assert train.classes == () and train.labels.dtype == np.float32


def test_missing_arrays(tmp_path):
    refuses(save(tmp_path, x=X, z=Y), "expected an array named y or labels or y_train, found x, z")
    refuses(save(tmp_path, x=X, y=Y, x_test=X), "expected an array named y_test")


def test_pickled_objects_are_never_loaded(tmp_path):
    path = save(tmp_path, x=np.array([{}, {}], object), y=Y)
    refuses(path, "set.npz is no .npz file of plain arrays")


def test_files_of_another_kind(tmp_path):
    path = tmp_path / "set.npz"
    refuses(path, "cannot read .*set.npz: No such file")
    for data in (b"", b"text", b"\x80\x04K\x01."):
        path.write_bytes(data)
        refuses(path, "set.npz is no .npz file: it is neither a zip nor a NumPy file$")
    path.write_bytes(save(tmp_path, x=X, y=Y).read_bytes()[:-40])
    refuses(path, "set.npz is no .npz file of plain arrays")
    np.save(tmp_path / "one.npy", X)
    refuses(tmp_path / "one.npy", "holds one array")


def test_what_the_arrays_hold_is_checked(tmp_path):
    refuses(save(tmp_path, x=X, y=Y[:-1]), "10 images but 9 labels")
    refuses(save(tmp_path, x=X.astype(np.int64), y=Y), "found int64")
    refuses(save(tmp_path, x=X[:0], y=Y[:0]), "no images|targets")
