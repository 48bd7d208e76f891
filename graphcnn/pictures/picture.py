"""A picture that is ready to be shown, saved or read aloud."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from graphcnn.base.files import atomic_write
from graphcnn.errors import OutputError
from graphcnn.ir.graph import Graph
from graphcnn.pictures.scene.frames import PAGE, at_frame, strip
from graphcnn.pictures.scene.scene import Scene
from graphcnn.pictures.writers.facts import to_json
from graphcnn.pictures.writers.page import to_html
from graphcnn.pictures.writers.pdf import to_pdf
from graphcnn.pictures.writers.png import check_png, to_png
from graphcnn.pictures.writers.svg import to_svg
from graphcnn.pictures.writers.tikz import to_tikz
from graphcnn.pictures.writers.words import to_text


@dataclass(frozen=True, eq=False)
class Picture:
    """A scene, and the graph that it shows where it shows one.

    A notebook shows a picture that is the last line of a cell. The same graph and options give
    the same bytes in every format, on every machine; in PNG files names in Chinese and other
    scripts that DejaVu Sans lacks take the fonts of the machine.

    A picture may be a film: as SVG and in the page it moves, and stands still at its last frame for
    readers who asked for less motion. The formats without motion have some frames side by side.
    """

    scene: Scene
    graph: Graph | None = None

    def strip(self, width: float = PAGE, frames: Iterable[int] | None = None) -> "Picture":
        """Frames of a film side by side, in rows that fit a page: those that suit, or these.

        Raises `OutputError` where the film has no such frame. A picture that does not move is
        itself.
        """
        return Picture(strip(self.scene, width, frames), self.graph)

    def frame(self, number: int) -> "Picture":
        """One frame of a film, counted from 0, or from the last, -1. Raises `OutputError`."""
        return Picture(at_frame(self.scene, number), self.graph)

    def svg(self) -> str:
        return to_svg(self.scene)

    def html(self) -> str:
        """One page without references to anything: search, zoom, keyboard."""
        return to_html(self.scene)

    def png(self, scale: float = 2.0) -> bytes:
        return to_png(strip(self.scene), scale)

    def pdf(self) -> bytes:
        return to_pdf(strip(self.scene))

    def tikz(self) -> str:
        return to_tikz(strip(self.scene))

    def json(self) -> str:
        return to_json(self.scene)

    def text(self) -> str:
        """Everything that the picture says, in lines of text."""
        return to_text(self.scene)

    def dot(self) -> str:
        """The graph in Graphviz's language. Raises `OutputError` for pictures of other things."""
        if self.graph is None:
            raise OutputError(f"{self.scene.title!r} shows no single graph: it has no DOT form")
        from graphcnn.pictures.writers.dot import to_dot

        return str(to_dot(self.graph, backward=True).source)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture in the format of the file's suffix, whole or not at all.

        Raises:
            OutputError: unknown suffix, or a file that cannot be written.
            MissingExtraError: .png without the extra "png".
        """
        target = Path(path)
        return atomic_write(target, writer(target)(self))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """What a notebook shows: the drawing, and its text where drawings are not shown."""
        return {"image/svg+xml": self.svg(), "text/plain": self.text()}

    def __repr__(self) -> str:
        size = f"{self.scene.width:.0f}×{self.scene.height:.0f}"
        return f"<picture {self.scene.title!r}: {size} pixels>"


def writer(target: Path) -> Callable[[Picture], bytes | str]:
    """What makes the contents of a file with this suffix.

    Raises:
        OutputError: unknown suffix.
    """
    write = _WRITERS.get(target.suffix.lower())
    if write is None:
        kind = f"unknown file type {target.suffix!r}" if target.suffix else "no file type"
        raise OutputError(f"cannot draw to {target}: {kind}; known are {', '.join(_WRITERS)}")
    return write


def check_target(target: Path) -> None:
    """Learn before the work that a picture of other things than one graph can be written there.

    Raises:
        OutputError: unknown suffix, or one of files that hold a graph.
        MissingExtraError: .png without the extra "png".
    """
    if writer(target) is Picture.dot:
        raise OutputError(
            f"cannot draw to {target}: {target.suffix} files hold a graph; use one of "
            f"{', '.join(FREE)}"
        )
    if target.suffix.lower() == ".png":
        check_png()


_WRITERS: Final[dict[str, Callable[[Picture], bytes | str]]] = {
    ".svg": Picture.svg,
    ".html": Picture.html,
    ".png": Picture.png,
    ".pdf": Picture.pdf,
    ".dot": Picture.dot,
    ".gv": Picture.dot,
    ".json": Picture.json,
    ".txt": Picture.text,
    ".tex": Picture.tikz,
}
#: Suffixes of the files that a picture can be saved to.
SUFFIXES: Final = tuple(_WRITERS)
#: Those of them that hold any picture, not only that of a graph.
FREE: Final = tuple(s for s in SUFFIXES if _WRITERS[s] is not Picture.dot)
