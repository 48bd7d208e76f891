"""Pictures of a film: one frame of it, or some of them side by side, as on paper."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from graphcnn.errors import OutputError
from graphcnn.pictures.scene.scene import Box, Group, Item, Rect, Scene, moved

#: Width of a page, in pixels, into which the frames of a strip are wrapped.
PAGE: Final = 830.0
_GAP: Final = 24.0


def at_frame(scene: Scene, frame: int) -> Scene:
    """The scene as it is seen in one frame; a picture that is no film is itself.

    Raises:
        OutputError: the film has no such frame.
    """
    if scene.film is None:
        return scene
    count = len(scene.film.seconds)
    if not -count <= frame < count:
        raise OutputError(f"{scene.title!r} has the frames 0 to {count - 1}, not {frame}")
    return replace(scene, items=_seen(scene.items, frame % count), film=None)


def strip(scene: Scene, width: float = PAGE, frames: Iterable[int] | None = None) -> Scene:
    """The frames that are printed, or those named, in rows no wider than `width` where they fit.

    Only the stage is repeated; what stands above and below it in the film does so in the strip.
    A picture that is no film is itself.

    Raises:
        OutputError: the film has no such frame.
    """
    if scene.film is None:
        return scene
    chosen = scene.film.printed if frames is None else tuple(frames)
    if not chosen:
        raise OutputError(f"name at least one frame of {scene.title!r}")
    place = next(i for i, g in enumerate(scene.items) if isinstance(g, Group) and g.kind == "stage")
    stage = scene.items[place]
    assert isinstance(stage, Group) and stage.box is not None
    across, down = stage.box.width + _GAP, stage.box.height + _GAP
    fit = max(1, int((width - 2 * stage.box.left + _GAP) // across))
    rows = -(-len(chosen) // fit)
    columns = -(-len(chosen) // rows)  # as many in each row as in the others, or one less
    taken: list[Item] = []
    for i, frame in enumerate(chosen):
        copies = [g for g in at_frame(scene, frame).items if isinstance(g, Group)]
        copy = next(g for g in copies if g.kind == "stage")
        taken.append(moved(copy, i % columns * across, i // columns * down))
    more = (rows - 1) * down
    below = [moved(item, 0, more) for item in scene.items[place + 1 :]]
    wide = max(scene.width, 2 * stage.box.left + columns * across - _GAP)
    high = scene.height + more
    items = [*scene.items[:place], *taken, *below]
    grounds = [
        replace(i, box=Box(0, 0, wide, high)) if isinstance(i, Rect) and i.paint == "ground" else i
        for i in items
    ]
    return replace(scene, width=wide, height=high, items=tuple(grounds), film=None)


def _seen(items: tuple[Item, ...], frame: int) -> tuple[Item, ...]:
    """What is seen in a frame, without its times."""
    found: list[Item] = []
    for item in items:
        if not isinstance(item, Group):
            found.append(item)
        elif item.frames is None or item.frames[0] <= frame < item.frames[1]:
            found.append(replace(item, items=_seen(item.items, frame), frames=None))
    return tuple(found)
