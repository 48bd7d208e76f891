"""A scene as SVG: one file without references to others, light as it stands, dark on demand.

Colours are attributes, so every program shows them; a style sheet repeats them for dark readers.
Neither variables nor foreign objects are used, which rasterisers drop.
"""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from xml.sax.saxutils import escape

from graphcnn.pictures.scene.colors import PAINTS, Paint
from graphcnn.pictures.scene.fonts import FAMILY, printable
from graphcnn.pictures.scene.scene import (
    Box,
    Group,
    Image,
    Item,
    Path,
    Rect,
    Scene,
    Text,
    moved,
    shapes,
)
from graphcnn.pictures.writers.motion import Frames, class_of, motion

#: Longest text of a title or label, in characters.
LONGEST: Final = 500
#: Size and paint of most texts: they are said once.
_SIZE: Final = 9.5
_TEXT: Final = "muted"


def to_svg(scene: Scene, *, page: bool = False, fonts: str = FAMILY) -> str:
    """The scene as an SVG document. The same scene gives the same text.

    `page` writes it for a page of its own: without a fixed size, its cards open to screen readers
    and the keyboard, its lines with the cards that they join.
    `fonts` are the families that a reader's machine is asked for.
    """
    sheet = _Sheet(page, len(scene.film.seconds) if scene.film else 0)
    body = "".join(_items(scene.items, sheet))
    if sheet.stamps:
        body = f"<defs>{''.join(_stamp_of(*pair) for pair in sheet.stamps.items())}</defs>\n{body}"
    key = "g" + hashlib.sha256(body.encode()).hexdigest()[:4]
    body = body.replace('id="@', f'id="{key}').replace('href="#@', f'href="#{key}')
    width, height = number(scene.width), number(scene.height)
    role = "group" if page else "img"  # inside an image nothing is read aloud
    prefix = f' data-prefix="{key}"' if page else ""
    style = _style(scene)
    if scene.film:
        style += motion(key, scene.film.seconds, sheet.frames)
    size = "" if page else f' width="{width}" height="{height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" id="{key}" viewBox="0 0 {width} {height}"{size}'
        f' style="max-width:100%;height:auto" role="{role}" aria-labelledby="{key}-t {key}-d"'
        f' font-family="{attribute(fonts)}" font-size="{_SIZE}"{_painted(_TEXT)}'
        f"{prefix}>\n"
        f'<title id="{key}-t">{text(scene.title)}</title>\n'
        f'<desc id="{key}-d">{text(scene.description)}</desc>\n'
        f"<style>{style}</style>\n{body}</svg>\n"
    )


@dataclass(slots=True)
class _Sheet:
    """What the writing of one document remembers."""

    page: bool
    #: How many frames the film has.
    count: int
    #: The badges, as they were written, with their names.
    stamps: dict[str, str] = field(default_factory=dict)
    #: Frames in which groups are seen.
    frames: set[Frames] = field(default_factory=set)


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
    """The class of a paint: the first of the table is gc0, and so on."""
    return _CLASSES[paint]


_CLASSES: Final = {name: f"gc{i}" for i, name in enumerate(PAINTS)}


def _style(scene: Scene) -> str:
    """Rules for dark readers, and only for the paints that occur.

    They name classes alone: what is put in its place by reference has no ancestors to name.
    """
    used = sorted({s.paint for s in shapes(scene.items) if not isinstance(s, Image)} | {_TEXT})
    rules = []
    for name in used:
        paint = PAINTS[name]
        fill = f"fill:{paint.dark_fill};" if paint.dark_fill else ""
        stroke = f"stroke:{paint.dark_stroke};" if paint.dark_stroke else ""
        rules.append(f".{_CLASSES[name]}{{{(fill + stroke).rstrip(';')}}}")
    return "@media (prefers-color-scheme:dark){" + "".join(rules) + "}"


def _items(items: Iterable[Item], sheet: _Sheet) -> Iterable[str]:
    for item in items:
        if isinstance(item, Group) and item.kind == "badge" and item.box is not None:
            yield _stamped(item, item.box, sheet)
        elif isinstance(item, Group):
            yield _group(item, sheet)
        elif isinstance(item, Rect):
            yield _rect(item)
        elif isinstance(item, Path):
            yield _path(item)
        elif isinstance(item, Text):
            yield _text(item)
        else:
            yield _image(item)


def _stamped(badge: Group, box: Box, sheet: _Sheet) -> str:
    """A badge is written once, at the origin, and put to its places by reference."""
    at_origin = [moved(item, -box.left, -box.top) for item in badge.items]
    markup = "".join(_items(at_origin, _Sheet(False, 0)))
    name = sheet.stamps.setdefault(markup, f"b{len(sheet.stamps)}")
    return f'<use href="#@-{name}" x="{number(box.left)}" y="{number(box.top)}"/>'


def _stamp_of(markup: str, name: str) -> str:
    return f'<g id="@-{name}">{markup}</g>'


def _group(group: Group, sheet: _Sheet) -> str:
    page = sheet.page
    name = f' id="@-{attribute(group.key)}"' if group.key else ""
    kind = f' class="{group.kind}"' if group.kind else ""
    if group.frames is not None and group.frames != (0, sheet.count):
        kind = _coming_and_going(group, group.frames, sheet)
    label = ""
    if group.label:
        label = f' aria-label="{attribute(group.label)}"'
        if group.kind == "card" and page:
            label = f' role="img" tabindex="0"{label}'
    links = f' data-links="{attribute(" ".join(group.links))}"' if group.links and page else ""
    title = f"<title>{text(group.title)}</title>" if group.title else ""
    inside = "".join(_items(group.items, sheet))
    if group.kind == "label":
        return inside + "\n"
    return f"<g{name}{kind}{label}{links}>{title}{inside}</g>\n"


def _coming_and_going(group: Group, frames: Frames, sheet: _Sheet) -> str:
    """The class and the state at rest of a group that is not seen all the time."""
    sheet.frames.add(frames)
    kind = f"{group.kind} ".lstrip() + f"film {class_of(frames)}"
    rest = "" if frames[1] == sheet.count else ' visibility="hidden"'
    times = f' data-frames="{frames[0]} {frames[1]}"' if sheet.page else ""
    return f' class="{kind}"{rest}{times}'


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
    """The steps, level and upright lines in their short form."""
    parts, at = [], ("", "")
    for kind, *numbers in path.steps:
        written = [number(x) for x in numbers]
        end = (written[-2], written[-1]) if written else ("", "")
        if kind == "L" and end[0] == at[0]:
            parts.append(f"V{end[1]}")
        elif kind == "L" and end[1] == at[1]:
            parts.append(f"H{end[0]}")
        else:
            parts.append(kind + " ".join(written))
        at = end
    return "".join(parts)


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
