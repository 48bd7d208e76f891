"""What every picture must pass, whatever it shows."""

import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import combinations, pairwise

from graphcnn.pictures.picture import Picture
from graphcnn.pictures.scene.colors import PAINTS, contrast
from graphcnn.pictures.scene.fonts import text_width
from graphcnn.pictures.scene.scene import Box, Group, Image, Path, Rect, Scene, Text, shapes

_NAMESPACE = "http://www.w3.org/2000/svg"


def text_box(line: Text) -> Box:
    """Where a line of text lies, by the table of widths."""
    width = text_width(line.text, line.size, line.bold)
    left = line.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[line.anchor] * width
    return Box(left, line.y - 0.76 * line.size, left + width, line.y + 0.24 * line.size)


def check_picture(picture: Picture) -> None:
    check_files(picture)
    check_places(picture.scene)
    check_contrast(picture.scene)


def check_files(picture: Picture) -> None:
    """Well-formed, self-contained, named; the same bytes again."""
    svg = picture.svg()
    root = ElementTree.fromstring(svg)
    assert svg == picture.svg()
    assert root.get("role") == "img" and root.get("aria-labelledby")
    assert root.findtext(f"{{{_NAMESPACE}}}title") is not None
    assert root.findtext(f"{{{_NAMESPACE}}}desc") is not None
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    assert len(ids) == len(set(ids)), "an id stands twice"
    tags = {e.tag.removeprefix(f"{{{_NAMESPACE}}}") for e in root.iter()}
    assert tags <= {
        "svg", "title", "desc", "style", "g", "rect", "path", "text", "image", "defs", "use",
    }  # fmt: skip
    for element in root.iter():
        for key, value in element.attrib.items():
            if key.rsplit("}", 1)[-1] == "href":
                inside = value.startswith("#") and value[1:] in ids
                assert inside or value.startswith("data:image/png;base64,"), value[:60]
            assert not key.startswith("on"), f"{key} runs code"
    assert "var(" not in svg and "foreignObject" not in svg and "@import" not in svg
    assert "prefers-color-scheme:dark" in svg
    places = re.sub(r'>[^<]*<|base64,[^"]*', "><", svg)
    assert not re.search(r"\b(nan|inf)\b", places), "a place is no number"
    json.loads(picture.json())
    assert picture.text().strip()
    assert picture.tikz().startswith("%") and picture.tikz().endswith("\\end{document}\n")
    assert picture.pdf().startswith(b"%PDF-1.4") and picture.pdf() == picture.pdf()
    html = picture.html()
    assert "default-src 'none'" in html
    page = _Links()
    page.feed(html)
    assert page.scripts == 1 and not page.links, page.links


