"""Killed writers: what they leave behind goes, what others are writing stays."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from graphcnn.base.files import atomic_write, atomic_write_together
from graphcnn.base.folders import atomic_folder
from graphcnn.base.temporary import temporary_file, temporary_folder
from graphcnn.errors import OutputError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the system has no such locks")

WRITER = """
import os, signal, sys
from pathlib import Path
from graphcnn.base.files import atomic_write_together
from graphcnn.base.folders import atomic_folder
import graphcnn.base.folders

def pieces():
    yield b"first "
    print("writing", flush=True)
    if sys.stdin.readline().strip() == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    yield b"second"

target = Path(sys.argv[2])
if sys.argv[1] == "file":
    atomic_write_together({target: pieces()})
else:
    graphcnn.base.folders.atomic_write = lambda path, data: path.write_bytes(b"".join(pieces()))
    atomic_folder(target, {"a": b""})
"""


@pytest.fixture
def writer():
    """Starts a process that is in the middle of writing."""
    running = []

    def start(kind: str, target: Path) -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, kind, str(target)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        running.append(process)
        assert process.stdout.readline() == "writing\n"
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kind", ["file", "folder"])
@pytest.mark.parametrize("next_write", ["same", "other", "folder", "together"])
def test_what_a_killed_process_left_is_removed(writer, tmp_path, kind, next_write):
    process = writer(kind, tmp_path / "target")
    (left,) = names(tmp_path)
    process.communicate("die\n")
    assert process.returncode == -signal.SIGKILL and names(tmp_path) == [left]
    if next_write == "folder":
        atomic_folder(tmp_path / "next", {"a": b"1"})
    elif next_write == "together":
        atomic_write_together({tmp_path / "next": (b"1",)})
    else:
        atomic_write(tmp_path / ("target" if next_write == "same" else "next"), "1")
    assert names(tmp_path) == ["target" if next_write == "same" else "next"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_another_process_is_writing_stays(writer, tmp_path, kind):
    process = writer(kind, tmp_path / "target")
    (temporary,) = names(tmp_path)
    atomic_write(tmp_path / "mine", "1")
    atomic_folder(tmp_path / "my folder", {"a": b"1"})
    assert temporary in names(tmp_path)
    process.communicate("live\n")
    assert process.returncode == 0 and names(tmp_path) == ["mine", "my folder", "target"]
    whole = tmp_path / "target" if kind == "file" else tmp_path / "target" / "a"
    assert whole.read_bytes() == b"first second"


def test_what_another_thread_is_writing_stays(tmp_path):
    written, go_on = threading.Event(), threading.Event()

    def pieces():
        yield b"first "
        written.set()
        go_on.wait()
        yield b"second"

    thread = threading.Thread(target=atomic_write_together, args=({tmp_path / "t": pieces()},))
    thread.start()
    written.wait()
    atomic_write(tmp_path / "mine", "1")
    go_on.set()
    thread.join()
    assert (tmp_path / "t").read_bytes() == b"first second" and names(tmp_path) == ["mine", "t"]


def test_files_of_others_stay(tmp_path):
    handle, ours = temporary_file(tmp_path / "x")
    os.close(handle)
    precious = tmp_path / "precious"
    precious.write_text("1")
    name = ours.name
    kept = {
        ".x.tmp": "1", ".x.a1b2c3d4.tmp": "1", name[1:]: "1", f"{name}.txt": "1",
        re.sub("graphcnn-[0-9a-f]+", "graphcnn-01234567", name): "1",
    }  # fmt: skip
    for each, text in kept.items():
        (tmp_path / each).write_text(text)
    ours.unlink()
    ours.symlink_to(precious)
    atomic_write(tmp_path / "mine", "1")
    assert precious.read_text() == "1" and ours.is_symlink()
    assert {*kept} <= {*names(tmp_path)}
    ours.unlink()
    os.mkfifo(ours)
    atomic_write(tmp_path / "mine", "2")
    assert ours.is_fifo()


def test_a_file_found_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    """The moment between making and locking, in which a cleaner may come."""
    made = []
    real = os.open

    def taken(path, flags, *mode):
        descriptor = real(path, flags, *mode)
        if flags & os.O_CREAT and not made:
            Path(path).unlink()
        made.append(Path(path).name)
        return descriptor

    monkeypatch.setattr(os, "open", taken)
    handle, path = temporary_file(tmp_path / "x")
    os.close(handle)
    assert len(made) == 2 and names(tmp_path) == [path.name] == made[1:]


def test_a_folder_without_locks(tmp_path, monkeypatch):
    monkeypatch.setattr("graphcnn.base.temporary.fcntl", None)
    lock, path = temporary_folder(tmp_path / "x")
    atomic_write(tmp_path / "y", "1")
    assert lock is None and names(tmp_path) == sorted([path.name, "y"])


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_pipes_and_devices_are_not_replaced(tmp_path, kind):
    target = tmp_path / "out.svg"
    if kind == "pipe":
        os.mkfifo(target)
    else:
        target.symlink_to("/dev/null")
    with pytest.raises(OutputError, match=f"out.svg: it is a {kind}, expected a regular file"):
        atomic_write(target, "1")
    assert not Path("/dev/null").is_file() and names(tmp_path) == ["out.svg"]
