"""One measurement in a process that does nothing else; run by its path, prints JSON.

alone.py memory graphcnn PRECISION THREADS             peak memory of training resnet18
alone.py memory torch MODE THREADS                     the same in PyTorch, nothing of ours
alone.py compile NET PRECISION THREADS                 seconds: import, loading, compilation
alone.py import                                        nothing: leaves the bytecode behind
"""

import json
import runpy
import sys
import time
from pathlib import Path
from typing import Any

NET, BATCH, STEPS = "resnet18", 8, 3


def peak_memory() -> int:
    """The most bytes that were resident in this process."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM:"))
        return int(line.split()[1]) << 10
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes, outside Linux


def train_ours(precision: str, threads: str) -> None:
    """Some steps of our own session."""
    import numpy as np

    from graphcnn.models import build
    from graphcnn.tools.bench.cases import OPTIMIZER
    from graphcnn.training.session import Session

    session = Session(
        build(NET).initialize(0), optimizer=OPTIMIZER, precision=precision, threads=int(threads)
    )
    images = np.random.default_rng(0).normal(size=(BATCH, 3, 224, 224)).astype(np.float32)
    for _ in range(STEPS):
        session.step(images, np.arange(BATCH))


def train_torch(mode: str, threads: str) -> None:
    """Some steps in PyTorch, "eager" or "channels_last"."""
    import torch

    torch.set_num_threads(int(threads))
    beside = str(Path(__file__).with_name("torch_nets.py"))
    net = runpy.run_path(beside)["torch_network"](NET)
    images = torch.randn(BATCH, 3, 224, 224)
    if mode == "channels_last":
        net = net.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    for _ in range(STEPS):
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(net(images), torch.arange(BATCH)).backward()
        optimizer.step()


def compile_ours(net: str, precision: str, threads: str) -> dict[str, float]:
    """Seconds to import the package, and from a model to the machine code of its training step.

    The first compilation of a process also loads LLVM and the native runtime: "compile" is all of
    it, "load" that part.
    """
    start = time.perf_counter()
    import graphcnn  # noqa: F401

    imported = time.perf_counter()
    from graphcnn.compile.pipelines import training_graph
    from graphcnn.models import build
    from graphcnn.tools.bench.cases import NETS, OPTIMIZER

    model = build(net)
    begin = time.perf_counter()
    from graphcnn.compile.native import training_executable
    from graphcnn.runtime.execution import Execution

    loaded = time.perf_counter()
    step = training_graph(model.graph, "cross_entropy", OPTIMIZER).bind(N=NETS[net])
    training_executable(step, Execution.of("native", int(threads), precision))
    end = time.perf_counter()
    return {"import": imported - start, "load": loaded - begin, "compile": end - begin}


def import_ours() -> dict[str, float]:
    """Read the modules that a compilation needs."""
    import graphcnn.compile.native
    import graphcnn.tools.bench.cases  # noqa: F401

    return {}


def main(kind: str, who: str = "", *arguments: str) -> dict[str, Any]:
    """What is printed."""
    if kind == "compile":
        return compile_ours(who, *arguments)
    if kind == "import":
        return import_ours()
    (train_ours if who == "graphcnn" else train_torch)(*arguments)
    return {"bytes": peak_memory()}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
