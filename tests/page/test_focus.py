"""By keys alone: what has the focus never goes away without handing it on, and nothing is reset."""

from typing import Any

import pytest
from support.visits import Case, Visit, cleared, surface

#: What has the focus, in words; "body" where it is lost.
HELD = """() => { const e = document.activeElement;
    return e === document.body ? "body" : e.title || e.textContent || e.tagName; }"""


def held(seen: Visit) -> str:
    seen.page.wait_for_timeout(120)  # the panels are written anew in the next frame
    return str(seen.page.evaluate(HELD)).strip()


def focused(seen: Visit, selector: str, name: str) -> None:
    seen.page.evaluate(
        """([selector, name]) => [...document.querySelectorAll(selector)].find((e) =>
            e.textContent === name || e.title.startsWith(name)).focus()""",
        [selector, name],
    )


def test_who_undoes_the_last_stroke_stays_in_the_panel(visit: Any) -> None:
    seen = visit()
    cleared(seen)
    surface(seen).click(position={"x": 60, "y": 60})
    focused(seen, "#input button", "Undo")
    for _ in range(2):
        seen.page.keyboard.press("Enter")
    seen.page.keyboard.press("Enter")  # whatever it is that has it now
    assert held(seen) not in ("body", "Clear")
    focused(seen, "#input button", "Redo")
    seen.page.keyboard.press("Enter")
    seen.page.keyboard.press("Enter")
    assert held(seen) not in ("body", "Clear")


def test_pins_and_switches_that_go_hand_the_focus_on(visit: Any, case: Case) -> None:
    seen = visit(f"{case.url}#pins=C1:0:4:5~C3:1:2:2&unit=C3:1:2:2&switches=C1:2:0~C1:3:0")
    for selector, name in (
        ("#trace .pins .link", "take the pin off"),
        ("#trace button", "Clear"),  # all of them, and the panel of pins with them
        ("#look button", "Switch it on again"),
        ("#look button", "All on"),
    ):
        focused(seen, selector, name)
        seen.page.keyboard.press("Enter")
        assert held(seen) != "body", name
    assert seen.complaints == []


def test_pages_of_maps_end_and_the_focus_stays_with_them(visit: Any) -> None:
    seen = visit(viewport={"width": 700, "height": 900})
    layer = seen.page.locator(".layer", has=seen.page.get_by_text("flatten", exact=False)).first
    on, back = layer.locator(".pager button").nth(1), layer.locator(".pager button").nth(0)
    on.focus()
    for _ in range(40):
        if on.is_disabled():
            break
        seen.page.keyboard.press("Enter")
    assert on.is_disabled()
    seen.page.wait_for_timeout(120)
    assert back.evaluate("(e) => e === document.activeElement")


def test_a_click_beside_everything_may_take_the_focus(visit: Any) -> None:
    seen = visit()
    cleared(seen)
    surface(seen).click(position={"x": 60, "y": 60})
    focused(seen, "#input button", "Undo")
    seen.page.mouse.click(5, 400)
    assert held(seen) == "body"
    undo = seen.page.locator('#input button[title^="Undo"]')
    for _ in range(4):  # what had it goes away afterwards: nobody is brought back to it
        undo.evaluate("(key) => key.click()")
        seen.page.wait_for_timeout(60)
    assert undo.is_disabled()
    assert held(seen) == "body"
    seen.page.keyboard.press("ArrowRight")  # and the keys are those of the page
    seen.has_address("unit=")


def test_dialogs_close_by_escape_and_give_the_focus_back(visit: Any) -> None:
    seen = visit()
    for key, dialog in (("help-key", "#key-sheet"), ("search-key", "#search")):
        seen.page.locator(f"#{key}").focus()
        seen.page.keyboard.press("Enter")
        seen.page.wait_for_selector(f"{dialog}[open]")
        assert seen.page.evaluate("document.activeElement.closest('dialog') !== null")
        seen.page.keyboard.press("Escape")
        seen.page.wait_for_selector(dialog, state="hidden")
        assert seen.page.evaluate("document.activeElement.id") == key


def test_skipping_to_the_maps_keeps_the_drawing(visit: Any) -> None:
    seen = visit()
    cleared(seen)
    surface(seen).click(position={"x": 60, "y": 60})
    seen.page.wait_for_timeout(900)  # it stands in the address
    before = seen.page.url
    verdict = seen.page.locator("#verdict").inner_text()
    seen.page.locator(".skip").focus()
    seen.page.keyboard.press("Enter")
    seen.settled()
    assert seen.page.evaluate("document.activeElement.id") == "maps"
    assert seen.page.url == before
    assert seen.page.locator("#verdict").inner_text() == verdict


@pytest.mark.parametrize("pane", ["lab", "story", "learn", "graph"])
def test_every_pane_is_left_by_tab(visit: Any, case: Case, pane: str) -> None:
    seen = visit(f"{case.url}#pane={pane}")
    inside = f"() => document.getElementById('{pane}').contains(document.activeElement)"
    seen.page.locator(f"#tab-{pane}").focus()
    seen.page.keyboard.press("Tab")
    steps = 0
    while seen.page.evaluate(inside):
        seen.page.keyboard.press("Tab")
        steps += 1
        assert steps < 120
    assert steps > 0
    assert seen.complaints == []
