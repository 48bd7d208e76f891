"""Nested dicts of plain values as TOML, the same text each time."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


def toml(tree: Mapping[str, Any]) -> str:
    """The text of tables, texts, numbers, truth values and lists, in the order in which they are.

    `tomllib.loads` gives the same values back, lists in place of tuples.
    """
    return "\n".join(_table(tree, ())).lstrip("\n") + "\n"


def _table(tree: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    for key, value in tree.items():
        if not isinstance(value, Mapping):
            yield f"{_key(key)} = {_value(value)}"
    for key, value in tree.items():
        if isinstance(value, Mapping):
            below = (*path, key)
            if not value or not all(isinstance(v, Mapping) for v in value.values()):
                yield f"\n[{'.'.join(map(_key, below))}]"
            yield from _table(value, below)


def _key(name: str) -> str:
    return name if _BARE.match(name) else _text(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(k)} = {_value(v)}' for k, v in value.items())} }}"
    raise TypeError(f"{type(value).__name__} has no form in TOML: {value!r}")


def _text(text: str) -> str:
    """JSON's spelling, which TOML has as well but for the control character 127."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
