"""A scene in words: all that its groups say, line by line, for a terminal or a screen reader."""

from graphcnn.pictures.scene.fonts import printable
from graphcnn.pictures.scene.scene import Group, Item, Scene

_SPOKEN = ("card", "frame", "legend", "step")


def to_text(scene: Scene) -> str:
    """Title, description, the labelled groups in their order, footer."""
    lines = [printable(scene.title), printable(scene.description), ""]
    lines += _lines(scene.items, 0)
    lines += ["", *map(printable, scene.footer)] if scene.footer else []
    return "\n".join(lines) + "\n"


def _lines(items: tuple[Item, ...], depth: int) -> list[str]:
    lines: list[str] = []
    for item in items:
        if not isinstance(item, Group):
            continue
        spoken = item.kind in _SPOKEN and bool(item.label)
        if spoken:
            lines.append("  " * depth + printable(item.label))
        lines += _lines(item.items, depth + spoken)
    return lines
