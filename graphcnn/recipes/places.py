"""Where each value of a recipe was said, for messages: a line of a file, or an option."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from graphcnn.errors import RecipeError

#: The names on the way to a value: ("optimizer", "momentum").
KeyPath = tuple[str, ...]


@dataclass(frozen=True)
class Places:
    """Names of keys as the user knows them: `recipe.toml:12: optimizer.momentum`, `--momentum`."""

    #: By key; "" where it has none.
    told: Mapping[KeyPath, str] = field(default_factory=dict)
    #: The file or the built-in recipe, where there is one.
    source: str = ""

    def name(self, path: KeyPath | str) -> str:
        """The key with its place. What is below a key stands where that stands."""
        keys = tuple(path.split(".")) if isinstance(path, str) else path
        for length in range(len(keys), 0, -1):
            place = self.told.get(keys[:length])
            if place == "":
                break
            if place is not None:
                return place if place.startswith("-") else f"{place}: {dotted(keys)}"
        return dotted(keys)

    def refuse(self, path: KeyPath | str, problem: object) -> NoReturn:
        """Raise `RecipeError`: the key with its place, and what is wrong with its value."""
        raise RecipeError(f"{self.name(path)}: {problem}")

    def refuse_name(self, path: KeyPath | str, problem: str) -> NoReturn:
        """The same of the key itself: `recipe.toml:12: optimizer.momentun is not known`."""
        raise RecipeError(f"{self.name(path)} {problem}")


def dotted(path: KeyPath) -> str:
    """optimizer.groups."*.bias".weight_decay"""
    return ".".join(word if word.replace("_", "").isalnum() else f'"{word}"' for word in path)
