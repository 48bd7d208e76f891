"""One small problem, the same to the bit here and in PyTorch: its numbers are a formula."""

import math
from typing import Any

STEPS = 20
ITEMS, SIZE, KERNELS, CLASSES = 12, 6, 4, 3
#: Of the parameters, in their order.
SHAPES = {
    "c.weight": (KERNELS, 1, 3, 3),
    "c.bias": (KERNELS,),
    "head.weight": (CLASSES, KERNELS * (SIZE - 2) ** 2),
    "head.bias": (CLASSES,),
}


def waves(count: int, seed: float, height: float = 1.0) -> list[float]:
    """Numbers that look like noise, of 16 bits: float32 loses nothing of them."""
    exact = (height * math.sin(seed + 12.9898 * i + 0.37 * i * i) for i in range(count))
    return [round(x * 2**16) / 2**16 for x in exact]


IMAGES = waves(ITEMS * SIZE * SIZE, 0.3)
WEIGHTS = {
    name: waves(math.prod(shape), 1.7 + i, 0.3) for i, (name, shape) in enumerate(SHAPES.items())
}
#: Where predictions are maps: the head is a kernel of 4×4 and sees two pixels beyond the border.
MAP, AROUND = SIZE - 1, 2
_PIXELS = MAP * MAP
#: Targets with their shape; class 4 is to be ignored. "odds" are from 0 to 1, "shares" are those
#: of the classes, and "strings" are one or two labels, filled up with -1; the last class is blank.
LABELS = [i * 7 % CLASSES for i in range(ITEMS)]
NUMBERS = waves(ITEMS * CLASSES, 5.1)
_PAIRS = [(2 * i % 7 + 1, 3 * i % 5) for i in range(ITEMS)]
TARGETS: dict[str, tuple[list[Any], tuple[int, ...]]] = {
    "labels": (LABELS, (ITEMS,)),
    "some labels": ([4 if i % 5 == 1 else x for i, x in enumerate(LABELS)], (ITEMS,)),
    "numbers": (NUMBERS, (ITEMS, CLASSES)),
    "odds": ([0.5 + 0.5 * x for x in NUMBERS], (ITEMS, CLASSES)),
    "shares": ([x / 16 for a, b in _PAIRS for x in (a, b, 16 - a - b)], (ITEMS, CLASSES)),
    "bits": ([float(x > 0) for x in NUMBERS], (ITEMS, CLASSES)),
    "label map": ([i * 7 % 11 % CLASSES for i in range(ITEMS * _PIXELS)], (ITEMS, MAP, MAP)),
    "masks": (
        [float(x > 0) for x in waves(ITEMS * CLASSES * _PIXELS, 2.2)],
        (ITEMS, CLASSES, MAP, MAP),
    ),
    "one mask": ([float(x > 0) for x in waves(ITEMS * _PIXELS, 3.7)], (ITEMS, MAP, MAP)),
    "strings": ([x for i in range(ITEMS) for x in (i % 2, i // 2 % 3 - 1)], (ITEMS, 2)),
    "of a kind": ([float(i % 3 > 0) for i in range(ITEMS)], (ITEMS,)),
}
#: Each a name, settings and targets. Of maps are those whose targets are; and those of several
#: predictions, which see the maps of the classes one by one.
LOSSES: dict[str, tuple[str, dict[str, Any], str | None]] = {
    "cross_entropy": ("cross_entropy", {}, "labels"),
    "smoothed": ("cross_entropy", {"label_smoothing": 0.1}, "labels"),
    "ignoring": ("cross_entropy", {"ignore_index": 4, "label_smoothing": 0.1}, "some labels"),
    "soft": ("cross_entropy", {}, "shares"),
    "segmentation": ("cross_entropy", {}, "label map"),
    "binary_cross_entropy": ("binary_cross_entropy", {}, "odds"),
    "pos_weight": ("binary_cross_entropy", {"pos_weight": 3.0}, "bits"),
    "mse": ("mse", {}, "numbers"),
    "l1": ("l1", {}, "numbers"),
    "huber": ("huber", {"delta": 0.5}, "numbers"),
    "smooth_l1": ("smooth_l1", {"beta": 0.25}, "numbers"),
    "poisson": ("poisson", {}, "odds"),
    "kl_divergence": ("kl_divergence", {}, "shares"),
    "cosine_similarity": ("cosine_similarity", {}, "numbers"),
    "hinge": ("hinge", {}, "labels"),
    "squared_hinge": ("hinge", {"squared": True}, "labels"),
    "binary_hinge": ("binary_hinge", {}, "bits"),
    "focal": ("focal", {"alpha": (1.0, 2.0, 0.5)}, "labels"),
    "binary_focal": ("binary_focal", {"alpha": 0.25}, "bits"),
    "dice": ("dice", {}, "label map"),
    "jaccard": ("jaccard", {}, "label map"),
    "binary_dice": ("binary_dice", {}, "masks"),
    "binary_jaccard": ("binary_jaccard", {}, "masks"),
    "contrastive": ("contrastive", {"margin": 3.0}, "of a kind"),
    "triplet": ("triplet", {}, None),
    "elbo": ("elbo", {}, "one mask"),
    "pixel_nll": ("pixel_nll", {}, "masks"),
    "ctc": ("ctc", {}, "strings"),
}
#: How many maps a loss sees.
PREDICTIONS = {"contrastive": 2, "triplet": 3, "elbo": 3}


def sees_maps(loss: str) -> bool:
    """Whether the head makes maps for this line of `LOSSES`, and no numbers."""
    return LOSSES[loss][2] in ("label map", "masks", "strings") or loss in PREDICTIONS


def reads_steps(loss: str) -> bool:
    """Whether the pixels of the maps are the steps of a sequence: (N, steps, classes)."""
    return LOSSES[loss][2] == "strings"
