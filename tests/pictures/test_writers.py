"""The formats: what every writer must keep, names that try to break out, files by suffix."""

import json
import re
import shutil
import struct
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures.checks import check_picture, images, text_box
from pictures.networks import hostile

from graphcnn.errors import DataError, MissingExtraError, OutputError
from graphcnn.ir.graph import Graph
from graphcnn.models import build
from graphcnn.pictures import SUFFIXES, Picture, graph_picture, training_picture, volume_picture
from graphcnn.pictures.scene.colors import PAINTS, contrast, luminance
from graphcnn.pictures.scene.fonts import elide, printable, text_width
from graphcnn.pictures.scene.pixels import compressed, to_grey, write_png
from graphcnn.pictures.scene.scene import Box, Group, Image, Rect, Scene, Text
from graphcnn.pictures.scene.scene import Path as Shape
from graphcnn.pictures.scene.units import in_bytes, seconds, short
from graphcnn.pictures.writers.pdf import to_pdf
from graphcnn.pictures.writers.png import to_png
from graphcnn.pictures.writers.tikz import tex

LENET = graph_picture(build("lenet5").graph)


def everything() -> Scene:
    """A scene with every kind of shape."""
    png = write_png(np.arange(12, dtype=np.uint8).reshape(3, 4))
    items = (
        Rect(Box(0, 0, 120, 90), "ground"),
        Group(
            (
                Rect(Box(10, 10, 60, 40), "conv", 6),
                Text(12, 24, "ab", 10, "text", bold=True),
                Shape((("M", 60, 25), ("C", 70, 25, 70, 60, 90, 60), ("Z",)), "skip", 2.5),
                Image((70, 10), (20, 0), (0, 15), png, 4, 3),
            ),
            "card", "one", "first", "tip", Box(10, 10, 60, 40),
        ),
    )  # fmt: skip
    return Scene(120, 90, items, "all", "every shape", ("totals",))


