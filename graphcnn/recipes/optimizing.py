"""The optimiser of a recipe: from its tables, and those of its schedule and averages.

[optimizer."D.*"] is that of the parameters of such names, beside others by other patterns.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from graphcnn.errors import GraphCnnError
from graphcnn.learning import schedules
from graphcnn.learning.optimizers import OPTIMIZERS, WRAPPERS, Optimizer, Optimizers
from graphcnn.learning.schedules import Constant, Schedule, epochs, warmup
from graphcnn.learning.schedules.base import is_number
from graphcnn.recipes.kinds import check_truths, nearest
from graphcnn.recipes.places import KeyPath, Places
from graphcnn.recipes.recipe import Recipe
from graphcnn.recipes.trees import by_patterns, is_pattern, leaves

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
    small networks. Of several by patterns a schedule is a factor on all rates, from 1, and each has
    the averages of a table of its own, [optimizer."G.*".ema], else those of the recipe. Raises
    `RecipeError`.
    """
    places, path = recipe.places, ("optimizer",)
    around = {name: ((name,), getattr(recipe, name)) for name in AROUND if name in recipe.said}
    if not by_patterns(recipe.optimizer):
        made = _optimizer(recipe.optimizer, path, places)
        return _averaged(made.at_rate(_rates(recipe, made)), around, places)
    parts = {
        pattern: _part(table, (*path, pattern), around, places)
        for pattern, table in several(recipe).items()
    }
    made = _made(Optimizers, {"optimizers": parts}, path, places)
    assert isinstance(made, Optimizers)
    return made.at_rate(_rates(recipe, made))


def several(recipe: Recipe) -> Mapping[str, Mapping[str, Any]]:
    """The tables of several optimisers, by their patterns. Raises `RecipeError` for what is no
    such table, and for settings beside them."""
    patterns = [name for name in recipe.optimizer if is_pattern(name)]
    for name, table in recipe.optimizer.items():
        if not is_pattern(name):
            recipe.places.refuse_name(
                ("optimizer", name),
                f'stands beside optimisers by patterns: say it of each, optimizer."{patterns[0]}"'
                f".{name}",
            )
        if not isinstance(table, Mapping):
            recipe.places.refuse(
                ("optimizer", name),
                f"expected a table, the settings of the optimiser of {name!r}, found {table!r}",
            )
    return recipe.optimizer


def _part(
    table: Mapping[str, Any],
    path: KeyPath,
    around: Mapping[str, tuple[KeyPath, Any]],
    places: Places,
) -> Optimizer:
    """One of several optimisers, with its averages."""
    made = _optimizer({k: v for k, v in table.items() if k not in AROUND}, path, places)
    own = dict(around)
    for name in AROUND:
        if name in table:
            own[name] = ((*path, name), table[name])
            if table[name] is False:
                del own[name]
            elif not isinstance(table[name], Mapping):
                places.refuse((*path, name), f"expected a table, or false, found {table[name]!r}")
    return _averaged(made, own, places)


def _averaged(
    made: Optimizer, around: Mapping[str, tuple[KeyPath, Any]], places: Places
) -> Optimizer:
    """With what goes around it, by name: where that was said, and its settings."""
    for name, suggested in AROUND.items():
        if name in around:
            path, settings = around[name]
            values = suggested | _values(settings, path, places, WRAPPERS[name], ("optimizer",))
            made = _made(WRAPPERS[name], {"optimizer": made, **values}, path, places)
    return made


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
