"""What needs processes of its own: peak memory, and compilation with an empty and a full cache."""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from graphcnn.errors import GraphCnnError
from graphcnn.tools.bench.cases import Options
from graphcnn.tools.bench.ours import our_name
from graphcnn.tools.bench.timing import Timing

#: Processes are started that often at most: their numbers vary little.
MOST_ROUNDS = 3

SCRIPT = Path(__file__).with_name("alone.py")


def alone(*arguments: object, **variables: str) -> dict[str, float]:
    """What the script prints, in a process that loads nothing else, in this environment."""
    environment = {**os.environ, **variables}
    # -P: the folder of the script is no place to import from.
    command = [sys.executable, "-P", str(SCRIPT), *map(str, arguments)]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.splitlines() or [""])[-1]
        raise GraphCnnError(f"{' '.join(map(str, arguments))}: {last}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def memory(options: Options, threads: int) -> dict[str, Timing]:
    """Peak memory in MiB of some training steps of resnet18, batch 8, by contender."""
    who: dict[str, tuple[str, str]] = {our_name(p): ("graphcnn", p) for p in options.precisions}
    if options.peers and importlib.util.find_spec("torch"):
        who |= {f"torch {mode}": ("torch", mode) for mode in ("eager", "channels_last")}
    found: dict[str, list[float]] = {name: [] for name in who}
    for _ in range(min(options.rounds, MOST_ROUNDS)):
        for name, arguments in who.items():
            peak = alone("memory", *arguments, threads)["bytes"]
            found[name].append(peak / 2**20)
    return {name: Timing(tuple(values)) for name, values in found.items()}


def compilation(options: Options, net: str, threads: int) -> dict[str, Timing]:
    """Seconds to import the package, to compile a training step, and to find it in the cache.

    Of both "load" is the part for LLVM and the modules of the native runtime. Python's bytecode
    is there, as in a package that was installed: it lies in a folder of its own, so that nothing
    depends on where this one runs from.
    """
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as bytecode:
        python = {"PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": ""}
        alone("import", **python)
        for _ in range(min(options.rounds, MOST_ROUNDS)):
            with tempfile.TemporaryDirectory() as folder:
                for state in ("cold", "warm"):
                    for precision in options.precisions:
                        arguments = ("compile", net, precision, threads)
                        seconds = alone(*arguments, GRAPHCNN_CACHE=folder, **python)
                        seconds[f"{our_name(precision)} {state}"] = seconds.pop("compile")
                        for name, value in seconds.items():
                            found.setdefault(name, []).append(value)
    return {name: Timing(tuple(values)) for name, values in found.items()}
