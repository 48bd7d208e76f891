"""Functions of the user's own as transforms, and values that stand in a tuple for the data set."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType
from typing import Any

import numpy as np

from graphcnn.data.augment.draw import Draw
from graphcnn.data.augment.transform import Subject, Transform
from graphcnn.errors import DataError
from graphcnn.ir.node import Array

#: From one image (C, H, W) and a generator of NumPy's to the image as it is trained with.
Function = Callable[[Array, np.random.Generator], Any]


@dataclass(frozen=True, repr=False)
class function(Transform):
    """A function of one's own, of one image and the numbers that are drawn for it.

        train.augmented(flip(), lambda image, rng: image + rng.normal(0, 0.1, image.shape))

    It is called once for each image; a `Transform` of one's own changes a batch at a time. Its
    result has the shape of the image; floats become uint8 where the images are, rounded and cut to
    0..255. It may draw from `rng` alone, whose state only seed, epoch, image and the place of the
    function decide. It must leave pixels where they are if there are masks or points to go with
    them: they stay.

    Attributes:
        call: (image, rng) to image. Its repr, which a resumed run compares, has the name of the
            function and a hash of its code, of its default arguments, and of the numbers and texts
            that it captured.
    """

    call: Function

    def __post_init__(self) -> None:
        if not callable(self.call):
            raise DataError(f"expected a function of (image, rng), found {self.call!r}")

    def __repr__(self) -> str:
        name = getattr(self.call, "__qualname__", type(self.call).__qualname__)
        return f"function({name}, {fingerprint(self.call)})"

    def check(self, subject: Subject) -> None:
        moving = [kind for kind in subject.targets if kind != "label"]
        if moving:
            kinds = {"mask": "labels of pixels", "image": "numbers of pixels", "points": "points"}
            raise DataError(
                f"a function changes images alone, and cannot say what becomes of "
                f"{kinds[moving[0]]}: a subclass of cnn.augment.Transform that leaves pixels where "
                "they are, or of cnn.augment.Moving with move() and points(), can"
            )

    def images(self, x: Array, draw: Draw) -> Array:
        y = np.empty_like(x)
        for i, rng in enumerate(draw.generators()):
            try:
                found = np.asarray(self.call(x[i].copy(), rng))
            except Exception as error:
                error.add_note(f"in {self} of image {draw.index[i]} in epoch {draw.epoch}")
                raise
            if found.shape != x[i].shape or found.dtype.kind not in "fiu":
                raise DataError(
                    f"{self} must give an image {x[i].shape} of numbers, found {found.dtype} "
                    f"{found.shape} for image {draw.index[i]}"
                )
            if found.dtype.kind == "f" and not np.isfinite(found).all():
                raise DataError(f"{self} gives NaN or infinity for image {draw.index[i]}")
            if x.dtype == np.uint8 and found.dtype != np.uint8:
                found = np.clip(np.floor(found + 0.5), 0, 255)
            y[i] = found
        return y


def fingerprint(call: Any) -> str:
    """Eight letters that change with what a function does, the same in every process."""
    code = getattr(call, "__code__", None)
    total = hashlib.sha256()
    if code is None:
        total.update(_plain(getattr(call, "__dict__", {})).encode())
    else:
        total.update(_code(code).encode())
        cells = [cell.cell_contents for cell in call.__closure__ or ()]
        total.update(_plain((call.__defaults__, call.__kwdefaults__, cells)).encode())
    return total.hexdigest()[:8]


def _code(code: CodeType) -> str:
    constants = [_code(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return f"{code.co_code.hex()} {code.co_names} {constants}"


def _plain(value: Any) -> str:
    """The numbers and texts in a value; of anything else its type, as its address would change."""
    if isinstance(value, str | int | float | bool | None):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_plain, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_plain(k)}: {_plain(v)}' for k, v in value.items())}}}"
    if isinstance(value, np.ndarray):
        return hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
    return type(value).__qualname__
