"""What is built for other machines, made into programs by the very commands of its `main.c` and
run by QEMU: numbers are right, and no more of the stack is taken than the header says."""

import re
import shutil
import subprocess
from pathlib import Path
from random import Random

import pytest
from support.built import network, run
from support.random_models import random_model

import graphcnn as cnn
from graphcnn.network.network import Network
from graphcnn.runtime.native.ahead.targets import MACHINES

#: Machines with a system, and where its libraries lie.
SYSTEMS = {
    "linux-aarch64": ("qemu-aarch64", "/usr/aarch64-linux-gnu"),
    "riscv64": ("qemu-riscv64", "/usr/riscv64-linux-gnu"),
}
EMULATED = [*SYSTEMS, *(name for name, machine in MACHINES.items() if machine.emulator)]


def emulator(machine: str) -> str:
    """What runs a program of a machine, as words before it; skips where something is missing."""
    found = MACHINES[machine].emulator
    if not found:
        command, folder = SYSTEMS[machine]
        found = f"{command} -L {folder} "
    for program in (found.split()[0], MACHINES[machine].linker.split()[0]):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    return found


def follow(folder: Path, machine: str, given: str = "") -> tuple[int, dict[str, float]]:
    """Follow the commands at the head of `main.c`: how the program ends, and what it tells."""
    start = emulator(machine)
    comment = (folder / "main.c").read_text().split("*/")[0].replace("\\\n", " ")
    make, call, *_ = (line.strip() for line in comment.splitlines()[1:])
    if not MACHINES[machine].emulator:
        call = f"{start} ./net {given}"
    run("sh", "-c", f"{make} -Wall -Werror", folder=folder)
    done = subprocess.run(
        ["sh", "-c", call], cwd=folder, capture_output=True, text=True, timeout=60,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    words = r"(worst difference|wrong numbers|instructions|bytes of stack)(?: \(1e-9\):|:)? (\S+)"
    told = re.findall(words, done.stdout + done.stderr)
    assert told, (done.stdout + done.stderr)[-1000:]
    return done.returncode, {key: float(value) for key, value in told}


def tried(model: Network, machine: str, folder: Path, **options: object) -> dict[str, float]:
    """Build a model and run the program that came with it."""
    emulator(machine)
    made = model.build(machine, folder, name="net", **options)
    end, found = follow(folder, machine, "net.weights" if made.contract.inside is False else "")
    assert end == 0 and found["wrong numbers"] == 0, found
    assert found.get("bytes of stack", 0) <= made.stack
    return found


def blocks() -> Network:
    """Operators of all kinds, with whole numbers among the results."""
    x = cnn.input("x", (4, 9, 7))
    conv = cnn.conv2d(x, filters=8, kernel=3, stride=2, padding="same")
    deep = cnn.conv2d(conv, filters=8, kernel=3, groups=8, padding="same")
    normed = cnn.group_norm(deep, groups=2)
    pooled = cnn.concat([cnn.max_pool2d(normed, 2), cnn.avg_pool2d(conv, 2)], axis=1)
    flat = cnn.flatten(pooled)
    scores = cnn.dense(cnn.tanh(flat) * cnn.sigmoid(flat), 6)
    softmax = cnn.softmax(cnn.layer_norm(scores))
    return cnn.Model(
        x,
        {
            "softmax": softmax,
            "best": cnn.argmax(softmax, axis=1),
            "many": cnn.greater(scores, 0.0),
            "far": cnn.sqrt(cnn.exp(scores)) / (cnn.abs(scores) + 1.0),
            "turned": cnn.transpose(pooled, (0, 2, 3, 1)),
        },
    ).initialize(0)


@pytest.mark.parametrize("machine", EMULATED)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lenet5", {}),
        ("digits_cnn", {"weights": "file"}),
        ("mnist_cnn", {"accept": "uint8", "optimize": "size"}),
    ],
)
def test_a_network_runs_elsewhere(machine: str, name: str, options, tmp_path) -> None:
    model = network(name)
    model.normalisation = cnn.Normalisation((0.1307,), (0.3081,))
    found = tried(model, machine, tmp_path, **options)
    assert "instructions" not in found or found["instructions"] > 50_000


@pytest.mark.parametrize("machine", EMULATED)
def test_operators_run_elsewhere(machine: str, tmp_path) -> None:
    tried(blocks(), machine, tmp_path, batch=2)
    for seed in range(3):
        random = Random(seed)
        tried(random_model(random).initialize(seed), machine, tmp_path / str(seed), batch=2)


@pytest.mark.parametrize(
    ("name", "machine"),
    [
        ("vgg_cifar", "cortex-m7"), ("mnist_fast", "cortex-m4"), ("autoencoder", "riscv32"),
        ("squeezenet", "linux-aarch64"), ("mobilenet_v2", "riscv64"),
    ],
)  # fmt: skip
def test_larger_networks_run_elsewhere(name: str, machine: str, tmp_path) -> None:
    tried(network(name), machine, tmp_path, optimize="size")


def test_instructions_are_counted_beyond_a_turn_of_the_timer(tmp_path) -> None:
    """With a timer of 12 bits, which turns a few times in a run."""
    whole = tried(network("digits_cnn"), "cortex-m4", tmp_path)["instructions"]
    text = (tmp_path / "main.c").read_text()
    small = text.replace("0xFFFFFF", "0xFFF").replace("<< 24", "<< 12")
    (tmp_path / "main.c").write_text(small)
    _, found = follow(tmp_path, "cortex-m4")
    assert small != text and whole <= found["instructions"] < 1.01 * whole


@pytest.mark.parametrize("machine", ["linux-aarch64", "cortex-m4"])
def test_a_wrong_number_ends_with_a_failure(machine: str, tmp_path) -> None:
    emulator(machine)
    network("digits_cnn").build(machine, tmp_path, name="net")
    text = (tmp_path / "main.c").read_text()
    wrong = text.replace("want_logits[] = {", "want_logits[] = {NAN, 7, ", 1)
    wrong = wrong.replace('#include "net.h"', '#include "net.h"\n#define NAN __builtin_nanf("")')
    (tmp_path / "main.c").write_text(wrong)
    end, found = follow(tmp_path, machine)
    assert end == 1 and found["wrong numbers"] == 10


_LOAD = """
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include "net.h"
static float image[NET_IMAGE_COUNT], here[NET_LOGITS_COUNT], there[NET_LOGITS_COUNT];
static _Alignas(NET_ALIGN) unsigned char arena[NET_ARENA_BYTES];
int main(void) {
  void *library = dlopen("./libnet.so", RTLD_NOW);
  if (!library) return puts(dlerror()), 2;
  int (*run)(const float *, float *, void *) =
      (int (*)(const float *, float *, void *))dlsym(library, "net_run");
  if (!run || run == net_run) return 3;
  for (int i = 0; i < NET_IMAGE_COUNT; i++) image[i] = (i * 37 % 101) / 101.0f;
  if (net_run(image, here, arena) || run(image, there, arena)) return 4;
  return memcmp(here, there, sizeof here) != 0;
}
"""


def test_a_library_made_without_a_linker_loads_elsewhere(tmp_path) -> None:
    """By dlopen: the bits of the object, which a linker has seen."""
    start = emulator("linux-aarch64")
    network("lenet5").build("linux-aarch64", tmp_path, name="net")
    (tmp_path / "load.c").write_text(_LOAD)
    compiler = MACHINES["linux-aarch64"].linker.split()[0]
    run(compiler, "load.c", "net.o", "-ldl", "-o", "load", folder=tmp_path)
    run("sh", "-c", f"{start} ./load", folder=tmp_path)
