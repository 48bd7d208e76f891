"""How well scores rank what is true before what is not: counts from the largest score on."""

import numpy as np

from graphcnn.ir.node import Array


def steps(scores: Array, truth: Array) -> tuple[Array, Array, Array]:
    """How many true and how many other items have at least a score, from (0, 0) on, and the scores,
    the largest first: one step for all items of equal score."""
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], truth[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(hits) - 1)
    right = np.concatenate([[0], np.cumsum(hits)[last]])
    return right, np.concatenate([[0], last + 1]) - right, ranked[last]


def roc_area(scores: Array, truth: Array) -> float:
    """The area under the ROC curve: how probably a true item has a larger score than another one,
    equal scores counting half. NaN where all are true, or none."""
    if truth.all() or not truth.any():
        return float("nan")
    right, wrong, _ = steps(scores, truth)
    area = (np.diff(wrong) * (right[1:] + right[:-1])).sum() / 2
    return float(area / (right[-1] * wrong[-1]))


def average_precision(scores: Array, truth: Array) -> float:
    """Σ (R_i - R_{i-1}) P_i over the scores from the largest on, with precision P_i and recall R_i
    of those that are at least as large. 0 where none is true."""
    if not truth.any():
        return 0.0
    right, wrong, _ = steps(scores, truth)
    precision = right[1:] / (right[1:] + wrong[1:])
    return float((np.diff(right) / right[-1] * precision).sum())
