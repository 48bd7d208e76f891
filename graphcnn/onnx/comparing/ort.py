"""ONNX Runtime as the other side of a comparison: its sessions, its runs, its errors as ours.

It runs in a process of its own, so that a crash of it is an error like others.
"""

import importlib.util
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from graphcnn.base.words import printable
from graphcnn.errors import CrashError, ExportError, MissingExtraError
from graphcnn.ir.node import Array
from graphcnn.onnx.comparing import process


def onnxruntime() -> None:
    """Raises `MissingExtraError` where the package is not installed."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise MissingExtraError("comparing with ONNX Runtime", "onnxruntime", "verify")


class Peer:
    """One ONNX Runtime: a process that is started at need, and again after a crash."""

    def __init__(self) -> None:
        self.process: process.Process | process.Here | None = None
        self.version = ""

    def start(self) -> None:
        if self.process is None:
            self.process = process.start()

    def running(self) -> process.Process | process.Here:
        """The process, in which ONNX Runtime is loaded. Raises `ExportError` where it cannot be."""
        if self.process is not None and self.process.ended:  # interrupted
            self.process = None
        self.start()
        assert self.process is not None
        if not self.version:
            if not self.process.answers():
                self.process = process.Here()
            try:
                answer, _ = self.process.ask({"do": "start"})
            except process.DiedError as died:
                self.close()
                raise ExportError(f"the process of ONNX Runtime {died} at its start") from None
            if "error" in answer:
                raise ExportError(f"ONNX Runtime cannot be loaded: {answer['error']}")
            self.version = answer["version"]
        return self.process

    def close(self) -> None:
        if self.process is not None:
            self.process.close()
        self.process = None


_PEER: ContextVar[Peer | None] = ContextVar("_PEER", default=None)


@contextmanager
def kept() -> Iterator[None]:
    """One process for all sessions inside, which ends with it; a decorator, too. Inside of another
    one it is that one's."""
    if _PEER.get() is not None or importlib.util.find_spec("onnxruntime") is None:
        yield
        return
    peer = Peer()
    token = _PEER.set(peer)
    try:
        peer.start()  # loads while the model is being read
        yield
    finally:
        _PEER.reset(token)
        peer.close()


def version() -> str:
    peer = _PEER.get()
    if peer is None:
        with kept():
            return version() if _PEER.get() else "onnxruntime"
    peer.running()
    return f"onnxruntime {peer.version}"


@dataclass(frozen=True)
class Argument:
    """An input or output: its sizes are numbers, or texts and None where they are open; the type
    is spelled "tensor(float)"."""

    name: str
    shape: list[Any]
    type: str


class OrtSession:
    """A model in ONNX Runtime. Where the process has died meanwhile, it is loaded once more."""

    def __init__(
        self,
        peer: Peer,
        model: onnx.ModelProto | str | Path,
        optimised: bool,
        arrays: Mapping[str, Array],
    ) -> None:
        self.optimised = optimised
        self._peer, self._model, self._arrays = peer, model, arrays
        self._at: process.Process | process.Here | None = None
        self._number = 0
        self._inputs, self._outputs = self._load()

    def get_inputs(self) -> list[Argument]:
        return self._inputs

    def get_outputs(self) -> list[Argument]:
        return self._outputs

    def run(self, names: Sequence[str] | None, feeds: Mapping[str, Array]) -> list[Array]:
        """The outputs called `names`. Raises as the function `run` does."""
        if self._peer.running() is not self._at:
            self._load()
        wanted = None if names is None else list(names)
        head = {"do": "run", "number": self._number, "names": wanted}
        answer, found = self._ask("running", head, feeds)
        if "error" in answer:
            raise ExportError(f"ONNX Runtime cannot run the model: {answer['error']}")
        return list(found.values())

    def _load(self) -> tuple[list[Argument], list[Argument]]:
        self._at = self._peer.running()
        self._number = self._at.number()
        head = {"do": "load", "number": self._number, "optimised": self.optimised, "path": ""}
        arrays = dict(self._arrays)
        if isinstance(self._model, onnx.ModelProto):
            arrays[""] = np.frombuffer(self._model.SerializeToString(), np.uint8)
        else:
            head["path"] = str(Path(self._model).absolute())
        answer, _ = self._ask("loading", head, arrays)
        if "error" in answer:
            raise ExportError(f"ONNX Runtime refuses the model: {answer['error']}")
        weakref.finalize(self, self._at.forget, self._number)
        inputs, outputs = ([Argument(*a) for a in answer[key]] for key in ("inputs", "outputs"))
        return inputs, outputs

    def _ask(
        self, doing: str, head: Mapping[str, object], arrays: Mapping[str, Array]
    ) -> process.Answer:
        assert self._at is not None
        try:
            return self._at.ask(head, arrays)
        except process.DiedError as died:
            self._peer.close()
            model = self._model
            name = model.graph.name if isinstance(model, onnx.ModelProto) else Path(model).name
            mode = "on" if self.optimised else "off"
            raise CrashError(
                f"ONNX Runtime {self._peer.version} {died} when {doing} the model "
                f"{printable(name)!r} with its optimisations {mode}"
            ) from None


def session(
    model: onnx.ModelProto | str | Path,
    optimised: bool,
    arrays: Mapping[str, Array] | None = None,
) -> OrtSession:
    """A session of one thread. `arrays` are initializers that the model keeps in other files, so
    that ONNX Runtime opens none of them.

    Raises `MissingExtraError` without ONNX Runtime, `ExportError` where it refuses the model, and
    `CrashError` where it dies of it.
    """
    onnxruntime()
    peer = _PEER.get()
    if peer is not None:
        return OrtSession(peer, model, optimised, arrays or {})
    own = Peer()
    try:
        made = OrtSession(own, model, optimised, arrays or {})
    except BaseException:
        own.close()
        raise
    weakref.finalize(made, own.close)
    return made


def run(
    session: OrtSession, arrays: Mapping[str, Array], names: Sequence[str] | None = None
) -> list[Array]:
    """The outputs called `names`, by default all of them.

    Raises `ExportError` where ONNX Runtime cannot run the model, `CrashError` where it dies of it.
    """
    return session.run(names, arrays)
