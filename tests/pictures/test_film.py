"""Films: what moves, what stands still, and what becomes of them on paper."""

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from pictures.checks import check_files, text_box

from graphcnn.errors import OutputError
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.scene.frames import PAGE
from graphcnn.pictures.scene.scene import Box, Film, Group, Item, Rect, Scene, Text, shapes

SECONDS = (1.0, 1.0, 2.0)


def counting() -> Picture:
    """Three frames that count, a word in the first two, one in all; something below the stage."""
    words: list[Item] = [Text(20, 60, "always")]
    words += [Group((Text(70, 60, str(i)),), "step", "", f"frame {i}", frames=(i, i + 1))
              for i in range(3)]  # fmt: skip
    words.append(Group((Text(100, 60, "early"),), frames=(0, 2)))
    stage = Group(tuple(words), "stage", box=Box(14, 40, 154, 70))
    items = (Rect(Box(0, 0, 168, 100), "ground"), Text(14, 24, "title"), stage, Text(14, 90, "end"))
    return Picture(Scene(168, 100, items, "counting", "to three", film=Film(SECONDS, (0, 1, 2))))


def said(picture: Picture) -> list[str]:
    return [s.text for s in shapes(picture.scene.items) if isinstance(s, Text)]


def test_frames_and_strip() -> None:
    picture = counting()
    check_files(picture)
    assert said(picture.frame(0)) == ["title", "always", "0", "early", "end"]
    assert said(picture.frame(-1)) == ["title", "always", "2", "end"]
    strip = picture.strip()
    check_files(strip)
    assert said(strip) == [
        "title", "always", "0", "early", "always", "1", "early", "always", "2", "end",
    ]  # fmt: skip
    assert (strip.scene.width, strip.scene.height) == (14 + 3 * 140 + 2 * 24 + 14, 100)
    tall = picture.strip(frames=(0, 2), width=200).scene
    assert (tall.width, tall.height) == (168, 154), "a frame below the other"
    ends = [text_box(s) for s in shapes(tall.items) if isinstance(s, Text) and s.text == "end"]
    assert ends[0].top > 130
    assert picture.strip().pdf() == picture.pdf() and "early" in picture.tikz()
    for number in (3, -4):
        with pytest.raises(OutputError, match="has the frames 0 to 2"):
            picture.frame(number)
    with pytest.raises(OutputError, match="at least one frame"):
        picture.strip(frames=())
    facts = json.loads(picture.json())
    assert facts["seconds"] == [1, 1, 2] and facts["groups"][1]["frames"] == [1, 2]
    still = picture.frame(1)
    assert still.frame(7).scene == still.strip().scene == still.scene, "no film: itself"


def keyframes(svg: str) -> dict[str, list[tuple[float, str]]]:
    """Percent and visibility by the class that they move."""
    found = {}
    for name, rules in re.findall(r"@keyframes g\w+-(t\d+-\d+){((?:[\d.]+%{[^}]*})+)}", svg):
        steps = re.findall(r"([\d.]+)%{visibility:(\w+)}", rules)
        found[name] = [(float(at), word) for at, word in steps]
    return found


def test_what_the_style_sheet_shows_is_what_the_frames_are() -> None:
    """At the middle of each frame, the groups that are visible are those of that frame."""
    svg = counting().svg()
    rules = keyframes(svg)
    assert set(rules) == {"t0-1", "t1-2", "t2-3", "t0-2"}
    total = sum(SECONDS)
    for frame, middle in enumerate((0.5, 1.5, 3.0)):
        for name, steps in rules.items():
            first, last = map(int, name[1:].split("-"))
            state = [word for at, word in steps if at <= 100 * middle / total][-1]
            assert (state == "visible") == (first <= frame < last), (frame, name)
            assert (steps[0][0], steps[-1][0]) == (0, 100)
    assert "animation:4s step-end infinite" in svg


def test_without_motion_the_last_frame_stands() -> None:
    """Nothing moves outside a rule for screens whose readers did not ask for less motion; what is
    seen then is the last frame, in every program that draws SVG."""
    svg = counting().svg()
    style = ElementTree.fromstring(svg).findtext("{http://www.w3.org/2000/svg}style") or ""
    before, _, after = style.partition("@media screen and (prefers-reduced-motion:no-preference){")
    assert after and "animation" not in before.replace("@keyframes", "")
    assert "animation-play-state:paused" in after
    root = ElementTree.fromstring(re.sub(r'<g[^>]*visibility="hidden".*?</g>', "", svg, flags=re.S))
    seen = [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert seen == said(counting().frame(-1))
    assert "<script" not in svg and 'visibility="hidden"' in svg


def test_a_picture_without_a_film_has_no_motion() -> None:
    still = counting().frame(0)
    assert "animation" not in still.svg() and "data-film" not in still.html()


def test_png_is_the_strip() -> None:
    pytest.importorskip("resvg_py")
    assert counting().png() == counting().strip().png()


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_page_plays_stops_and_steps(tmp_path: Path) -> None:
    page = counting().save(tmp_path / "film.html")
    assert f'<div id="strip" aria-hidden="true">{counting().strip(PAGE).svg()}' in page.read_text()
    program = Path(__file__).with_name("film.js")
    done = subprocess.run(["node", program, page], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
