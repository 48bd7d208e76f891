"""Mirror images."""

from dataclasses import dataclass
from typing import ClassVar

from graphcnn.data.augment.draw import Draw
from graphcnn.data.augment.transform import Moving, Subject, between
from graphcnn.errors import DataError
from graphcnn.ir.node import Array


class Mirror(Moving):
    """Some of the images are mirrored."""

    #: Of images (n, C, H, W), and which coordinate of a point that is.
    axis: ClassVar[int] = -1
    coordinate: ClassVar[int] = 0
    pairs: tuple[tuple[int, int], ...] = ()

    def flipped(self, draw: Draw) -> Array:
        """Which images are."""
        raise NotImplementedError

    def check(self, subject: Subject) -> None:
        super().check(subject)
        if self.pairs and "points" not in subject.targets:
            raise DataError('pairs are of points, as in augmented(..., targets="points")')

    def move(self, x: Array, draw: Draw, outside: float = 0, nearest: bool = False) -> Array:
        chosen, y = self.flipped(draw), x.copy()
        y[chosen] = x[chosen][..., ::-1] if self.axis == -1 else x[chosen][..., ::-1, :]
        return y

    def points(self, xy: Array, size: tuple[int, int], draw: Draw) -> Array:
        chosen, y = self.flipped(draw), xy.copy()
        y[chosen, ..., self.coordinate] = size[self.axis] - 1 - xy[chosen][..., self.coordinate]
        swapped = y[chosen]
        for first, second in self.pairs:
            swapped[:, [first, second]] = swapped[:, [second, first]]
        y[chosen] = swapped
        return y


@dataclass(frozen=True)
class _ByChance(Mirror):
    probability: float = 0.5
    pairs: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        between("probability", self.probability, 0, 1)

    def flipped(self, draw: Draw) -> Array:
        chosen: Array = draw.uniform(1)[0] < self.probability
        return chosen


@dataclass(frozen=True)
class flip(_ByChance):
    """Left and right change places in an image, with a probability.

    Attributes:
        probability: for each image in each epoch.
        pairs: numbers of points that are each other's mirror image, such as ((0, 1),) of the left
            and the right eye: they change places as well. Other points keep their order.
    """


@dataclass(frozen=True)
class flip_vertical(_ByChance):
    """Top and bottom change places in an image, with a probability. The arguments are those of
    `flip`."""

    axis: ClassVar[int] = -2
    coordinate: ClassVar[int] = 1


@dataclass(frozen=True)
class alternating_flip(Mirror):
    """Left and right change places in every other epoch; in which first is drawn for each image.

    So two epochs in a row show both sides of every image, where `flip` shows one of them twice in
    half of the cases (K. Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024).
    """

    pairs: tuple[tuple[int, int], ...] = ()

    def flipped(self, draw: Draw) -> Array:
        first = draw.of_epoch(0).words(1)[:, 0] & 1
        chosen: Array = (first + draw.epoch) % 2 == 1
        return chosen
