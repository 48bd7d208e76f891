"""The pictures of the README: run  python -m graphcnn.tools.readme_pictures MNIST docs

MNIST is the folder with the four files of that name. One epoch of training gives the first picture
its maps; the others need no data.
"""

import sys
from pathlib import Path

from graphcnn.data.idx import mnist
from graphcnn.learning.optimizers import Adam
from graphcnn.models import build
from graphcnn.pictures import graph_picture, training_picture, volume_picture


def draw(data: Path, folder: Path) -> list[Path]:
    """LeNet-5 with the maps of the first test image, ResNet-18, the U of U-Net, a training step."""
    train, test = mnist(data)
    lenet = build("lenet5")
    lenet.fit(train, epochs=1, batch_size=64, optimizer=Adam(0.001), seed=0, progress=False)
    maps = lenet.activations(test.images[0])
    pictures = {
        "lenet5.svg": volume_picture(lenet.graph, style="lenet", paint=maps),
        "resnet18.svg": graph_picture(build("resnet18").graph),
        "unet.svg": volume_picture(build("unet").graph, style="unet"),
        "training-step.svg": training_picture(build("lenet5").training_graph("cross_entropy")),
    }
    return [picture.save(folder / name) for name, picture in pictures.items()]


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit("usage: python -m graphcnn.tools.readme_pictures MNIST FOLDER")
    for path in draw(Path(sys.argv[1]), Path(sys.argv[2])):
        print(f"drawn: {path}")
