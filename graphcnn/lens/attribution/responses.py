"""What the network makes of many images that are made on the way, piece by piece."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from graphcnn.ir.node import Array
from graphcnn.lens.attribution.samples import even_piece
from graphcnn.lens.attribution.subject import Subject
from graphcnn.lens.core import Core, Parts
from graphcnn.lens.target import has_sigmoids, selected

#: Makes the images from a number to before another, as the network takes them.
Make = Callable[[int, int], Array]


@dataclass(frozen=True, eq=False)
class Responses:
    """Of each image.

    Attributes:
        score: of the target, f32[n].
        chance: the probability of the class, or the score again where the target is a layer's.
        winner: the number of the best class; -1 where the target is a layer's.
    """

    score: Array
    chance: Array
    winner: Array


def responses(lens: Core, about: Subject, count: int, make: Make) -> Responses:
    """What the network says to `count` images. `about` is one image and its target."""
    found = [part for _, _, part in in_pieces(lens, about, count, make)]
    return Responses(
        *(np.concatenate([getattr(p, key) for p in found]) for key in ("score", "chance", "winner"))
    )


def in_pieces(
    lens: Core, about: Subject, count: int, make: Make
) -> Iterator[tuple[int, Array, Responses]]:
    """The number of the first image of each piece, its images, and what the network says."""
    size = even_piece(about.fed.shape[1:], count)
    for first in range(0, count, size):
        last = min(first + size, count)
        images = make(first, last)
        missing = size - (last - first)  # whole pieces: one compilation
        full = np.concatenate([images, images[-1:].repeat(missing, 0)]) if missing else images
        found = _said(lens, about, full)
        cut = (array[: last - first] for array in (found.score, found.chance, found.winner))
        yield first, images, Responses(*cut)


def _said(lens: Core, about: Subject, images: Array) -> Responses:
    target = about.targets[0]
    if about.layer:

        def parts() -> Parts:
            weights, score = selected(about.value)
            return (lens.image, weights), {"score": score}

        weights = about.weights()
        selecting = np.broadcast_to(weights, (len(images), *weights.shape[1:]))
        probe = lens.probe(("score", target.layer), parts)
        score = probe(images, selecting, piece=len(images))["score"]
        return Responses(score, score, np.full(len(images), -1))
    scores = lens.predicted(images, piece=len(images))
    chances = probabilities(lens, scores)
    return Responses(
        _mean(scores)[:, target.index], _mean(chances)[:, target.index], _mean(scores).argmax(1)
    )


def _mean(scores: Array) -> Array:
    """The scores of an image: where every pixel has some, their mean."""
    return scores if scores.ndim == 2 else scores.mean((2, 3))


def probabilities(lens: Core, scores: Array) -> Array:
    """Of scores (n, K, ...): softmax; sigmoid where each class has its own, or there is one."""
    s = scores.astype(np.float64)
    if s.shape[1] == 1 or has_sigmoids(lens.model):
        found: Array = 0.5 + 0.5 * np.tanh(0.5 * s)
        return found
    e = np.exp(s - s.max(1, keepdims=True))
    shares: Array = e / e.sum(1, keepdims=True)
    return shares
