"""Commands on models of all kinds: several inputs or none, no batch axis, no operator."""

import re

import numpy as np
import pytest
from support.command_line import done, refused

import graphcnn as cnn
from graphcnn.text.parse import parse_graph

#: Lines of graphs, what is fed to them, and what they give.
MODELS = {
    "scalar": ("x: f32[]\n y = neg(x)\n return y = y", ["two"], -2.0),
    "vector": ("x: f32[3]\n y = neg(x)\n return y = y", ["three"], [-1, -1, -1]),
    "rows": ("x: f32[N,3]\n return y = x", ["three", "five"], np.ones((6, 3))),
    "time_major": ("x: f32[4,N,3]\n y = neg(x)\n return y = y", ["time"], -np.ones((4, 7, 3))),
    "several": (
        "s: f32[], x: f32[N,3]\n y = mul(x, s)\n return y = y", ["s=two", "x=five"],
        2 * np.ones((5, 3)),
    ),
    "total": ("x: f32[N,3]\n y = sum(x; axes=(0, 1))\n return y = y", ["five"], 15.0),
    "nothing": ("\n c = constant({1.0}) : f32[]\n y = neg(c)\n return y = y", [], -1.0),
    "constant": ("\n c = constant({1.0, 2.0}) : f32[2]\n return y = c", [], [1, 2]),
}  # fmt: skip


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, (text, _, _) in MODELS.items():
        head, *lines = text.splitlines()
        graph = parse_graph("\n".join([f'graph "{name}" ({head}) {{', *lines, "}"]))
        cnn.Model(graph.inputs, graph.outputs, name).save(f"{name}.safetensors")
    for name, shape in {"two": (), "three": (3,), "five": (5, 3), "time": (4, 7, 3)}.items():
        np.save(name, np.ones(shape, np.float32) * (2 if name == "two" else 1))
    return tmp_path


@pytest.mark.parametrize("name", MODELS)
def test_every_command(files, name):
    model, (_, given, wanted) = f"{name}.safetensors", MODELS[name]
    done("predict", model, *(f"{each}.npy" for each in given), "-o", "y.npy")
    found = np.load("y.npy")
    assert found.shape == np.shape(wanted) and np.array_equal(found, wanted)
    done("summary", model)
    done("passes", model)
    done("passes", model, "--native")
    assert "batch 2" in done("profile", model, "--batch", 2)
    for suffix in ("svg", "dot", "txt"):
        done("draw", model, "-o", f"{name}.{suffix}")
    assert "output" in (files / f"{name}.txt").read_text()


@pytest.mark.parametrize("name", MODELS)
def test_exported_and_checked(files, name):
    pytest.importorskip("onnxruntime")
    done("export", f"{name}.safetensors", "-o", f"{name}.onnx")
    shape = ("--shape", "x=4,N,3") if name == "time_major" else ()
    done("check", f"{name}.onnx", *shape)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["scalar"], r"scalar needs a file for its input 'x' \(f32\[\]\)"),
        (["vector", "three.npy", "three.npy"], "no batch axis N, so it takes one file, found 2"),
        (["vector", "five.npy"], r"takes f32 \(3,\), found \(5, 3\)"),
        (["rows", "x.png"], r"x.png: the input 'x' \(f32\[N,3\]\) takes no pictures"),
        (["rows", "two.npy"], r"array of shape \(\); the input 'x' .* takes \(n, 3\)"),
        (["several", "five.npy"], "give s=FILE.npy x=FILE.npy, found 'five.npy'"),
        (["several", "x=five.npy"], "takes a dict with s, x, found x"),
        (["nothing", "two.npy"], "nothing has no inputs, found two.npy"),
        (["total", "five.npy"], r"total gives \(\), which are not classes"),
        (["total", "five.npy", "--batch-size", "2"], 'sum "y" takes the sum over the batch'),
    ],
)
def test_what_cannot_be_predicted(files, words, message):
    name, *rest = words
    assert re.search(message, refused(1, "predict", f"{name}.safetensors", *rest))


@pytest.mark.parametrize("name", ["scalar", "total", "nothing", "constant"])
def test_what_cannot_be_measured(files, name):
    said = refused(1, "evaluate", f"{name}.safetensors", "--data", "digits")
    assert "must have one batch axis N" in said or "has no input" in said


def test_classes_of_one_image_may_have_no_batch_axis(tmp_path, monkeypatch):
    """As a network has them that is made for one image, and is asked for several."""
    monkeypatch.chdir(tmp_path)
    lines = ["x: f32[1,2,2,2]) {", " m = mean(x; axes=(0, 2, 3))", " y = softmax(m; axis=0)"]
    graph = parse_graph("\n".join(['graph "one" (' + lines[0], *lines[1:], " return y = y", "}"]))
    model = cnn.Model(graph.inputs, graph.outputs, "one")
    model.save("one.safetensors")
    images = np.random.default_rng(0).normal(size=(3, 2, 2, 2)).astype(np.float32)
    files = [f"{i}.npy" for i in range(3)]
    for name, image in zip(files, images, strict=True):
        np.save(name, image)
    done("predict", "one.safetensors", *files, "-o", "y.npy")
    alone = [model.predict(images[i : i + 1]) for i in range(3)]
    np.testing.assert_array_equal(np.load("y.npy"), np.stack(alone))
    said = done("predict", "one.safetensors", *files).splitlines()
    assert [line.split()[:2] for line in said] == [
        [name, str(row.argmax())] for name, row in zip(files, alone, strict=True)
    ]