def test_every_shape_in_every_format() -> None:
    picture = Picture(everything())
    check_picture(picture)
    svg = picture.svg()
    assert '<rect x="10" y="10" width="50" height="30" rx="6"' in svg
    assert 'd="M60 25C70 25 70 60 90 60Z"' in svg and 'stroke-width="2.5"' in svg
    assert "matrix(20 0 0 15 70 10)" in svg
    assert r"\path[fill=skip" not in picture.tikz() and "controls (70.00,25.00)" in picture.tikz()
    assert b"/Subtype /Image /Width 4 /Height 3" in picture.pdf()
    assert json.loads(picture.json())["groups"][0]["box"] == [10, 10, 60, 40]
    assert picture.text() == "all\nevery shape\n\nfirst\n\ntotals\n"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_saved_by_suffix(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"net{suffix}"
    if suffix == ".png":
        pytest.importorskip("resvg_py")
    assert LENET.save(path) == path
    start = {".svg": b"<svg", ".html": b"<!DOCTYPE html>", ".png": b"\x89PNG", ".pdf": b"%PDF",
             ".dot": b"digraph", ".gv": b"digraph", ".json": b"{", ".txt": b"lenet5",
             ".tex": b"% lenet5"}[suffix]  # fmt: skip
    assert path.read_bytes().startswith(start)


def test_known_suffixes() -> None:
    assert set(SUFFIXES) == {
        ".svg", ".html", ".png", ".pdf", ".dot", ".gv", ".json", ".txt", ".tex",
    }  # fmt: skip


def test_unknown_suffixes_and_missing_folders(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"unknown file type '.bmp'; known are .svg, .html"):
        LENET.save(tmp_path / "net.bmp")
    with pytest.raises(OutputError, match="does not exist"):
        LENET.save(tmp_path / "none" / "net.svg")
    assert not list(tmp_path.iterdir())
    with pytest.raises(OutputError, match="no DOT form"):
        Picture(everything()).dot()


def test_png_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(MissingExtraError, match=r"graphcnn\[png\]"):
        LENET.png()


def test_png_sizes() -> None:
    pytest.importorskip("resvg_py")
    width, height = struct.unpack(">II", to_png(everything(), 2.0)[16:24])
    assert (width, height) == (240, 180)
    with pytest.raises(OutputError, match="must be positive"):
        to_png(everything(), 0)
    with pytest.raises(OutputError, match="too large"):
        to_png(everything(), 1000)


def test_text_is_as_wide_as_measured_or_less() -> None:
    """Rasterised text ends before the place that the table gives, in the widest common font."""
    pytest.importorskip("resvg_py")
    pil = pytest.importorskip("PIL.Image")
    import io

    for line in ("conv2d 5×5, padding 2 → 6×28×28", "WWWWiiii", "Größe café", "117.6 k mult-adds"):
        for bold in (False, True):
            width = text_width(line, 20, bold)
            items = (Rect(Box(0, 0, 600, 40), "ground"), Text(0, 28, line, 20, "text", bold=bold))
            data = to_png(Scene(600, 40, items, "t", "d"), 1)
            dark = np.asarray(pil.open(io.BytesIO(data)).convert("L")) < 128
            assert np.flatnonzero(dark.any(axis=0)).max() <= width * 1.06 + 1


def test_hostile_names() -> None:
    model, names = hostile()
    picture = graph_picture(model.graph, detail="ops", fold=False)
    check_picture(picture)
    root = ElementTree.fromstring(picture.svg())
    tags = {e.tag.rsplit("}", 1)[-1] for e in root.iter()}
    assert "script" not in tags
    assert len(picture.svg()) < 60_000, "long names are cut"
    html = picture.html()
    assert html.count("<script") == 1 and "<script>alert" not in html
    assert "\u202e" not in picture.svg() and "\x1b" not in picture.text()
    assert "卷积层的名字" in picture.svg() and "שלום" in picture.svg()
    json.loads(picture.json())
    for label in (g.label for g in picture.scene.groups("card")):
        assert len(label) < 400
    volume = volume_picture(model.graph)
    check_picture(volume)
    assert len(names) == 10


def test_training_pictures_of_hostile_names() -> None:
    model, _ = hostile()
    check_picture(training_picture(model.training_graph("mse")))


def test_texts_are_cut_in_the_middle() -> None:
    long = "first" + "x" * 10_000 + "last"
    short = elide(long, 10, 100)
    assert short.startswith("fir") and short.endswith("ast") and "…" in short
    assert text_width(short, 10) <= 100
    assert elide("short", 10, 100) == "short"
    assert printable("a\nb\x00\u202ec\ud800") == "a b··c·"


def test_widths() -> None:
    assert text_width("", 10) == 0
    assert text_width("mm", 10) == pytest.approx(19.48)
    assert text_width("mm", 10, bold=True) == pytest.approx(20.84)
    assert text_width("é", 10) == text_width("e", 10) == text_width("e\u0301", 10)
    assert text_width("卷", 10) == 10


def test_latex_specials() -> None:
    assert tex(r"a_b 50% \x {y} & $") == r"a\_b 50\% \textbackslash{}x \{y\} \& \$"


def test_pdf_has_a_true_table_of_objects() -> None:
    data = LENET.pdf()
    start = int(re.findall(rb"startxref\n(\d+)", data)[0])
    assert data[start:].startswith(b"xref\n")
    for number, place in enumerate(re.findall(rb"^(\d{10}) 00000 n", data, re.M), start=1):
        assert data[int(place) :].startswith(b"%d 0 obj" % number)
    packed = re.search(rb"/FlateDecode /Length \d+ >>\nstream\n(.*?)\nendstream", data, re.S)
    assert packed
    content = zlib.decompress(packed[1]).decode()
    assert content.count("BT ") == sum(1 for _ in texts(LENET.scene.items))
    assert b"conv2d 5".hex() in content


def texts(items: tuple[object, ...]) -> list[Text]:
    found: list[Text] = []
    for item in items:
        found += texts(item.items) if isinstance(item, Group) else []
        found += [item] if isinstance(item, Text) else []
    return found


def test_notebooks_get_drawing_and_text() -> None:
    bundle = LENET._repr_mimebundle_()
    assert bundle["image/svg+xml"] == LENET.svg() and bundle["text/plain"] == LENET.text()


def test_two_pictures_on_one_page_share_no_names() -> None:
    ids = [set(re.findall(r'id="([^"]+)"', graph_picture(build(n).graph).svg()))
           for n in ("lenet5", "unet")]  # fmt: skip
    assert not ids[0] & ids[1]


def test_the_same_in_another_process() -> None:
    code = (
        "import sys; from graphcnn.models import build\n"
        "from graphcnn.pictures import graph_picture\n"
        "p = graph_picture(build('resnet18').graph);"
        "sys.stdout.buffer.write((p.svg() + p.json() + p.tikz()).encode())"
    )
    p = graph_picture(build("resnet18").graph)
    for seed in ("0", "1"):
        out = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout  # fmt: skip
        assert out.decode() == p.svg() + p.json() + p.tikz()


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
def test_the_page_answers_keys_search_and_mouse(tmp_path: Path) -> None:
    page = LENET.save(tmp_path / "net.html")
    program = Path(__file__).with_name("page.js")
    done = subprocess.run(["node", program, page, "C3"], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()


def test_grey_pixels() -> None:
    assert to_grey([[0.0, 0.5, 1.0]]).tolist() == [[0, 128, 255]]
    assert to_grey([[-1.0, 1.0]], -1, 1).tolist() == [[0, 255]]
    assert to_grey([[3.0, 3.0]], 3, 3).tolist() == [[0, 0]]
    assert to_grey([[np.nan, np.inf, 1.0]]).tolist() == [[0, 0, 255]]
    with pytest.raises(DataError, match="height and width"):
        to_grey([1.0])


@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (2, 5, 3)])
def test_written_images_are_read_back(shape: tuple[int, ...]) -> None:
    pil = pytest.importorskip("PIL.Image")
    import io

    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    assert np.array_equal(np.asarray(pil.open(io.BytesIO(write_png(pixels)))), pixels)
    with pytest.raises(DataError, match="uint8"):
        write_png(pixels.astype(np.float32))


