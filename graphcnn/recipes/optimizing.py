"""The optimiser of a recipe: from its tables, and those of its schedule and averages."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from graphcnn.errors import GraphCnnError
from graphcnn.learning import schedules
from graphcnn.learning.optimizers import OPTIMIZERS, WRAPPERS, Optimizer, Optimizers
from graphcnn.learning.schedules import Constant, Schedule, epochs, warmup
from graphcnn.learning.schedules.base import is_number
from graphcnn.recipes.kinds import TABLE, check_truths, nearest
from graphcnn.recipes.places import KeyPath, Places
from graphcnn.recipes.recipe import Recipe
from graphcnn.recipes.trees import leaves

DEFAULT = "adam"
#: What goes around the optimiser, the innermost first, and what the command line suggests of it.
AROUND: dict[str, dict[str, Any]] = {"lookahead": {}, "swa": {}, "ema": {"warmup": True}}
_EPOCHS = re.compile(r"([0-9]+(?:\.[0-9]*)?) epochs?\Z")


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


#: Every schedule that numbers alone describe, by name.
SCHEDULES: dict[str, type[Schedule]] = {
    _snake(name): getattr(schedules, name)
    for name in schedules.__all__
    if name[0].isupper() and name not in ("SCHEDULES", "Epochs", "Function", "Product", "Schedule")
}


def optimizer_of(recipe: Recipe) -> Optimizer:
    """The optimiser that the tables describe, with the averages around it.

    Where nobody says another, learning rate and momentum are those that its class suggests for
    small networks. Raises `RecipeError`.
    """
    places = recipe.places
    made = _one_or_several(recipe.optimizer, places)
    made = made.at_rate(_rates(recipe, made))
    for name, suggested in AROUND.items():
        settings = getattr(recipe, name)
        if name in recipe.said:
            values = suggested | _values(settings, (name,), places, WRAPPERS[name], ("optimizer",))
            made = _made(WRAPPERS[name], {"optimizer": made, **values}, (name,), places)
    return made


def is_several(table: Mapping[str, Any]) -> bool:
    """Whether the tables of optimisers stand in it by patterns of names of parameters."""
    return any(not key.isidentifier() for key in table)


def _one_or_several(table: Mapping[str, Any], places: Places) -> Optimizer:
    path: KeyPath = ("optimizer",)
    if not is_several(table):
        return _optimizer(table, path, places)
    made = {}
    for key, value in table.items():
        if key.isidentifier():
            pattern = next(each for each in table if not each.isidentifier())
            places.refuse_name(
                (*path, key),
                "stands beside optimisers by patterns of names of parameters, such as "
                f'{pattern!r}: say it of each, optimizer."{pattern}".{key}',
            )
        if not TABLE.fits(value):
            places.refuse((*path, key), f"expected {TABLE.expected}, found {value!r}")
        made[key] = _optimizer(value, (*path, key), places)
    found: Optimizer = _made(Optimizers, {"optimizers": made}, path, places)
    return found


def _optimizer(table: Mapping[str, Any], path: KeyPath, places: Places) -> Optimizer:
    name = table.get("name", DEFAULT)
    kind = _chosen(OPTIMIZERS, name, (*path, "name"), places)
    settings = {key: value for key, value in table.items() if key != "name"}
    made: Optimizer = _made(kind.suggested, _values(settings, path, places, kind), path, places)
    return made


def _rates(recipe: Recipe, made: Optimizer) -> Any:
    """The learning rate as the schedule of the recipe has it."""
    table, places, rate = dict(recipe.schedule), recipe.places, made.learning_rate
    warmed = table.pop("warmup", 0)
    name = table.pop("name", "constant")
    kind = _chosen(SCHEDULES, name, ("schedule", "name"), places)
    if "schedule" not in recipe.said:
        return rate
    if not is_number(rate):
        places.refuse("schedule", "the learning rate has a schedule of its own already")
    values = _values(table, ("schedule",), places, kind)
    highest = fields(kind)[0].name
    rates = _made(kind, {highest: rate, **values}, ("schedule",), places)
    if warmed:
        length = _value(warmed, ("schedule", "warmup"), places)
        if is_number(length):
            length = _made(epochs, {"count": length}, ("schedule", "warmup"), places)
        rates = _made(warmup, {"then": rates, "steps": length}, ("schedule", "warmup"), places)
    return rate if isinstance(rates, Constant) else rates


def _values(
    table: Mapping[str, Any],
    path: KeyPath,
    places: Places,
    kind: type,
    but: Iterable[str] = (),
) -> dict[str, Any]:
    """The settings of a class in a table."""
    known = [f.name for f in fields(kind) if f.init and f.name not in but]
    for key in table:
        if key not in known:
            having = [n for n, rule in OPTIMIZERS.items() if key in {f.name for f in fields(rule)}]
            if having and kind in OPTIMIZERS.values():
                what = f"has no meaning for {kind.__name__.lower()}; it is for {', '.join(having)}"
            else:
                close = nearest(key, known) or f"; known are {', '.join(known)}"
                what = f"is not known of {kind.__name__}{close}"
            places.refuse_name((*path, key), what)
    check_truths(kind, table, path, places)
    return {key: _value(value, (*path, key), places) for key, value in table.items()}


def _value(value: Any, path: KeyPath, places: Places) -> Any:
    """A plain value as a setting: lengths in epochs, schedules and optimisers become such."""
    if isinstance(value, str):
        length = _EPOCHS.match(value)
        return _made(epochs, {"count": float(length[1])}, path, places) if length else value
    if isinstance(value, list | tuple):
        return tuple(_value(each, path, places) for each in value)
    if not isinstance(value, Mapping):
        return value
    if "schedule" in value:
        table = {key: each for key, each in value.items() if key != "schedule"}
        kind = _chosen(SCHEDULES, value["schedule"], (*path, "schedule"), places)
        return _made(kind, _values(table, path, places, kind), path, places)
    if "name" in value:
        return _optimizer(value, path, places)
    return {key: _value(each, (*path, key), places) for key, each in value.items()}


def _chosen(table: Mapping[str, Any], name: Any, path: KeyPath, places: Places) -> Any:
    if not isinstance(name, str) or name not in table:
        close = nearest(name, table) if isinstance(name, str) else ""
        places.refuse(path, f"expected one of {', '.join(table)}, found {name!r}{close}")
    return table[name]


def _made(make: Any, settings: Mapping[str, Any], path: KeyPath, places: Places) -> Any:
    try:
        return make(**settings)
    except (GraphCnnError, TypeError, ValueError) as error:
        places.refuse((*path, *_blamed(str(error), settings)), error)


def _blamed(problem: str, settings: Mapping[str, Any]) -> KeyPath:
    """The setting of which an error speaks, as far as it names one."""
    grouped = "group" in problem
    for path in leaves(settings):
        named = re.search(rf"(?<![\w.]){re.escape(path[-1])}(?![\w.])", problem)
        if named and (path[0] == "groups") == grouped:
            return path
    return ()
