"""The page's modules become one script: every name is one thing, and comments stay at home."""

import re
from collections import Counter
from importlib.resources import files

from graphcnn.page.assemble import script_text, style_text
from graphcnn.page.memory import deflated

#: Of what every page holds besides its network, as the reference asks.
MOST_BYTES = 120_000


def test_names_of_all_modules_are_unique() -> None:
    declared = re.compile(r"^(?:async )?(?:function\*?|const|let|class) (\w+)", re.MULTILINE)
    names = Counter[str]()
    for module in files("graphcnn.page").iterdir():
        if module.name.endswith(".js"):
            source = re.sub(r"^export ", "", module.read_text(encoding="utf-8"), flags=re.MULTILINE)
            names.update(declared.findall(source))  # those inside functions are indented
    assert [name for name, count in names.items() if count > 1] == []
    assert {"start", "openPage", "createStore"} <= names.keys()


def test_the_script_is_without_what_readers_alone_need() -> None:
    script, style = script_text(), style_text()
    assert not re.search(r"^\s|^//|^/\*|/\*\* @|^import |^export ", script, re.MULTILINE)
    assert not re.search(r"^\s|/\*", style, re.MULTILINE)
    assert script.endswith("\nstart(document);\n")
    assert len(deflated(script.encode())) + len(style.encode()) <= MOST_BYTES


def test_styles_and_the_body_have_no_line_longer_than_100_columns() -> None:
    """Prettier sees to the scripts; nothing sees to these."""
    long = [f"{m.name}: {line}" for m in files("graphcnn.page").iterdir()
            if m.name.endswith((".css", ".html"))
            for line in m.read_text(encoding="utf-8").splitlines() if len(line) > 100]  # fmt: skip
    assert long == []


def test_every_word_is_said_somewhere() -> None:
    sources = {m.name: m.read_text(encoding="utf-8") for m in files("graphcnn.page").iterdir()
               if m.name.endswith((".js", ".html"))}  # fmt: skip
    tables = sources.pop("words.js") + sources.pop("lesson_words.js")
    words = re.findall(r'^  "?([\w-]+)"?: \[', tables, re.MULTILINE)
    rest = "\n".join(sources.values())
    beginnings = tuple(re.findall(r"`([a-z]\w*[_-]?)\$\{", rest))
    said = {*re.findall(r"[\w-]+", rest)}
    assert len(words) > 100
    assert [w for w in words if w not in said and not w.startswith(beginnings)] == []