def test_every_paint_is_light_by_day_and_dark_by_night() -> None:
    for name, paint in PAINTS.items():
        assert (paint.fill is None) == (paint.dark_fill is None), name
        assert (paint.stroke is None) == (paint.dark_stroke is None), name
        for ground in ("#ffffff",):
            if paint.stroke and name not in ("body", "frame"):
                assert contrast(paint.stroke, ground) >= 2.9, f"{name} is too faint for a line"
        if paint.dark_stroke:
            assert contrast(paint.dark_stroke, PAINTS["ground"].dark_fill or "") >= 2.9, name
    assert luminance("#ffffff") == pytest.approx(1) and luminance("#000000") == 0
    assert contrast("#ffffff", "#000000") == pytest.approx(21)


def test_dot_keeps_to_the_graphviz_package() -> None:
    assert LENET.dot().startswith("digraph") and "C1" in LENET.dot()
    assert isinstance(LENET.graph, Graph)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (short(9_999), "9,999"),
        (short(117_600), "118 k"),
        (short(999_600), "1 M"),
        (short(1_814_073_344), "1.81 G"),
        (in_bytes(512), "512 B"),
        (in_bytes(1024), "1 KiB"),
        (in_bytes(18_816), "18.4 KiB"),
        (in_bytes(1024**2 - 1), "1 MiB"),
        (seconds(1.25e-3), "1.25 ms"),
        (seconds(3e-9), "3 ns"),
    ],
)
def test_numbers_are_short(written: str, expected: str) -> None:
    assert written == expected


def test_every_text_leaves_its_ink() -> None:
    """Rasterised with and without its texts, the picture differs where each of them stands."""
    pil = pytest.importorskip("PIL.Image")
    pytest.importorskip("resvg_py")
    import io

    def pixels(scene: Scene) -> np.ndarray[Any, Any]:
        return np.asarray(pil.open(io.BytesIO(to_png(scene, 2))).convert("L")).astype(int)

    def silent(items: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(
            replace(i, items=silent(i.items)) if isinstance(i, Group) else i
            for i in items
            if not isinstance(i, Text)
        )

    scene = graph_picture(build("vgg_cifar").graph).scene
    ink = pixels(scene) != pixels(replace(scene, items=silent(scene.items)))
    for line in texts(scene.items):
        box = text_box(line)
        left, top, right, bottom = (round(2 * v) for v in box)
        assert ink[top:bottom, left:right].any(), line.text
        ink[top - 4 : bottom + 4, left - 4 : right + 4] = False
    assert not ink.any(), "some text lies outside its measured box"


def test_greek_and_arrows_in_pdf_take_the_font_of_symbols() -> None:
    items = (Rect(Box(0, 0, 90, 40), "ground"), Text(80, 20, "γ β → x", 10, "text", "end"))
    data = to_pdf(Scene(90, 40, items, "t", "d"))
    packed = re.search(rb"/FlateDecode /Length \d+ >>\nstream\n(.*?)\nendstream", data, re.S)
    assert packed
    content = zlib.decompress(packed[1]).decode()
    # gamma is g and beta b in Symbol, the arrow AE; widths 411 + 278 + 549 + 278 + 987 + 278 + 500
    assert "/F2 10 Tf <67> Tj /F0 10 Tf <20> Tj /F2 10 Tf <62> Tj" in content
    assert "/F2 10 Tf <ae> Tj /F0 10 Tf <2078> Tj ET" in content
    assert f"1 0 0 -1 {80 - 32.81:.2f} 20 Tm" in content
    assert b"/BaseFont /Symbol" in data


def test_images_in_latex() -> None:
    """Their pixels, where and as large as they are, as an image of PDF within the text."""
    source = Picture(everything()).tikz()
    ((entries, digits),) = re.findall(r"\{(/W[^}]*)\}\{%\n([0-9a-f\n]+)>\}", source)
    assert "/W 4 /H 3 /CS /G /BPC 8" in entries and "/F [/AHx /Fl]" in entries
    rows = zlib.decompress(bytes.fromhex(digits.replace("\n", "")))
    (image,) = images(everything())
    colors, data = compressed(image.png)
    assert colors == 1 and rows == zlib.decompress(data) and len(rows) == 3 * (1 + 4)
    assert "{(70.00,10.00)}" in source
    assert "{20.0000 0.0000 0.0000 15.0000 0.0000 -15.0000}" in source
    assert max(map(len, source.splitlines())) < 400  # TeX reads lines into a buffer
    assert "graphcnnimage" not in LENET.tikz()


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs LaTeX")
@pytest.mark.parametrize("make", [
    lambda: training_picture(build("vgg_cifar").training_graph()),
    lambda: volume_picture(build("lenet5").graph, paint={"image": np.eye(28)[None]}),
], ids=["training", "painted"])  # fmt: skip
def test_tikz_compiles(make: Callable[[], Picture], tmp_path: Path) -> None:
    path = make().save(tmp_path / "net.tex")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", path.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120)
    if b"File `standalone.cls' not found" in done.stdout:
        pytest.skip("needs the class standalone")
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    assert (tmp_path / "net.pdf").read_bytes().startswith(b"%PDF")
