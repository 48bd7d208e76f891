"""One model in ONNX Runtime twice, with its optimisations on and off."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx

from graphcnn.errors import CrashError
from graphcnn.ir.node import Array
from graphcnn.onnx.comparing import ort


class Modes:
    """Two sessions of a model, each loaded when it is needed. A mode in which ONNX Runtime dies is
    left out from then on.

    `died` has the errors of these by mode. Raises what `ort.session` and `ort.run` raise, and
    `CrashError` where no mode is left.
    """

    def __init__(
        self, model: onnx.ModelProto | str | Path, arrays: Mapping[str, Array] | None = None
    ) -> None:
        self.died: dict[bool, CrashError] = {}
        self._model, self._arrays = model, arrays
        self._sessions: dict[bool, ort.OrtSession] = {}
        self._one = self._session(True) or self._session(False)

    @property
    def one(self) -> ort.OrtSession:
        """A session, which tells inputs and outputs."""
        assert self._one is not None
        return self._one

    def run(
        self, feeds: Mapping[str, Array], names: Sequence[str] | None = None
    ) -> dict[bool, list[Array]]:
        """The outputs by mode."""
        found = {on: self.run_in(on, feeds, names) for on in (True, False)}
        return {on: arrays for on, arrays in found.items() if arrays is not None}

    def run_in(
        self, optimised: bool, feeds: Mapping[str, Array], names: Sequence[str] | None = None
    ) -> list[Array] | None:
        """The outputs in one mode, None where it is lost."""
        session = self._session(optimised)
        if session is None:
            return None
        try:
            return ort.run(session, feeds, names)
        except CrashError as error:
            self._lose(optimised, error)
            return None

    def is_loaded(self, optimised: bool) -> bool:
        return optimised in self._sessions

    def notes(self) -> list[str]:
        """What was not compared, and why."""
        return [f"{error}: compared without this mode" for error in self.died.values()]

    def _session(self, optimised: bool) -> ort.OrtSession | None:
        if optimised not in self._sessions and optimised not in self.died:
            try:
                made = ort.session(self._model, optimised, self._arrays)
            except CrashError as error:
                self._lose(optimised, error)
            else:
                self._sessions[optimised] = made
        return self._sessions.get(optimised)

    def _lose(self, optimised: bool, error: CrashError) -> None:
        self._sessions.pop(optimised, None)
        self.died[optimised] = error
        if len(self.died) == 2:
            kinds = {
                on: str(e).removesuffix(" on" if on else " off") for on, e in self.died.items()
            }
            alike = kinds[True] == kinds[False]
            told = f"{kinds[True]} on and off" if alike else "; ".join(map(str, self.died.values()))
            raise CrashError(f"{told}. Nothing was compared: this says nothing about our results")
