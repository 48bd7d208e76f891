"""SmoothGrad: the mean gradient of noisy copies of an image."""

from functools import lru_cache
from typing import Any

import numpy as np

from graphcnn.errors import LensError
from graphcnn.ir.node import Array
from graphcnn.lens.attribution.gradient import RULES, gradient_probe
from graphcnn.lens.attribution.maps import map_finding
from graphcnn.lens.attribution.refusals import check_maps
from graphcnn.lens.attribution.samples import NOISE, even_piece, normal
from graphcnn.lens.attribution.subject import subject
from graphcnn.lens.checks import check_count, check_number
from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding
from graphcnn.training.session import checked_seed


def smooth(
    lens: Core,
    x: Any,
    target: Any,
    samples: int,
    noise: float,
    seed: int,
    rule: str,
    squared: bool,
    layer: str | None,
    at: Any,
) -> Finding:
    """See `Attribution.smooth`."""
    known = [name for name in RULES if name not in ("lrp", "deeplift")]
    if rule not in known:
        raise LensError(
            f"no rule for noisy gradients is called {rule!r}; known: {', '.join(known)}"
        )
    check_count("samples", samples)
    check_number("noise", noise, 0)
    seed = checked_seed(seed)
    about = subject(lens, x, target, layer, at)
    probe = gradient_probe(lens, about.value, about.targets[0].layer, rule)
    fed = about.fed
    score = probe(fed, about.weights())["score"]
    spread = np.float32(noise) * (fed.max((1, 2, 3)) - fed.min((1, 2, 3)))
    if not spread.all():
        raise LensError(
            f"image {int(np.argmin(spread))} is one colour: its range, which the noise is a share "
            "of, is 0"
        )
    total = np.zeros(fed.shape)
    size = even_piece(fed.shape[1:], samples)
    weights = about.weights()
    for first in range(0, samples, size):
        count = min(size, samples - first)
        drawn = noise_of(seed, first, first + size, fed.shape[1:])
        for i in range(len(fed)):
            copies = fed[i] + spread[i] * drawn
            selecting = np.broadcast_to(weights[i], (size, *weights.shape[1:]))
            for each in probe(copies, selecting, piece=size)["map"][:count]:
                total[i] += each.astype(np.float64) ** 2 if squared else each
    maps = (total / samples).astype(np.float32)
    method = "SmoothGrad" + (" squared" if squared else "")
    check_maps(lens, about, maps, method)
    settings = {
        "rule": "" if rule == "plain" else RULES[rule],
        "samples": str(samples),
        "noise": f"{100 * noise:g} % of the range of the image",
        "seed": str(seed),
    }
    return map_finding(lens, about, method, {"map": maps, "score": score}, settings, score)


@lru_cache(2)  # of many images, or many classes, one after the other
def noise_of(seed: int, first: int, last: int, shape: tuple[int, ...]) -> Array:
    """Standard normal numbers for the samples from `first` to before `last`, (n, C, H, W)."""
    numbers = normal(seed, first, last, NOISE, int(np.prod(shape)))
    numbers.setflags(write=False)
    return numbers.reshape(last - first, *shape)
