"""The file of a page: its policy, that it asks nobody for anything, its bytes, its samples."""

import base64
import hashlib
import re
import zlib
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import pages
from support.built import network
from support.command_line import done

import graphcnn as cnn
from graphcnn.errors import DataError, GraphCnnError, OutputError
from graphcnn.models import build


def block(text: str, name: str) -> bytes:
    return zlib.decompress(base64.b64decode(text.partition(f'id="{name}">')[2].partition("<")[0]))


def test_a_page_is_the_same_bytes_and_asks_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, files = network("digits_cnn"), [tmp_path / name for name in ("a.html", "b.html")]
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8)).astype(np.uint8)
    for threads, file in enumerate(files, 1):
        monkeypatch.setenv("GRAPHCNN_THREADS", str(threads))
        model.page(file, samples=images, labels=["one", "<two>", "三"])
    text = files[0].read_text(encoding="utf-8")
    assert files[0].read_bytes() == files[1].read_bytes()
    policy = unescape(re.findall(r'Content-Security-Policy" content="([^"]*)"', text)[0])
    assert policy.startswith("default-src 'none'; ") and "'unsafe-eval'" not in policy
    loader = text.rpartition("<script>")[2].partition("</script>")[0]
    script = block(text, "script").decode()
    for each in (loader, script):
        digest = base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    links = re.findall(r"https?://[^\s\"'`)]*", text + script)
    assert set(links) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"\b(?:fetch|XMLHttpRequest|WebSocket|eval|importScripts)\(", script)
    assert "<two>" not in text
    told = pages.about_of(files[0])["samples"]
    assert [sample["label"] for sample in told] == ["one", "<two>", "三"]


def test_float16_is_smaller_and_other_files_are_refused(tmp_path: Path) -> None:
    model = network("lenet5")
    whole = model.page(tmp_path / "whole.html")
    half = model.page(tmp_path / "half.html", float16=True)
    assert half.weights < 0.55 * whole.weights and half.code == whole.code
    with pytest.raises(OutputError, match=r"a page is \.html"):
        model.page(tmp_path / "page.txt")
    with pytest.raises(DataError, match=r"samples are images \(n, 1, 28, 28\)"):
        model.page(tmp_path / "no.html", samples=np.zeros((2, 3, 28, 28), np.uint8))
    with pytest.raises(DataError, match="2 samples and 1 labels"):
        model.page(tmp_path / "no.html", samples=np.zeros((2, 28, 28), np.uint8), labels=["a"])


def test_the_command_offers_one_sample_of_every_class(tmp_path: Path) -> None:
    file = tmp_path / "xo.html"
    model = cnn.Model(image := cnn.input("image", (1, 16, 16)), cnn.dense(cnn.flatten(image), 2))
    model.initialize(0).save(tmp_path / "xo.safetensors")
    data = ("--data", "xo:n=40,size=16", "--samples", 3, "--title", "X & O")
    told = done("page", tmp_path / "xo.safetensors", "-o", file, *data)
    assert "3 samples" in told and "<title>X &amp; O</title>" in file.read_text(encoding="utf-8")
    labels = [sample["label"] for sample in pages.about_of(file)["samples"]]
    assert labels[0] != labels[1] and labels[2] == labels[0]


def test_an_imported_network_is_shown_with_its_scores_before_softmax(tmp_path: Path) -> None:
    image = cnn.input("image", (3, 10, 10))
    x = cnn.conv2d(image, 4, 3, activation="relu", name="first")
    x = cnn.dense(cnn.flatten(x), 3, name="last")
    model = cnn.Model(image, cnn.softmax(x), name="small").initialize(0)
    model.export_onnx(tmp_path / "small.onnx", verify=False)
    made = cnn.import_onnx(tmp_path / "small.onnx").page(tmp_path / "small.html")
    assert made.layers == 4 and made.live  # image, first, flatten, last


def about_of(model: cnn.Model, path: Path, **options: Any) -> dict[str, Any]:
    model.page(path, **options)
    return pages.about_of(path)


def headed(*shape: int, end: Any = lambda x: x, count: int = 3, name: str = "last") -> cnn.Model:
    image = cnn.input("seed last", shape)  # named as an input of the programs would be
    scores = cnn.dense(cnn.flatten(image), count, name=name)
    return cnn.Model(image, end(scores), name="small").initialize(0)


