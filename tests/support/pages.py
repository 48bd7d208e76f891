"""What stands in the blocks of a page."""

import base64
import json
import re
import zlib
from pathlib import Path
from typing import Any


def block(text: str, name: str) -> str:
    """The block of the page with this id, as it stands there."""
    found = re.search(rf'<script type="text/plain" id="{name}">([^<]*)</script>', text)
    assert found is not None, name
    return found[1]


def inflated(text: str, name: str) -> str:
    """A block of text that is deflated."""
    return zlib.decompress(base64.b64decode(block(text, name))).decode()


def about_of(page: Path) -> dict[str, Any]:
    """What the page knows of its network: `About` in page.d.ts."""
    found: dict[str, Any] = json.loads(inflated(page.read_text(encoding="utf-8"), "about"))
    return found


def with_about(text: str, about: str) -> str:
    """The page with other words of its network, deflated as they have to be."""
    deflated = base64.b64encode(zlib.compress(about.encode(), 9)).decode()
    return text.replace(block(text, "about"), deflated)
