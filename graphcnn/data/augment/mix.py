"""Two images in one, and their labels in the same shares.

The partner of an image is drawn from the whole data set, not from the batch: so it does not depend
on which images happen to come together, and a batch of any size, or a part of one on another
machine, has the same images. The partner looks as it does in the same epoch when it comes itself:
the transforms before this one have drawn the same for it.
"""

from dataclasses import dataclass

import numpy as np

from graphcnn.data.augment.draw import Draw, below
from graphcnn.data.augment.erase import boxes
from graphcnn.data.augment.transform import Subject, Transform, between, each, groups, rounded
from graphcnn.errors import DataError
from graphcnn.ir.node import Array


class Mixing(Transform):
    """What makes one image of two."""

    alpha: float
    probability: float

    def partners(self, draw: Draw, count: int) -> Array:
        """Which image of `count` each is mixed with."""
        return below(draw.uniform(1)[0], count)

    def kept(self, draw: Draw, size: tuple[int, int]) -> Array:
        """The share of the image itself, (n,): that of its label."""
        raise NotImplementedError

    def mixed(self, x: Array, other: Array, draw: Draw) -> Array:
        """Images (n, C, H, W) of both."""
        raise NotImplementedError

    def labels(self, y: Array, other: Array, draw: Draw, size: tuple[int, int]) -> Array:
        """Targets (n, ...) of float32 of both, each in its share."""
        share = self.kept(draw, size).astype(np.float32).reshape(-1, *[1] * (y.ndim - 1))
        mixed: Array = y * share + other * (1 - share)
        return mixed

    def drawn(self, draw: Draw) -> Array:
        """The share of the image, of the distribution Beta(alpha, alpha); 1 of those left out."""
        _, u, v, chosen = draw.uniform(4)
        return np.where(chosen < self.probability, beta(self.alpha, u, v), 1.0)

    def check(self, subject: Subject) -> None:
        if "points" in subject.targets:
            raise DataError("the points of two images cannot be mixed")


@dataclass(frozen=True)
class mixup(Mixing):
    """The mean of an image and another, λ·x + (1 - λ)·x', and of their labels; λ is drawn from
    Beta(alpha, alpha) (H. Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018).

    Class numbers become shares of classes, float32 (n, K), which "cross_entropy" takes.

    Attributes:
        alpha: 1 draws all λ equally, less draws most of them near 0 and 1.
        probability: for each image in each epoch.
    """

    alpha: float = 0.2
    probability: float = 1.0

    def __post_init__(self) -> None:
        between("alpha", self.alpha, 0, above=True)
        between("probability", self.probability, 0, 1)

    def check(self, subject: Subject) -> None:
        super().check(subject)
        if "mask" in subject.targets:
            raise DataError("labels of pixels are classes and have no mean; cutmix exchanges parts")

    def kept(self, draw: Draw, size: tuple[int, int]) -> Array:
        return self.drawn(draw)

    def mixed(self, x: Array, other: Array, draw: Draw) -> Array:
        share, y = each(self.drawn(draw)), np.empty_like(x)
        for rows in groups(x):
            own = share[rows]
            y[rows] = rounded(x[rows] * own + other[rows] * (1 - own), x.dtype)
        return y


@dataclass(frozen=True)
class cutmix(Mixing):
    """A rectangle of an image is that of another, and labels are mixed by area (S. Yun et al.,
    "CutMix: regularization strategy to train strong classifiers with localizable features", ICCV
    2019). Its shape is that of the image; of Beta(alpha, alpha) comes the share that is kept; its
    centre is any pixel, and what lies outside is cut, so that the share of the label is counted.

    Class numbers become shares of classes, float32 (n, K); labels of pixels go with their pixels.

    Attributes:
        alpha: 1 draws all shares equally.
        probability: for each image in each epoch.
    """

    alpha: float = 1.0
    probability: float = 1.0

    def __post_init__(self) -> None:
        between("alpha", self.alpha, 0, above=True)
        between("probability", self.probability, 0, 1)

    def box(self, draw: Draw, size: tuple[int, int]) -> Array:
        """Which pixels (n, H, W) are of the other image."""
        *_, down, right = draw.uniform(6)
        side = np.sqrt(1 - self.drawn(draw))
        tall, wide = (np.floor(side * d).astype(np.int64) for d in size)
        top, left = below(down, size[0]) - tall // 2, below(right, size[1]) - wide // 2
        return boxes(size, top, left, tall, wide)

    def kept(self, draw: Draw, size: tuple[int, int]) -> Array:
        return np.asarray(1 - self.box(draw, size).mean((1, 2), dtype=np.float64))

    def mixed(self, x: Array, other: Array, draw: Draw) -> Array:
        box = self.box(draw, x.shape[2:])
        return np.where(box[:, None], other, x)


def beta(alpha: float, u: Array, v: Array) -> Array:
    """Numbers of Beta(alpha, alpha) from two uniform ones in [0, 1).

    T = √(2α (U^(-1/α) - 1))·cos 2πV has Student's distribution of 2α degrees of freedom (R. Bailey,
    1994), and (1 + T / √(2α + T²)) / 2 that of Beta(α, α); T² = 2α·odds. Its distance to the nearer
    of 0 and 1 is computed without a difference of nearly equal numbers.
    """
    cos = np.cos(2 * np.pi * v)
    with np.errstate(over="ignore"):
        odds = ((1 - u) ** (-1 / alpha) - 1) * cos**2
    root = np.sqrt(odds + 1)
    near = 0.5 / (root * (root + np.sqrt(odds)))
    return np.asarray(np.where(cos < 0, near, 1 - near))
