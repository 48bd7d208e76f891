"""Labels of pictures from a CSV file: classes, several labels a picture, or numbers to predict.

The first line names the columns. One names the files (`file`, `filename`, `path`, `image`, else
the first column), by their paths in the folder. One may say which part a picture belongs to
(`part`, `split`, `set`: train, val, test). All others are labels:

    file,label            one column of texts: the names of the classes; of whole numbers, too,
                          which are then classes in the order of their numbers
    file,label            texts with ";" in some ("cat;dog", or nothing): several labels, as 0 and
                          1 for each class (n, K) in alphabetical order
    file,age              one column with a number that is not whole: numbers to predict, (n,)
    file,cat,dog,eel      several columns: numbers to predict, such as 0 and 1 for each class,
                          (n, K)
"""

import csv
import io
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from graphcnn.base.regular_files import read_regular
from graphcnn.data.class_names import check_count, listed, nearest, same_text
from graphcnn.data.folders.members import Members, Name
from graphcnn.data.parts import part_named
from graphcnn.errors import DataError
from graphcnn.ir.node import Array

#: Bytes of one table; larger ones are refused.
MAX_TABLE = 1 << 28
_FILES = ("file", "filename", "file_name", "path", "image")
_PARTS = ("part", "split", "set")
_ORDER = ("train", "test", "validation")
_SEVERAL = ";"
_SHOWN = 3


class Table(NamedTuple):
    """Pictures with their parts and targets; classes where the targets are class numbers."""

    names: list[Name]
    kinds: list[str]
    targets: Array
    classes: tuple[str, ...]


class _Row(NamedTuple):
    line: int
    name: Name
    kind: str
    values: list[str]


def table_of(files: Members, labels: str | Path) -> Table:
    """The table in a CSV file, which lies in the folder of the pictures or elsewhere.

    Raises:
        DataError: no such file, a line with a fault (names it), a picture that the table has not
            or has twice, or that it has and the folder has not.
    """
    path = _place(files, labels)
    header, lines = _lines(path)
    file_at = _column(header, _FILES) or 0
    part_at = _column(header, _PARTS)
    others = [k for k in range(len(header)) if k not in (file_at, part_at)]
    if not others:
        raise DataError(f"{path}: line 1 has no column for labels: {listed(header)}")
    known, rows = {"/".join(map(same_text, name)): name for name in files.names}, []
    seen: dict[Name, int] = {}
    for line, cells in lines:
        text = same_text(cells[file_at].strip().replace("\\", "/").removeprefix("./"))
        if text not in known:
            raise DataError(
                f"{path}, line {line}: {files.root} has no picture {text!r}"
                f"{nearest(text, [*known])}"
            )
        name = known[text]
        if name in seen:
            raise DataError(
                f"{path}, line {line}: {text!r} is in line {seen[name]} already; a picture has one "
                f"line, and several labels as a{_SEVERAL}b or in several columns"
            )
        seen[name] = line
        kind = "train" if part_at is None else _part(path, line, cells[part_at])
        rows.append(_Row(line, name, kind, [cells[k].strip() for k in others]))
    missing = [files.label(name) for name in files.names if name not in seen]
    if missing:
        more = f", and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise DataError(f"{path} has no line for {', '.join(missing[:_SHOWN])}{more}")
    rows = _in_parts(path, rows)
    targets, classes = _targets(path, [header[k] for k in others], rows)
    return Table([row.name for row in rows], [row.kind for row in rows], targets, classes)


def _place(files: Members, labels: str | Path) -> Path:
    given = Path(labels).expanduser()
    inside = files.root / given
    return inside if not given.is_absolute() and inside.is_file() else given


def _lines(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The names of the columns, and each further line with its number."""
    try:
        text = read_regular(path, MAX_TABLE).decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        found = [(reader.line_num, cells) for cells in reader if any(map(str.strip, cells))]
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text in UTF-8: {error}") from None
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}") from None
    if len(found) < 2:
        raise DataError(f"{path} has no line with a picture; expected file,label and lines below")
    header = [cell.strip() for cell in found[0][1]]
    for line, cells in found[1:]:
        if len(cells) != len(header):
            raise DataError(
                f"{path}, line {line}: {len(cells)} columns, but line 1 has {len(header)} "
                f"({listed(header)})"
            )
    return header, found[1:]


def _column(header: list[str], names: tuple[str, ...]) -> int | None:
    found = [k for k, name in enumerate(header) if name.lower() in names]
    return found[0] if found else None


def _part(path: Path, line: int, text: str) -> str:
    kind = part_named(text)
    if not kind:
        raise DataError(f"{path}, line {line}: the part {text!r} is none of train, val and test")
    return "test" if kind == "evaluation" else kind


def _in_parts(path: Path, rows: list[_Row]) -> list[_Row]:
    """The rows of one part behind those of another; what is for validation is for testing where
    nothing else is."""
    kinds = {row.kind for row in rows}
    if "train" not in kinds:
        raise DataError(f"{path} has no picture for training, but for {listed(sorted(kinds))}")
    if "validation" in kinds and "test" not in kinds:
        rows = [row._replace(kind="test") if row.kind == "validation" else row for row in rows]
    return sorted(rows, key=lambda row: _ORDER.index(row.kind))


def _targets(path: Path, columns: list[str], rows: list[_Row]) -> tuple[Array, tuple[str, ...]]:
    if len(columns) > 1:
        numbers = [[_number(path, row, k, columns) for k in range(len(columns))] for row in rows]
        return np.array(numbers, np.float32), ()
    texts = [row.values[0] for row in rows]
    if any(_SEVERAL in text for text in texts):
        return _several(texts), ()
    if all(_as_number(t) is not None for t in texts) and not all(map(_is_whole, texts)):
        return np.array([_number(path, row, 0, columns) for row in rows], np.float32), ()
    return _classes(path, rows, columns[0])


def _several(texts: list[str]) -> Array:
    """0 and 1 for each class of each picture."""
    given = [{same_text(each.strip()) for each in text.split(_SEVERAL)} - {""} for text in texts]
    classes = sorted(set().union(*given))
    return np.array([[name in each for name in classes] for each in given], np.float32)


def _classes(path: Path, rows: list[_Row], column: str) -> tuple[Array, tuple[str, ...]]:
    for row in rows:
        if not row.values[0]:
            raise DataError(f"{path}, line {row.line}: the column {column!r} is empty")
    names = [same_text(row.values[0]) for row in rows]
    training = {name for name, row in zip(names, rows, strict=True) if row.kind == "train"}
    whole = all(map(_is_whole, training))
    classes = sorted(training, key=int) if whole else sorted(training)
    check_count(len(classes), str(path))
    number = {name: k for k, name in enumerate(classes)}
    for name, row in zip(names, rows, strict=True):
        if name not in number:
            raise DataError(
                f"{path}, line {row.line}: no picture for training has the class {name!r}"
                f"{nearest(name, classes)}; those for training have {listed(classes)}"
            )
    return np.array([number[name] for name in names], np.int64), tuple(classes)


def _is_whole(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def _as_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _number(path: Path, row: _Row, k: int, columns: list[str]) -> float:
    text = row.values[k]
    found = _as_number(text)
    if found is None or not math.isfinite(found):
        raise DataError(
            f"{path}, line {row.line}: the column {columns[k]!r} must hold finite numbers, "
            f"found {text!r}"
        )
    return found
