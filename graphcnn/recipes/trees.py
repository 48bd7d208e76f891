"""Nested dicts of the values of a recipe: from dotted names, with short forms, one over another."""

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from graphcnn.errors import RecipeError
from graphcnn.recipes.places import KeyPath

Tree = dict[str, Any]

#: Tables that may be said by one text, and the key that it is: network = "lenet5".
SHORT = {
    "network": "name", "data": "source", "loss": "name", "optimizer": "name", "schedule": "name",
    "measuring": "metrics",
}  # fmt: skip
#: Tables whose other keys belong to what `name` names: another name begins the table anew.
NAMED = ("network", "loss", "optimizer", "schedule")
_OF_PATTERNS = frozenset(".*?[")


def by_patterns(table: Any) -> bool:
    """Whether a table of optimisers has one for each pattern of names, [optimizer."D.*"], and not
    the settings of a single one, whose names are words."""
    return isinstance(table, Mapping) and any(map(is_pattern, table))


def is_pattern(name: str) -> bool:
    """Whether a key is a pattern of names of parameters, which are `layer.weight`."""
    return not _OF_PATTERNS.isdisjoint(name)


def key_path(name: str) -> KeyPath:
    """`optimizer.groups."*.bias".weight_decay` as its keys. Raises `RecipeError`."""
    try:
        found = tomllib.loads(f"{name} = 0")
    except tomllib.TOMLDecodeError:
        raise RecipeError(
            f"{name!r} is no key: names are separated by dots, what is no word is quoted, as in "
            'optimizer.groups."*.bias".weight_decay'
        ) from None
    path = []
    while isinstance(found, dict):
        ((word, found),) = found.items()
        path.append(word)
    return tuple(path)


def nested(settings: Mapping[str, Any]) -> Tree:
    """Values by dotted names, {"run.epochs": 3}, or by tables, as nested dicts."""
    found: Tree = {}
    for name, value in settings.items():
        for word in reversed(key_path(name) if "." in name else (name,)):
            value = {word: value}
        found = _laid_over(found, value)
    return found


def spelled_out(tree: Mapping[str, Any]) -> Tree:
    """With tables in place of texts where a text stands for a table."""
    return {
        name: {SHORT[name]: value} if name in SHORT and not isinstance(value, Mapping) else value
        for name, value in tree.items()
    }


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Tree:
    """The values of both; where both have one, that of `above`.

    Settings belong to what they are settings of: where `above` names another optimiser, loss,
    schedule or network, those of `below` are gone, and where one of them has several optimisers by
    patterns and the other names a single one.
    """
    below, above = spelled_out(below), spelled_out(above)
    for name in NAMED:
        if name in below and _others(below[name], above.get(name, {})):
            del below[name]
    old, new = below.get("optimizer", {}), above.get("optimizer", {})
    if by_patterns(old) and by_patterns(new):
        kept = {p: t for p, t in old.items() if p not in new or not _others(t, new[p])}
        below["optimizer"] = kept
    return _laid_over(below, above)


def _others(below: Any, above: Any) -> bool:
    """Whether the settings of one table have no meaning where the other is laid over it."""
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return False
    named = above.get("name")
    if by_patterns(below) != by_patterns(above):
        return named is not None or (by_patterns(above) and bool(below))
    return named is not None and named != below.get("name", named)


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> Tree:
    found = dict(below)
    for name, value in above.items():
        old = found.get(name)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        found[name] = _laid_over(old, value) if both else value  # type: ignore[arg-type]
    return found


def leaves(tree: Mapping[str, Any], above: KeyPath = ()) -> Iterator[KeyPath]:
    """The paths of all values that are no tables."""
    for name, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*above, name))
        else:
            yield (*above, name)
