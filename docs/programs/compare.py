"""Run every program in an interpreter of its own: `python docs/programs/compare.py LIBRARY...`.

Prints the lines of each, what it says of its accuracy, and the seconds that it took, of which the
imports are told apart. The libraries are graphcnn, keras, pytorch and scikit_learn; each runs in
the Python that runs this, or in that of LIBRARY=PYTHON.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent.resolve()
PROGRAMS = (
    "classify", "batches", "augment", "keep", "schedule",
    "unbalanced", "outputs", "own_loss", "own_loop", "transfer",
)  # fmt: skip


def timed(python: str, arguments: list[str], folder: str) -> tuple[float, str]:
    """Seconds, and what was printed."""
    paths = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    began = time.perf_counter()
    done = subprocess.run(
        [python, *arguments],
        cwd=folder,
        env={"KERAS_BACKEND": "torch", **os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return time.perf_counter() - began, done.stdout


def main() -> None:
    for given in sys.argv[1:] or ["graphcnn"]:
        library, _, python = given.partition("=")
        for program in PROGRAMS:
            path = HERE / f"with_{library}" / f"{program}.py"
            if not path.exists():
                continue
            text = path.read_text(encoding="utf-8")
            lines = sum(bool(line.strip()) for line in text.splitlines())
            with tempfile.TemporaryDirectory() as folder:
                seconds, printed = timed(python or sys.executable, [str(path)], folder)
            found = re.findall(r"accuracy +(\d\.\d+)", printed)
            accuracy = found[-1] if found else ""
            print(f"{library:12} {program:12} {lines:4} lines {seconds:7.1f} s  {accuracy}")


if __name__ == "__main__":
    main()
