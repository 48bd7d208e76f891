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
    schedule or network, those of `below` are gone.
    """
    below, above = spelled_out(below), spelled_out(above)
    for name in NAMED:
        named, old = above.get(name, {}).get("name"), below.get(name, {})
        several = any(not key.isidentifier() for key in old)  # optimisers by patterns
        if named is not None and (several or named != old.get("name", named)):
            del below[name]
    return _laid_over(below, above)


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
