"""What a report is about: one image, the classes compared, and the cost of the network."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from graphcnn.analysis.cost import total_multiply_adds
from graphcnn.errors import LensError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array
from graphcnn.lens.methods import Methods
from graphcnn.lens.target import has_sigmoids


@dataclass(frozen=True, eq=False)
class Subject:
    """One image in front of a network.

    Attributes:
        lens: the methods.
        x: the image as it was given, one (C, H, W).
        looks, fed: the image in [0, 1], and as the network takes it, both (1, C, H, W).
        scores: of all classes, before softmax, (K,); the mean where every pixel has some.
        per_pixel: whether that is so.
        target: the class that the report is about.
        seed: of everything that is drawn.
        label: what the image is of, "" where that is not known.
    """

    lens: Methods
    x: Array
    looks: Array
    fed: Array
    scores: Array
    per_pixel: bool
    target: int
    seed: int
    label: str

    @property
    def predicted(self) -> int:
        return int(np.argmax(self.scores))

    @property
    def rival(self) -> int:
        """The class with the largest score beside the target: the runner-up of a prediction."""
        others = np.where(np.arange(len(self.scores)) == self.target, -np.inf, self.scores)
        return int(np.argmax(others))

    @cached_property
    def probabilities(self) -> tuple[Array, str]:
        """Of the classes, and the word for what turns scores into them."""
        scores = self.scores.astype(np.float64)
        if has_sigmoids(self.lens.model):
            return 1 / (1 + np.exp(-scores)), "sigmoid of each score"
        shares = np.exp(scores - scores.max())
        return shares / shares.sum(), "softmax of the " + (
            "mean scores over all pixels" if self.per_pixel else "scores"
        )

    def name(self, index: int) -> str:
        """The class in words: its name, or its number."""
        known = self.lens.model.classes
        return known[index] if index < len(known) else str(index)

    def chance(self, index: int) -> str:
        share = float(self.probabilities[0][index])
        return f"{100 * share:.1f} %" if share >= 0.001 else f"{100 * share:.1g} %"

    @cached_property
    def work(self) -> int:
        """Multiply-adds of the network for one image."""
        graph = self.lens.network.graph
        return total_multiply_adds(Graph.of(graph.inputs, graph.outputs, name=graph.name))


def subject_of(lens: Methods, x: Any, target: Any, seed: int, label: str) -> Subject:
    """Raises `LensError` for several images, or a network that has no scores of classes."""
    looks, fed = lens.images(x)
    if len(fed) != 1:
        raise LensError(f"a report is about one image, found {len(fed)}")
    value, chosen = lens.target(target, fed)
    found = lens.probe("scores", lambda: ((lens.image,), {"scores": value}))(fed)["scores"][0]
    if not np.isfinite(found).all():
        raise LensError(f"scores of {lens.model.name} are not finite: there is nothing to explain")
    scores = found.reshape(len(found), -1).mean(1)
    if len(scores) < 2:
        raise LensError(
            f"{lens.model.name} gives {value.type}, which are no scores of several classes to "
            "compare; ask one question at a time, such as for its maps"
        )
    image = np.asarray(x)
    return Subject(
        lens,
        image.reshape(fed.shape[1:]),
        looks,
        fed,
        scores,
        found[0].size > 1,
        chosen.index,
        seed,
        label,
    )
