"""Networks on a Cortex-M4 in QEMU, beside the C of emx-onnx-cgen: instructions, memory, code.

Both are put into one firmware, that of `graphcnn build`, which compares the numbers. The peer's C
is compiled with -O3 by the compiler that makes the firmware, for a batch of one known beforehand;
all of its temporaries are on the stack, all of its weights constants. What both have from who calls
them, the image and the scores, is not counted.
"""

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from graphcnn.errors import GraphCnnError
from graphcnn.exchange.building.choices import MANNERS
from graphcnn.models import build
from graphcnn.runtime.native.ahead.targets import MACHINES
from graphcnn.tools.bench.cases import Options, Unavailable
from graphcnn.tools.bench.ours import OURS
from graphcnn.tools.bench.timing import Timing

NETS = ("lenet5", "digits_cnn", "mnist_cnn")
PEER = "emx-onnx-cgen"
_MACHINE = MACHINES["cortex-m4"]
_COMPILER, *_FLAGS = _MACHINE.linker.split(" -ffreestanding")[0].split()
#: What the peer wants of the C library, `fmaxf`.
_LIBRARIES = "-lm -lc"

_PEER_FUNCTION = """\
#include "peer.c"
int {name}_run(const float *image, float *scores, void *arena) {{
  (void)arena;
  peer((const void *)image, (void *)scores);
  return 0;
}}
"""


@dataclass(frozen=True)
class Measured:
    """Instructions of a run, bytes of memory that it writes, bytes of code and weights."""

    instructions: int
    ram: int
    flash: int


def contests(options: Options) -> Iterator[tuple[str, dict[str, Measured]]]:
    """Of every network: its name, and what was measured by contender.

    Raises `Unavailable` where the compiler or the emulator is missing.
    """
    for program in (_COMPILER, _MACHINE.emulator.split()[0]):
        if shutil.which(program) is None:
            raise Unavailable(f"needs {program}")
    for name in NETS:
        model = build(name).initialize(0)
        with TemporaryDirectory() as place:
            folder, found = Path(place), dict[str, Measured]()
            for manner in MANNERS:
                made = model.build(_MACHINE.name, folder, name=name, optimize=manner)
                told = _run(folder, name)
                arena, flash = made.arena, _sizes(folder, f"{name}.o")[0]
                ours = Measured(told["instructions"], arena + told["stack"], flash)
                found[OURS if manner == "speed" else f"{OURS} {manner}"] = ours
            if options.peers and shutil.which(PEER):
                model.export_onnx(folder / f"{name}.onnx", verify=False)
                found[PEER] = _peer(folder, name)
        yield name, found


def timings(found: dict[str, Measured]) -> Iterator[tuple[str, str, dict[str, Timing]]]:
    """What was measured as rows: what, its unit, and the numbers by contender."""
    for what, unit in (("instructions", "1000"), ("ram", "kB"), ("flash", "kB")):
        numbers = {who: Timing((getattr(m, what) / 1000,)) for who, m in found.items()}
        yield what, unit, numbers


def _peer(folder: Path, name: str) -> Measured:
    """Our firmware with the peer's object in the place of ours."""
    _called(
        folder, PEER, "compile", "--model-name", "peer", "--input-dim", "N=1",
        "--large-temp-threshold", "0", "--large-weight-threshold", "0", f"{name}.onnx", "peer.c",
    )  # fmt: skip
    (folder / "own.c").write_text(_PEER_FUNCTION.format(name=name))
    _called(folder, _COMPILER, *_FLAGS, "-O3", "-c", "own.c", "-o", f"{name}.o")
    told, (flash, ram) = _run(folder, name, _LIBRARIES), _sizes(folder, f"{name}.o")
    return Measured(told["instructions"], ram + told["stack"], flash)


def _run(folder: Path, name: str, libraries: str = "") -> dict[str, int]:
    """Make the firmware and run it; a wrong number is an error."""
    command = _MACHINE.command(name).replace(f" {name}.o", f" {name}.o {libraries}")
    _called(folder, *shlex.split(command))
    told = _called(folder, *_MACHINE.emulator.split(), f"{name}.elf")
    numbers = re.search(r"instructions: (\d+)  bytes of stack: (\d+)", told)
    if numbers is None:
        raise GraphCnnError(f"{name} in QEMU told {told[-500:]!r}")
    return {"instructions": int(numbers[1]), "stack": int(numbers[2])}


def _sizes(folder: Path, file: str) -> tuple[int, int]:
    """Bytes of an object that are only read, and those that are written."""
    told = _called(folder, _COMPILER.replace("gcc", "size"), file)
    text, data, bss = map(int, told.splitlines()[1].split()[:3])
    return text + data, data + bss


def _called(folder: Path, *command: str) -> str:
    """What a program prints."""
    done = subprocess.run(
        command, cwd=folder, check=False, capture_output=True, text=True, timeout=600,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode:
        raise GraphCnnError(f"{command[0]}: {(done.stderr + done.stdout).strip()[-500:]}")
    return done.stdout + done.stderr
