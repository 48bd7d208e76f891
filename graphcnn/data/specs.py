"""Data sets named by a text, for the command line."""

from collections.abc import Callable
from dataclasses import dataclass

from graphcnn.data.bundled import digits
from graphcnn.data.cifar import cifar10
from graphcnn.data.dataset import Dataset
from graphcnn.data.folders.image_folders import image_folder
from graphcnn.data.idx import mnist
from graphcnn.data.numpy_files import npz
from graphcnn.data.parts import Parts
from graphcnn.data.strokes import xo_pair
from graphcnn.errors import DataError, GraphError
from graphcnn.language.arguments import choose

Size = int | tuple[int, int]


@dataclass(frozen=True)
class Spec:
    """How a data set is spelled, and what reads the part after the colon."""

    form: str
    read: Callable[..., tuple[Dataset, Dataset]]
    #: Whether it reads pictures of any size: `size` and `grey` are arguments of `read`.
    pictures: bool = False


def load(spec: str, *, size: Size | None = None, grey: bool | None = None) -> Parts:
    """(train, test) of the data set that `spec` names; `SPECS` has the spellings.

    `size` and `grey` say what pictures become, as in `image_folder`. The result has the attribute
    `validation`: the images that the data set sets aside for that, or None.

    Raises:
        DataError: an unknown name, a part after the colon that is missing, wrong or too much,
            `size` or `grey` for what is no folder of pictures, or what the data set itself finds.
    """
    name, _, rest = spec.partition(":")
    try:
        found = choose(SPECS, name, "data set")
    except GraphError as error:
        forms = ", ".join(known.form for known in SPECS.values())
        raise DataError(f"{error} They are spelled {forms}.") from None
    if bool(rest) != (":" in found.form) and "[" not in found.form:
        raise DataError(f"data set {spec!r} must be spelled {found.form}")
    wishes = {k: v for k, v in (("size", size), ("grey", grey)) if v is not None}
    if wishes and not found.pictures:
        raise DataError(f"{' and '.join(wishes)} are for images:PATH, found {spec!r}")
    parts = found.read(rest, **wishes)
    return parts if isinstance(parts, Parts) else Parts(*parts)


def xo_options(options: str) -> dict[str, int]:
    """The arguments in `n=1000,size=16`. Raises `DataError` for others."""
    numbers = {"n": 1000, "size": 16, "seed": 0}
    for option in filter(None, options.split(",")):
        key, _, value = option.partition("=")
        if key not in numbers or not value.removeprefix("-").isdecimal():
            raise DataError(
                f"option {option!r} of xo must be one of {', '.join(numbers)} with an integer, "
                "as in xo:n=1000,size=16,seed=0"
            )
        numbers[key] = int(value)
    return numbers


#: Every data set that `load` knows, by the name before the colon.
SPECS = {
    "digits": Spec("digits", lambda _: digits()),
    "mnist": Spec("mnist:DIR", mnist),
    "cifar10": Spec("cifar10:PATH", cifar10),
    "images": Spec("images:PATH", image_folder, pictures=True),
    "npz": Spec("npz:FILE", npz),
    "xo": Spec("xo[:n=1000,size=16,seed=0]", lambda rest: xo_pair(**xo_options(rest))),
}
