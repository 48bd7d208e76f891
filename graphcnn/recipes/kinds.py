"""What the value of a key must be."""

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from graphcnn.language.arguments import is_int
from graphcnn.learning.schedules.base import is_number
from graphcnn.recipes.places import KeyPath, Places


@dataclass(frozen=True)
class Kind:
    """What is expected, in words, and whether a value is such."""

    expected: str
    fits: Callable[[Any], bool]


def key(kind: Kind, default: Any = None, *, own: bool = False) -> Any:
    """A field of a table of a recipe; `own` is what one run has and its repetition has not."""
    return field(default=default, metadata={"kind": kind, "own": own})


def texts_of(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)


def as_texts(value: str | Iterable[str]) -> tuple[str, ...]:
    """A text, or several, as several."""
    return (value,) if isinstance(value, str) else tuple(value)


def whole(least: int, below: float = math.inf) -> Kind:
    most = "" if below == math.inf else f" and below {below}"
    words = f"a whole number of at least {least}{most}"
    return Kind(words, lambda x: is_int(x) and least <= x < below)


def one_of(names: Iterable[str]) -> Kind:
    known = tuple(names)
    return Kind(f"one of {', '.join(known)}", lambda x: isinstance(x, str) and x in known)


def each_of(names: Iterable[str]) -> Kind:
    known = tuple(names)
    return Kind(
        f"a list of {', '.join(known)}",
        lambda x: TEXTS.fits(x) and all(name in known for name in as_texts(x)),
    )


def share(*, zero: bool = True) -> Kind:
    """A number below 1."""
    least = "at least" if zero else "above"
    return Kind(
        f"a number of {least} 0 and below 1" if zero else "a number between 0 and 1",
        lambda x: is_number(x) and (0 <= x < 1 if zero else 0 < x < 1),
    )


TEXT = Kind("a text", lambda x: isinstance(x, str))
TEXTS = Kind("a text, or a list of texts", lambda x: isinstance(x, str) or texts_of(x))
NUMBER = Kind("a number", is_number)
TRUTH = Kind("true or false", lambda x: isinstance(x, bool))
TABLE = Kind("a table", lambda x: isinstance(x, Mapping))
TABLE_OR_FALSE = Kind("a table, or false", lambda x: x is False or isinstance(x, Mapping))
#: The metadata of a field that is a table by itself, empty by default.
OPEN = {"kind": TABLE, "own": False}
NUMBERS = Kind(
    "a table of numbers",
    lambda x: isinstance(x, Mapping) and all(is_number(each) for each in x.values()),
)
SIZE = Kind(
    'a whole number, [height, width], or a text such as "24x32"',
    lambda x: (
        (is_int(x) and x > 0)
        or isinstance(x, str)
        or (isinstance(x, list | tuple) and len(x) == 2 and all(is_int(n) and n > 0 for n in x))
    ),
)
LENGTH = Kind(
    'a number of seconds, or a text such as "1h30m"', lambda x: is_number(x) or TEXT.fits(x)
)
CLASS_WEIGHTS = Kind(
    'a text such as "balanced" or "cat=2, dog=0.5", or a table of numbers',
    lambda x: TEXT.fits(x) or NUMBERS.fits(x),
)


def check_truths(kind: Any, table: Mapping[str, Any], path: KeyPath, places: Places) -> None:
    """Refuse what is no truth value where a class has one: "no" would count as true."""
    for setting in fields(kind):
        if setting.type is bool and setting.name in table:
            found = table[setting.name]
            if not TRUTH.fits(found):
                places.refuse((*path, setting.name), f"expected {TRUTH.expected}, found {found!r}")


def nearest(name: str, known: Iterable[str]) -> str:
    """`, did you mean momentum?`, or nothing."""
    found = difflib.get_close_matches(name, list(known), 1)
    return f", did you mean {found[0]}?" if found else ""
