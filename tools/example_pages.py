"""The pages of docs/pages, which a visitor opens with a click:

    python -m graphcnn.tools.example_pages docs/pages               makes them again
    python -m graphcnn.tools.example_pages docs/pages --picture     and a picture of the first

LeNet-5 is that of docs/lens, with digits that a pen of ours draws. vgg_cifar learned CIFAR-10
(A. Krizhevsky, 2009), of which no picture is in its page: what it is shown first are images that it
makes up itself, one for each class. It was trained to 86.4 % of the test images by

    graphcnn train vgg_cifar --data cifar10:FILE --epochs 16 --schedule one_cycle \\
        --optimizer muon --augment "flip, crop(4)" --label-smoothing 0.1 -o vgg_cifar.safetensors
"""

import shutil
from pathlib import Path
from typing import Final

import click
import numpy as np

import graphcnn as cnn
from graphcnn.ir.node import Array
from graphcnn.tools.drawn_digits import digits

LENET: Final = Path("docs/lens/lenet5.safetensors")
#: In the folder of the pages.
VGG: Final = "vgg_cifar.safetensors"


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--picture", is_flag=True, help="Also lenet5.png, by Chromium and playwright.")
def main(folder: Path, picture: bool) -> None:
    """Make the pages in FOLDER again."""
    lenet = cnn.load(LENET)
    drawn = digits(10)
    click.echo(lenet.page(folder / "lenet5.html", samples=drawn, labels=range(10), float16=True))
    if picture:
        photograph(folder / "lenet5.html", folder / "lenet5.png")
    vgg = cnn.load(folder / VGG)
    images = imagined(vgg)
    labels = [f"{name}, imagined" for name in vgg.classes]
    click.echo(vgg.page(folder / "vgg_cifar.html", samples=images, labels=labels, float16=True))


def imagined(model: cnn.Model) -> Array:
    """For each class the image that it answers most, uint8 (classes, C, H, W)."""
    found = model.lens().maximise(
        steps=400, jitter=3, turn=5.0, zoom=1.1, penalties={"tv": 0.05}, frames=1
    )
    images: Array = np.rint(255 * found.arrays["images"]).astype(np.uint8)
    return images


def photograph(page: Path, picture: Path) -> None:
    """The page as one sees it with the mouse on a number of the third layer."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as run:
        browser = run.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        view = browser.new_page(viewport={"width": 1440, "height": 900})
        view.goto(page.resolve().as_uri() + "#unit=C3:3:4:3")
        view.wait_for_timeout(3000)  # an image grows
        view.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    main()