class _Links(HTMLParser):
    """What a page would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        for key, value in attrs:
            loads = key in ("src", "href", "xlink:href", "action", "data", "srcset")
            loads = loads and not (value or "").startswith("#")
            if loads and not (value or "").startswith("data:image/png;base64,"):
                self.links.append(f"{tag} {key}={value}")
            if key.startswith("on"):
                self.links.append(f"{tag} {key}")


def check_places(scene: Scene) -> None:
    """Cards and labels apart from each other, but for loops, which hold what is in them; and what
    cards say inside them."""
    page = Box(0, 0, scene.width, scene.height)
    solid = [g for g in scene.groups() if g.kind in ("card", "label") and g.box]
    for one, other in combinations(solid, 2):
        assert one.box and other.box
        if holds(one, other) or holds(other, one):
            assert one.box.contains(other.box) or other.box.contains(one.box)
            continue
        assert not one.box.overlaps(other.box), f"{name(one)} lies on {name(other)}"
    for group in scene.groups():
        if group.box is not None:
            assert page.contains(group.box, 1), f"{name(group)} leaves the page"
            if group.kind in ("card", "label"):
                for line in shapes(group.items):
                    if isinstance(line, Text):
                        inside = group.box.contains(text_box(line), 1)
                        assert inside, f"{line.text!r} leaves {name(group)}"
    for shape in shapes(scene.items):
        if isinstance(shape, Text):
            assert page.contains(text_box(shape), 2), f"{shape.text!r} leaves the page"
        elif isinstance(shape, Rect):
            assert page.contains(shape.box, 2)


def holds(loop: Group, other: Group) -> bool:
    """Whether one is the card of a loop that the other stands in. Labels have no key: the loop has
    them whole or not at all."""
    if other.kind == "card":
        return other.key.startswith(f"{loop.key}.")
    inside = bool(loop.box and other.box and loop.box.contains(other.box))
    return loop.kind == "card" and inside and loop.label.find(": loop of ") > 0


def check_lines(scene: Scene) -> None:
    """No line runs through a label, nor through a card that it does not belong to."""
    labels = [g.box for g in scene.groups("label") if g.box]
    titles = [i for g in scene.groups("frame") for i in g.items if isinstance(i, Text)]
    labels += [text_box(title).grown(-1) for title in titles if title.text]
    cards = [(g.key, g.box.grown(-1)) for g in scene.groups("card") if g.box]
    for edge in scene.groups("edge"):
        for path in edge.items:
            if not isinstance(path, Path) or path.steps[-1][0] == "Z":
                continue
            for point in points(path):
                for box in (*labels, *(box for key, box in cards if not touches(edge, key))):
                    inside = box.left < point[0] < box.right and box.top < point[1] < box.bottom
                    assert not inside, f"the line {edge.links} runs through {box}"


def touches(edge: Group, key: str) -> bool:
    """Whether a line begins or ends at a card, or within the loop that it stands for."""
    return key in edge.links or all(link.startswith(f"{key}.") for link in edge.links)


def points(path: Path) -> Iterator[tuple[float, float]]:
    """Places along a path, close to each other."""
    x = y = 0.0
    for kind, *numbers in path.steps:
        ends = [(numbers[i], numbers[i + 1]) for i in range(0, len(numbers), 2)]
        if kind != "M":
            corners = [(x, y), *ends]
            for k in range(41):
                t, curve = k / 40, corners
                while len(curve) > 1:  # de Casteljau: means of neighbours until one is left
                    curve = [
                        (a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]))
                        for a, b in pairwise(curve)
                    ]
                yield curve[0]
        x, y = ends[-1]


def name(group: Group) -> str:
    texts = [s.text for s in shapes(group.items) if isinstance(s, Text)]
    return f"{group.kind} {group.label or texts}"


def check_contrast(scene: Scene) -> None:
    """Every text against what lies under it, light and dark."""
    grounds: list[Rect] = []
    for shape in shapes(scene.items):
        if isinstance(shape, Rect) and PAINTS[shape.paint].fill:
            grounds.append(shape)
        elif isinstance(shape, Text) and shape.text.strip():
            box = text_box(shape)
            x, y = box.center, (box.top + box.bottom) / 2
            under = [g for g in grounds if g.box.contains(Box(x, y, x, y))][-1]
            ink, ground = PAINTS[shape.paint], PAINTS[under.paint]
            assert ink.fill and ink.dark_fill and ground.fill and ground.dark_fill
            for a, b in ((ink.fill, ground.fill), (ink.dark_fill, ground.dark_fill)):
                assert contrast(a, b) >= 4.5, f"{shape.text!r}: {shape.paint} on {under.paint}"


def images(scene: Scene) -> list[Image]:
    return [s for s in shapes(scene.items) if isinstance(s, Image)]


def words(scene: Scene) -> list[str]:
    """All that is written in a picture."""
    return [s.text for s in shapes(scene.items) if isinstance(s, Text)]


def check_texts(scene: Scene) -> None:
    """No text lies over another."""
    lines = [s for s in shapes(scene.items) if isinstance(s, Text) and s.text.strip()]
    boxes = [(line.text, text_box(line).grown(-0.3)) for line in lines]
    for (one, here), (other, there) in combinations(boxes, 2):
        assert not here.overlaps(there), f"{one!r} lies over {other!r}"


def check_legible(scene: Scene, width: float = 830, least: float = 8.3) -> None:
    """Words and numbers are large enough where the picture is as wide as a column of text. Single
    signs may be smaller."""
    shrunk = min(1.0, width / scene.width)
    for line in shapes(scene.items):
        if isinstance(line, Text) and any(map(str.isalnum, line.text)):
            size = line.size * shrunk
            assert size >= least, f"{line.text!r} is {size:.1f} pixels high on a page"
