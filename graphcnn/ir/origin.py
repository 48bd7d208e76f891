"""Where a node comes from: the user's source line and the passes that made it.

Provenance never changes a result. It travels with nodes so that errors, diagrams and the text form
can name the line that the user wrote, for generated backward nodes too.
"""

import os
import sys
import sysconfig
import warnings
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache
from pathlib import PurePath
from types import FrameType

# Frames of these packages are not the user's; the built-in networks are, they read like user code.
_OWN = "graphcnn"
_LIKE_USER = "graphcnn.models"
_TOOLS = "graphcnn.tools."
#: Folders of Python's own library, and names of folders that hold installed packages.
_PYTHON = tuple({f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib")})
_PACKAGES = frozenset({"site-packages", "dist-packages"})


@dataclass(frozen=True, slots=True)
class Origin:
    """Source line of a node, the passes that rewrote it, and the forward node it belongs to."""

    file: str = ""
    line: int = 0
    passes: tuple[str, ...] = ()
    forward: str = ""

    @property
    def location(self) -> str:
        """`lenet.py:12`, or nothing where the line is unknown."""
        return f"{PurePath(self.file).name}:{self.line}" if self.file else ""

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.location, *self.passes)))

    def by(self, pass_name: str) -> "Origin":
        """This origin, with `pass_name` appended to the passes that made the node."""
        if pass_name in self.passes:
            return self
        return replace(self, passes=(*self.passes, pass_name))


UNKNOWN = Origin()

_current: ContextVar[tuple[Origin, str] | None] = ContextVar("graphcnn_origin", default=None)


class inherit:  # used like a function, and faster than one made by `contextmanager`
    """Nodes built inside take `origin`, by the pass `by`, instead of the caller's source line."""

    __slots__ = ("_inherited", "_token")

    def __init__(self, origin: Origin, by: str = "") -> None:
        self._inherited = origin, by

    def __enter__(self) -> None:
        self._token = _current.set(self._inherited)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


def current_origin() -> Origin:
    """The inherited origin, else the innermost source line of the user's own.

    Python's library (`contextlib`, `functools`, `threading`) is passed over, and so are installed
    packages where a line outside of them is found: a decorator of theirs is not what the user
    wrote, a network in an installed package is.
    """
    inherited = _current.get()
    if inherited is not None:
        origin, by = inherited
        return origin.by(by) if by else origin
    frame = sys._getframe(1)
    installed = UNKNOWN
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        own = module == _OWN or module.startswith(_OWN + ".")
        if module.startswith(_TOOLS):
            return installed  # of a command no source line is the user's
        if not own or module.startswith(_LIKE_USER):
            file = frame.f_code.co_filename
            kind = "user" if own else _kind(file)
            if kind == "user":
                return Origin(file, frame.f_lineno)
            if kind == "installed" and installed is UNKNOWN:
                installed = Origin(file, frame.f_lineno)
        frame = frame.f_back  # type: ignore[assignment]
    return installed


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the innermost source line of the user's own."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and not _is_user(frame):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _is_user(frame: FrameType) -> bool:
    module = frame.f_globals.get("__name__", "")
    own = module == _OWN or module.startswith(_OWN + ".")
    return not own and _kind(frame.f_code.co_filename) == "user"


@cache
def _kind(file: str) -> str:
    """Whose code a file is: "user", "python" or "installed" (in a folder of packages)."""
    if file.startswith("<frozen "):
        return "python"
    if not _PACKAGES.isdisjoint(PurePath(file).parts):
        return "installed"
    return "python" if file.startswith(_PYTHON) else "user"
