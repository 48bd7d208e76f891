"""The page on paper, and where there is little room: printed, enlarged, narrow, long names."""

from typing import Any

import numpy as np
import pytest
from support.visits import Case

import graphcnn as cnn

NAME = "L" * 300
#: What is wider than the window, of what is seen.
WIDE = """() => [...document.querySelectorAll("*")]
    .filter((e) => e.checkVisibility() && !e.closest(".pane, .tabs, .hidden-visually, .skip")
        && e.getBoundingClientRect().right > innerWidth + 1)
    .map((e) => e.outerHTML.slice(0, 90))"""
#: As a browser prints: what listens to that is told, and the style is that of paper.
PRINTING = "() => dispatchEvent(new Event('beforeprint'))"
#: The darkest and the palest text of canvases over the maps, 0 to 255.
INK = """() => [...document.querySelectorAll(".marks")].filter((c) => c.width).map((c) => {
    const all = c.getContext("2d").getImageData(0, 0, c.width, 14).data;
    const ink = all.filter((v, i) => i % 4 === 0 && all[i + 3] > 250);
    return ink.reduce((a, b) => Math.max(a, b), 0); })"""


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A network whose answer is maps, with a layer of 300 letters."""
    path = tmp_path_factory.mktemp("mapped") / "mapped.html"
    image = cnn.input("image", (3, 24, 32))
    x = cnn.conv2d(image, 6, 3, padding=1, activation="relu", name="first")
    y = cnn.conv2d(cnn.max_pool2d(x, 2), 16, 3, padding=1, activation="relu", name=NAME)
    y = cnn.conv_transpose2d(y, 8, 2, stride=2, name="up")
    answer = cnn.conv2d(cnn.concat([x, y], axis=1), 4, 1, name="mask")
    model = cnn.Model(image, answer, name="seg").initialize(0)
    model.classes = ("sky", "tree", "road", "w" * 80)
    samples = np.random.default_rng(0).integers(0, 256, (2, 3, 24, 32), np.uint8)
    model.page(path, samples=samples)
    return path.as_uri()


@pytest.mark.parametrize("width, height, density", [
    (390, 844, 3), (320, 640, 1), (720, 450, 2), (640, 360, 2), (1440, 900, 1),
])  # fmt: skip
def test_nothing_is_wider_than_the_window(
    visit: Any, mapped: str, width: int, height: int, density: int
) -> None:
    """720 by 450 is 1440 by 900 enlarged twice; a unit of the long layer is chosen and pinned."""
    options = {"viewport": {"width": width, "height": height}, "device_scale_factor": density}
    unit = f"{NAME}:3:4:5"
    seen = visit(f"{mapped}#unit={unit}&pins={unit}&layer={NAME}", waited=".spent", **options)
    page = seen.page
    page.wait_for_function("(width) => document.documentElement.scrollWidth <= width", arg=width)
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width < 1200:  # wider ones scroll by columns
        assert page.evaluate(WIDE) == []
    name = page.locator(".layer-name", has_text=NAME)
    assert name.bounding_box()["height"] < 70  # three lines; its tooltip has all of it
    assert name.get_attribute("title") == NAME
    assert page.locator("h1").bounding_box()["height"] < 40  # "seg" is not broken
    bar = page.locator(".bar")
    page.evaluate("scrollTo(0, 2000)")
    assert height >= 600 or bar.bounding_box()["y"] < 0  # it leaves what little room there is
    assert seen.complaints == []


@pytest.mark.parametrize("width", [390, 1440, 2560])
def test_paper_is_light_has_no_controls_and_the_whole_graph(
    visit: Any, case: Case, width: int
) -> None:
    options = {"viewport": {"width": width, "height": 900}, "color_scheme": "dark"}
    seen = visit(f"{case.url}#unit=C3:3:4:3", **options)
    page = seen.page
    seen.settled()
    page.locator("#graph button").first.click()  # enlarged: a part of the graph is seen
    view = page.locator("#graph svg").get_attribute("viewBox")
    assert width < 700 or max(page.evaluate(INK)) > 130  # dark; on a telephone they are below
    page.evaluate(PRINTING)
    assert 0 < max(page.evaluate(INK)) < 130  # the numbers over the maps, and no pale ones
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 703, "height": 1000})  # A4 without margins
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    shown = "[...document.querySelectorAll('{}')].filter((e) => e.checkVisibility()).length"
    assert page.evaluate(shown.format("input, select, details, .tools, .tabs, .samples")) == 0
    assert page.evaluate(shown.format("#input button, #grow button, #graph button")) == 0
    assert page.evaluate(shown.format("#trace .sum")) == 1
    assert page.evaluate(shown.format("#look")) == 0  # there is nothing to see in it
    assert page.evaluate(WIDE) == []
    box, whole = (
        page.locator("#graph svg").bounding_box(),
        page.evaluate(
            "() => { const v = document.querySelector('#graph svg').viewBox.baseVal;"
            "return [v.width, v.height]; }"
        ),
    )
    assert box["width"] <= 703 and box["height"] <= 240 / 25.4 * 96 + 1
    assert max(box["width"] / 660, box["height"] / 900) > 0.9 or box["width"] >= whole[0] - 1
    cards = page.locator("#graph [data-layer]")
    for card in (cards.first, cards.last):
        inner = card.bounding_box()
        assert inner["y"] >= box["y"] - 1
        assert inner["y"] + inner["height"] <= box["y"] + box["height"] + 1
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(media="screen")
    page.evaluate("() => dispatchEvent(new Event('afterprint'))")
    seen.settled()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 19, 22)"
    assert width < 700 or max(page.evaluate(INK)) > 130  # dark again
    page.wait_for_function("() => !location.hash.includes('theme')")
    if width == 1440:
        assert page.locator("#graph svg").get_attribute("viewBox") == view


def test_canvases_follow_the_theme_at_once(visit: Any) -> None:
    page = visit(color_scheme="light").page
    for pale in (False, True, False):  # light, dark, and as the system has it
        page.locator("#theme").click()
        page.wait_for_timeout(150)
        assert (max(page.evaluate(INK)) > 130) == pale


def test_a_page_is_printed_to_a_few_sheets(visit: Any, case: Case) -> None:
    page = visit(f"{case.url}#unit=C3:3:4:3", viewport={"width": 1440, "height": 900}).page
    page.wait_for_timeout(300)
    content = page.pdf(format="A4")
    sheets = content.count(b"/Type /Page\n") or content.count(b"/Type/Page\n")
    assert 2 <= sheets <= 5
    page.wait_for_function("() => !location.hash.includes('theme')")
