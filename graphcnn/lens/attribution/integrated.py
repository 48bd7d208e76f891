"""Integrated gradients, with the sum that proves them."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from graphcnn.errors import LensError
from graphcnn.ir.node import Array
from graphcnn.lens.attribution.baselines import baseline_of
from graphcnn.lens.attribution.gradient import gradient_probe
from graphcnn.lens.attribution.maps import map_finding
from graphcnn.lens.attribution.refusals import check_maps
from graphcnn.lens.attribution.samples import even_piece
from graphcnn.lens.attribution.subject import Subject, subject, told
from graphcnn.lens.checks import check_count, check_weight
from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding
from graphcnn.lens.probe import Probe
from graphcnn.pictures.raster.tiles import number

#: No path is divided into more steps.
_MOST = 6400


def integrated(
    lens: Core,
    x: Any,
    target: Any,
    baseline: Any,
    steps: int,
    rule: str,
    tolerance: float | None,
    layer: str | None,
    at: Any,
) -> Finding:
    """See `Attribution.integrated`."""
    if rule not in RULES:
        raise LensError(f"no rule of integration is called {rule!r}; known are {', '.join(RULES)}")
    check_count("steps", steps)
    if tolerance is not None:
        check_weight("tolerance", tolerance)
    about = subject(lens, x, target, layer, at)
    start, words = baseline_of(lens, about, baseline)
    probe = gradient_probe(lens, about.value, about.targets[0].layer)
    weights = about.weights()
    score, before = (probe(fed, weights)["score"].astype(np.float64) for fed in (about.fed, start))
    maps, taken = [], []
    for i in range(len(about.fed)):
        found, count = _one(
            probe, about.alone(i), start[i : i + 1], score[i] - before[i], steps, rule, tolerance
        )
        maps.append(found)
        taken.append(count)
    together = np.concatenate(maps)
    check_maps(lens, about, together, "integrated gradients")
    total = together.sum((1, 2, 3), dtype=np.float64)
    arrays = {
        "map": together.astype(np.float32),
        "score": score.astype(np.float32),
        "baseline_score": before.astype(np.float32),
        "sum": total,
        "steps": np.array(taken),
    }
    raised = f", raised from {steps} until the residual was small" if max(taken) > steps else ""
    settings = {
        "baseline": words,
        "steps": f"{told([str(n) for n in taken])}, {RULES[rule][1]}{raised}",
        "sum": "; ".join([_proof(*each) for each in zip(total, score, before, strict=True)][:2]),
    }
    return map_finding(lens, about, "integrated gradients", arrays, settings, score)


def _proof(total: float, score: float, before: float) -> str:
    """What the attributions sum to, and what they ought to."""
    share = abs(residual(total, score - before))
    difference = f"F(x) − F(x₀) = {number(score)} − {number(before)} = {number(score - before)}"
    return f"{number(total)} for {difference}, residual {100 * share:.2g} %"


def residual(total: float, difference: float) -> float:
    """How far the sum is from the difference of the scores, as a share of it."""
    return (total - difference) / abs(difference) if difference else float(total != 0)


def _one(
    probe: Probe,
    about: Subject,
    start: Array,
    difference: float,
    steps: int,
    rule: str,
    tolerance: float | None,
) -> tuple[Array, int]:
    """The map of one image, f64 (1, C, H, W), and how many steps it took."""
    way = about.fed.astype(np.float64) - start
    while True:
        total = np.zeros(way.shape)
        shares, places = RULES[rule][0](steps)
        for first, points in path(about.fed, start, places):
            selecting = np.broadcast_to(about.weights(), (len(points), *about.weights().shape[1:]))
            found = probe(points, selecting, piece=len(points))["map"]
            for share, each in zip(shares[first:], found, strict=False):
                total += share * each
        total *= way
        off = abs(residual(float(total.sum()), difference))
        if tolerance is None or off <= tolerance or 2 * steps > _MOST or not np.isfinite(off):
            return total, steps
        steps *= 2


def path(end: Array, start: Array, places: Array) -> Iterator[tuple[int, Array]]:
    """The points at `places` in [0, 1] between two images, piece by piece, with the number of the
    first of each piece."""
    size = even_piece(end.shape[1:], len(places))
    for first in range(0, len(places), size):
        at = places[first : first + size, None, None, None]
        at = np.concatenate([at, at[-1:].repeat(size - len(at), 0)])  # whole: one compilation
        yield first, (start + at * (end.astype(np.float64) - start)).astype(np.float32)


@lru_cache(16)
def gauss_legendre(n: int) -> tuple[Array, Array]:
    """Weights and places in [0, 1] of the rule that is exact for polynomials of degree 2n - 1.

    The places are the roots of the Legendre polynomial, found by Newton's method from
    cos(π (i - 1/4) / (n + 1/2)) with its recurrence; the weights are 2 / ((1 - x²) P'(x)²).
    """
    x = np.cos(np.pi * (np.arange(n, 0, -1) - 0.25) / (n + 0.5))
    slope = np.ones(n)
    for _ in range(8):
        before, value = np.zeros(n), np.ones(n)
        for k in range(n):
            before, value = value, ((2 * k + 1) * x * value - k * before) / (k + 1)
        slope = n * (x * value - before) / (x * x - 1)
        x = x - value / slope
    weights = 1 / ((1 - x * x) * slope * slope)
    return weights, (1 + x) / 2


def riemann_middle(n: int) -> tuple[Array, Array]:
    """Equal weights at the middle of each of n equal parts."""
    return np.full(n, 1 / n), (np.arange(n) + 0.5) / n


def riemann_right(n: int) -> tuple[Array, Array]:
    """Equal weights at the end of each of n equal parts, as in the paper."""
    return np.full(n, 1 / n), (np.arange(n) + 1.0) / n


#: The rules of integration, each with what it is called in captions.
RULES: dict[str, tuple[Callable[[int], tuple[Array, Array]], str]] = {
    "gauss-legendre": (gauss_legendre, "Gauss-Legendre"),
    "riemann-middle": (riemann_middle, "Riemann sum, middles"),
    "riemann-right": (riemann_right, "Riemann sum, right ends"),
}
