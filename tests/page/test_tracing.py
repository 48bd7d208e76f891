"""Maps, the parts of a number, pins and the graph in a browser, as a visitor uses them."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import graphcnn as cnn

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'")

IMAGES = np.random.default_rng(5).integers(0, 256, (2, 1, 12, 12), np.uint8)


def joined() -> cnn.Model:
    image = cnn.input("image", (1, 12, 12))
    x = cnn.conv2d(image, 4, 3, padding=1, activation="relu", name="first")
    y = cnn.conv2d(x, 4, 3, padding=1, name="second")
    x = cnn.max_pool2d(cnn.relu(cnn.add(x, y, name="join")), 2, name="pool")
    return cnn.Model(image, cnn.dense(cnn.flatten(x), 3, name="scores"), name="joined")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("tracing") / "joined.html"
    joined().initialize(1).page(path, samples=IMAGES, labels=["a", "b"])
    return path.as_uri()


@pytest.fixture
def opened(browser: Any, url: str) -> Iterator[Any]:
    contexts = []

    def page(**options: Any) -> Any:
        contexts.append(browser.new_context(offline=True, **options))
        found = contexts[-1].new_page()
        found.goto(url)
        found.wait_for_selector(".scores .best")
        return found

    yield page
    for context in contexts:
        context.close()


def sheet(page: Any, layer: str) -> Any:
    return page.locator(f"[data-layer='{layer}'] .sheet")


def says(page: Any, text: str) -> None:
    """Waits until the panel tells of this unit."""
    page.locator("#trace strong", has_text=text).first.wait_for()


def test_a_number_is_followed_back_to_the_image(opened: Any) -> None:
    page = opened()
    sheet(page, "scores").hover(position={"x": 20, "y": 24})
    says(page, "scores, 0")
    seen = ["scores"]
    while seen[-1] != "image":
        assert page.locator("#trace .sum .bad").count() == 0
        if seen[-1] != "scores":
            assert page.locator("#trace .sum .good").inner_text().endswith("✓")
        before = page.locator("#trace strong").first.inner_text()
        page.locator("#trace .link").first.click()
        page.wait_for_function("(b) => document.querySelector('#trace strong').innerText !== b",
                               arg=before)  # fmt: skip
        seen.append(page.locator("#trace strong").first.inner_text().split(",")[0])
        assert page.locator(".layer.current .layer-name").inner_text() == seen[-1]
    assert seen == ["scores", "pool", "join", "first", "image"]
    page.keyboard.press("f")
    sheet(page, "second").hover(position={"x": 30, "y": 30})
    page.wait_for_timeout(200)
    assert page.locator("#trace strong").first.inner_text().startswith("image")
    page.locator("#graph [data-layer=second]").first.click()
    page.wait_for_selector(".layer.current[data-layer=second]")


def test_pins_compare_inputs(opened: Any) -> None:
    page = opened()
    sheet(page, "scores").click(position={"x": 80, "y": 24})
    page.get_by_role("button", name="Keep this input").click()
    page.locator("#input button", has_text="b").last.click()
    page.wait_for_timeout(300)
    sheet(page, "scores").click(position={"x": 140, "y": 24})  # also of the input that was kept
    page.locator(".pins tr").nth(2).wait_for()
    found = [float(text) for text in page.locator(".pins td .number").all_inner_texts()]
    logits = joined().initialize(1).predict(IMAGES[::-1])[:, 1:]
    assert found == [pytest.approx(value, rel=0.01) for value in logits.T.ravel()]


def test_a_finger_chooses_and_pins(opened: Any) -> None:
    page = opened(viewport={"width": 390, "height": 800}, has_touch=True)
    place = {"x": 30, "y": 30}
    sheet(page, "join").tap(position=place)
    says(page, "join, map 0")
    assert page.locator(".pins tr").count() == 0
    assert page.locator(".jump").inner_text().startswith("join, map 0")
    sheet(page, "join").tap(position=place)
    page.locator(".pins tr").nth(1).wait_for()


def test_what_is_off_grows_nothing_and_says_so(opened: Any) -> None:
    page = opened()
    sheet(page, "second").hover(position={"x": 30, "y": 30})
    growth = page.locator("#grow p.number")
    sync_api.expect(growth).to_contain_text(re.compile("second.*→"))
    page.keyboard.press("x")
    sync_api.expect(growth).to_contain_text("is switched off")
    page.keyboard.press("x")
    sync_api.expect(growth).to_contain_text("→")


def test_cards_of_the_graph_are_called_what_stands_on_them(opened: Any) -> None:
    cards = opened().locator("#graph [data-layer]")
    assert cards.count() == 7
    for card in cards.all():
        name = card.get_attribute("aria-label")
        assert card.get_attribute("data-layer") in name
        assert name in " ".join(card.text_content().split())  # as words, and in the same order
        assert all(text in name for text in card.locator("text").all_text_contents())
        assert card.get_attribute("aria-description").startswith(card.get_attribute("data-layer"))


def test_the_graph_is_moved_and_comes_back(opened: Any) -> None:
    page = opened()
    drawing = page.locator(".diagram svg")
    drawing.scroll_into_view_if_needed()
    box = drawing.bounding_box()
    page.get_by_role("button", name="Fit").click()
    whole = drawing.get_attribute("viewBox")
    page.get_by_role("button", name="larger").click(click_count=6)
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 100, box["y"] + 90, steps=4)
    page.mouse.up()
    assert drawing.get_attribute("viewBox") != whole
    page.get_by_role("button", name="Fit").click()
    assert drawing.get_attribute("viewBox") == whole
