"""Names of classes: those of a data set against those of a model, and those made up from numbers.

A class is its name, not its number: a data set of some of a model's classes, or of all of them in
another order, is relabelled by name. Names are equal if Unicode counts them as the same text, so
that "é" is one name however a file system spells it. Capitals and blanks make different names.

Labels that come without names are numbers, and keep their meaning: `numbered` makes up a name for
each, and the data set remembers that they are made up.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from types import NoneType
from typing import Any

import numpy as np

from graphcnn.data.normalisation import Array
from graphcnn.errors import DataError

#: Classes that a data set may have where their names are made up or read from a file.
MAX_CLASSES = 1 << 16

_SHOWN, _LONGEST = 20, 40


def numbered(labels: Array, source: str) -> tuple[str, ...]:
    """The names "0", "1", ... up to the largest of the labels.

    Raises `DataError`, naming the label and its row, where that would be more than `MAX_CLASSES`.
    """
    largest = int(labels.max()) if labels.size else 0
    if largest >= MAX_CLASSES:
        row = int(np.argwhere(labels == largest)[0][0])
        raise DataError(
            f"{source}: label {largest} in row {row} would make {largest + 1} classes, limit "
            f"{MAX_CLASSES}; labels are class numbers from 0 on: give each class a number, or "
            "the names of the classes as classes=[...]"
        )
    return tuple(map(str, range(max(1, largest + 1))))


def check_count(count: int, source: str) -> None:
    """Raise `DataError` where there are more classes than a data set may have."""
    if count > MAX_CLASSES:
        raise DataError(f"{source} has {count} classes, limit {MAX_CLASSES}")


def given_names(names: Any) -> tuple[str, ...]:
    """Names of classes as a user gives them: strings or numbers, in any list; the letters of a
    string; or None for none. Raises `DataError` for what is no list."""
    if not isinstance(names, Iterable | NoneType):
        raise DataError(f"classes must be a list of names, found {names!r}")
    return () if names is None else tuple(map(str, names))


def places(
    names: Sequence[str], known: Sequence[str], whose: str, others: str, advice: str = ""
) -> Array | None:
    """For each of `names` its number among `known`; None where the numbers are the same.

    Args:
        whose: what has `names`, for the message; `others`: what has `known`.

    Raises:
        DataError: a name that is not known, or that several classes have. The message has both
            lists, and the known name that is nearest.
    """
    if tuple(names) == tuple(known):  # also where several classes have one name
        return None
    keys, wanted = [same_text(name) for name in known], [same_text(name) for name in names]
    several = {key for each in (keys, wanted) for key, n in Counter(each).items() if n > 1}
    single = {*keys} - several
    wrong = [name for name, key in zip(names, wanted, strict=True) if key not in single]
    if wrong:
        why = "; ".join(_explained(name, keys, known, several) for name in wrong[:_SHOWN])
        more = f"; and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        raise DataError(
            f"the classes of {whose} do not fit those of {others}: {why}{more}\n"
            f"  {whose}: {listed(names)}\n  {others}: {listed(known)}{advice and chr(10) + advice}"
        )
    number = {key: i for i, key in enumerate(keys)}
    found = np.array([number[key] for key in wanted], np.int64)
    return None if np.array_equal(found, np.arange(len(found))) else found


def relabelled(labels: Array, numbers: Array) -> Array:
    """Labels of any shape by new numbers; what is no class number stays as it is."""
    inside = (labels >= 0) & (labels < len(numbers))
    if inside.all():
        return numbers[labels]
    new: Array = np.where(inside, numbers[np.where(inside, labels, 0)], labels)
    return new


def same_text(name: str) -> str:
    """The one spelling (Unicode's NFC) of all those that stand for the same text."""
    return unicodedata.normalize("NFC", name)


def listed(names: Sequence[str]) -> str:
    """The names for a message: at most twenty of them, none very long."""
    shown = ", ".join(_short(name) for name in names[:_SHOWN])
    return f"{shown}, ... ({len(names)} in all)" if len(names) > _SHOWN else shown


def nearest(name: str, known: Sequence[str]) -> str:
    """` (is it 'apple'?)` for 'Appel', or nothing where none is near."""
    plain = {_plain(each): each for each in reversed(known)}
    near = get_close_matches(_plain(name), plain, 1, 0.7) if len(name) <= _LONGEST else []
    return f" (is it {_short(plain[near[0]])!r}?)" if near else ""


def _explained(name: str, keys: Sequence[str], known: Sequence[str], several: set[str]) -> str:
    if same_text(name) in several:
        return f"{_short(name)!r} is the name of several classes"
    return f"{_short(name)!r} is not among them{nearest(name, known)}"


def _plain(name: str) -> str:
    """Without capitals, blanks at the ends, and the marks that stand for blanks."""
    return same_text(name).casefold().strip().replace("_", " ").replace("-", " ")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 15]}...{name[-12:]}"
