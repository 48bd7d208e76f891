"""What the network subtracts and divides by, said among the transforms."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcnn.data.augment.transform import Transform
from graphcnn.data.normalisation import Normalisation
from graphcnn.errors import DataError


@dataclass(frozen=True)
class normalise(Transform):
    """(x - mean) / std of each channel, the last thing that happens to an image.

    It is no augmentation, as it must happen to every image that the network ever sees: the data set
    gets this normalisation, and the network takes it over, does it itself, and keeps it with its
    weights. Images stay what they are, and nothing is normalised twice: a data set that has another
    normalisation already refuses this one.

    Attributes:
        mean, std: one number for each channel, where white is 1; without them those of the images
            are measured, which must be in memory.
    """

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        if (self.mean is None) != (self.std is None):
            raise DataError("give both mean and std, or neither to measure them")
        if self.mean is not None and self.std is not None:
            Normalisation(_numbers(self.mean), _numbers(self.std))

    def of(self, images: Any, known: Normalisation | None) -> Normalisation:
        """The normalisation of a data set with these images.

        Raises `DataError` where it has another.
        """
        if self.mean is None or self.std is None:
            if not isinstance(images, np.ndarray) or isinstance(images, np.memmap):
                raise DataError(f"{self}: these images are not in memory: give mean and std")
            found = Normalisation.of(images)
        else:
            found = Normalisation(_numbers(self.mean), _numbers(self.std))
        if known is not None and known != found:
            raise DataError(
                f"{self}: the data set has {known} already, which the network does itself, and "
                "this would normalise twice: leave it out"
            )
        return found


def _numbers(given: Any) -> tuple[float, ...]:
    return tuple(given) if isinstance(given, tuple | list) else (given,)
