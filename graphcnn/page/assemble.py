"""The page as one file: its script, made of modules, its style, its data, and a policy that allows
no request of any kind.

The script stands in it deflated; a few lines put it in its place. The policy knows both by their
hashes, and runs no other. Comments and indentation stay in the sources.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

from graphcnn.base.words import printable
from graphcnn.page.memory import deflated

#: First and last of the style sheets and modules; the others stand between, by name.
_FIRST_STYLE, _LAST_MODULE = "page.css", "app.js"
#: The element that the diagram stands in.
_GRAPH = re.compile(r'<\w+[^>]*\sid="graph"[^>]*>')
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w.]+)";\n', re.MULTILINE)
#: Comments that are whole lines, types of expressions, indentation: for readers of the sources.
_COMMENT = re.compile(r"^\s*(?://.*|/\*(?:(?!\*/)[\s\S])*\*/)\n", re.MULTILINE)
_TYPED = re.compile(r"/\*\* @(?:(?!\*/).)*\*/ ?")
_APART = re.compile(r"\s*([{};,])\s*|(?<=:)\s+")  # of styles
_INDENTED = re.compile(r"^\s+", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?function|const|let|class)", re.MULTILINE)


def assembled(
    title: str,
    language: str,
    about: Mapping[str, Any],
    blocks: Mapping[str, str],
    drawing: str,
) -> str:
    """The text of the page.

    Args:
        about: what is told of the network, as page.d.ts says.
        blocks: other data by their ids, base64.
        drawing: the diagram of the network, as SVG.
    """
    script, loader = script_text(), _source("loader.js")
    policy = (
        "default-src 'none'; img-src data: blob:; media-src blob: mediastream:; style-src "
        f"'unsafe-inline'; script-src 'wasm-unsafe-eval' {_allowed(loader)} {_allowed(script)}"
    )
    data = json.dumps(about, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    heading = escape(printable(title))
    return "".join(
        (
            f'<!DOCTYPE html>\n<html lang="{escape(language)}"><head><meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n',
            '<meta name="viewport" content="width=device-width,initial-scale=1">\n',
            f"<title>{heading}</title>\n<style>\n{style_text()}</style></head>\n<body>\n",
            _GRAPH.sub(lambda found: found[0] + drawing, _source("body.html"), count=1),
            _block("about", deflated(data.encode("utf-8", "replace"))),  # no half of a letter
            *(_block(name, text) for name, text in blocks.items()),
            _block("script", deflated(script.encode())),
            f"<script>{loader}</script>\n</body></html>\n",
        )
    )


def _allowed(script: str) -> str:
    """The script in the words of a policy; browsers read every line break as one letter."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _block(name: str, text: str) -> str:
    return f'<script type="text/plain" id="{name}">{text}</script>\n'


@cache
def script_text() -> str:
    """All modules as one, each after those that it imports, without `import`, `export` and comments
    that have lines of their own."""
    sources = {name: _source(name) for name in _names(".js") if name != "loader.js"}
    order: list[str] = []

    def visit(name: str) -> None:
        if name not in order:
            for needed in _IMPORT.findall(sources[name]):
                visit(needed)
            order.append(name)

    visit(_LAST_MODULE)
    parts = [_EXPORT.sub("", _IMPORT.sub("", sources[name])) for name in order]
    return _lean("\n".join(parts)) + "start(document);\n"


@cache
def style_text() -> str:
    names = sorted(_names(".css"), key=lambda name: (name != _FIRST_STYLE, name))
    return _APART.sub(r"\1", _lean("".join(map(_source, names))))


def _lean(code: str) -> str:
    """Code as a browser needs it; no string of ours begins a line like a comment or an indent."""
    return _INDENTED.sub("", _TYPED.sub("", _COMMENT.sub("", code)))


def _names(suffix: str) -> list[str]:
    return sorted(f.name for f in files(__package__).iterdir() if f.name.endswith(suffix))


@cache
def _source(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
