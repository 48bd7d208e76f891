"""What tests of built networks share: graphs built without files, and programs that run them."""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from support.small_networks import thin

from graphcnn.compile.ahead import Ahead, ahead
from graphcnn.exchange.building.trial import tried
from graphcnn.ir.graph import Graph, rebuilt, state_of
from graphcnn.ir.node import Array, Value
from graphcnn.ir.sources import Input
from graphcnn.network.network import Network
from graphcnn.runtime.native.ahead.targets import MACHINES

NODE = shutil.which("node")
COMPILER = shutil.which("cc")
WASM, SSE2 = MACHINES["wasm"], MACHINES["linux-x86-64-sse2"]


def network(name: str) -> Network:
    """A built-in network with seeded weights, as small as it can be."""
    small = {"squeezenet": {"size": 64}, "resnet18": {"size": 32}, "mobilenet_v2": {"size": 32},
             "vgg16": {"size": 32}}  # fmt: skip
    return thin(name, **small.get(name, {})).initialize(0)


def values(model: Network, graph: Graph) -> dict[str, Array]:
    keys = [state_of(s).key for s in graph.states]
    return {key: np.asarray(model.states[key]) for key in keys}


def drawn(made: Ahead, seed: int = 0) -> dict[str, Array]:
    """Numbers for the inputs: of floats normal ones, of integers 0 and 1."""
    rng, found = np.random.default_rng(seed), {}
    for port in made.places.inputs:
        shape = tuple(int(d) for d in port.type.shape)
        whole = not port.type.dtype.is_float
        numbers = rng.integers(0, 2, shape) if whole else rng.normal(size=shape)
        found[port.key] = np.asarray(numbers).astype(port.type.dtype.numpy)
    return found


def checked(
    graph: Graph,
    states: Mapping[str, Array],
    machine: str = "wasm",
    feeds: Mapping[str, Array] | None = None,
    precision: str = "fast",
) -> str:
    """Build a bound graph and try it; `tried` raises where a bit differs."""
    made = ahead(graph, states, MACHINES[machine], "net", precision)
    return tried(made, feeds or drawn(made), states)


def joined(graphs: Sequence[Graph]) -> Graph:
    """Graphs without states side by side as one, whose keys begin with the number of each and a
    dot: what a build takes for itself is taken once."""
    new: dict[Value, Value] = {}
    outputs: dict[str, Value] = {}
    for i, graph in enumerate(graphs):
        for value in graph.inputs:
            key = f"{i}.{value.node.op.attributes['key']}"
            new[value] = Input(key, value.type)(name=key)
        outputs |= {f"{i}.{key}": value for key, value in graph.outputs.items()}
    inputs = list(new.values())
    values = rebuilt(outputs.values(), new)
    return Graph.of(inputs, dict(zip(outputs, values, strict=True)))


def run(*command: object, folder: Path) -> str:
    """What a program prints."""
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout
