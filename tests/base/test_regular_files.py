"""Only regular files are read: a pipe, a socket, a device or a folder is an error, never a wait."""

import gzip
import os
import shutil
import socket
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from support.command_line import refused
from support.data_files import idx

import graphcnn as cnn
from graphcnn.base.regular_files import open_regular, read_regular
from graphcnn.data import idx as idx_files
from graphcnn.errors import GraphCnnError
from graphcnn.models.numbers_of_inputs import read_array
from graphcnn.runtime.native.code import cache
from graphcnn.tools.pictures import read_picture

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
KINDS = ["pipe", "socket", "device", "folder"]


def put(path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    path.parent.mkdir(exist_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "device":  # an endless one
        path.symlink_to("/dev/zero")
    else:
        monkeypatch.chdir(path.parent)  # the path of a socket is short
        socket.socket(socket.AF_UNIX).bind(path.name)
    return path


def mnist(path: Path) -> object:
    for prefix in ("train", "t10k"):
        for name, data in (("images-idx3", np.zeros((1, 2, 2))), ("labels-idx1", np.zeros(1))):
            target = path.parent / f"{prefix}-{name}-ubyte"
            if target != path:
                target.write_bytes(idx(data))
    return cnn.data.mnist(path.parent)


def cifar10(path: Path) -> object:
    for name in (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"):
        if path.name != name:
            (path.parent / name).write_bytes(bytes(3073))
    return cnn.data.cifar10(path.parent)


def external(path: Path) -> object:
    onnx = pytest.importorskip("onnx")
    model = cnn.Model(x := cnn.input("x", (4,)), cnn.dense(x, 2, name="d"))
    model.export_onnx(path.parent / "m.onnx", verify=False)
    proto = onnx.load(path.parent / "m.onnx")
    onnx.save(
        proto, path.parent / "e.onnx", save_as_external_data=True, location="w", size_threshold=0
    )
    proto = onnx.load(path.parent / "e.onnx", load_external_data=False)
    for tensor in proto.graph.initializer:
        for entry in tensor.external_data:
            entry.value = path.name if entry.key == "location" else entry.value
    del proto.metadata_props[:]
    return cnn.import_onnx(_written(path.parent / "e.onnx", proto.SerializeToString()))


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


READERS: dict[str, Callable[[Path], object]] = {
    "train-images-idx3-ubyte": mnist,
    "t10k-labels-idx1-ubyte": mnist,
    "data_batch_3.bin": cifar10,
    "test_batch.bin": cifar10,
    "set.npz": cnn.data.npz,
    "set.zip": cnn.data.image_folder,
    "m.safetensors": cnn.load,
    "m.onnx": cnn.import_onnx,
    "w.bin": external,
    "i.png": lambda path: read_picture(path, (1, 1, 2, 2)),
    "i.npy": lambda path: read_picture(path, (1, 1, 2, 2)),
    "x.npy": read_array,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", READERS)
def test_readers(name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "set.zip" and kind == "folder":
        pytest.skip("which is read as a folder")
    path = put(tmp_path / "in" / name, kind, monkeypatch)
    words = "no regular file|without following links" if name == "w.bin" else f"it is a {kind}"
    with pytest.raises(GraphCnnError, match=f"(?i){words}") as caught:
        READERS[name](path)
    assert name in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["m.safetensors", "m.onnx", "nets.py:f"])
def test_models_of_the_command_line(
    name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / name.partition(":")[0], kind, monkeypatch)
    assert f"it is a {kind}" in refused(2, "summary", tmp_path / name)


@pytest.mark.parametrize("kind", KINDS)
def test_entries_of_the_cache(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHCNN_CACHE", str(tmp_path))
    entry = "0" * 64
    cache.store(entry, b"code")
    assert cache.fetch(entry) == b"code"
    (path,) = (tmp_path / "native").glob("*.o")
    path.unlink()
    put(path, kind, monkeypatch)
    assert cache.fetch(entry) is None


def test_limits(tmp_path: Path) -> None:
    path = _written(tmp_path / "x", b"12345")
    assert read_regular(path) == read_regular(path, 5) == b"12345"
    with pytest.raises(OSError, match="it is too large: 5 bytes, limit 4"):
        read_regular(path, 4)
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")
    (tmp_path / "link").symlink_to(path)
    assert read_regular(tmp_path / "link") == b"12345"
    with pytest.raises(OSError):
        open_regular(tmp_path / "link", os.O_NOFOLLOW)


@pytest.mark.parametrize("header", ["true", "small", "huge", "none"])
def test_a_gzip_bomb_never_lies_in_memory(
    header: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 1 << 24
    monkeypatch.setattr(idx_files, "MAX_BYTES", limit)
    bomb = tmp_path / "train-images-idx3-ubyte"
    shapes = {"true": (4 * limit // 64, 8, 8), "small": (3, 8, 8), "huge": (2**32 - 1,) * 3}
    with gzip.open(bomb, "wb") as file:
        if header in shapes:
            file.write(bytes([0, 0, 8, 3]))
            file.write(np.array(shapes[header], ">u4").tobytes())
        else:
            file.write(b"none")
        for _ in range(4):
            file.write(bytes(limit))
    tracemalloc.start()
    try:
        with pytest.raises(GraphCnnError, match=f"more than {limit} bytes|is no IDX file"):
            idx_files.read_idx(bomb, 3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit


def test_an_npz_bomb_is_refused_by_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphcnn.data.numpy_files.MAX_BYTES", 1 << 16)
    x, y = np.zeros((100, 1, 40, 40), np.uint8), np.zeros(100, np.int64)
    np.savez_compressed(tmp_path / "bomb.npz", x=x, y=y)
    with pytest.raises(GraphCnnError, match=r"holds \d+ bytes of arrays in \d+ bytes, limit 65536"):
        cnn.data.npz(tmp_path / "bomb.npz")
    np.savez(tmp_path / "large.npz", x=x, y=y)
    assert len(cnn.data.npz(tmp_path / "large.npz")[0]) == 80


def test_npz_with_images_for_validation(tmp_path: Path) -> None:
    x, y = np.zeros((10, 1, 4, 4), np.uint8), np.arange(10) % 2
    np.savez(tmp_path / "set.npz", x=x, y=y, x_val=x[:3], y_val=y[:3] + 5)
    found = cnn.data.npz(tmp_path / "set.npz")
    assert (len(found.train), len(found.test), len(found.validation)) == (8, 2, 3)
    assert found.train.classes == found.validation.classes == tuple("0123456")
    shutil.copy(tmp_path / "set.npz", tmp_path / "other")
    assert len(cnn.data.npz(tmp_path / "other").validation) == 3
