"""Networks of torchvision and timm, as facts: names and shapes of their tensors, and what they give
for weights that are drawn by name. Made with them by

    python -m support.foreign_weights        (PyTorch, torchvision and timm installed)

and kept in `tests/training/foreign_weights.txt`, so that tests need none of them.
"""

import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from graphcnn.ir.node import Array
from graphcnn.ir.philox import uniform

FACTS = Path(__file__).parent.parent / "training" / "foreign_weights.txt"
#: Scores that are kept of each of two images.
KEPT = 6


@dataclass
class Foreign:
    """A network of another package.

    Attributes:
        name: such as "timm resnet18".
        size: of the images.
        scores: what it gives for `images(size)`, the first scores of each, in float64.
        shapes: of its tensors, by name.
    """

    name: str
    size: int
    scores: list[float] = field(default_factory=list)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def tensors(self) -> dict[str, Array]:
        return {key: drawn(key, shape) for key, shape in self.shapes.items()}


def drawn(name: str, shape: tuple[int, ...]) -> Array:
    """The numbers of a tensor, which follow from its name: kernels that keep the size of what they
    read, factors and variances from 0.5 to 1.5, others from -0.5 to 0.5."""
    last = name.rpartition(".")[2]
    if last == "num_batches_tracked":
        return np.array(7, np.int64)
    u = uniform(1, 0, zlib.crc32(name.encode()), math.prod(shape)).reshape(shape)
    if len(shape) > 1:
        u = (u - 0.5) * math.sqrt(12 / math.prod(shape[1:]))
    else:
        u = u - 0.5 if last in ("bias", "running_mean") else u + 0.5
    return u.astype(np.float32)


def images(size: int) -> Array:
    """Two normalised images."""
    return 4 * uniform(2, 0, 0, 2 * 3 * size * size).reshape(2, 3, size, size) - 2


def facts() -> dict[str, Foreign]:
    found: dict[str, Foreign] = {}
    for line in FACTS.read_text(encoding="utf-8").splitlines():
        word, *rest = line.split()
        if word == "network":
            at = Foreign(" ".join(rest[:-1]), int(rest[-1]))
            found[at.name] = at
        elif word == "scores":
            at.scores = [float.fromhex(each) for each in rest]
        else:
            at.shapes[word] = tuple(map(int, rest))
    return found


def _networks() -> Iterator[tuple[str, int, Callable[[], Any]]]:
    import timm
    from timm.models.vgg import VGG as TimmVgg
    from timm.models.vgg import ConvMlp
    from torch.nn import Linear
    from torchvision import models
    from torchvision.models.vgg import VGG, make_layers

    thin = [4, 4, "M", 8, 8, "M", 8, 8, 8, "M", 8, 8, 8, "M", 8, 8, 8, "M"]

    def vgg(batch_norm: bool) -> Any:
        made = VGG(make_layers(thin, batch_norm=batch_norm), num_classes=10)
        for place, sizes in {0: (8 * 49, 16), 3: (16, 16), 6: (16, 10)}.items():
            made.classifier[place] = Linear(*sizes)
        return made

    def timm_vgg() -> Any:
        made = TimmVgg(thin, num_classes=10)
        made.pre_logits = ConvMlp(8, 16, 7)
        made.head.fc = Linear(16, 10)
        return made

    yield "torchvision resnet18", 33, models.resnet18
    yield "torchvision squeezenet 1.1", 50, models.squeezenet1_1
    yield "torchvision squeezenet 1.0", 50, models.squeezenet1_0
    yield "torchvision mobilenet_v2", 40, lambda: models.mobilenet_v2(width_mult=0.35)
    yield "torchvision vgg16", 64, lambda: vgg(False)
    yield "torchvision vgg16 batch_norm", 100, lambda: vgg(True)
    yield "timm mobilenet_v2", 40, lambda: timm.create_model("mobilenetv2_035")
    yield "timm vgg16", 64, timm_vgg


def main() -> None:
    import torch

    lines = []
    for name, size, make in _networks():
        network = make().eval()
        state = network.state_dict()
        shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
        network.load_state_dict({k: torch.from_numpy(drawn(k, s)) for k, s in shapes.items()})
        with torch.no_grad():
            scores = network.double()(torch.from_numpy(images(size)))[:, :KEPT].flatten().tolist()
        lines.append(f"network {name} {size}")
        lines.append(" ".join(["scores", *(float(each).hex() for each in scores)]))
        lines += [" ".join([key, *map(str, shape)]) for key, shape in shapes.items()]
    FACTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
