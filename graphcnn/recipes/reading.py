"""TOML as nested dicts of plain values, and the line on which each of them is said."""

import ast
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from graphcnn.base.files import reason
from graphcnn.base.regular_files import open_regular
from graphcnn.errors import RecipeError
from graphcnn.recipes.places import KeyPath, dotted
from graphcnn.recipes.trees import Tree

#: A recipe is a page of settings. What is longer is another file by mistake.
MOST_BYTES = 1 << 18


def read_toml(path: str | os.PathLike[str]) -> tuple[Tree, dict[KeyPath, int]]:
    """The values of a file, and of each key the line on which it stands.

    Raises `RecipeError`, with the line where it is known, for what is no TOML or cannot be read.
    """
    try:
        with open_regular(path) as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise RecipeError(f"cannot read {path}: {reason(error, Path(path))}") from None
    if len(content) > MOST_BYTES:
        raise RecipeError(f"{path} is no recipe: it has more than {MOST_BYTES:,} bytes")
    try:
        text = content.decode("utf-8-sig")  # some editors of Windows begin with a mark
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise RecipeError(f"{path}:{line}: this is no text in UTF-8") from None
    return parsed(text.replace("\r\n", "\n"), str(path))


def parsed(text: str, name: str) -> tuple[Tree, dict[KeyPath, int]]:
    """The values of a text that is called `name`, and their lines."""
    try:
        tree = tomllib.loads(text)
        lines = dict(_lines(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        what, _, place = str(error).rpartition(" (at ")
        line = place.removeprefix("line ").partition(",")[0]
        if not line.isdecimal():  # "end of document"
            line = str(text.rstrip().count("\n") + 1)
        raise RecipeError(f"{name}:{line}: {_in_words(what or str(error))}") from None
    return tree, lines


def _in_words(problem: str) -> str:
    """What `tomllib` found, without the spelling of Python."""
    path = re.search(r"(\('.*\)) twice", problem)
    if path is not None:
        return f"the table {dotted(ast.literal_eval(path[1]))} is there twice"
    if "recursion" in problem:
        return "tables or lists lie too deep in each other"
    return "this key is there twice" if "overwrite" in problem else problem.lower()


def _lines(text: str) -> Iterator[tuple[KeyPath, int]]:
    """Each key of a text that is TOML, with its line: a statement ends where it can be read."""
    table: KeyPath = ()
    statement, begin = "", 1
    for number, line in enumerate(text.split("\n"), start=1):
        if not statement:
            begin = number
        statement += line + "\n"
        try:
            found = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue  # a value that goes on
        if statement.lstrip().startswith("["):
            ((table, _),) = [*_leaves(found)][:1]
            yield table, begin
        else:
            for path, within in _leaves(found):
                yield from ((table + path[:n], begin) for n in range(1, len(path) + 1) if within)
        statement = ""


def _leaves(tree: Mapping[str, Any], above: KeyPath = ()) -> Iterator[tuple[KeyPath, bool]]:
    """The path of each value that is no table, or is an empty one."""
    for key, value in tree.items():
        if isinstance(value, list) and value and isinstance(value[-1], dict) and not value[-1]:
            yield (*above, key), True  # the head of one of several tables
        elif isinstance(value, dict) and value:
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), True
