"""A model to files with which others run it: a WebAssembly module, a library, an object file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import numpy as np

from graphcnn.base.folders import atomic_folder
from graphcnn.compile.ahead import Ahead, ahead
from graphcnn.errors import GraphCnnError
from graphcnn.exchange.building import c_files, firmware, packages, web_files
from graphcnn.exchange.building.accepting import taking_levels
from graphcnn.exchange.building.choices import ACCEPTED, MANNERS, WEIGHTS
from graphcnn.exchange.building.contract import Contract, contract_of
from graphcnn.exchange.building.naming import network_name
from graphcnn.exchange.building.packages import check_importable, check_version
from graphcnn.exchange.building.trial import tried
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Array
from graphcnn.language.arguments import choose, positive
from graphcnn.network.network import Network
from graphcnn.runtime.native.ahead.shared_library import archive
from graphcnn.runtime.native.ahead.targets import Machine, machine_named
from graphcnn.runtime.native.memory.arena import require_memory
from graphcnn.runtime.reference import Reference

#: Numbers of each output that the example in C compares.
_COMPARED = 1000
Files = dict[str, bytes | memoryview]


@dataclass(frozen=True)
class Built:
    """What was built.

    Attributes:
        files: the sizes of the files in `folder`, by name.
        trial: how the result was tried.
    """

    name: str
    target: str
    folder: Path
    files: Mapping[str, int]
    arena: int
    stack: int
    weights: int
    trial: str
    hash: str
    contract: Contract = field(repr=False)

    def __str__(self) -> str:
        wide = max(map(len, self.files))
        lines = [f"{self.name} for {self.target}, in {self.folder}"]
        lines += [f"  {name:<{wide}} {size:>12,} bytes" for name, size in self.files.items()]
        lines.append(
            f"  weights {self.weights:,} bytes, arena {self.arena:,}, stack {self.stack:,}"
        )
        return "\n".join([*lines, f"  {self.trial}"])


def build(
    model: Network,
    target: str,
    folder: str | Path | None = None,
    *,
    name: str | None = None,
    batch: int = 1,
    accept: str = "float32",
    optimize: str = "speed",
    weights: str = "inside",
    npm: bool = False,
    wheel: bool = False,
    version: str = "0.0.1",
) -> Built:
    """Write files with which the model, with the weights that it has now, runs elsewhere.

    Args:
        target: for what; `graphcnn build --help` lists them.
        folder: where the files go; by default a folder called NAME-TARGET.
        name: of the files and the function, letters, digits and underscores; by default the
            model's.
        batch: how many items a run computes; fixed.
        accept: "float32" as the network is defined, or "uint8": levels of 0 to 255, whose
            normalisation is built in.
        optimize: "speed", or "size": without algorithms that enlarge the weights.
        weights: "inside" the code, or in a "file" of their own beside it.
        npm: also what makes the folder a package of npm; of WebAssembly.
        wheel: also a wheel, which pip installs and which needs NumPy only; of libraries for Linux,
            weights inside.
        version: of the package, three numbers.

    The result is tried here where that is possible: it has the bits that this process computes for
    the same processor.

    Raises:
        BuildError: it computes something else; nothing is written.
        GraphCnnError: an operator has no code for the target, named with its line; an unknown
            target or a name that is none in C.
    """
    machine = machine_named(target)
    choose(dict.fromkeys(MANNERS), optimize, "optimize")
    choose(dict.fromkeys(WEIGHTS), weights, "weights")
    choose(dict.fromkeys(ACCEPTED), accept, "accept")
    if folder is not None and not isinstance(folder, str | PathLike):
        raise GraphCnnError(f"folder must be a path, found {folder!r}")
    own = network_name(name, model.name)
    check_version(version)
    _check_packages(machine, own, npm, wheel, weights)
    levels = accept == "uint8"
    graph = taking_levels(model.graph, model.normalisation) if levels else model.graph
    bound = _bound(graph, batch)
    states = {state_of(s).key: np.asarray(model.states[state_of(s).key]) for s in bound.states}
    inside = weights == "inside"
    made = ahead(bound, states, machine, own, MANNERS[optimize], inside)
    contract = contract_of(made, model, levels)
    if wheel:
        packages.check_types(contract)
    _check_memory(made)
    feeds = {
        port.key: c_files.pattern(t)
        for port, t in zip(made.places.inputs, contract.inputs, strict=True)
    }
    trial = tried(made, feeds, states)
    expected, _ = Reference(made.graph).run(feeds, states)
    want = {
        t.name: np.asarray(expected[port.key]).ravel()[:_COMPARED]
        for port, t in zip(made.places.outputs, contract.outputs, strict=True)
    }
    files = _files(made, contract, want)
    if npm:
        files |= packages.npm(contract, version)
    if wheel:
        processor = machine.target.triple.split("-")[0]
        file, content = packages.wheel(contract, made.shared_library(), processor, version)
        files[file] = content
    place = Path(folder) if folder is not None else Path(f"{own}-{machine.name}")
    atomic_folder(place, files)
    sizes = {file: len(content) for file, content in files.items()}
    return Built(
        own, machine.name, place, sizes, contract.arena, contract.stack, contract.weights, trial,
        contract.hash, contract,
    )  # fmt: skip


def _check_memory(made: Ahead) -> None:
    """Raises `GraphCnnError` where this machine has no memory to try it."""
    ports = [(f"{port.key!r}", port.bytes) for port in (*made.places.inputs, *made.places.outputs)]
    buffers = [*ports, ("arena", made.places.arena), ("weights", len(made.places.weights))]
    require_memory(2 * sum(size for _, size in buffers), lambda: buffers)


def _check_packages(machine: Machine, name: str, npm: bool, wheel: bool, weights: str) -> None:
    if npm and machine.format != "wasm":
        raise GraphCnnError(f"npm is for WebAssembly, --target wasm, and not for {machine.name}")
    if wheel and not machine.loadable:
        raise GraphCnnError(
            f"a wheel is made of a library for Linux, such as linux-x86-64-avx2, not {machine.name}"
        )
    if wheel and weights == "file":
        raise GraphCnnError("a wheel has the weights inside; leave weights='file' out")
    if npm or wheel:
        check_importable(name, packages=npm)


def _bound(graph: Graph, batch: int) -> Graph:
    size = positive(batch, "batch")
    if graph.is_bound:
        firsts = {v.shape[0] for v in graph.inputs if v.shape}
        if size != 1 and firsts != {size}:
            raise GraphCnnError(f"{graph.name} has no open batch; leave batch={size} out")
        return graph
    bound = graph.bind(N=size)
    if not bound.is_bound:
        raise GraphCnnError(
            f"{graph.name} has sizes that are not known; import it with shapes of its inputs"
        )
    return bound


def _files(made: Ahead, contract: Contract, want: Mapping[str, Array]) -> Files:
    """The files, by name; what others refer to comes first."""
    name, machine = made.name, made.machine
    found: Files = {}
    if not made.inside:
        found[f"{name}.weights"] = made.places.weights
    if machine.format == "wasm":
        found[f"{name}.wasm"] = made.module()
        found[f"{name}.d.mts"] = web_files.types(contract).encode()
        found[f"{name}.mjs"] = web_files.loader(contract).encode()
        return found
    suffix = ".obj" if machine.format == "coff" else ".o"
    found[f"{name}{suffix}"] = made.object.code
    found[f"{name}.h"] = c_files.header(contract).encode()
    if machine.loadable:
        found[f"lib{name}.a"] = archive(f"{name}.o", made.object.code, [made.function])
        found[f"lib{name}.so"] = made.shared_library()
        found[f"{name}.pc"] = c_files.package(contract).encode()
    if machine.emulator:
        found["main.c"] = firmware.program(contract, want, machine).encode()
        found["link.ld"] = firmware.linker_file(machine).encode()
    else:
        found["main.c"] = c_files.example(contract, want, machine.command(name)).encode()
    return found
