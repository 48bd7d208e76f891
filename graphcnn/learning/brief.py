"""Optimisers and schedules as one would write them, for the titles of their pictures."""

from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any


def brief(value: Any) -> str:
    """`OneCycle(0.2)`: the first setting, and those that are not what they are by default."""
    if isinstance(value, tuple):
        return f"({', '.join(map(brief, value))}{',' * (len(value) == 1)})"
    if not is_dataclass(value) or isinstance(value, type) or _has_own_words(value):
        return repr(value)
    first, *others = [f for f in fields(value) if f.init and f.repr]
    said = [brief(getattr(value, first.name))]
    said += [
        f"{f.name}={brief(now)}"
        for f in others
        for now in [getattr(value, f.name)]
        if now != _default(f)
    ]
    return f"{type(value).__name__}({', '.join(said)})"


def _has_own_words(value: Any) -> bool:
    """Such as `epochs(10)`: its class writes itself."""
    return "__repr__" in vars(type(value)) and not type(value).__dataclass_params__.repr


def _default(setting: Field[Any]) -> Any:
    made = setting.default_factory
    return setting.default if made is MISSING else made()
