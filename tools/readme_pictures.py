"""The pictures of the README and of docs/training.md: run

    python -m graphcnn.tools.readme_pictures MNIST docs

MNIST is the folder with the four files of that name. One epoch of training gives the first picture
its maps; the others need no data.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from graphcnn.data import augment
from graphcnn.data.dataset import Dataset
from graphcnn.data.idx import mnist
from graphcnn.learning.optimizers import Adam
from graphcnn.models import build
from graphcnn.pictures import (
    Picture,
    augmented_picture,
    graph_picture,
    training_picture,
    volume_picture,
)
from graphcnn.tools.descents import descents
from graphcnn.tools.drawn_digits import digits


def draw(data: Path, folder: Path) -> list[Path]:
    """LeNet-5 with the maps of the first test image, ResNet-18, the U of U-Net, a training step,
    digits augmented, optimisers on their way down."""
    train, test = mnist(data)
    lenet = build("lenet5")
    lenet.fit(train, epochs=1, batch_size=64, optimizer=Adam(0.001), seed=0, progress=False)
    maps = lenet.activations(test.images[0])
    painted = volume_picture(lenet.graph, style="lenet", paint=maps)
    return [
        painted.save(folder / "lenet5.svg"),
        *(make().save(folder / name) for name, make in WITHOUT_DATA.items()),
    ]


def augmented_digits() -> Picture:
    """Drawn digits in ink on coloured paper, as three epochs of a training see them."""
    ink = digits(8) / 255
    angle = 2 * np.pi * (np.arange(8)[:, None] / 8 + np.arange(3) / 3)
    paper = (0.72 + 0.2 * np.cos(angle))[:, :, None, None]
    images = np.rint(255 * (paper * (1 - ink) + 0.15 * ink)).astype(np.uint8)
    data = Dataset(images, np.arange(8), tuple("01234567"), name="drawn digits")
    chain = (
        augment.rotation(15, "edge"), augment.scale(0.15, "edge"), augment.shift(2, "edge"),
        augment.colour_jitter(brightness=0.2, hue=0.1), augment.noise(0.02), augment.cutout(8),
        augment.mixup(1.0, probability=0.4),
    )  # fmt: skip
    return augmented_picture(data.augmented(*chain), 8, 3)


#: Those that need no data, by their files.
WITHOUT_DATA: Final[dict[str, Callable[[], Picture]]] = {
    "resnet18.svg": lambda: graph_picture(build("resnet18").graph),
    "unet.svg": lambda: volume_picture(build("unet").graph, style="unet"),
    "training-step.svg": lambda: training_picture(build("lenet5").training_graph("cross_entropy")),
    "augmentation.svg": augmented_digits,
    "optimisers.svg": descents,
}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: python -m graphcnn.tools.readme_pictures MNIST FOLDER")
    for path in draw(Path(sys.argv[1]), Path(sys.argv[2])):
        print(f"drawn: {path}")
