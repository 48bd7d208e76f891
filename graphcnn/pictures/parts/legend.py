"""What stands around a picture: title, legend of what occurs, scale, totals."""

from collections.abc import Callable, Iterable, Sequence

from graphcnn.pictures.scene.colors import FAMILIES, HEAT, Family
from graphcnn.pictures.scene.fonts import elide, text_width
from graphcnn.pictures.scene.scene import Box, Group, Item, Path, Rect, Text

SIZE = 9.5
HEIGHT = 18.0
#: Width of a badge.
BADGE = 17.0


def heading(title: str, subtitle: str, width: float) -> tuple[Item, ...]:
    """Two lines at the top left of a picture; they take 44 pixels.

    Of a long second line the last parts are left out.
    """
    while " · " in subtitle and text_width(subtitle, 10) > width - 28:
        subtitle = subtitle.rpartition(" · ")[0]
    return (
        Text(14, 24, elide(title, 15, width - 28, bold=True), 15, "text", bold=True),
        Text(14, 39, elide(subtitle, 10, width - 28), 10, "muted"),
    )


Entry = tuple[str, str, float, str]  # paint, letters, radius, text


def families(used: Iterable[str], badges: Iterable[str] = ()) -> list[Entry]:
    """Legend entries of the families that occur, in the order of their table.

    Those among `badges` are shown as the badge that stands on their cards.
    """
    heads = set(badges)
    present = heads.union(used)
    return [
        (kind.paint + "_side" * (name in heads), kind.letters, kind.radius, kind.title)
        for name, kind in FAMILIES.items()
        if name in present
    ]


def badge(kind: Family, left: float, top: float) -> Group:
    """The two letters of a family on its colour."""
    box = Box(left, top, left + BADGE, top + 12)
    ground = Rect(box, f"{kind.paint}_side", min(kind.radius, 6))
    letters = Text(box.center, top + 9.1, kind.letters, 8.5, "badge_text", "middle", True)
    return Group((ground, letters), "badge", box=box)


def line_entry(paint: str, text: str) -> Entry:
    """A legend entry for a kind of line."""
    return (paint, "", -1, text)


def legend(entries: Sequence[Entry], width: float, top: float) -> tuple[Group, float]:
    """The entries in rows no wider than `width`, from `top` on, and where they end."""
    items: list[Item] = []
    x, y = 14.0, top
    for paint, letters, radius, text in entries:
        wide = 22 + text_width(text, SIZE) * 1.06 + 16
        if x > 14 and x + wide > width - 8:
            x, y = 14.0, y + HEIGHT
        swatch = Box(x, y, x + 18, y + 12)
        if radius < 0:
            items.append(Path((("M", x, y + 6), ("L", x + 18, y + 6)), paint, 1.6))
        elif paint.endswith("_side"):
            kind = next(k for k in FAMILIES.values() if f"{k.paint}_side" == paint)
            items.append(badge(kind, x, y))
        else:
            items.append(Rect(swatch, paint, min(radius, 6)))
            items.append(Text(x + 9, y + 9.2, letters, 8.5, "text", "middle", True))
        items.append(Text(x + 23, y + 9.4, text, SIZE, "muted"))
        x += wide
    label = "legend: " + ", ".join(e[3] for e in entries)
    bottom = y + HEIGHT
    return Group(tuple(items), "legend", "", label, box=Box(14, top, width - 14, bottom)), bottom


def scale(
    what: str, low: float, high: float, write: Callable[[float], str], width: float, top: float
) -> tuple[Group, float]:
    """The bar of a colour scale: linear from `low` to `high`."""
    items: list[Item] = [Text(14, top + 9.5, what, SIZE, "muted")]
    x = 14 + text_width(what, SIZE) * 1.06 + 10
    items.append(Text(x, top + 9.5, write(low), SIZE, "muted"))
    x += text_width(write(low), SIZE) * 1.06 + 6
    for i in range(HEAT):
        items.append(Rect(Box(x, top, x + 20, top + 12), f"heat{i}"))
        x += 20
    items.append(Text(x + 6, top + 9.5, write(high), SIZE, "muted"))
    x += 12 + text_width(write(high), SIZE) * 1.06
    more = "the three largest are outlined"
    if x + 12 + text_width(more, SIZE) * 1.06 < width:
        items.append(Text(x + 6, top + 9.5, more, SIZE, "muted"))
    label = f"colour scale: {what} from {write(low)} to {write(high)}"
    return Group(tuple(items), "legend", "", label), top + HEIGHT


def notes(lines: Sequence[str], width: float, top: float) -> tuple[tuple[Item, ...], float]:
    """Lines of text below a picture, broken at " · " where they are too long, else at spaces."""
    items: list[Item] = []
    for line in lines:
        for part in _broken(line, width - 28):
            items.append(Text(14, top + 9, elide(part, SIZE, width - 28), SIZE, "muted"))
            top += 14
    return tuple(items), top + 4


def _broken(line: str, width: float) -> list[str]:
    """The line in rows: broken between its parts, and within one that is too long between words."""
    rows: list[str] = []
    for part in line.split(" · "):
        longer = f"{rows[-1]} · {part}" if rows else part
        if rows and _fits(longer, width):
            rows[-1] = longer
        elif _fits(part, width):
            rows.append(part)
        else:
            rows += _wrapped(part.split(" "), width)
    return rows


def _wrapped(words: Sequence[str], width: float) -> list[str]:
    rows = [words[0]]
    for word in words[1:]:
        if _fits(f"{rows[-1]} {word}", width):
            rows[-1] += f" {word}"
        else:
            rows.append(word)
    return rows


def _fits(text: str, width: float) -> bool:
    return text_width(text, SIZE) * 1.06 <= width
