"""How single things are written in the text form: names, numbers, types, arrays, initializers.

`graphcnn.text.write` writes whole graphs with these, `graphcnn.text.parse` reads them back.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Final

import numpy as np

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.initializers import Custom, Initializer
from graphcnn.ir.node import Array, Op
from graphcnn.ir.tensor_type import BatchSize, DType, TensorType

#: Names of this form are written bare, all others in quotes.
PLAIN: Final = r"[A-Za-z_][A-Za-z0-9_]*(?:[./][A-Za-z0-9_]+)*"
#: A quoted name or string. Escapes are \" \\ \n \t and \u{hex}.
QUOTED: Final = r'"[^"\\\n]*(?:\\(?:["\\nt]|u\{[0-9a-f]{1,6}\})[^"\\\n]*)*"'
#: Words that begin a line of their own and so are quoted when they are names.
KEYWORDS: Final = frozenset({"return", "update", "graph"})

_ESCAPES: Final = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
_UNESCAPES: Final = {escaped[1]: plain for plain, escaped in _ESCAPES.items()}
_BYTE_ORDER: Final = "<"


def quote(text: str) -> str:
    """`text` in quotes, on one line, with everything unprintable escaped."""

    def written(c: str) -> str:
        return _ESCAPES.get(c) or (c if c.isprintable() else f"\\u{{{ord(c):x}}}")

    return '"' + "".join(map(written, text)) + '"'


def unquote(token: str) -> str:
    """The inverse of `quote`."""

    def plain(match: re.Match[str]) -> str:
        code = match.group(1)
        if code[0] != "u":
            return _UNESCAPES[code]
        number = int(code[2:-1], 16)
        if number > 0x10FFFF:
            raise GraphError(f"there is no character {match.group()}")
        return chr(number)

    return re.sub(r"\\(u\{[0-9a-f]+\}|.)", plain, token[1:-1])


def format_name(name: str) -> str:
    """A name as it stands in text: bare where that is unambiguous, else quoted."""
    bare = re.fullmatch(PLAIN, name) and name not in KEYWORDS
    return name if bare else quote(name)


def format_type(t: TensorType) -> str:
    """`f32[N,1,28,28]`, and the layout behind an @ where it is not plain."""
    at = "" if t.layout == "plain" else f"@{format_name(t.layout)}"
    return f"{t.dtype}[{','.join(map(str, t.shape))}]{at}"


def format_value(value: Any) -> str:
    """An attribute as text. Raises `GraphError` for types that have no text."""
    match value:
        case None | bool():
            return str(value)
        case int() | np.integer():
            return str(int(value))
        case float() | np.floating():
            return repr(float(value))
        case DType() | BatchSize():
            return str(value)
        case str() if type(value) is not str:
            return str(value)  # a word of an enumeration, such as a role
        case str():
            return quote(value)
        case tuple():
            inner = ", ".join(map(format_value, value))
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        case TensorType():
            return format_type(value)
        case Initializer():
            return format_initializer(value)
        case Graph():
            from graphcnn.text.write import dump_graph

            return dump_graph(value).strip().replace("\n", "\n  ")
        case Op():
            return f"{value.name}({format_op(value)})"
    raise GraphError(f"an attribute of type {type(value).__name__} has no text form: {value!r}")


def format_fields(thing: Any, skip: tuple[str, ...] = ()) -> list[str]:
    """`field=value` for every field of a dataclass that differs from its default.

    Compared as text, so that -0.0 is not 0.0 and True is not 1.
    """
    written = []
    for f in fields(thing):
        value = getattr(thing, f.name)
        if (
            not f.compare
            or f.name in skip
            or (callable(value) and not isinstance(value, Initializer | Op))
        ):
            continue
        text = format_value(value)
        default = f.default if f.default_factory is MISSING else f.default_factory()
        if default is MISSING or format_value(default) != text:
            written.append(f"{f.name}={text}")
    return written


def format_initializer(initializer: Initializer) -> str:
    """`he`, `he(normal=True)`; an initializer that the text form does not know becomes custom."""
    word = type(initializer).__name__.lower()
    if known_initializers().get(word) is not type(initializer) or not is_dataclass(initializer):
        return f"custom(label={quote(type(initializer).__name__)})"
    inner = ", ".join(format_fields(initializer))
    return f"{word}({inner})" if inner else word


@cache
def known_initializers() -> dict[str, type[Initializer]]:
    """The initializers that parse back, by their word: those defined in `initializers.py`."""
    home = Custom.__module__
    return {cls.__name__.lower(): cls for cls in _subclasses(Initializer) if cls.__module__ == home}


def _subclasses(cls: type[Initializer]) -> Iterator[type[Initializer]]:
    for sub in cls.__subclasses__():
        yield sub
        yield from _subclasses(sub)


def format_op(op: Op, skip: tuple[str, ...] = ()) -> str:
    """The attributes of an operator that differ from their defaults: `stride=(2, 2), groups=4`."""
    try:
        return ", ".join(format_fields(op, skip))
    except GraphError as error:
        raise GraphError(f"{op.name}: {error}") from None


def format_elements(array: Array) -> str | None:
    """`{1.0, -0.0, nan}`: the elements in row-major order, or None where that loses a bit.

    Every number is the shortest that reads back as the same bits; NaNs with a payload have none.
    """
    text = "{" + ", ".join(_shortest(x) for x in array.reshape(-1)) + "}"
    words = [w.strip() for w in text[1:-1].split(",")] if array.size else []
    back = elements(words, TensorType(array.shape, DType.of(array.dtype)))
    return text if to_bytes(back) == to_bytes(array) else None


def _shortest(x: Any) -> str:
    if not isinstance(x, np.floating):
        return str(x)
    exact = repr(float(x))
    short = str(x)
    return short if type(x)(float(short)) == x else exact


def elements(words: list[str], t: TensorType) -> Array:
    """The inverse of `format_elements`, from the separated words."""
    if len(words) != t.size:
        raise GraphError(f"{format_type(t)} needs {t.size} elements, found {len(words)}")
    try:
        if t.dtype is DType.BOOL:
            values: list[Any] = [{"True": True, "False": False}[w] for w in words]
        elif t.dtype.is_float:
            values = [float(w) for w in words]
        else:
            values = [int(w) for w in words]
        with np.errstate(over="ignore"):
            flat: Array = np.array(values, dtype=t.dtype.numpy)
    except (KeyError, ValueError, OverflowError):
        raise GraphError(f"elements of {format_type(t)} cannot be read from {words[:4]}") from None
    return _shaped(flat, t)


def to_bytes(array: Array) -> bytes:
    """The elements, row-major, little-endian on every machine."""
    return array.astype(array.dtype.newbyteorder(_BYTE_ORDER)).tobytes()


def format_bytes(array: Array) -> str:
    """All bytes of an array, as base64."""
    return base64.b64encode(to_bytes(array)).decode()


def from_base64(text: str, t: TensorType) -> Array:
    """The inverse of `format_bytes`."""
    expected = t.size * t.dtype.bytes
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        raise GraphError("the base64 of a constant is damaged") from None
    if len(data) != expected:
        raise GraphError(f"{format_type(t)} has {expected} bytes, found {len(data)}")
    stored = np.frombuffer(data, t.dtype.numpy.newbyteorder(_BYTE_ORDER))
    return _shaped(stored.astype(t.dtype.numpy), t)


def _shaped(flat: Array, t: TensorType) -> Array:
    try:
        return flat.reshape(tuple(d for d in t.shape if isinstance(d, int)))
    except ValueError:
        raise GraphError(f"{format_type(t)} is too large for an array") from None
