"""Whether attributes read from outside fit the fields of an operator."""

import difflib
import types
from dataclasses import MISSING, Field, fields
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from graphcnn.errors import GraphError


def check_attributes(name: str, cls: type[Any], attributes: dict[str, Any]) -> None:
    """Raise `GraphError` for an unknown or missing attribute, or one of the wrong type.

    Fields are checked against their annotations; an int serves where a float is asked for.
    """
    hints: dict[str, Any] = field_types(cls)  # type: ignore[arg-type]
    for key, value in attributes.items():
        if key not in hints:
            near = difflib.get_close_matches(key, hints, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            known = f"it has {', '.join(hints)}" if hints else "it has none"
            raise GraphError(f"{name} has no attribute {key!r}{hint} ({known})")
        if not fits(value, hints[key]):
            raise GraphError(
                f"{name}: attribute {key} must be {describe(hints[key])}, found {value!r}"
            )
    for f in _attributes(cls):
        missing = f.default is MISSING and f.default_factory is MISSING
        if missing and f.name not in attributes:
            raise GraphError(f"{name}: the attribute {f.name} is missing")


@cache
def field_types(cls: type[Any]) -> dict[str, Any]:
    """The annotation of every field of a dataclass, by its name."""
    hints = get_type_hints(cls)
    return {f.name: hints[f.name] for f in _attributes(cls)}


def _attributes(cls: type[Any]) -> list[Field[Any]]:
    return [f for f in fields(cls) if f.compare]


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of an annotated type: a class, tuple, union or literal."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin is tuple:
        if not isinstance(value, tuple):
            return False
        if len(args) == 2 and args[1] is ...:
            return all(fits(v, args[0]) for v in value)
        return len(value) == len(args) and all(map(fits, value, args))
    if origin in (Union, types.UnionType):
        return any(fits(value, a) for a in args)
    if origin is Literal:
        return any(type(value) is type(a) and value == a for a in args)
    if hint is None:
        return value is None
    if hint in (int, float):
        numbers = (int,) if hint is int else (int, float)
        return isinstance(value, numbers) and not isinstance(value, bool)
    if hint is str:
        return type(value) is str
    return isinstance(value, hint if isinstance(hint, type) else object)


def describe(hint: Any) -> str:
    """An annotation in words."""
    text = hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint)
    return text.replace("graphcnn.ir.tensor_type.", "").replace("graphcnn.ir.initializers.", "")
