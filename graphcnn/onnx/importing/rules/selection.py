"""Selections whose size the data decides: boxes that survive NonMaxSuppression.

They can be computed only while importing, from boxes that are known then.
"""

import numpy as np

from graphcnn.errors import ImportModelError
from graphcnn.ir.node import Array
from graphcnn.onnx.importing.context import Call, imports


@imports("NonMaxSuppression")
def non_max_suppression(call: Call) -> Array:
    """(image, class, box) of the best boxes of each class, none of which overlaps a better one."""
    what = "the number of results of NonMaxSuppression is decided by the boxes, which"
    boxes, scores = call.known(0, what), call.known(1, what)
    if boxes.ndim != 3 or boxes.shape[-1] != 4 or scores.ndim != 3:
        raise ImportModelError(f"boxes {boxes.shape} must be (N, B, 4), scores (N, C, B)")
    most = int(call.scalar(2, "the number of boxes")) if call.has(2) else 0
    overlap = float(call.scalar(3, "the overlap")) if call.has(3) else 0.0
    least = float(call.scalar(4, "the lowest score")) if call.has(4) else -np.inf
    compared = scores.size, min(max(most, 1), scores.shape[-1])
    call.limits.check_shape(compared, "the comparisons of boxes")
    corners = _corners(boxes.astype(np.float64), bool(call.attribute("center_point_box", 0)))
    found: list[tuple[int, int, int]] = []
    for image in range(boxes.shape[0]):
        for kind in range(scores.shape[1]):
            kept = _kept(corners[image], scores[image, kind], most, overlap, least)
            found += [(image, kind, box) for box in kept]
    return np.array(found, np.int64).reshape(-1, 3)


def _corners(boxes: Array, centred: bool) -> Array:
    """(low, low, high, high), whichever corners are given, or from (x, y, width, height)."""
    first, second = boxes[..., :2], boxes[..., 2:]
    if centred:
        return np.concatenate([first - second / 2, first + second / 2], -1)
    return np.concatenate([np.minimum(first, second), np.maximum(first, second)], -1)


def _kept(corners: Array, scores: Array, most: int, overlap: float, least: float) -> list[int]:
    area = np.prod(corners[:, 2:] - corners[:, :2], axis=1)
    order = [int(i) for i in np.argsort(-scores, kind="stable") if scores[i] > least]
    kept: list[int] = []
    for box in order:
        if len(kept) >= most:
            break
        low = np.maximum(corners[kept, :2], corners[box, :2])
        high = np.minimum(corners[kept, 2:], corners[box, 2:])
        shared = np.prod(np.maximum(high - low, 0), axis=1)
        if not np.any(shared > overlap * (area[kept] + area[box] - shared)):
            kept.append(box)
    return kept
