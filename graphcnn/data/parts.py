"""The parts of a data set: for training, for testing and, where there is one, for validation."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np

from graphcnn.data.class_names import listed
from graphcnn.data.dataset import Dataset
from graphcnn.data.rows import Joined
from graphcnn.errors import DataError

_WORDS = {
    "train": ("train", "training", "trn"),
    "validation": ("val", "valid", "validation", "validate", "dev", "devel", "development"),
    "test": ("test", "testing", "tst"),
    "evaluation": ("eval", "evaluation", "evaluate"),
}
_KINDS = {word: kind for kind, words in _WORDS.items() for word in words}
#: What may stand behind such a word: train_set, TestImages.
_ENDINGS = ("set", "sets", "data", "dataset", "images", "imgs", "split", "part")
_ARRAYS = ("images", "labels", "weights")
_LETTERS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


class Parts(tuple[Dataset, Dataset]):
    """(train, test), which unpacks as these two.

    Attributes:
        validation: the images that the data set itself sets aside for validation, or None.
        skipped: files that could not be read and are left out, each with the reason.
    """

    validation: Dataset | None
    skipped: dict[str, str]

    def __new__(cls, train: Dataset, test: Dataset, validation: Dataset | None = None) -> Self:
        parts = super().__new__(cls, (train, test))
        parts.validation, parts.skipped = validation, {}
        return parts

    def __getnewargs__(self) -> tuple[Any, ...]:  # how copy and pickle make another one
        return self[0], self[1], self.validation

    def map(self, change: Callable[[Dataset, str], Dataset]) -> Self:
        """The parts that `change` makes of each part and its kind."""
        validation = self.validation and change(self.validation, "validation")
        return type(self)(change(self[0], "train"), change(self[1], "test"), validation)

    def joined(self) -> Dataset:
        """All images as one data set."""
        parts = [*self, *filter(None, [self.validation])]
        found = {key: _joined([getattr(p, key) for p in parts]) for key in _ARRAYS}
        return replace(parts[0], **found)

    @property
    def train(self) -> Dataset:
        return self[0]

    @property
    def test(self) -> Dataset:
        return self[1]


def _joined(parts: Sequence[Any]) -> Any:
    """Arrays one behind another; of dicts each by its name; None where there are none."""
    if isinstance(parts[0], Mapping):
        return {key: _joined([part[key] for part in parts]) for key in parts[0]}
    if all(isinstance(part, np.ndarray) for part in parts):
        return np.concatenate(parts)
    return None if parts[0] is None else Joined(parts)


def part_named(name: str) -> str:
    """ "train", "validation", "test", "evaluation" as the name of a folder says, "" if it does not.

    Capitals do not matter, and words like "set" may stand behind: Train, TRAINING, test_set,
    val2017, seg_train. A name that holds the words of two parts says nothing.
    """
    found = set()
    for word in map(str.lower, _LETTERS.findall(name)):
        stems = [word, *(word.removesuffix(ending) for ending in _ENDINGS)]
        found |= {_KINDS[stem] for stem in stems if stem in _KINDS}
    return found.pop() if len(found) == 1 else ""


def assigned(folders: Sequence[str], place: str) -> Mapping[str, str]:
    """Which of these folders is for "train", for "validation", for "test".

    A folder for evaluation is the one for testing, or beside such a folder that for validation.

    Raises `DataError` where two folders are for the same part.
    """
    found: dict[str, list[str]] = defaultdict(list)
    for folder in folders:
        found[part_named(folder)].append(folder)
    found["validation" if found["test"] else "test"] += found.pop("evaluation", [])
    for kind, names in found.items():
        if len(names) > 1:
            raise DataError(
                f"{place} has several folders for {kind}: {listed(names)}; expected one of each: "
                "train, val and test"
            )
    return {kind: names[0] for kind, names in found.items() if names}
