"""What the command line says, as a recipe: a recipe, options over it, and `--set` over both."""

import ast
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from graphcnn.errors import RecipeError
from graphcnn.models import MODELS
from graphcnn.recipes.folder import RECIPE
from graphcnn.recipes.loading import RECIPES, SUFFIX, load
from graphcnn.recipes.places import KeyPath, Places
from graphcnn.recipes.recipe import Recipe, keys
from graphcnn.recipes.trees import key_path
from graphcnn.tools.commands.arguments import MACHINE, READING

#: The key that each option is, by the name of its parameter.
KEYS = {
    "model": "network.name", "shapes": "network.shapes",
    "data": "data.source", "size": "data.size", "grey": "data.grey", "lazy": "data.lazy",
    "labels": "data.labels", "on_error": "data.on_error", "background": "data.background",
    "augment": "data.augment", "reconstruct": "data.reconstruct", "binarise": "data.binarise",
    "validation_fraction": "data.validation_fraction",
    "loss": "loss.name", "label_smoothing": "loss.label_smoothing",
    "class_weights": "loss.class_weights",
    "metrics": "measuring.metrics", "tta": "measuring.tta",
    "optimizer": "optimizer.name", "learning_rate": "optimizer.learning_rate",
    "momentum": "optimizer.momentum", "weight_decay": "optimizer.weight_decay",
    "clip_norm": "optimizer.clip_norm", "schedule": "schedule.name", "warmup": "schedule.warmup",
    "ema": "ema.decay",
    "epochs": "run.epochs", "batch_size": "run.batch_size", "shards": "run.shards",
    "seed": "run.seed", "early_stopping": "run.early_stopping", "monitor": "run.monitor",
    "checkpoint": "run.checkpoint", "checkpoint_every": "run.checkpoint_every",
    "resume": "run.resume", "changing": "run.changing", "fast_dev_run": "run.fast_dev_run",
    "runtime": "machine.runtime", "threads": "machine.threads", "precision": "machine.precision",
    "tune": "machine.tune",
    "run": "output.run", "output": "output.model", "curves": "output.curves",
    "drawn": "output.drawn", "logs": "output.logs",
    "no_progress": "output.progress",
}  # fmt: skip
ARGUMENTS = "network.arguments"
#: The tables: a name that is or begins with one of them is a key, any other an argument.
TABLES = {name.partition(".")[0] for name in keys()}


def recipe_told(context: click.Context) -> Recipe:
    """The recipe that the command line describes. Raises `RecipeError`."""
    said = dict(context.params)
    said |= context.meta.get(READING, {}) | context.meta.get(MACHINE, {})
    settings, named, model = said.pop("settings"), said.pop("recipe"), said["model"]
    if model is not None and model.endswith(SUFFIX):
        if named is not None:
            raise RecipeError(f"two recipes are named, {model} and {named}: give one of them")
        named, said["model"] = model, None
    if named is None and model is None and said["resume"] is not None:
        told = Path(said["resume"]) / RECIPE
        if not told.exists():
            raise RecipeError(
                f"--resume {said['resume']}: there is no {RECIPE}, so it is no folder of --run; "
                "one of --checkpoint goes on with MODEL and all options of its run"
            )
        named = str(told)
    if named is None and model in RECIPES and model in MODELS:
        recipe, said["model"] = _of_network(model), None
    else:
        recipe = Recipe() if named is None else load(named)
    recipe = recipe.with_(*_options(said, context))
    return recipe.with_(*_settings(settings))


def _of_network(name: str) -> Recipe:
    """The recipe of a network, which is trained by it. What it states is of its own data."""
    recipe = load(name)
    return Recipe.of({k: v for k, v in recipe.said.items() if k != "states"}, recipe.places)


def _options(said: Mapping[str, Any], context: click.Context) -> tuple[dict[str, Any], Places]:
    """Those that were given, as keys."""
    found, told = {}, {}
    options = {p.name: p for p in context.command.params}
    for name, value in said.items():
        by_default = context.get_parameter_source(name) is ParameterSource.DEFAULT
        if value is None or value == () or value == {} or (by_default and name in context.params):
            continue
        key = KEYS[name]
        found[key] = not value if name == "no_progress" else _plain(value)
        option = options[name]
        flag = "MODEL" if isinstance(option, click.Argument) else option.opts[-1]
        told[tuple(key.split("."))] = flag
    return found, Places(told)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _settings(texts: tuple[str, ...]) -> tuple[dict[str, Any], Places]:
    """`--set a.b=c`, `--set ema=false`: keys, and else arguments of the network's function."""
    found: dict[str, Any] = {}
    told: dict[KeyPath, str] = {}
    arguments: dict[str, Any] = {}
    for text in texts:
        name, value = _pair(text)
        if name.partition(".")[0] in TABLES:
            found[name] = value
            told[key_path(name)] = f"--set {name}"
        else:
            arguments[name] = value
    if arguments:
        found[ARGUMENTS] = arguments
        told[tuple(ARGUMENTS.split("."))] = "--set"
    return found, Places(told)


def _pair(text: str) -> tuple[str, Any]:
    """NAME=VALUE. A value is as in TOML, or as in Python, or else a text."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise RecipeError(
            f"--set: {text!r} must be spelled NAME=VALUE, as in classes=100 or run.epochs=20"
        )
    return name.strip(), _value(value)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text
