"""What a caller has to know of a network that is built: the same for every language."""

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from graphcnn.compile.ahead import Ahead
from graphcnn.data.normalisation import Normalisation
from graphcnn.ir.tensor_type import DType
from graphcnn.network.network import Network


@dataclass(frozen=True)
class Tensor:
    """An input or an output: a name in C and JavaScript, its shape, its elements row by row."""

    name: str
    shape: tuple[int, ...]
    dtype: DType

    @property
    def count(self) -> int:
        found = 1
        for size in self.shape:
            found *= size
        return found

    @property
    def bytes(self) -> int:
        return self.count * self.dtype.bytes


@dataclass(frozen=True)
class Contract:
    """A network as others see it.

    Attributes:
        machine: what it is built for.
        arena, stack: bytes that a run takes.
        weights: their bytes; `inside` the code or in a file of their own.
        normalisation: how levels become the first input, where the caller has to do so.
        levels: the first input is of levels 0 to 255, and normalised inside.
        hash: of code and weights.
    """

    name: str
    machine: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    arena: int
    stack: int
    weights: int
    inside: bool
    precision: str
    classes: tuple[str, ...]
    normalisation: Normalisation | None
    levels: bool
    hash: str

    @property
    def made_by(self) -> str:
        return f"graphcnn {version('graphcnn')}"

    @property
    def normalised(self) -> str:
        """How levels become the first input, in words; nothing where nobody has to do it."""
        found = self.normalisation
        if found is None:
            return ""
        mean, std = (", ".join(f"{x:.9g}" for x in each) for each in (found.mean, found.std))
        several = "of each channel " if len(found.mean) > 1 else ""
        return f"(level * {found.scale:.9g} - mean) / std, mean {several}{mean}, std {std}"


def contract_of(made: Ahead, model: Network, levels: bool) -> Contract:
    """The contract of a network that was built."""
    places = made.places
    inputs, outputs = (
        tuple(Tensor(p.name, p.shape, p.type.dtype) for p in ports)
        for ports in (places.inputs, places.outputs)
    )  # fmt: skip
    digest = hashlib.sha256(made.object.code)
    digest.update(places.weights)
    return Contract(
        made.name, made.machine.name, inputs, outputs, places.arena, made.object.stack,
        len(places.weights), made.inside, made.precision, model.classes,
        None if levels else model.normalisation, levels,
        digest.hexdigest(),
    )  # fmt: skip


def about_of(of: Contract) -> dict[str, Any]:
    """The same as data, for languages in which programs can ask."""

    def told(t: Tensor) -> dict[str, Any]:
        return {
            "name": t.name,
            "shape": list(t.shape),
            "count": t.count,
            "type": t.dtype.numpy.name,
        }

    by = of.normalisation
    known = None if by is None else {"mean": by.mean, "std": by.std, "scale": by.scale}
    return {
        "name": of.name,
        "inputs": [told(t) for t in of.inputs],
        "outputs": [told(t) for t in of.outputs],
        "classes": list(of.classes),
        "normalisation": known,
        "hash": of.hash,
    }
