"""A scene as SVG: one file without references, light as it stands, dark where the reader asks.

Colours are attributes, so every program shows them; a style sheet repeats them for dark readers.
Neither variables nor foreign objects are used, which rasterisers drop.
"""

import base64
import hashlib
from collections.abc import Iterable
from typing import Final
from xml.sax.saxutils import escape

from graphcnn.pictures.colors import PAINTS, Paint
from graphcnn.pictures.fonts import FAMILY, printable
from graphcnn.pictures.scene import Group, Image, Item, Path, Rect, Scene, Text, shapes

#: Longest text of a title or label, in characters.
LONGEST: Final = 500
#: Size and paint of most texts: they are said once.
_SIZE: Final = 9.5
_TEXT: Final = "muted"


def to_svg(scene: Scene, *, page: bool = False) -> str:
    """The scene as an SVG document. The same scene gives the same text.

    `page` writes it for a page of its own: without a fixed size, its cards open to screen readers.
    """
    body = "".join(_items(scene.items, "@"))
    key = "g" + hashlib.sha256(body.encode()).hexdigest()[:7]
    body = body.replace('id="@', f'id="{key}')
    width, height = number(scene.width), number(scene.height)
    role = "group" if page else "img"  # inside an image nothing is read aloud
    size = "" if page else f' width="{width}" height="{height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{key}" viewBox="0 0 {width} {height}"{size}'
        f' style="max-width:100%;height:auto" role="{role}" aria-labelledby="{key}-t {key}-d"'
        f' font-family="{attribute(FAMILY)}" font-size="{_SIZE}"{_painted(_TEXT)}'
        f' data-prefix="{key}">\n'
        f'<title id="{key}-t">{text(scene.title)}</title>\n'
        f'<desc id="{key}-d">{text(scene.description)}</desc>\n'
        f"<style>{_style(scene, key)}</style>\n{body}</svg>\n"
    )


def number(x: float) -> str:
    """At most two decimals, none where they are zero."""
    short = f"{x:.2f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short


def attribute(value: str) -> str:
    """A text for use between double quotes."""
    return text(value).replace('"', "&quot;")


def text(value: str) -> str:
    """A text for use between tags: on one line, no longer than `LONGEST`."""
    short = value if len(value) <= LONGEST else value[: LONGEST - 1] + "…"
    return escape(printable(short))


def short_class(paint: str) -> str:
    """The class of a paint: `conv` is c0, and so on, by its place in the table."""
    return _CLASSES[paint]


_CLASSES: Final = {name: f"c{i}" for i, name in enumerate(PAINTS)}


def _style(scene: Scene, key: str) -> str:
    """Rules for dark readers, and only for the paints that occur."""
    used = sorted({s.paint for s in shapes(scene.items) if not isinstance(s, Image)} | {_TEXT})
    rules = []
    for name in used:
        paint = PAINTS[name]
        fill = f"fill:{paint.dark_fill};" if paint.dark_fill else ""
        stroke = f"stroke:{paint.dark_stroke};" if paint.dark_stroke else ""
        own = f"#{key}," if name == _TEXT else ""
        rules.append(f"{own}#{key} .{_CLASSES[name]}{{{(fill + stroke).rstrip(';')}}}")
    return "@media (prefers-color-scheme:dark){" + "".join(rules) + "}"


def _items(items: Iterable[Item], key: str) -> Iterable[str]:
    for item in items:
        if isinstance(item, Group):
            yield _group(item, key)
        elif isinstance(item, Rect):
            yield _rect(item)
        elif isinstance(item, Path):
            yield _path(item)
        elif isinstance(item, Text):
            yield _text(item)
        else:
            yield _image(item)


def _group(group: Group, key: str) -> str:
    name = f' id="{key}-{attribute(group.key)}"' if group.key else ""
    kind = f' class="{group.kind}"' if group.kind else ""
    label = ""
    if group.label:
        label = f' aria-label="{attribute(group.label)}"'
        if group.kind == "card":
            label = f' role="img" tabindex="0"{label}'
    links = f' data-links="{attribute(" ".join(group.links))}"' if group.links else ""
    title = f"<title>{text(group.title)}</title>" if group.title else ""
    inside = "".join(_items(group.items, key))
    if group.kind == "label":
        return inside + "\n"
    return f"<g{name}{kind}{label}{links}>{title}{inside}</g>\n"


def _painted(name: str, width: float | None = None) -> str:
    paint: Paint = PAINTS[name]
    parts = [f' class="{_CLASSES[name]}" fill="{_short(paint.fill or "none")}"']
    if paint.stroke:
        parts.append(f' stroke="{_short(paint.stroke)}"')
        thick = paint.width if width is None else width
        if thick != 1:
            parts.append(f' stroke-width="{number(thick)}"')
        if paint.dash:
            parts.append(f' stroke-dasharray="{paint.dash}"')
    return "".join(parts)


def _short(color: str) -> str:
    """`#ffffff` as `#fff`."""
    twice = len(color) == 7 and all(color[i] == color[i + 1] for i in (1, 3, 5))
    return f"#{color[1]}{color[3]}{color[5]}" if twice else color


def _rect(rect: Rect) -> str:
    left, top = number(rect.box.left), number(rect.box.top)
    size = f'width="{number(rect.box.width)}" height="{number(rect.box.height)}"'
    radius = f' rx="{number(rect.radius)}"' if rect.radius else ""
    return f'<rect x="{left}" y="{top}" {size}{radius}{_painted(rect.paint)}/>'


def path_data(path: Path) -> str:
    return "".join(f"{step[0]}{' '.join(map(number, step[1:]))}" for step in path.steps)


def _path(path: Path) -> str:
    return f'<path d="{path_data(path)}"{_painted(path.paint, path.width)}/>'


def _text(line: Text) -> str:
    anchor = f' text-anchor="{line.anchor}"' if line.anchor != "start" else ""
    weight = ' font-weight="bold"' if line.bold else ""
    size = f' font-size="{number(line.size)}"' if line.size != _SIZE else ""
    paint = _painted(line.paint) if line.paint != _TEXT else ""
    place = f'x="{number(line.x)}" y="{number(line.y)}"'
    return f"<text {place}{size}{anchor}{weight}{paint}>{text(line.text)}</text>"


def _image(image: Image) -> str:
    """The picture in a square of 1 by 1, carried to its place by a matrix."""
    matrix = " ".join(map(_exact, (*image.across, *image.down, *image.corner)))
    data = base64.b64encode(image.png).decode()
    return (
        f'<image transform="matrix({matrix})" width="1" height="1" preserveAspectRatio="none"'
        f' image-rendering="optimizeSpeed" href="data:image/png;base64,{data}"/>'
    )


def _exact(x: float) -> str:
    return f"{x:.4f}".rstrip("0").rstrip(".")
