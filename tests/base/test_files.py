"""Files appear whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from graphcnn.base.files import atomic_write
from graphcnn.errors import OutputError


def test_writes_bytes_and_text(tmp_path: Path) -> None:
    assert atomic_write(tmp_path / "a.bin", b"\x00\x01") == tmp_path / "a.bin"
    assert (tmp_path / "a.bin").read_bytes() == b"\x00\x01"
    atomic_write(str(tmp_path / "a.txt"), "3×3\n")
    assert (tmp_path / "a.txt").read_bytes() == "3×3\n".encode()


def test_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "weights"
    atomic_write(target, "old")
    atomic_write(target, "new")
    assert [p.name for p in tmp_path.iterdir()] == ["weights"]
    assert target.read_text() == "new"


def test_permissions_are_those_of_the_old_file_or_the_usual_ones(tmp_path: Path) -> None:
    plain, written = tmp_path / "plain", tmp_path / "written"
    plain.touch()
    atomic_write(written, "x")
    assert written.stat().st_mode == plain.stat().st_mode
    written.chmod(0o600)
    atomic_write(written, "y")
    assert written.stat().st_mode & 0o777 == 0o600


def test_a_link_is_followed(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    link.symlink_to(real)
    atomic_write(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"


def test_missing_folder_and_folder_as_target(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*x\.svg: the folder .*none does not ex"):
        atomic_write(tmp_path / "none" / "x.svg", "")
    with pytest.raises(OutputError, match="it is a folder"):
        atomic_write(tmp_path, "")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is not a folder"):
        atomic_write(tmp_path / "file" / "x", "")


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    target = tmp_path / "checkpoint"
    target.write_text("old")
    monkeypatch.setattr(os, "fsync", full) if call == "fsync" else monkeypatch.setattr(
        Path, "replace", full
    )
    with pytest.raises(OutputError, match="checkpoint: no space left on device"):
        atomic_write(target, "new")
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the administrator may write")
def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="permission denied"):
            atomic_write(tmp_path / "x", "")
    finally:
        tmp_path.chmod(0o700)


def test_an_interrupt_leaves_no_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(tmp_path / "x", "")
    assert list(tmp_path.iterdir()) == []
