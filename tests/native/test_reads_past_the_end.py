"""Which kernels read up to 64 bytes past the end of an operand, as they may (`arena.READABLE`).

Each runs in a child of this process with operands that end at a page which cannot be touched: who
reads on ends the child. The list is what is known; another algorithm that does is looked at first.
"""

import faulthandler
import importlib
import os
import pkgutil
import re

import numpy as np
import pytest
import samples
from native import run_kernel
from native.run_kernel import READABLE, load_lowerings, node_of

from graphcnn.errors import GraphCnnError
from graphcnn.ir.node import Array, Node
from graphcnn.runtime.native.code.jit import compile_kernel
from graphcnn.runtime.native.code.kernel import Kernel
from graphcnn.runtime.native.code.registry import lower
from graphcnn.runtime.native.code.target import Target, can_run, named

#: Algorithms by their names without sizes: whole vectors are loaded, the lanes that are too many
#: are not used. All others end where their operands end.
READ_ON = {
    "copy", "elementwise", "gather", "groups", "loop", "loss", "panels", "reduce columns",
    "reduce rows", "rows of pixels", "softmax", "taps",
}  # fmt: skip


class Flush(run_kernel.Guarded):
    """Ends at the guard page itself; its elements are aligned, its begin is not."""

    def __init__(self, size: int, what: str) -> None:
        super().__init__(size, what)
        before = self.start
        self.start = len(self.inside) - size
        self.address += self.start - before


def reads_on(kernel: Kernel, node: Node, arrays: tuple[Array, ...], target: Target) -> bool:
    """Whether the child that runs the kernel touches the page behind an operand."""
    child = os.fork()
    if child == 0:
        faulthandler.disable()
        run_kernel.Guarded = Flush
        try:
            run_kernel.run_kernel(kernel, node, arrays, target)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def test_the_readers_are_known(full: bool) -> None:
    target = named("avx2")
    if not can_run(target) or not hasattr(os, "fork"):
        pytest.skip("this machine does not run them in a child")
    load_lowerings()
    found, number = set(), 0
    for family in pkgutil.iter_modules(samples.__path__):
        module = importlib.import_module(f"samples.{family.name}")
        for sample in getattr(module, "SAMPLES", ()):
            if sample.op.name in ("placed", "relayout"):  # whole vectors in their layouts
                continue
            number += 1
            if number % 12 and not full:
                continue
            node, arrays = node_of(sample, np.float32)
            try:
                kernel = lower(node, target)
            except GraphCnnError:  # what no native runtime does
                continue
            compile_kernel(kernel, target)
            algorithm = re.sub(r" ?[\d×]+", "", kernel.algorithm)
            if algorithm not in found and reads_on(kernel, node, arrays, target):
                found.add(algorithm)
    assert found <= READ_ON
    if full:
        assert found == READ_ON
    assert READABLE == 64 and found
