"""`graphcnn bench`: what is measured, how it is told, what is refused."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator
from support.command_line import done, refused
from support.data_files import idx

import graphcnn as cnn
from graphcnn.errors import GraphCnnError
from graphcnn.generative.graphs import decoder
from graphcnn.tools.bench import draw, embedded, lstm, torch_draws, torch_nets, web
from graphcnn.tools.bench.cases import LIGHT, Options, Unavailable
from graphcnn.tools.bench.light import NAMES
from graphcnn.tools.bench.processes import alone, compilation
from graphcnn.tools.bench.report import (
    CASES,
    Result,
    run_augment,
    run_draw,
    run_embedded,
    run_epoch,
    run_lens,
    run_lstm,
    run_shards,
    run_web,
    table,
)
from graphcnn.tools.bench.timing import Timing, race
from graphcnn.tools.commands import speed


@pytest.fixture
def mnist(tmp_path: Path) -> str:
    """130 random pictures in the files of MNIST."""
    rng = np.random.default_rng(0)
    for prefix, n in (("train", 130), ("t10k", 10)):
        images, labels = rng.integers(0, 256, (n, 28, 28)), rng.integers(0, 10, n)
        (tmp_path / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (tmp_path / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(labels)))
    return f"mnist:{tmp_path}"


def test_both_precisions_in_one_run(tmp_path: Path) -> None:
    target = tmp_path / "bench.json"
    precisions = ("--precision", "fast", "--precision", "strict")
    text = done("bench", "--nets", "lenet5", "--work", "single,train", "--rounds", 1, *precisions,
                "--json", target)  # fmt: skip
    assert "milliseconds per call" in text and "graphcnn strict" in text
    report = json.loads(target.read_text())
    assert set(report["machine"]) == {"processor", "cores", "python", "system"}
    rows = report["results"]
    assert [(r["case"], r["net"], r["work"], r["batch"], r["unit"]) for r in rows] == [
        ("nets", "lenet5", "single", 1, "ms"), ("nets", "lenet5", "train", 64, "ms"),
    ]  # fmt: skip
    for row in rows:
        assert set(row["values"]) == {"graphcnn", "graphcnn strict"}
        assert all(0 < value < 1000 for value in row["values"].values())
        assert row["ratios"] == {}  # there is nobody else


def test_ratios_are_those_of_the_best_peer() -> None:
    times = {"graphcnn": (1.0, 2.0, 3.0), "graphcnn strict": (2.0, 2.0, 2.0),
             "slow": (9.0, 9.0, 9.0), "fast": (4.0, 4.0, 6.0)}  # fmt: skip
    result = Result("nets", "net", "train", 8, 1, "ms")
    result.take({name: Timing(rounds) for name, rounds in times.items()}, 1e3)
    assert result.values == {
        "graphcnn": 2000, "graphcnn strict": 2000, "slow": 9000, "fast": 4000,
    }  # fmt: skip
    assert result.ratios == {"graphcnn": 2.0, "graphcnn strict": 2.0}


def test_who_cannot_is_told_and_the_others_go_on() -> None:
    def unable() -> None:
        raise Unavailable("inference only")

    def broken() -> None:
        raise ValueError("first line\nsecond")

    result = Result("nets", "net", "train", 8, 1, "ms")
    runs = result.prepared({"a": lambda: unable, "b": lambda: broken, "c": lambda: list})
    assert list(runs) == ["c"]
    assert result.skipped == {"a": "inference only", "b": "ValueError: first line"}
    text = table([result.take(race(runs, 1, 0.0))])
    assert "b: ValueError: first line" in text and "inference only" not in text


def test_each_kind_of_case_has_its_table() -> None:
    rows = [
        Result("memory", "resnet18", "train", 8, 1, "MiB", {"graphcnn": 400.0, "torch": 800.0},
               {"graphcnn": 2.0}),
        Result("compile", "lenet5", "train", 64, 1, "s", {"import": 0.1, "graphcnn cold": 1.0}),
    ]  # fmt: skip
    memory, compiled = table(rows).split("\n\n")
    assert memory.splitlines() == [
        "MiB at the peak, the whole process",
        "case              threads  graphcnn    torch  ratio",
        "resnet18 train 8        1   400.000  800.000   2.00",
    ]
    assert "graphcnn cold" in compiled and "ratio" not in compiled


def test_the_lens_is_timed_in_strict_precision() -> None:
    rows = list(run_lens(Options(("lens",), nets=("lenet5",), rounds=1), 1))
    assert [row.work for row in rows] == [
        "gradient", "guided", "grad_cam", "integrated", "smooth", "occlude",
    ]  # fmt: skip
    for row in rows:
        assert set(row.values) == {"graphcnn", "graphcnn strict"} and not row.skipped


def test_augmentation_is_timed_beside_images_as_stored() -> None:
    first, *rows = islice(run_augment(Options(("augment",), rounds=1), 1, width=2), 4)
    assert (first.net, first.work, first.batch) == ("fast", "train", 256)
    assert set(first.values) == {"graphcnn", "as stored"} and first.ratios.keys() == {"graphcnn"}
    assert [row.net for row in rows] == [
        "flip, crop, cutout",
        "as stored",
        "flip",
    ]
    assert all(row.values["graphcnn"] > 0 and not row.skipped for row in rows)


def test_an_lstm_is_timed_forward_and_in_a_training_step() -> None:
    rows = list(run_lstm(Options(("lstm",), rounds=1), 1))
    assert [(row.net, row.work, row.batch) for row in rows] == [
        ("lstm", "infer", 32), ("lstm", "train", 32),
    ]  # fmt: skip
    assert all(row.values["graphcnn"] > 0 and not row.skipped for row in rows)


def test_networks_that_draw_are_timed() -> None:
    rows = list(run_draw(Options(("draw",), rounds=1), 1))
    assert [(row.net, row.work, row.batch) for row in rows] == [
        ("pixelcnn", "infer", 16), ("pixelcnn", "train", 16), ("row_lstm", "train", 16),
        ("vae", "train", 100), ("dcgan", "train", 64),
    ]  # fmt: skip
    assert all(row.values["graphcnn"] > 0 and not row.skipped for row in rows)


def test_pytorch_draws_the_same_images() -> None:
    pytest.importorskip("torch")
    ours = draw.model("pixelcnn", "infer").sample(16)
    assert np.array_equal(draw.torch_run("pixelcnn", "infer", 1)(), ours)


@pytest.mark.parametrize("net", ["pixelcnn", "row_lstm", "vae"])
def test_pytorch_computes_the_same_loss(net: str) -> None:
    """Of `vae` nearly, as each draws codes of its own."""
    pytest.importorskip("torch")
    model, x = draw.model(net, "train"), draw.images(net)
    loss = draw.torch_run(net, "train", 1)()
    assert loss == pytest.approx(
        model.evaluate((x, x))["loss"], rel=0.002 if net == "vae" else 1e-5
    )


def test_pytorch_has_the_same_gan() -> None:
    torch = pytest.importorskip("torch")
    model, x = draw.model("dcgan", "train"), draw.images("dcgan")
    state = torch_draws.state_of(model.states)
    code = np.random.default_rng(0).normal(size=(4, 64)).astype(np.float32)
    with torch.inference_mode():
        told = torch_draws.critic(state, torch.from_numpy(x)).numpy()
        drawn = torch_draws.generator(state, torch.from_numpy(code), False).numpy()
    np.testing.assert_allclose(model.predict(x)["real"], told, atol=1e-5)
    made = decoder(model.graph, model.sampler)
    found = cnn.Model(made.inputs, made.outputs)
    found.set_parameters({k: v for k, v in model.parameters.items() if k.startswith("G.")})
    np.testing.assert_allclose(found.predict(code), drawn, atol=1e-5)
    losses = draw.torch_run("dcgan", "train", 1)()
    ours = cnn.Session(model, None, cnn.Adam(1e-3, 0.5), threads=1).step(x)
    assert losses == pytest.approx([ours["d_loss"], ours["g_loss"]], rel=0.05)


def test_the_file_for_onnx_runtime_is_the_same_lstm() -> None:
    net = lstm.model("infer")
    x = np.random.default_rng(0).normal(size=(32, 32, 128)).astype(np.float32)
    (found,) = ReferenceEvaluator(onnx.load_from_string(lstm.onnx_lstm(net))).run(None, {"x": x})
    np.testing.assert_allclose(found, net.predict(x), atol=1e-5)


def test_shards_are_timed_beside_the_whole_batch() -> None:
    (row,) = run_shards(Options(("shards",), nets=("lenet5",), rounds=1), 1)
    assert (row.net, row.work, row.batch, row.skipped) == ("lenet5", "train", 64, {})
    assert row.values.keys() == {"graphcnn", "whole"} and row.ratios["graphcnn"] > 0


def test_webassembly_is_timed_in_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "NETS", {"digits_cnn": {}})
    monkeypatch.chdir(tmp_path)  # where no peer is installed
    (result,) = run_web(Options(cases=("web",), rounds=1))
    if result.skipped:
        assert result.skipped == {"web": "needs node"}
        pytest.skip("needs node")
    assert result.net == "digits_cnn" and result.values["graphcnn"] > 0
    (told,) = result.told
    assert told.startswith("digits_cnn: weights ") and "code " in told


@pytest.mark.skipif(
    not shutil.which("arm-none-eabi-gcc") or not shutil.which("qemu-system-arm"),
    reason="needs arm-none-eabi-gcc and qemu-system-arm",
)
def test_a_microcontroller_is_counted(tmp_path: Path, monkeypatch) -> None:
    """Small weights have less code; a peer whose numbers are others is an error."""
    monkeypatch.setattr(embedded, "NETS", ("digits_cnn",))
    rows = list(run_embedded(Options(("embedded",))))
    assert [(row.net, row.work, row.unit) for row in rows] == [
        ("digits_cnn", "instructions", "1000"), ("digits_cnn", "ram", "kB"),
        ("digits_cnn", "flash", "kB"),
    ]  # fmt: skip
    instructions, _, flash = (row.values for row in rows)
    assert instructions["graphcnn"] < instructions["graphcnn size"]
    assert flash["graphcnn size"] < flash["graphcnn"]
    peer = tmp_path / embedded.PEER
    peer.write_text("#!/bin/sh\necho 'void peer(const void *x, void *y) {}' > peer.c\n")
    peer.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(GraphCnnError, match=r"qemu-system-arm: .*wrong numbers: 10"):
        list(run_embedded(Options(("embedded",), peers=True)))
    monkeypatch.setenv("PATH", "")
    assert [row.skipped for row in run_embedded(Options(("embedded",)))] == [
        {"embedded": "needs arm-none-eabi-gcc"}
    ]


def test_an_epoch(mnist: str) -> None:
    result = run_epoch(Options(("epoch",), data=mnist, rounds=1), 1)
    assert (result.net, result.batch, result.unit, result.skipped) == ("lenet5", 64, "s", {})
    assert 0 < result.values["graphcnn"] < 60


def test_an_epoch_needs_data() -> None:
    assert "epoch: needs --data mnist:FOLDER" in done("bench", "--case", "epoch")


def test_compilation_is_timed_with_an_empty_and_a_full_cache() -> None:
    found = compilation(Options(("compile",), rounds=1), "lenet5", 1)
    assert set(found) == {"graphcnn cold", "graphcnn warm", "load", "import"}
    assert len(found["import"].rounds) == 2
    assert found["graphcnn warm"].median > min(found["load"].rounds) > 0


@pytest.mark.sweep
def test_memory_is_that_of_the_whole_process() -> None:
    peak = alone("memory", "graphcnn", "fast", 1)["bytes"]
    assert 100 << 20 < peak < 2 << 30


def test_a_process_that_fails_says_why() -> None:
    with pytest.raises(Exception, match=r"compile nothing fast 1: .*nothing"):
        alone("compile", "nothing", "fast", 1)


def test_the_networks_of_pytorch_load_nothing_of_ours() -> None:
    code = f"""
import runpy, sys
found = runpy.run_path({torch_nets.__file__!r})
assert "torch_network" in found and not any(m.startswith("graphcnn") for m in sys.modules)
"""
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


def test_words() -> None:
    assert speed.CASES == tuple(CASES) and set(LIGHT) <= set(NAMES)
    text = done("bench", "--help")
    assert all(f"\n    {case} " in text for case in CASES)
    assert "unknown 'memry'; known are nets, lens, augment, shards, lstm, draw, light" in refused(
        2, "bench", "--case", "memry"
    )
    assert "must be spelled mnist:DIR or cifar10:" in refused(2, "bench", "--data", "cifar100:x")
