"""The pictures of docs/what-it-sees.md:

    python -m graphcnn.tools.lens_pictures docs/lens                    draws them again
    python -m graphcnn.tools.lens_pictures docs/lens --data mnist:DIR   trains the network first

The folder holds the network and the digits that the page is about, those of
`graphcnn.tools.drawn_digits`, so that its examples run without the data. The same network gives
the same pictures, byte for byte.
"""

import argparse
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from graphcnn.base.files import atomic_write
from graphcnn.data.specs import load as load_data
from graphcnn.ir.node import Array
from graphcnn.learning.optimizers import Adam
from graphcnn.lens.finding import Finding
from graphcnn.lens.lens import Lens
from graphcnn.model import load
from graphcnn.models import build
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.raster.sheet import sheet_picture
from graphcnn.pictures.raster.tiles import Tile, number
from graphcnn.tools import xo_story
from graphcnn.tools.drawn_digits import digits

NETWORK: Final = "lenet5.safetensors"
DIGITS: Final = "digits.npy"
COUNT: Final = 16


def train(data: str, folder: Path) -> None:
    """LeNet-5 after three epochs."""
    parts = load_data(data)
    model = build("lenet5")
    model.fit(
        parts.train, epochs=3, batch_size=64, optimizer=Adam(0.001), seed=0, validation=parts.test
    )
    model.save(folder / NETWORK)


def draw_digits(folder: Path) -> None:
    """Sixteen digits as an array file: 0 to 9, and 0 to 5 once more in another hand."""
    buffer = io.BytesIO()
    np.save(buffer, digits(COUNT))
    atomic_write(folder / DIGITS, buffer.getvalue())


def maximised(lens: Lens) -> Picture:
    """The images of all classes after the last step, without the way there."""
    found = lens.maximise(penalties={"tv": 8})
    tiles = [
        Tile(image, title=str(i), lines=(f"score {number(score)}",))
        for i, (image, score) in enumerate(zip(found["images"], found["scores"][-1], strict=True))
    ]
    return sheet_picture(tiles, "what excites each class most", "", (found.caption,), columns=10)


#: By the name of the file, in the order of the page.
PICTURES: Final[Mapping[str, Callable[[Lens, Array], Finding | Picture]]] = {
    "xo": lambda lens, digits: xo_story.picture(),
    "dense": lambda lens, digits: lens.dense_form("C1"),
    "steps": lambda lens, digits: lens.steps("C1", digits[7], shown=(2, 3)),
    "maps": lambda lens, digits: lens.maps(digits[7]),
    "filters": lambda lens, digits: lens.filters("C1"),
    "field": lambda lens, digits: lens.field("S4"),
    "gradient": lambda lens, digits: lens.gradient(digits[7]),
    "integrated": lambda lens, digits: lens.integrated(digits[7]),
    "attributed": lambda lens, digits: lens.attribute(digits[7]),
    "maximised": lambda lens, digits: maximised(lens),
    "reconstructed": lambda lens, digits: lens.reconstruct(digits),
    "adversarial": lambda lens, digits: lens.adversarial(digits[9]),
}


def draw(folder: Path) -> list[Path]:
    """All pictures of the network in the folder."""
    lens = load(folder / NETWORK).lens()
    draw_digits(folder)
    items = digits(COUNT)
    return [make(lens, items).save(folder / f"{name}.svg") for name, make in PICTURES.items()]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m graphcnn.tools.lens_pictures")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", help="train the network on these first, as in mnist:DIR")
    given = parser.parse_args()
    if given.data:
        given.folder.mkdir(exist_ok=True)
        train(given.data, given.folder)
    for path in draw(given.folder):
        print(f"drawn: {path} ({path.stat().st_size:,} bytes)")


if __name__ == "__main__":
    main()
