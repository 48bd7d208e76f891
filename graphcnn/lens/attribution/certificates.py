"""What a map is worth, in numbers: what it finds, and whether it asks the weights at all."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from graphcnn.ir.graph import state_of, topological_order
from graphcnn.ir.node import Array
from graphcnn.ir.philox import permutation
from graphcnn.ir.sources import State
from graphcnn.lens.attribution.responses import responses
from graphcnn.lens.attribution.samples import SHUFFLES
from graphcnn.lens.attribution.subject import Subject
from graphcnn.lens.core import Core


@dataclass(frozen=True, eq=False)
class Curves:
    """The probability of the class while pixels are covered, or uncovered, in an order.

    Attributes:
        deletion: f64 (steps + 1,), from the whole image to the baseline.
        insertion: from the baseline to the whole image.
    """

    deletion: Array
    insertion: Array

    @property
    def areas(self) -> tuple[float, float]:
        """Below the two curves, over the share of the pixels from 0 to 1, by trapezoids."""
        return area(self.deletion), area(self.insertion)


def area(curve: Array) -> float:
    return float((curve[1:] + curve[:-1]).sum() / (2 * (len(curve) - 1)))


def curves(lens: Core, about: Subject, order: Array, start: Array, steps: int) -> Curves:
    """Deletion and insertion of pixels in `order`, the most important first, in equal steps.

    V. Petsiuk, A. Das, K. Saenko, arXiv:1806.07421; what is covered has the baseline `start`.
    """
    image = about.fed[0].reshape(about.fed.shape[1], -1)
    blank = start.reshape(image.shape)
    cuts = np.rint(np.linspace(0, order.size, steps + 1)).astype(np.intp)

    def make(first: int, last: int) -> Array:
        made = []
        for i in range(first, last):
            deleting = i <= steps
            copy = (image if deleting else blank).copy()
            chosen = order[: cuts[i if deleting else i - steps - 1]]
            copy[:, chosen] = (blank if deleting else image)[:, chosen]
            made.append(copy)
        return np.stack(made).reshape(-1, *about.fed.shape[1:])

    chance = responses(lens, about, 2 * (steps + 1), make).chance.astype(np.float64)
    return Curves(chance[: steps + 1], chance[steps + 1 :])


def order_of(ranks: Array) -> Array:
    """The pixels of a map (H, W) from the largest number down; of equal ones the first first."""
    return np.argsort(-ranks.ravel(), kind="stable")


def rank_correlation(a: Array, b: Array) -> float:
    """Spearman's ρ of the sizes of two maps; equal numbers share the mean of their ranks. 0 where
    one of them is the same everywhere."""
    x, y = (_ranks(np.abs(m.ravel())) for m in (a, b))
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float((x * y).sum() / size) if size else 0.0


def _ranks(values: Array) -> Array:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    means: Array = (ends - (counts - 1) / 2)[places]
    return means


def cascade(lens: Core, seed: int, most: int) -> list[tuple[str, Mapping[str, Array]]]:
    """The states with the weights of more and more layers shuffled, from the scores to the image.

    At most `most` stages, the last one with all of them; each with the layer that it reaches. The
    numbers of a tensor stay, in another order: so scales and signs of what is trained stay too.
    """
    values = dict(lens.model.states.snapshot())
    nodes = topological_order([lens.scores.node])
    keys = [state_of(n.output).key for n in reversed(nodes) if isinstance(n.op, State)]
    layers: dict[str, list[str]] = {}
    for key in keys:
        layers.setdefault(key.rpartition(".")[0] or key, []).append(key)
    names = [*layers]
    stages: list[tuple[str, Mapping[str, Array]]] = []
    marks = {-(-len(names) * (i + 1) // most) - 1 for i in range(most)}
    for i, name in enumerate(names):
        for number, key in enumerate(layers[name]):
            array = values[key]
            order = permutation(seed, i, SHUFFLES + number, array.size)
            values[key] = array.ravel()[order].reshape(array.shape)
        if i in marks:
            stages.append((name, dict(values)))
    return stages
