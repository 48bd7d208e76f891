"""The runs below a folder: what each was told, what came out of it, and its curves."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphcnn.base.files import reason
from graphcnn.base.regular_files import is_folder, is_regular, open_regular
from graphcnn.errors import DataError, RecipeError
from graphcnn.recipes.folder import LOG, RECIPE
from graphcnn.recipes.kinds import nearest
from graphcnn.recipes.places import KeyPath
from graphcnn.recipes.reading import read_toml
from graphcnn.recipes.record import RECORD, Record
from graphcnn.recipes.trees import leaves

if TYPE_CHECKING:
    from graphcnn.pictures.picture import Picture

#: Columns of every run, before those of its results.
_FIRST = ("run", "network", "seed", "epochs", "state")
_LAST = ("seconds", "started")


@dataclass(frozen=True)
class FoundRun:
    """A folder with a run: `record` is its `run.json`."""

    name: str
    folder: Path
    record: Record

    @cached_property
    def rows(self) -> list[dict[str, float]]:
        """A row for each epoch that is logged, without its number."""
        path = self.folder / LOG
        try:
            with open_regular(path) as file:
                text = file.read().decode()
        except OSError as error:
            raise RecipeError(f"cannot read {path}: {reason(error, path)}") from None
        except UnicodeDecodeError:
            raise RecipeError(f"{path} is no log of a run: it is no text in UTF-8") from None
        whole = text[: text.rfind("\n") + 1]  # a line that is being written is none yet
        lines = csv.DictReader(io.StringIO(whole))
        try:
            return [
                {k: float(x) for k, x in line.items() if x and k not in ("epoch", "learning_rate")}
                for line in lines
            ]
        except (TypeError, ValueError, csv.Error) as error:
            number = lines.line_num
            raise RecipeError(f"{path}:{number}: expected numbers by epoch, {error}") from None

    @cached_property
    def values(self) -> dict[str, Any]:
        """All that is known by name: columns, results, and the keys of its recipe."""
        record = self.record
        logged = len(self.rows) if is_regular(self.folder / LOG) else 0
        known = {"run": self.name, **asdict(record), "epochs": record.epochs or logged}
        tree, _ = read_toml(self.folder / RECIPE)
        said = {".".join(path): _at(tree, path) for path in leaves(tree)}
        return {**said, **known, **record.results}


def runs_in(folders: Iterable[Path]) -> list[FoundRun]:
    """All runs in these folders and below them, by name. Raises `RecipeError` where there is none,
    or a record that cannot be read."""
    found: dict[Path, FoundRun] = {}
    folders = list(folders)
    for folder in folders:
        if not is_folder(folder):
            raise RecipeError(f"there is no folder {folder}")
        for path in sorted(folder.rglob(RECORD)):
            if is_regular(path.parent / RECIPE):
                home = path.parent
                relative = home.relative_to(folder)
                whole = home if len(folders) > 1 or relative == Path() else relative
                found.setdefault(home, FoundRun(str(whole), home, Record.read(path)))
    if not found:
        where = ", ".join(map(str, folders))
        raise RecipeError(f"no run in {where}: graphcnn train ... --run DIR makes one")
    return sorted(found.values(), key=lambda each: each.name)


def sorted_by(runs: Sequence[FoundRun], name: str) -> list[FoundRun]:
    """By a column, the largest first where it begins with "-"; those that lack it at the end."""
    key = name.removeprefix("-")
    check_column(runs, key)
    having = [run for run in runs if run.values.get(key) is not None]
    lacking = [run for run in runs if run.values.get(key) is None]
    numbers = all(isinstance(run.values[key], int | float) for run in having)
    having.sort(
        key=lambda run: run.values[key] if numbers else str(run.values[key]),
        reverse=name.startswith("-"),
    )
    return [*having, *lacking]


def where(runs: Sequence[FoundRun], conditions: Mapping[str, str]) -> list[FoundRun]:
    """Those whose columns have these values, as they are written in the table."""
    for name in conditions:
        check_column(runs, name)
    return [
        run
        for run in runs
        if all(_said(run.values.get(name)) == text for name, text in conditions.items())
    ]


def check_column(runs: Sequence[FoundRun], name: str) -> None:
    """Raise `RecipeError`, with the nearest name, where no run has such a column."""
    known = dict.fromkeys(key for run in runs for key in run.values)
    if name not in known:
        raise RecipeError(f"no run has {name!r}{nearest(name, known)}")


def table(runs: Sequence[FoundRun], columns: Sequence[str] = ()) -> str:
    """A line for each run; `columns` are more of them, such as optimizer.learning_rate."""
    results = dict.fromkeys(key for run in runs for key in run.record.results)
    names = list(dict.fromkeys([*_FIRST, *columns, *results, *_LAST]))
    rows = [names, *([_said(run.values.get(name)) for name in names] for run in runs)]
    wide = [max(len(row[i]) for row in rows) for i in range(len(names))]
    right = [any(isinstance(run.values.get(name), int | float) for run in runs) for name in names]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, wide, right, strict=True)
        ).rstrip()
        for row in rows
    )


def curves(runs: Sequence[FoundRun], measures: Sequence[str] = (), title: str = "") -> "Picture":
    """The curves of the runs in one picture; see `graphcnn.pictures.runs_picture`."""
    from graphcnn.pictures.results.runs import runs_picture

    logged = {run.name: run.rows for run in runs if is_regular(run.folder / LOG)}
    if not logged:
        raise DataError("none of the runs has a log: nothing to draw")
    return runs_picture(logged, measures=measures or None, title=title)


def to_dict(run: FoundRun) -> dict[str, Any]:
    """All that is known of a run, for JSON."""
    return {"run": run.name, "folder": str(run.folder), **asdict(run.record)}


def _said(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping | list):
        return json.dumps(value)
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.4f}" if math.isfinite(value) and abs(value) >= 1e-3 else f"{value:g}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _at(tree: Any, path: KeyPath) -> Any:
    for name in path:
        tree = tree[name]
    return tree