def test_only_what_is_known_is_taken_for_granted(tmp_path: Path) -> None:
    file, digits = tmp_path / "a.html", [str(i) for i in range(10)]
    for end, loss, readable in (
        (lambda x: x, None, None), (lambda x: x, "mse", None), (lambda x: x, "hinge", None),
        (lambda x: x, "cross_entropy", "softmax"), (lambda x: x, "focal", "softmax"),
        (lambda x: x, "binary_dice", "sigmoid"), (cnn.softmax, None, "softmax"),
        (cnn.sigmoid, None, "sigmoid"), (cnn.log_softmax, None, "softmax"),
    ):  # fmt: skip
        model = headed(1, 4, 4, end=end)
        model.loss = loss
        about = about_of(model, file)
        assert about["readable"] == readable, (loss, readable)
        assert about["classes"] == ([] if loss == "mse" else ["0", "1", "2"])
    for side, classes, said, box in (
        (28, digits, None, 20), (32, digits, None, 20), (8, digits, None, 8), (28, [], None, None),
        (28, digits, "plain", None), (30, digits, None, None), (28, [], "digits", 20),
    ):  # fmt: skip
        model = headed(1, side, side, count=10)
        model.classes = tuple(classes)
        drawing = about_of(model, file, drawing=said)["input"]["drawing"]
        assert (drawing and drawing["box"]) == box, (side, said)
    with pytest.raises(GraphCnnError, match="takes 3 channels"):
        headed(3, 8, 8).page(file, drawing="digits")


def test_what_is_no_number_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "a.html"
    for value, options, words in (
        (np.nan, {}, "last.weight of small holds NaN"),
        (np.inf, {}, "last.weight of small holds inf"),
        (3e38, {}, "last of small is (NaN|inf) somewhere"),
        (1e5, {"float16": True}, "reaches 100000, and float16 ends at 65504"),
    ):  # fmt: skip
        model = headed(1, 4, 4)
        model.update_states({"last.weight": np.full((3, 16), value, np.float32)})
        with pytest.raises(GraphCnnError, match=words):
            model.page(file, **options)
        assert not file.exists()


def test_no_name_is_one_that_javascript_knows(tmp_path: Path) -> None:
    about = about_of(headed(1, 4, 4, name="__proto__"), tmp_path / "a.html")
    assert about["scores"] == "__proto__ 2"


def test_what_no_browser_could_run_is_refused_with_its_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.html"
    large = build("vgg16")
    with pytest.raises(GraphCnnError, match=r"15\.5 billion .* at most 10 billion.*smaller image"):
        large.page(file)
    monkeypatch.setattr("graphcnn.page.page.LONGEST", 100_000)
    with pytest.raises(
        GraphCnnError, match=r"weights of lenet5 take [0-9,]+ letters .* 100,000 .*float16"
    ):
        network("lenet5").page(file)
    assert not file.exists()


def test_names_are_told_whatever_they_are(tmp_path: Path) -> None:
    file, model = tmp_path / "a.html", headed(1, 4, 4)
    model.loss, model.classes = "cross_entropy", ("</script>", " ", "שלום")
    images = np.zeros((2, 4, 4), np.uint8)
    options = {"samples": images, "labels": ["<!--", "</script>"], "language": "zh"}
    about = about_of(model, file, title="</title><!-- 1\u202e\n2", **options)
    assert about["classes"] == ["</script>", "1", "שלום"]
    assert about["name"] == "</title><!-- 1· 2"  # what the page writes where the title stood
    assert about["language"] == "zh" and about_of(model, file)["language"] is None
    assert about_of(model, file, title=" ")["name"] == "small"
    with pytest.raises(GraphCnnError, match="'en' or 'zh', found 'de'"):
        model.page(file, language="de")


def test_labels_that_are_no_class_numbers_stay_what_they_are(tmp_path: Path) -> None:
    file, model, images = tmp_path / "a.html", headed(1, 4, 4), np.zeros((4, 4, 4), np.uint8)
    model.classes = ("a", "b", "c")
    labels = [1, np.float64(1.5), float("nan"), -1]
    told = about_of(model, file, samples=images, labels=labels)["samples"]
    assert [sample["label"] for sample in told] == ["b", "1.5", "nan", "-1"]
    for samples in ([[0, 1], [0]], "cat.png", [None]):
        with pytest.raises(DataError, match="samples are an array of numbers"):
            model.page(file, samples=samples)
    with pytest.raises(DataError, match="0 or more; found -1"):
        model.page(file, samples=images, most=-1)
