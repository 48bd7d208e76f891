"""Packages of npm and wheels: what is in them, and that they run alone."""

import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from support.built import NODE, network, run

import graphcnn as cnn


def test_a_wheel_runs_without_graphcnn(tmp_path) -> None:
    model = network("lenet5")
    model.classes = ["a: null", "größe", *"23456789"]
    made = model.build("linux-x86-64", tmp_path, wheel=True, version="1.2.0")
    (wheel,) = (tmp_path / name for name in made.files if name.endswith(".whl"))
    assert wheel.name.startswith("lenet5-1.2.0-py3-none-manylinux_2_5_x86_64")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
        rows = archive.read("lenet5-1.2.0.dist-info/RECORD").decode().split()
        assert {row.split(",")[0] for row in rows} == {*archive.namelist()}
    images = np.random.default_rng(0).normal(size=(1, 1, 28, 28)).astype(np.float32)
    np.save(tmp_path / "x.npy", images)
    code = """
import sys, threading, numpy as np, lenet5
x = np.load("x.npy")
results = [None] * 4
def one(i): results[i] = lenet5.run(x)
threads = [threading.Thread(target=one, args=(i,)) for i in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
assert all((r == results[0]).all() for r in results) and "graphcnn" not in sys.modules
for wrong in (x[0], x.astype(complex), "7"):
    try: lenet5.run(wrong)
    except (ValueError, TypeError) as error: print(error)
assert (lenet5.run(np.asfortranarray(x.astype(">f8"))) == results[0]).all()
print(lenet5.about["classes"][:2])
np.save("y.npy", results[0])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True,
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "image: expected (1, 1, 28, 28), found (1, 28, 28)",
        "image: expected float32, found complex128",
        "image: expected (1, 1, 28, 28), found ()",
        "['a: null', 'größe']",
    ]
    found = np.load(tmp_path / "y.npy")
    assert np.allclose(found, model.predict(images), rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(NODE is None, reason="needs node")
def test_a_folder_is_a_package_of_npm(tmp_path) -> None:
    model = network("digits_cnn")
    folder = tmp_path / "node_modules" / "digits-cnn"
    folder.parent.mkdir()
    model.build("wasm", folder, npm=True, version="2.0.1")
    package = json.loads((folder / "package.json").read_text())
    assert package["version"] == "2.0.1" and all((folder / f).exists() for f in package["files"])
    (tmp_path / "use.mjs").write_text(
        'import { load, about } from "digits-cnn";\n'
        "const network = await load();\n"
        "console.log(about.name, network.run(new Float32Array(64)).length);\n"
    )
    assert run(NODE, "use.mjs", folder=tmp_path) == "digits_cnn 10\n"


def test_packages_that_cannot_be_are_refused(tmp_path) -> None:
    model = network("digits_cnn")
    for options, words in (
        ({"target": "cortex-m4", "wheel": True}, "a wheel is made of a library for Linux"),
        ({"target": "linux-x86-64", "npm": True}, "npm is for WebAssembly"),
        ({"target": "linux-x86-64", "wheel": True, "weights": "file"}, "the weights inside"),
        ({"target": "wasm", "npm": True, "version": "1.0"}, "three numbers as in 1.0.2"),
    ):
        with pytest.raises(cnn.GraphCnnError, match=words):
            model.build(folder=tmp_path, **options)
    assert not list(tmp_path.iterdir())
