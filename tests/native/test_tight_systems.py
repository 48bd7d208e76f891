"""Systems that give little or forbid much: a refusal in words, never the end of the process."""

import os
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.whole_runs,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits as Linux has them"),
]

PROGRAM = """
import ctypes, resource, sys
import numpy as np
import graphcnn as cnn
from graphcnn.models import build
model = build("lenet5").initialize(0)
images = np.zeros((2, 1, 28, 28), np.float32)
model.predict(images, runtime="reference")
{limit}
try:
    model.predict(images, threads=2)
    print("done")
except cnn.GraphCnnError as error:
    print("refused:", error)
finally:
    model.predict(images, runtime="reference")
"""
ADDRESSES = """
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + ({mib} << 20), taken + ({mib} << 20)))
"""
NO_CODE = """
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):  # PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN
    sys.exit("skip")
"""
NO_FILES = "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))"


def run(limit, cache):
    program = PROGRAM.format(limit=limit)
    environment = {**os.environ, "GRAPHCNN_CACHE": cache}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )
    if done.stderr.strip() == "skip":
        pytest.skip("this system has no such switch")
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


@pytest.mark.parametrize("mib", [4, 150, 200, 240, 280, 400])
def test_few_addresses(mib, tmp_path):
    """`ulimit -v`: LLVM is not loaded, nothing is compiled, or all is done."""
    found = run(ADDRESSES.format(mib=mib), "off")
    assert found == "done" or ("(ulimit -v) leaves" in found and 'runtime="reference"' in found)
    assert mib < 400 or found == "done"


def test_memory_that_must_not_become_code(tmp_path):
    found = run(NO_CODE, str(tmp_path))
    assert found.startswith("refused: this system forbids programs to make machine code")


def test_a_disk_that_takes_nothing(tmp_path):
    assert run(NO_FILES, str(tmp_path / "cache")) == "done"
