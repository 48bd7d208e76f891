"""One small problem, the same to the bit here and in PyTorch: its numbers are a formula."""

import math

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
#: Targets: class numbers, and numbers of the shape of the prediction, of any size or from 0 to 1.
LABELS = [i * 7 % CLASSES for i in range(ITEMS)]
NUMBERS = waves(ITEMS * CLASSES, 5.1)
SHARES = [0.5 + 0.5 * x for x in waves(ITEMS * CLASSES, 5.1)]
