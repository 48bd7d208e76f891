"""Time the programs of the pages that compare, each in an interpreter of its own:

    python -m graphcnn.tools.compare_programs docs/programs graphcnn keras=PYTHON pytorch=PYTHON

Prints the lines of each, its seconds from start to end, imports included, and the accuracy that it
prints. A library runs in the Python that runs this, or in the one that is given for it.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAMS = (
    "classify", "batches", "augment", "keep", "schedule",
    "unbalanced", "outputs", "own_loss", "own_loop", "transfer",
)  # fmt: skip


def timed(python: str, program: Path, folder: str) -> tuple[float, str]:
    """Seconds, and what was printed."""
    paths = os.pathsep.join([str(program.parent.parent), os.environ.get("PYTHONPATH", "")])
    began = time.perf_counter()
    done = subprocess.run(
        [python, str(program)],
        cwd=folder,
        env={"KERAS_BACKEND": "torch", **os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return time.perf_counter() - began, done.stdout


def main() -> None:
    folder_of_all, *libraries = sys.argv[1:]
    for given in libraries:
        library, _, python = given.partition("=")
        for program in PROGRAMS:
            path = Path(folder_of_all).resolve() / f"with_{library}" / f"{program}.py"
            if not path.exists():
                continue
            text = path.read_text(encoding="utf-8")
            lines = sum(bool(line.strip()) for line in text.splitlines())
            with tempfile.TemporaryDirectory() as folder:
                seconds, printed = timed(python or sys.executable, path, folder)
            found = re.findall(r"accuracy +(\d\.\d+)", printed)
            accuracy = found[-1] if found else ""
            print(f"{library:12} {program:12} {lines:4} lines {seconds:7.1f} s  {accuracy}")


if __name__ == "__main__":
    main()
