"""What drawn images are worth, in numbers and as a picture."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from graphcnn.ir.node import Array
from graphcnn.pictures.picture import Picture

#: A class is there that is drawn this often at least, of how often the data have it.
_THERE: Final = 0.1


@dataclass(frozen=True)
class Judgement:
    """What drawn images are worth beside real ones.

    Attributes:
        drawn: the images, float32 (n, C, H, W) in [0, 1].
        classes: of the classifier.
        shares, real_shares: how often each class is there, by the classifier, float64 (K,).
        precision: the share of drawn images that lie where real ones do, in features of the
            classifier; recall: of real images that lie where drawn ones do.
        nearest: int64, for the first drawn images the number of the nearest training image.
        distances, real_distances: float64, how far that is, in pixels, as the root of the sum of
            squares; and for as many real images that are no training images.
        training: float32, the nearest training images, one for each of `nearest`.
    """

    drawn: Array = field(repr=False)
    classes: tuple[str, ...]
    shares: Array
    real_shares: Array
    precision: float
    recall: float
    nearest: Array = field(repr=False)
    distances: Array = field(repr=False)
    real_distances: Array = field(repr=False)
    training: Array = field(repr=False)

    @property
    def modes(self) -> int:
        """How many classes are drawn at least a tenth as often as the data have them."""
        there = (self.real_shares > 0) & (self.shares >= _THERE * self.real_shares)
        return int(there.sum())

    @property
    def divergence(self) -> float:
        """Σ p log(p / q) over the classes, in nats, of drawn ones p and real ones q."""
        p, q = self.shares, np.maximum(self.real_shares, 1e-12)
        some = p > 0
        return float(np.sum(p[some] * np.log(p[some] / q[some])))

    @property
    def nearness(self) -> float:
        """The median distance of drawn images to the nearest training image, as a share of that of
        real ones: far below 1 training images are drawn again."""
        return float(np.median(self.distances) / np.median(self.real_distances))

    def numbers(self) -> dict[str, float]:
        """All numbers by name."""
        return {
            "modes": self.modes,
            "divergence": self.divergence,
            "precision": self.precision,
            "recall": self.recall,
            "nearness": self.nearness,
        }

    def __str__(self) -> str:
        there = int((self.real_shares > 0).sum())
        lines = [f"{len(self.drawn):,} drawn images beside as many real ones"]
        lines.append(f"{'class':<12}{'drawn':>8}{'real':>8}")
        for i, (p, q) in enumerate(zip(self.shares, self.real_shares, strict=True)):
            name = self.classes[i] if i < len(self.classes) else str(i)
            lines.append(f"{name:<12}{p:>8.1%}{q:>8.1%}")
        lines += [
            f"classes that are drawn: {self.modes} of {there}",
            f"KL divergence of the classes: {self.divergence:.4f} nats",
            f"precision {self.precision:.3f}: drawn images that lie among real ones",
            f"recall    {self.recall:.3f}: real images that lie among drawn ones",
            f"distance to the nearest training image: {np.median(self.distances):.2f}, that of "
            f"other real images {np.median(self.real_distances):.2f}",
        ]
        return "\n".join(lines)

    def picture(self, count: int = 32) -> Picture:
        """The first drawn images, each with the nearest training image, in blue, on its right."""
        from graphcnn.pictures.results.drawn import drawn_picture  # loaded by who draws

        count = min(count, len(self.nearest))
        pairs = np.stack([self.drawn[:count], self.training[:count]], 1)
        pairs = pairs.reshape(2 * count, *self.drawn.shape[1:])
        blue = np.zeros(pairs.shape, bool)
        blue[1::2] = True
        columns = 2 * max(1, round(np.sqrt(count / 2)))
        facts = [
            "distances in pixels, root of the sum of squares; median "
            f"{np.median(self.distances):.2f}, of real images that are no training images "
            f"{np.median(self.real_distances):.2f}"
        ]
        words = "drawn images, and in blue the nearest training image of each"
        return drawn_picture(pairs, words, "", facts, known=blue, columns=columns)

    def draw(self, path: str | Path) -> Path:
        """Save `picture` to a file, in the format of its suffix."""
        return self.picture().save(path)
