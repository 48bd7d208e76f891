"""One model in ONNX Runtime twice, with its optimisations on and off."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx

from graphcnn.errors import CrashError
from graphcnn.ir import Array
from graphcnn.onnx.comparing import ort


class Modes:
    """Two sessions of a model. One of which ONNX Runtime dies is left out from then on.

    `died` has the errors of these by mode. Raises what `ort.session` and `ort.run` raise, and
    `CrashError` where no session is left.
    """

    def __init__(
        self, model: onnx.ModelProto | str | Path, arrays: Mapping[str, Array] | None = None
    ) -> None:
        self.died: dict[bool, CrashError] = {}
        self._sessions: dict[bool, ort.Session] = {}
        for optimised in (True, False):
            try:
                self._sessions[optimised] = ort.session(model, optimised, arrays)
            except CrashError as error:
                self._lose(optimised, error)

    @property
    def one(self) -> ort.Session:
        """A session that is left."""
        return next(iter(self._sessions.values()))

    def run(
        self, feeds: Mapping[str, Array], names: Sequence[str] | None = None
    ) -> dict[bool, list[Array]]:
        """The outputs by mode."""
        found: dict[bool, list[Array]] = {}
        for optimised, session in list(self._sessions.items()):
            try:
                found[optimised] = ort.run(session, feeds, names)
            except CrashError as error:
                self._lose(optimised, error)
        return found

    def notes(self) -> list[str]:
        """What was not compared, and why."""
        return [f"{error}: compared without this mode" for error in self.died.values()]

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
