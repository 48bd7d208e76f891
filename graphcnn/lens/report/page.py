"""A report as one page of HTML that refers to nothing: sections of figures, each with its words."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from graphcnn.base.files import atomic_write
from graphcnn.base.words import printable
from graphcnn.errors import OutputError
from graphcnn.lens.report.style import STYLE
from graphcnn.pictures.picture import Picture

#: What a report may load: nothing but the pictures that stand in it. It has no script.
POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


@dataclass(frozen=True, eq=False)
class Figure:
    """A picture with its words.

    Attributes:
        picture: what is seen; its title and description are read aloud in its place.
        says, says_not: what can be read off it, and what cannot.
        code: the call that makes it again; "" where there is none.
    """

    picture: Picture
    says: str
    says_not: str = ""
    code: str = ""


@dataclass(frozen=True, eq=False)
class Section:
    """Figures about one question, or the reason why there are none.

    Attributes:
        key: its anchor on the page.
        before: HTML that stands above the figures.
    """

    key: str
    title: str
    figures: Sequence[Figure] = ()
    refusal: str = ""
    before: str = ""


@dataclass(frozen=True, eq=False)
class Page:
    """A report: `model.lens().report(x)` makes one. A notebook shows it.

    Attributes:
        title: of the page.
        lead: the first paragraph.
        warnings: what a reader must know first, such as that the weights are untrained.
        sections: the figures.
        settings: names and values, at the end.
        repeat: Python lines that make everything again.
    """

    title: str
    lead: str
    warnings: Sequence[str]
    sections: Sequence[Section]
    settings: Sequence[tuple[str, str]]
    repeat: Sequence[str]

    def html(self) -> str:
        """The page: readable without a script, without a request, light or dark as the reader has
        it, on screens from 390 pixels and on paper."""
        return "".join(
            (
                '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n',
                f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n',
                '<meta name="viewport" content="width=device-width,initial-scale=1">\n',
                f"<title>{words(self.title)}</title><style>{STYLE}</style></head>\n<body>\n",
                f"<header><h1>{words(self.title)}</h1><p>{words(self.lead)}</p>\n",
                *(f'<p class="warning">{words(each)}</p>\n' for each in self.warnings),
                '<nav aria-label="sections"><ol>',
                *(f'<li><a href="#{s.key}">{words(s.title)}</a></li>' for s in self.sections),
                "</ol></nav></header>\n<main>\n",
                *map(_section, self.sections),
                "</main>\n<footer>",
                _settings(self.settings),
                _repeat(self.repeat),
                "</footer>\n</body></html>\n",
            )
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page, whole or not at all. Raises `OutputError` where it is no .html file."""
        return atomic_write(checked(Path(path)), self.html())

    def _repr_html_(self) -> str:
        """What a notebook shows: the page in a frame, its style its own."""
        return (
            f'<iframe srcdoc="{escape(self.html())}" sandbox="" title="{words(self.title)}" '
            'style="width:100%;height:80vh;border:1px solid #999"></iframe>'
        )

    def __repr__(self) -> str:
        figures = sum(len(section.figures) for section in self.sections)
        return f"<page {self.title!r}: {len(self.sections)} sections, {figures} figures>"


def checked(path: Path) -> Path:
    """The path of a page. Raises `OutputError` where the suffix says something else."""
    if path.suffix.lower() not in (".html", ".htm"):
        kind = f"file type {path.suffix!r}" if path.suffix else "no file type"
        raise OutputError(f"cannot write the report to {path}: {kind}; a report is .html")
    return path


def words(value: str) -> str:
    """A text for use in HTML, also between quotes."""
    return escape(printable(value))


def _section(section: Section) -> str:
    body = section.before + "".join(map(_figure, section.figures))
    if section.refusal:
        body += f'<p class="refusal">Not shown: {words(section.refusal)}</p>\n'
    return (
        f'<section id="{section.key}" aria-labelledby="{section.key}-h">'
        f'<h2 id="{section.key}-h">{words(section.title)}</h2>\n{body}</section>\n'
    )


def _figure(figure: Figure) -> str:
    # On narrow screens a wide picture is moved sideways, by the keyboard too.
    name = words(figure.picture.scene.title)
    says_not = f' <span class="not">{words(figure.says_not)}</span>' if figure.says_not else ""
    return (
        f'<figure><div class="picture" tabindex="0" role="region" aria-label="{name}">\n'
        f"{figure.picture.svg()}</div>\n<figcaption><p>{words(figure.says)}{says_not}</p>"
        f'<details><summary>the picture in words</summary><pre tabindex="0">'
        f"{escape(figure.picture.text())}</pre></details></figcaption></figure>\n"
    )


def _settings(rows: Sequence[tuple[str, str]]) -> str:
    lines = "".join(f'<tr><th scope="row">{words(k)}</th><td>{words(v)}</td></tr>' for k, v in rows)
    return f"<h2>Settings</h2>\n<table>{lines}</table>\n"


def _repeat(lines: Sequence[str]) -> str:
    code = "\n".join(map(printable, lines))
    return f'<h2>How to repeat it</h2>\n<pre tabindex="0"><code>{escape(code)}</code></pre>\n'
