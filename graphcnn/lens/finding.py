"""What the lens found: arrays, the facts of how they came about, and their picture."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from graphcnn.errors import LensError
from graphcnn.ir.node import Array
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.scene.units import joined


@dataclass(frozen=True, eq=False)
class _Drawn:
    """A picture that is drawn already."""

    picture: Picture

    def __call__(self, found: "Finding") -> Picture:
        return self.picture


@dataclass(frozen=True, eq=False)
class Finding:
    """A result of the lens. A notebook shows its picture; NumPy takes it for its first array.

    Attributes:
        title: what it is: the method, and of what.
        arrays: by name, the one that the method is about first. Read-only.
        facts: what stands in the caption, in order: target, score, layer, method, settings, seed,
            precision. The same arrays come out of the same facts, bit for bit.
        draw: makes the picture.
    """

    title: str
    arrays: Mapping[str, Array]
    facts: Mapping[str, str]
    draw: Callable[["Finding"], Picture] = field(repr=False)

    def __post_init__(self) -> None:
        for array in self.arrays.values():
            array.setflags(write=False)
        object.__setattr__(self, "arrays", MappingProxyType(dict(self.arrays)))
        object.__setattr__(self, "facts", MappingProxyType(dict(self.facts)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and copied as what was found and its picture, without the network behind it."""
        kept = _Drawn(self.picture)
        return Finding, (self.title, dict(self.arrays), dict(self.facts), kept)

    @property
    def array(self) -> Array:
        """The array that the method is about."""
        return next(iter(self.arrays.values()))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.array, dtype) if copy else np.asarray(self.array, dtype)

    def __getitem__(self, name: str) -> Array:
        if name not in self.arrays:
            raise LensError(f"{self.title} has no array {name!r}; it has {', '.join(self.arrays)}")
        return self.arrays[name]

    @property
    def caption(self) -> str:
        """All facts in a line."""
        return joined(f"{key} {value}" for key, value in self.facts.items())

    @cached_property
    def picture(self) -> Picture:
        return self.draw(self)

    def svg(self) -> str:
        return self.picture.svg()

    def html(self) -> str:
        return self.picture.html()

    def png(self, scale: float = 2.0) -> bytes:
        return self.picture.png(scale)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture in the format of the suffix; `.npz` writes the arrays instead.

        Raises:
            OutputError: unknown suffix, or a file that cannot be written.
        """
        if Path(path).suffix.lower() == ".npz":
            from graphcnn.lens.arrays_file import write_arrays

            return write_arrays(Path(path), self.arrays, {"title": self.title, **self.facts})
        return self.picture.save(path)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return self.picture._repr_mimebundle_()

    def __repr__(self) -> str:
        shapes = ", ".join(f"{k} {tuple(a.shape)}" for k, a in self.arrays.items())
        return f"<{self.title}: {shapes}; {self.caption}>"
