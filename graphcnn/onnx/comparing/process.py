"""The process in which ONNX Runtime runs: its start, its requests, its death told in a sentence.

ONNX Runtime can crash on a file, or never answer. In a process of its own it takes nothing along.
"""

import contextlib
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import IO, Any

from graphcnn.base.words import printable
from graphcnn.errors import ExportError
from graphcnn.ir.node import Array
from graphcnn.onnx.comparing import worker

#: Seconds without an answer after which ONNX Runtime counts as hung. Loading and running take less
#: on models that anybody would wait for; interrupting works at any time.
PATIENCE = 1800.0

#: The same for the first answer, for which nothing has to be loaded.
HELLO = 60.0

Answer = tuple[dict[str, Any], dict[str, Array]]


class DiedError(Exception):
    """The process is gone. Its text says how: "died (SIGSEGV)"."""


class Process:
    """One process, started here and ended by `close`; requests of several threads take turns."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._numbers = count()
        self._forgotten: list[int] = []
        self._patient = True
        self._said = tempfile.TemporaryFile()
        command = [sys.executable, "-I", "-S", str(Path(worker.__file__))]
        try:
            self._child = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._said,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except BaseException:
            self._said.close()
            raise
        with contextlib.suppress(OSError):  # one that died at once is told at the first request
            worker.send(self._input, {"path": [p for p in sys.path if isinstance(p, str)]})

    @property
    def _input(self) -> IO[bytes]:
        assert self._child.stdin is not None
        return self._child.stdin

    @property
    def ended(self) -> bool:
        return self._child.returncode is not None

    def number(self) -> int:
        """Another number for a session."""
        return next(self._numbers)

    def forget(self, number: int) -> None:
        """Let go of a session with the next request; from any thread, at any time."""
        self._forgotten.append(number)

    def answers(self) -> bool:
        """Whether it is the process that was meant: a program around Python may call itself its
        interpreter. Ends one that is not."""
        try:
            self.ask({"do": "hello"}, patience=HELLO)
        except DiedError:
            self.close()
            return False
        return True

    def ask(
        self,
        head: Mapping[str, Any],
        arrays: Mapping[str, Array] | None = None,
        patience: float | None = None,
    ) -> Answer:
        """The answer to a request. Raises `DiedError`."""
        with self._turn:
            if self.ended:
                raise DiedError(self._death())
            forgotten, self._forgotten = self._forgotten, []
            hung = threading.Timer(patience or PATIENCE, self._lose_patience)
            hung.daemon = True
            hung.start()
            try:
                worker.send(self._input, {**head, "forgotten": forgotten}, arrays)
                assert self._child.stdout is not None
                return worker.receive(self._child.stdout)
            except TypeError as error:
                raise ExportError(f"ONNX Runtime cannot be fed: {error}") from None
            except (OSError, EOFError, ValueError) as error:
                if isinstance(error, ValueError):  # what it says is no answer
                    self._child.kill()
                self._child.wait()
                raise DiedError(self._death()) from None
            except BaseException:  # interrupted within a message: no other one can follow
                self.close()
                raise
            finally:
                hung.cancel()

    def _lose_patience(self) -> None:
        self._patient = False
        self._child.kill()

    def _death(self) -> str:
        if not self._patient:
            return f"gave no answer in {PATIENCE:g} seconds, and was ended"
        code = self._child.returncode
        if self._said.closed:
            return f"was ended ({_cause(code)})"
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        last = f" with the words {printable(lines[-1])!r}" if lines else ""
        return f"died ({_cause(code)}){last}"

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout, self._said):
            with contextlib.suppress(OSError):  # what was not written yet is lost, as it shall be
                pipe.close()  # type: ignore[union-attr]


class Here:
    """The same requests in this very process, where another one cannot be started."""

    ended = False

    def __init__(self) -> None:
        self._sessions = worker.Sessions()
        self._numbers = count()
        self._forgotten: list[int] = []

    def number(self) -> int:
        return next(self._numbers)

    def forget(self, number: int) -> None:
        self._forgotten.append(number)

    def answers(self) -> bool:
        return True

    def ask(self, head: Mapping[str, Any], arrays: Mapping[str, Array] | None = None) -> Answer:
        forgotten, self._forgotten = self._forgotten, []
        return self._sessions.answer({**head, "forgotten": forgotten}, dict(arrays or {}))

    def close(self) -> None:
        self._sessions = worker.Sessions()


def start() -> Process | Here:
    """A process; `Here` in programs that are their own interpreter, and where the system starts
    none."""
    if not sys.executable or getattr(sys, "frozen", False) or not Path(worker.__file__).is_file():
        return Here()
    try:
        return Process()
    except OSError:
        return Here()


def _cause(code: int) -> str:
    """How a process ended, by its exit code."""
    if code < 0:
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
            few = ", perhaps for want of memory" if name == "SIGKILL" else ""
            return f"{name}{few}"
    return f"exit code {code if 0 <= code < 256 else hex(code & 0xFFFFFFFF)}"
