"""Recipes from files: those that come with the library, and the user's own."""

import os
from importlib import resources
from pathlib import Path
from typing import Any

from graphcnn.data.specs import SPECS
from graphcnn.errors import RecipeError
from graphcnn.recipes.aims import TENSORBOARD
from graphcnn.recipes.kinds import as_texts, nearest
from graphcnn.recipes.places import Places
from graphcnn.recipes.reading import parsed, read_toml
from graphcnn.recipes.recipe import Recipe
from graphcnn.recipes.trees import Tree, spelled_out

_HOME = resources.files("graphcnn.recipes")
SUFFIX = ".toml"
#: Recipes that come with the library: their names.
RECIPES = tuple(sorted(
    each.name.removesuffix(SUFFIX) for each in _HOME.iterdir() if each.name.endswith(SUFFIX)
))  # fmt: skip
#: Keys that are paths, besides those of networks, data and logs.
_PATHS = {
    "network": ("weights",),
    "data": ("labels",),
    "run": ("checkpoint", "resume"),
    "output": ("model", "run", "curves", "drawn"),
}


def load(source: str | os.PathLike[str]) -> Recipe:
    """The recipe of that name that comes with the library, or that of a file (.toml).

    Paths in a file are relative to its folder. Nothing is run.

    Raises `RecipeError`, with the line, for what cannot be read or is not known.
    """
    name = os.fspath(source)
    if not name.endswith(SUFFIX):
        if name not in RECIPES:
            known = f"known are {', '.join(RECIPES)}; files end in {SUFFIX}"
            raise RecipeError(f"unknown recipe {name!r}{nearest(name, RECIPES)}; {known}")
        text = (_HOME / f"{name}{SUFFIX}").read_text(encoding="utf-8")
        return _made(*parsed(text, name), name)
    tree, lines = read_toml(name)
    return _made(placed(tree, Path(name).parent), lines, name)


def _made(tree: Tree, lines: dict[Any, int], source: str) -> Recipe:
    places = Places({path: f"{source}:{line}" for path, line in lines.items()}, source)
    return Recipe.of(tree, places)


def placed(tree: Tree, folder: Path) -> Tree:
    """The values with paths relative to `folder`."""
    found = {k: dict(t) if isinstance(t, dict) else t for k, t in spelled_out(tree).items()}

    def at(path: str) -> str:
        return os.path.normpath(folder / path)

    def change(table: str, key: str, new: Any) -> None:
        values = found.get(table)
        if isinstance(values, dict) and isinstance(values.get(key), str):
            values[key] = new(values[key])

    for table, names in _PATHS.items():
        for name in names:
            change(table, name, at)
    change("network", "name", lambda text: _network(text, at))
    change("data", "source", lambda text: _data(text, at))
    output = found.get("output")
    if isinstance(output, dict) and isinstance(output.get("logs"), str | list):
        output["logs"] = [_log(text, at) for text in as_texts(output["logs"])]
    return found


def _network(text: str, at: Any) -> str:
    file, colon, function = text.rpartition(":")
    if file.endswith(".py"):
        return f"{at(file)}{colon}{function}"
    return at(text) if text.endswith((".safetensors", ".onnx")) else text


def _data(text: str, at: Any) -> str:
    name, colon, place = text.partition(":")
    is_path = name in SPECS and ":" in SPECS[name].form and "[" not in SPECS[name].form
    return f"{name}:{at(place)}" if is_path and colon else text


def _log(text: Any, at: Any) -> Any:
    if not isinstance(text, str):
        return text
    folder = text.removeprefix(TENSORBOARD)
    return at(text) if folder == text else f"{TENSORBOARD}{at(folder)}"
