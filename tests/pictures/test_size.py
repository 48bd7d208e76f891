"""How much room a picture takes, and that it is the same in every process."""

import importlib.machinery
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pictures.networks import hostile

from graphcnn.errors import MissingExtraError
from graphcnn.models import MODELS, build
from graphcnn.pictures import Picture, graph_picture
from graphcnn.pictures.content.content import DETAILS
from graphcnn.pictures.writers import png

#: Bytes of an SVG for each of its cards, all that stands around them included.
FLOOR = 1500


@pytest.mark.parametrize("fold", [True, False])
@pytest.mark.parametrize("detail", DETAILS)
@pytest.mark.parametrize("name", MODELS)
def test_bytes_for_each_card(name: str, detail: str, fold: bool) -> None:
    picture = graph_picture(build(name).graph, detail=detail, fold=fold)
    cards = sum(1 for _ in picture.scene.groups("card"))
    assert len(picture.svg().encode()) <= FLOOR * cards


SCRIPT = """
import hashlib
from graphcnn.errors import MissingExtraError
from graphcnn.models import build
from graphcnn.pictures import graph_picture, training_picture, volume_picture
def parts(p):
    return (p.svg(), p.html(), p.pdf(), p.tikz(), p.json(), p.text(), p.dot(), *png(p))
def png(p):
    try:
        import resvg_py
    except ImportError:
        return ()
    return (p.png(1),)
model = build("resnet18", size=64)
pictures = (graph_picture(model.graph), training_picture(model.training_graph()),
            volume_picture(model.graph))
for p in pictures:
    for part in parts(p):
        data = part if isinstance(part, bytes) else part.encode()
        print(hashlib.sha256(data).hexdigest())
"""


def test_the_same_bytes_in_two_processes() -> None:
    found = [
        subprocess.run(
            [sys.executable, "-c", SCRIPT], capture_output=True, check=True, text=True, timeout=120,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert found[0] == found[1] and len(found[0].split()) >= 21


def arguments(picture: Picture, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What resvg is asked for."""
    resvg = pytest.importorskip("resvg_py")
    asked: dict[str, object] = {}
    monkeypatch.setattr(resvg, "svg_to_bytes", lambda **given: asked.update(given) or b"")
    picture.png()
    return asked


def test_fonts_of_the_machine_play_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = arguments(graph_picture(build("lenet5").graph), monkeypatch)
    assert asked["skip_system_fonts"] is True
    assert 'font-family="DejaVu Sans"' in str(asked["svg_string"])
    files = asked["font_files"]
    assert isinstance(files, list) and all(Path(f).is_file() for f in files) and len(files) == 2


def test_where_the_font_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = graph_picture(build("lenet5").graph)
    missing = importlib.machinery.ModuleSpec("matplotlib", None, origin="/none/__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: missing)
    asked = arguments(picture, monkeypatch)
    assert asked["font_files"] == [] and asked["skip_system_fonts"] is False
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"'matplotlib'.*graphcnn\[png\]"):
        picture.png()


def test_names_that_the_font_lacks_ask_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = hostile()
    picture = graph_picture(model.graph, detail="ops", fold=False)
    assert picture.png(1).startswith(b"\x89PNG")
    assert arguments(picture, monkeypatch)["skip_system_fonts"] is False


def test_the_table_of_widths_is_that_of_the_font() -> None:
    tools = pytest.importorskip("fontTools.ttLib")
    pytest.importorskip("matplotlib")
    from graphcnn.pictures.scene.fonts import text_width

    for path, bold in zip(png._font_files(), (False, True), strict=True):
        font = tools.TTFont(path)
        names, widths = font.getBestCmap(), font["hmtx"]
        letters = [*range(0x20, 0x7F), *range(0xA1, 0x100), *range(0x3A3, 0x3CA), *map(ord, "→↻∂…")]
        for code in letters:
            if not chr(code).isprintable():
                continue
            wanted = widths[names[code]][0] / font["head"].unitsPerEm
            assert text_width(chr(code), 1000, bold) == pytest.approx(1000 * wanted, abs=0.51)
