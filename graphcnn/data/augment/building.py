"""From what a user writes to the augmentation of a data set."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from graphcnn.data.augment.augmentation import Augmentation, Source
from graphcnn.data.augment.normalise import normalise
from graphcnn.data.augment.own import function
from graphcnn.data.augment.transform import Transform
from graphcnn.data.normalisation import Normalisation
from graphcnn.errors import DataError


def augmentation_of(
    data: Source,
    transforms: Sequence[Any],
    targets: str | Mapping[str, str] | None,
    inputs: str | Sequence[str],
) -> tuple[Augmentation, Normalisation | None]:
    """The augmentation of a data set with these transforms after its own, and its normalisation.

    Raises `DataError`, naming the data set and the transform, for what cannot be done to it.
    """
    known, normalisation = data.augmentation, data.normalisation
    try:
        *before, last = transforms or ((),)
        if isinstance(last, normalise):
            normalisation, transforms = last.of(data.images, normalisation), before
        made = Augmentation(
            (*(known.transforms if known else ()), *map(_transform, transforms)),
            tuple(targets.items()) if isinstance(targets, Mapping) else targets,
            (inputs,) if isinstance(inputs, str) else tuple(inputs),
        )
        if known:
            made = replace(
                made, targets=made.targets or known.targets, inputs=made.inputs or known.inputs
            )
        made.check(data)
    except DataError as error:
        raise DataError(f"data set {data.name!r}: {error}") from None
    return made, normalisation


def _transform(given: Any) -> Transform:
    if isinstance(given, normalise):
        raise DataError(
            f"{given} must come last: the network normalises what all other transforms have made"
        )
    if isinstance(given, Transform):
        return given
    if isinstance(given, type) or not callable(given):
        made = f"; {given.__name__}(...) makes one" if isinstance(given, type) else ""
        if isinstance(given, list | tuple):
            made = "; several are given one after another, augmented(flip(), crop(4))"
        raise DataError(
            f"a transform of cnn.augment or a function of (image, rng) is expected, found {given!r}"
            + made
        )
    return function(given)
