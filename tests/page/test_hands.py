"""Two fingers, a window that changes, a page that is left, a camera: none spoils a drawing."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from support.visits import Case, Visit, cleared, surface

TELEPHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
#: Rows and columns of the drawing surface that have ink: [top, bottom, left, right] in shares.
EXTENT = """() => {
    const c = document.querySelector("#input canvas[role=application]");
    const all = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
    let [top, bottom, left, right] = [1, 0, 1, 0];
    for (let i = 0; i < c.width * c.height; i++) if (all[4 * i] > 128) {
        const [y, x] = [Math.floor(i / c.width) / c.height, (i % c.width) / c.width];
        [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
        [left, right] = [Math.min(left, x), Math.max(right, x)];
    }
    return [top, bottom, left, right]; }"""


class Fingers:
    """Fingers on the surface, by number, at shares of it."""

    def __init__(self, visit: Visit) -> None:
        self.visit, self.down = visit, dict[int, tuple[float, float]]()
        self.session = visit.page.context.new_cdp_session(visit.page)

    def tell(self, kind: str, **places: tuple[float, float] | None) -> None:
        for finger, place in places.items():
            if place is None:
                self.down.pop(int(finger[1:]), None)
            else:
                self.down[int(finger[1:])] = place
        box = surface(self.visit).bounding_box()
        points = [
            {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"], "id": finger}
            for finger, (x, y) in self.down.items()
        ]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        self.visit.page.wait_for_timeout(40)


def pressed(visit: Visit, name: str) -> None:
    """As a second finger, or somebody else, would press it while the first one draws."""
    visit.page.evaluate(
        """(name) => [...document.querySelectorAll("#input button")]
            .find((key) => key.textContent === name || key.title.startsWith(name)).click()""",
        name,
    )
    visit.page.wait_for_timeout(60)


def test_a_second_finger_does_not_draw_nor_end_the_stroke_of_the_first(visit: Any) -> None:
    seen = visit(**TELEPHONE)
    cleared(seen)
    fingers = Fingers(seen)
    fingers.tell("touchStart", f0=(0.2, 0.2))
    fingers.tell("touchMove", f0=(0.4, 0.2))
    fingers.tell("touchStart", f1=(0.8, 0.8))
    fingers.tell("touchMove", f1=(0.9, 0.9))
    _, bottom, _, right = seen.page.evaluate(EXTENT)
    assert bottom < 0.3 and right < 0.5  # nothing of the second one
    fingers.tell("touchEnd", f1=None)
    fingers.tell("touchMove", f0=(0.6, 0.2))
    assert seen.page.evaluate(EXTENT)[3] > 0.55  # the first one goes on
    fingers.tell("touchEnd", f0=None)
    fingers.tell("touchStart", f0=(0.2, 0.8))  # and then whoever comes
    fingers.tell("touchMove", f0=(0.6, 0.8))
    fingers.tell("touchEnd", f0=None)
    assert seen.page.evaluate(EXTENT)[1] > 0.75
    assert seen.complaints == []


@pytest.mark.parametrize("key", ["Clear", "Undo", "a"])
def test_what_changes_the_drawing_lifts_the_pen(visit: Any, key: str) -> None:
    seen = visit(viewport={"width": 1440, "height": 900})
    box = cleared(seen)
    mouse = seen.page.mouse
    mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.1 * box["height"])
    mouse.down()
    mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.9 * box["height"], steps=4)
    seen.page.wait_for_timeout(60)
    pressed(seen, key)
    after = seen.page.evaluate(EXTENT)
    mouse.move(box["x"] + 0.95 * box["width"], box["y"] + 0.9 * box["height"], steps=4)
    seen.page.wait_for_timeout(60)
    assert seen.page.evaluate(EXTENT) == after  # the hand that is still down draws no further
    mouse.up()
    mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    mouse.down()
    mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.5 * box["height"], steps=4)
    mouse.up()
    seen.settled()
    assert seen.page.evaluate(EXTENT) != after  # until it is put down again
    pressed(seen, "Undo")
    assert seen.page.evaluate(EXTENT) == after  # which is one stroke
    assert seen.complaints == []


def test_a_window_that_changes_while_one_draws(visit: Any) -> None:
    seen = visit(viewport={"width": 1440, "height": 900})
    box = cleared(seen)
    mouse = seen.page.mouse
    mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 0.2 * box["height"])
    mouse.down()
    mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.2 * box["height"], steps=4)
    seen.page.wait_for_timeout(60)
    for n, size in enumerate(((800, 700), (390, 844), (1300, 500))):
        before = seen.page.evaluate(EXTENT)
        seen.page.set_viewport_size(dict(zip(("width", "height"), size, strict=True)))
        seen.page.wait_for_timeout(100)
        surface(seen).scroll_into_view_if_needed()
        box = surface(seen).bounding_box()
        mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.95 * box["height"], steps=4)
        seen.page.wait_for_timeout(60)
        assert seen.page.evaluate(EXTENT) == before  # the surface has moved from under the pen
        mouse.up()
        deep = 0.4 + 0.2 * n
        mouse.move(box["x"] + 0.2 * box["width"], box["y"] + deep * box["height"])
        mouse.down()
        mouse.move(box["x"] + 0.8 * box["width"], box["y"] + deep * box["height"], steps=4)
        seen.page.wait_for_timeout(60)
        top, bottom, left, right = seen.page.evaluate(EXTENT)
        # The ink is under the pen, whatever the surface measures.
        assert abs(top - 0.2) < 0.06 and abs(bottom - deep) < 0.06
        assert abs(left - 0.2) < 0.06 and abs(right - 0.8) < 0.06
    mouse.up()
    assert seen.complaints == []


def test_the_story_has_one_pen_too(visit: Any, case: Case) -> None:
    seen = visit(f"{case.url}#pane=story", **TELEPHONE)
    board = seen.page.locator("#story .board")
    board.scroll_into_view_if_needed()
    box = board.bounding_box()
    session = seen.page.context.new_cdp_session(seen.page)
    picture = "() => document.querySelector('#story .board').toDataURL()"

    def tell(kind: str, *places: tuple[int, float, float]) -> str:
        points = [
            {"id": i, "x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
            for i, x, y in places
        ]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        seen.page.wait_for_timeout(40)
        return str(seen.page.evaluate(picture))

    one = tell("touchStart", (0, 0.06, 0.06))
    assert tell("touchStart", (0, 0.06, 0.06), (1, 0.9, 0.4)) == one
    assert tell("touchMove", (0, 0.06, 0.06), (1, 0.9, 0.6)) == one
    assert tell("touchEnd", (0, 0.06, 0.06)) == one
    assert tell("touchMove", (0, 0.3, 0.06)) != one


HIDE = """(hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
    document.dispatchEvent(new Event("visibilitychange")); }"""
CAMERA = re.compile("^(Camera|Stop the camera)$")


@pytest.fixture(scope="module")
def filmed(chromium: Any) -> Iterator[Any]:
    """A browser with a camera, which shows a moving picture."""
    fake = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    found = chromium(*fake)
    yield found
    found.close()


def test_the_camera_films_until_something_else_is_wanted(filmed: Any, case: Case) -> None:
    context = filmed.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(case.url)
    page.wait_for_selector(".scores .best")
    page.evaluate("""() => { const own = navigator.mediaDevices.getUserMedia.bind(
        navigator.mediaDevices);
        navigator.mediaDevices.getUserMedia = async (how) => {
            globalThis.stream = await own(how); return globalThis.stream; }; }""")
    picture = "() => document.querySelector('#input canvas[role=application]').toDataURL()"
    live = "() => globalThis.stream?.getVideoTracks()[0].readyState"
    key = page.locator("#input button", has_text=CAMERA)

    def films() -> None:
        key.click()
        page.wait_for_function(f"() => ({live})() === 'live'")
        before = page.evaluate(picture)
        page.wait_for_function(f"(before) => ({picture})() !== before", arg=before)
        assert key.get_attribute("aria-pressed") == "true"

    def over() -> None:
        page.wait_for_function(f"() => ({live})() === 'ended'")
        assert key.get_attribute("aria-pressed") == "false"
        page.wait_for_timeout(100)
        before = page.evaluate(picture)
        page.wait_for_timeout(300)
        assert page.evaluate(picture) == before

    films()
    page.evaluate(HIDE, True)  # nobody sees the page
    over()
    page.evaluate(HIDE, False)
    films()
    page.locator("#grow button", has_text="As input").click()
    over()  # and what was asked for stands
    films()
    page.set_viewport_size({"width": 390, "height": 844})
    page.locator("#input .samples button").nth(1).click()
    over()
    films()
    surface(Visit(page)).click(position={"x": 40, "y": 40})
    over()  # one draws upon what was filmed last
    assert complaints == []
    context.close()


@pytest.mark.parametrize("error, words", [
    ("NotAllowedError", "not allowed"), ("NotFoundError", "No camera"),
    ("NotReadableError", "another program"), ("OddError", "OddError"), (None, "not allowed"),
])  # fmt: skip
def test_without_a_camera_the_page_says_why(visit: Any, error: str | None, words: str) -> None:
    seen = visit()
    page = seen.page
    page.evaluate(
        """(name) => Object.defineProperty(navigator, "mediaDevices", { value: name && {
            getUserMedia: async () => { throw new DOMException("", name); } } })""",
        error,
    )
    key = page.locator("#input button", has_text=CAMERA)
    key.click()
    page.wait_for_selector("#input .problem:visible")
    assert words in page.locator("#input .problem").inner_text()
    assert key.get_attribute("aria-pressed") == "false" and key.inner_text() == "Camera"
    cleared(seen)
    surface(seen).click(position={"x": 40, "y": 40})  # drawing goes on, and takes the words away
    page.wait_for_selector("#input .problem", state="hidden")
    seen.settled()
    assert page.evaluate(EXTENT)[1] > 0
    assert seen.complaints == []


def test_an_image_grows_on_when_the_page_is_seen_again(visit: Any) -> None:
    """Frames stop where a page is hidden; what is asked for meanwhile is done when it is back."""
    seen = visit(viewport={"width": 1440, "height": 900})
    page = seen.page
    page.wait_for_function("() => /\\d/.test(document.querySelector('#grow .number').textContent)")
    page.evaluate("""() => { globalThis.frames_ = []; globalThis.own = requestAnimationFrame;
        globalThis.requestAnimationFrame = (f) => globalThis.frames_.push(f); }""")
    page.keyboard.press("]")
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(400)
    before = page.locator("#grow .number").inner_text()
    page.wait_for_timeout(300)
    assert page.locator("#grow .number").inner_text() == before
    page.evaluate("""() => { globalThis.requestAnimationFrame = globalThis.own;
        for (const f of globalThis.frames_.splice(0)) requestAnimationFrame(f); }""")
    page.wait_for_function(
        "() => / [1-9]\\d* steps/.test(document.querySelector('#grow .number').textContent)"
    )
    page.wait_for_function(
        "(before) => document.querySelector('#grow .number').textContent !== before", arg=before
    )
    assert seen.complaints == []
