"""A whole picture as lines of text: what it says, then every shape and the paints of them all.

One shape is one line, its places to a tenth of a pixel, so that a change of a picture is read as
the change of some lines.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import astuple
from typing import Any

from graphcnn.pictures import Picture
from graphcnn.pictures.scene.colors import PAINTS
from graphcnn.pictures.scene.scene import Group, Image, Item, Path, Rect, Text, shapes


def scene_text(picture: Picture) -> str:
    """Without what tells where the graph was written, and the digest of its text."""
    scene = picture.scene
    used = sorted({s.paint for s in shapes(scene.items) if not isinstance(s, Image)})
    lines = [
        picture.text(),
        f"size {_numbers(scene.width, scene.height)}",
        *_lines(scene.items, 0),
        "",
        *(f"paint {name}: {' '.join(str(x or '-') for x in astuple(PAINTS[name]))}"
          for name in used),
        "",
        *_facts(scene.data),
    ]  # fmt: skip
    changing = r"graph [0-9a-f]{8}|(?<=fact digest: \")\w+|(?<=\"source\": \")[^\"]*"
    return re.sub(changing, "…", "\n".join(lines)) + "\n"


def _facts(data: Mapping[str, Any]) -> Iterator[str]:
    """The facts of the JSON form, one entry of a list on a line."""
    for name, fact in data.items():
        for entry in fact if isinstance(fact, list | tuple) else [fact]:
            yield f"fact {name}: {json.dumps(entry, ensure_ascii=False, default=str)}"


def _numbers(*numbers: float) -> str:
    return " ".join(f"{round(n, 1) + 0:g}" for n in numbers)  # + 0: no minus before a zero


def _lines(items: tuple[Item, ...], depth: int) -> Iterator[str]:
    indent = "  " * depth
    for item in items:
        if isinstance(item, Group):
            box = f" [{_numbers(*item.box)}]" if item.box else ""
            links = f" {' -> '.join(item.links)}" if item.links else ""
            frames = f" frames {item.frames[0]} to {item.frames[1]}" if item.frames else ""
            yield f"{indent}{item.kind or 'group'} {item.key}{links}{box}{frames}".rstrip()
            yield from _lines(item.items, depth + 1)
        else:
            yield indent + _shape(item)


def _shape(item: Rect | Path | Text | Image) -> str:
    match item:
        case Rect():
            corner = f" radius {_numbers(item.radius)}" if item.radius else ""
            return f"rect {item.paint} [{_numbers(*item.box)}]{corner}"
        case Path():
            steps = " ".join(kind + _numbers(*numbers) for kind, *numbers in item.steps)
            width = f" width {_numbers(item.width)}" if item.width else ""
            return f"path {item.paint}{width} {steps}"
        case Text():
            bold = " bold" * item.bold
            place = _numbers(item.x, item.y, item.size)
            return f"text {item.paint} {place} {item.anchor}{bold} {item.text}"
        case Image():
            digest = hashlib.sha256(item.png).hexdigest()[:16]
            return f"image {_numbers(*item.corner, *item.across, *item.down)} {digest}"
