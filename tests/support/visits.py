"""What tests of the page in a browser share: a page, visits to it, hands that draw on it."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import graphcnn as cnn

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
MNIST = Path(__file__).parents[3] / "shared" / "data" / "mnist"
#: A 7 in shares of the drawing surface.
SEVEN = ((0.28, 0.25), (0.7, 0.25), (0.6, 0.5), (0.47, 0.8))


def lenet5() -> cnn.Model:
    """As it is when it has learned from a part of MNIST, or from noise where that is missing."""
    image = cnn.input("image", (1, 28, 28))
    x = cnn.conv2d(image, 6, 5, padding=2, activation="relu", name="C1")
    x = cnn.conv2d(cnn.max_pool2d(x, 2, name="S2"), 16, 5, activation="relu", name="C3")
    x = cnn.flatten(cnn.max_pool2d(x, 2, name="S4"))
    x = cnn.dense(cnn.dense(x, 120, activation="relu"), 84, activation="relu")
    model = cnn.Model(image, cnn.dense(x, 10, name="logits"), name="lenet5").initialize(0)
    if MNIST.is_dir():
        train = cnn.data.mnist(str(MNIST))[0]
        small = cnn.data.Dataset(train.images[:12000], train.labels[:12000], train.classes)
        model.fit(small, epochs=2, batch_size=64, optimizer=cnn.Adam(0.002), seed=0)
    return model


@dataclass(frozen=True)
class Case:
    """A page, and what the network itself says of its samples."""

    url: str
    path: Path
    shares: np.ndarray


@dataclass
class Visit:
    """An open page, what it asked for and what it complained of."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def verdict(self) -> str:
        return str(self.page.locator("#verdict strong").inner_text())

    def has_address(self, *parts: str) -> None:
        """Waits until all of these stand in the address."""
        script = "(parts) => parts.every((p) => decodeURIComponent(location.hash).includes(p))"
        self.page.wait_for_function(script, arg=list(parts))

    def settled(self) -> None:
        self.page.wait_for_timeout(400)


Visiting = Callable[..., Visit]


def surface(visit: Visit) -> Any:
    return visit.page.locator("#input canvas[role=application]")


def cleared(visit: Visit) -> dict[str, float]:
    visit.page.locator("#input button", has_text=re.compile("^Clear$")).click()
    surface(visit).scroll_into_view_if_needed()
    box: dict[str, float] = surface(visit).bounding_box()
    return box


def draw_with_mouse(visit: Visit) -> None:
    box = cleared(visit)
    mouse = visit.page.mouse
    for i, (x, y) in enumerate(SEVEN):
        mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=8)
        if i == 0:
            mouse.down()
    mouse.up()
    visit.settled()


def draw_with_finger(visit: Visit) -> None:
    box = cleared(visit)
    session = visit.page.context.new_cdp_session(visit.page)
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in SEVEN]
    for i in range(8 * (len(places) - 1) + 1):
        (x0, y0), (x1, y1) = places[min(i // 8, 2)], places[min(i // 8, 2) + 1]
        share = i / 8 - min(i // 8, 2)
        point = {"x": x0 + share * (x1 - x0), "y": y0 + share * (y1 - y0)}
        kind = "touchStart" if i == 0 else "touchMove"
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    visit.settled()
