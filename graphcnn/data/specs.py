"""Data sets named by a text, for the command line."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from graphcnn.data.bundled import digits
from graphcnn.data.cifar import cifar10
from graphcnn.data.dataset import Dataset
from graphcnn.data.folders.image_folders import image_folder
from graphcnn.data.folders.parquet import parquet
from graphcnn.data.idx import mnist
from graphcnn.data.numpy_files import npz
from graphcnn.data.parts import Parts
from graphcnn.data.shapes import shapes_pair
from graphcnn.data.strokes import xo_pair
from graphcnn.errors import DataError, GraphError
from graphcnn.language.arguments import choose

Size = int | tuple[int, int]


@dataclass(frozen=True)
class Spec:
    """How a data set is spelled, and what reads the part after the colon."""

    form: str
    read: Callable[..., tuple[Dataset, Dataset]]
    #: Which of the options of `load` are arguments of `read`, each with its name there.
    options: Mapping[str, str] = field(default_factory=dict)


def load(
    spec: str,
    *,
    size: Size | None = None,
    grey: bool | None = None,
    lazy: bool | None = None,
    labels: str | None = None,
    on_error: str | None = None,
    background: str | None = None,
) -> Parts:
    """(train, test) of the data set that `spec` names; `SPECS` has the spellings.

    The options say how pictures are read, as in `image_folder`; `lazy` maps the arrays of an npz
    file. The result has the attribute `validation`: the images that the data set sets aside for
    that, or None.

    Raises:
        DataError: an unknown name, a part after the colon that is missing, wrong or too much, an
            option that the data set does not have, or what the data set itself finds.
    """
    name, _, rest = spec.partition(":")
    try:
        found = choose(SPECS, name, "data set")
    except GraphError as error:
        forms = ", ".join(known.form for known in SPECS.values())
        raise DataError(f"{error} They are spelled {forms}.") from None
    if bool(rest) != (":" in found.form) and "[" not in found.form:
        raise DataError(f"data set {spec!r} must be spelled {found.form}")
    given = dict(size=size, grey=grey, lazy=lazy, labels=labels, on_error=on_error)
    wishes = {k: v for k, v in (given | {"background": background}).items() if v is not None}
    for wish in wishes:
        if wish not in found.options:
            fit = " and ".join(known.form for known in SPECS.values() if wish in known.options)
            raise DataError(f"{wish} is for {fit}, found {spec!r}")
    parts = found.read(rest, **{found.options[k]: v for k, v in wishes.items()})
    return parts if isinstance(parts, Parts) else Parts(*parts)


def drawn_options(options: str, name: str = "xo", size: int = 16) -> dict[str, int]:
    """The arguments in `n=1000,size=16`. Raises `DataError` for others."""
    numbers = {"n": 1000, "size": size, "seed": 0}
    for option in filter(None, options.split(",")):
        key, _, value = option.partition("=")
        if key not in numbers or not value.removeprefix("-").isdecimal():
            raise DataError(
                f"option {option!r} of {name} must be one of {', '.join(numbers)} with an integer, "
                f"as in {name}:n=1000,size={size},seed=0"
            )
        numbers[key] = int(value)
    return numbers


_PICTURES = ("size", "grey", "lazy", "labels", "on_error", "background")

#: Every data set that `load` knows, by the name before the colon.
SPECS = {
    "digits": Spec("digits", lambda _: digits()),
    "mnist": Spec("mnist:DIR", mnist),
    "cifar10": Spec("cifar10:PATH", cifar10),
    "images": Spec("images:PATH", image_folder, dict(zip(_PICTURES, _PICTURES, strict=True))),
    "npz": Spec("npz:FILE", npz, {"lazy": "mmap"}),
    "parquet": Spec(
        "parquet:PATH", parquet, {k: k for k in _PICTURES if k not in ("lazy", "labels")}
    ),
    "xo": Spec("xo[:n=1000,size=16,seed=0]", lambda rest: xo_pair(**drawn_options(rest))),
    "shapes": Spec(
        "shapes[:n=1000,size=32,seed=0]",
        lambda rest: shapes_pair(**drawn_options(rest, "shapes", 32)),
    ),
}
