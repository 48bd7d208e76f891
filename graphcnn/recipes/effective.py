"""A recipe with nothing left open: what a run was told, defaults included, and paths from the root.

What belongs to one run alone is left out: where it writes, and on how many threads.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from graphcnn.learning.aim import Losses
from graphcnn.learning.optimizers import OPTIMIZERS
from graphcnn.recipes.loading import placed
from graphcnn.recipes.optimizing import AROUND, DEFAULT, several
from graphcnn.recipes.recipe import Recipe
from graphcnn.recipes.trees import Tree, by_patterns
from graphcnn.runtime.execution import Execution


def effective(recipe: Recipe, batch_size: int, loss: Losses) -> Recipe:
    """The recipe of the same run, whatever the defaults become.

    Args:
        batch_size, loss: those that were taken where the recipe does not say them.
    """
    execution = Execution.of(recipe.machine.runtime, None, recipe.machine.precision)
    tree = _without_none(
        {
            f.name: _said(getattr(recipe, f.name))
            for f in fields(Recipe)
            if f.name not in ("said", "places")
        }
    )
    run = tree.setdefault("run", {})
    run["batch_size"] = batch_size
    if recipe.run.epochs is None and recipe.run.max_steps is None:
        run["epochs"] = 1
    if isinstance(loss, str):
        tree.setdefault("loss", {})["name"] = loss
    tree["machine"] = {
        **tree.get("machine", {}),
        "runtime": execution.runtime,
        "precision": execution.precision,
    }
    if by_patterns(recipe.optimizer):
        tree["optimizer"] = {p: _suggested(t) for p, t in several(recipe).items()}
    else:
        tree["optimizer"] = _suggested(recipe.optimizer)
    for name, suggested in AROUND.items():
        if name in recipe.said:
            tree[name] = {**suggested, **getattr(recipe, name)}
    return Recipe.of(placed(_in_order(tree), Path.cwd()))


def _in_order(tree: Tree) -> Tree:
    """Tables and keys in the order of the documentation: equal runs are equal texts."""
    found: Tree = {}
    for f in fields(Recipe):
        if f.name in tree:
            table, empty = tree[f.name], getattr(Recipe(), f.name)
            known = [key.name for key in fields(empty)] if is_dataclass(empty) else ()
            found[f.name] = {key: table[key] for key in known if key in table} or table
    return found


def _said(table: Any) -> Any:
    """A table as nested values, without what belongs to one run alone."""
    if not hasattr(table, "__dataclass_fields__"):
        return table
    return {f.name: getattr(table, f.name) for f in fields(table) if not f.metadata["own"]}


def _without_none(values: Mapping[str, Any]) -> Tree:
    """Without what is not said, and without empty tables."""
    found: Tree = {}
    for key, value in values.items():
        value = _without_none(value) if isinstance(value, Mapping) else value
        if value is not None and value not in ({}, (), ""):
            found[key] = list(value) if isinstance(value, tuple) else value
    return found


def _suggested(table: Mapping[str, Any]) -> Tree:
    """With the name, and what the class of that name suggests for small networks."""
    rule = OPTIMIZERS[table.get("name", DEFAULT)]
    found = {"learning_rate": rule.suggested().learning_rate, "momentum": rule.suggested_momentum}
    known = {key: value for key, value in found.items() if value is not None}
    around = {
        name: {**suggested, **table[name]}
        for name, suggested in AROUND.items()
        if isinstance(table.get(name), Mapping)
    }
    return {"name": DEFAULT, **known, **table, **around}
