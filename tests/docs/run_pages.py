"""Runs the worked examples of pages, each in the order of its blocks: `run_pages.py PAGE...`.

Prints what each block prints that has a block of text behind it, as JSON: for every page a list of
[expected, found]. In a process of its own, where operators and passes may be added.
"""

import contextlib
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def outputs(page: Path) -> list[tuple[str, str]]:
    """The texts in the page, and what is printed before each of them."""
    names: dict[str, Any] = {"__name__": page.stem.replace("-", "_")}
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    told = []
    for (kind, code), (after, text) in zip(found, [*found[1:], ("", "")], strict=True):
        if kind == "python":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(code, page.name, "exec"), names)
            told.append((text if after == "text" else "", printed.getvalue()))
    return told


if __name__ == "__main__":
    print(json.dumps({name: outputs(Path(name)) for name in sys.argv[1:]}))
