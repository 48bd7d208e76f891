"""What a run was and what came out of it, as `run.json` in its folder has it."""

import hashlib
import json
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib import metadata
from pathlib import Path
from typing import Any, Self, get_origin

import graphcnn as cnn
from graphcnn.base.regular_files import open_regular
from graphcnn.data.dataset import Dataset
from graphcnn.data.parts import Parts
from graphcnn.errors import RecipeError
from graphcnn.model import Model
from graphcnn.runtime.execution import Execution
from graphcnn.text.write import fingerprint

RECORD = "run.json"
_FORM = 1
#: What decides the bits of a run besides its recipe, with the words by which it is told.
DECIDES = {
    "versions": "versions",
    "processor": "processor",
    "data": "data",
    "graph": "graph of the network",
}


@dataclass
class Record:
    """A run, as far as it went.

    Attributes:
        command: what repeats it.
        recipe: the hash of its effective recipe, which lies beside.
        data: names, numbers of items and hashes of the content, of training, validation and test.
        graph: the hash of the network before training.
        processor: what the machine code was made for; other vectors add in another order.
        state: "running", also where it was killed; "finished", or why it ended.
        model: the hash of the saved model.
        reached: of each result that the recipe states, whether it was reached.
    """

    command: str
    recipe: str
    network: str
    seed: int
    data: dict[str, str]
    graph: str
    parameters: int
    versions: dict[str, str]
    processor: dict[str, Any]
    machine: dict[str, Any]
    started: str
    state: str = "running"
    epochs: int = 0
    seconds: int = 0
    resumed: int = 0
    results: dict[str, float] = field(default_factory=dict)
    states: dict[str, float] = field(default_factory=dict)
    reached: dict[str, bool] = field(default_factory=dict)
    model: str = ""

    def text(self) -> str:
        return json.dumps({"form": _FORM, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises `RecipeError` for what is no such file."""
        try:
            with open_regular(path) as file:
                found = json.loads(file.read())
            if not isinstance(found, dict) or found.get("form") != _FORM:
                raise ValueError(f"expected an object whose form is {_FORM}")
            known: dict[str, Any] = {f.name: get_origin(f.type) or f.type for f in fields(cls)}
            said = {key: value for key, value in found.items() if key in known}
            for key, value in said.items():
                if not isinstance(value, known[key]):
                    raise ValueError(f"{key}: expected {known[key].__name__}, found {value!r:.80}")
            return cls(**said)
        except (OSError, ValueError, TypeError) as error:
            raise RecipeError(f"{path} is no record of a run: {error}") from None

    def differences(self, other: "Record") -> Iterator[str]:
        """What decides the bits and is not the same, in words: `numpy: 2.1 there, 2.3 here`."""
        for name, words in DECIDES.items():
            there, here = getattr(self, name), getattr(other, name)
            if isinstance(there, str) or not isinstance(there, Mapping):
                if there != here:
                    yield words
                continue
            for key in dict.fromkeys((*there, *here)):
                if there.get(key) != here.get(key):
                    yield f"{words}, {key}: {there.get(key)} there, {here.get(key)} here"


def versions() -> dict[str, str]:
    python = platform.python_version()
    found = {"graphcnn": cnn.__version__, "python": python}
    return found | {name: metadata.version(name) for name in ("numpy", "llvmlite")}


def processor(execution: Execution) -> dict[str, Any]:
    """What of the processor decides the bits: in which order numbers are added up."""
    target = execution.machine
    found: dict[str, Any] = {"runtime": execution.runtime}
    if execution.runtime == "native":
        found |= {
            "vector_bytes": target.vector_bytes,
            "registers": target.registers,
            "fused": target.fused,
        }
    return found


def machine(execution: Execution) -> dict[str, Any]:
    """For people; nothing depends on it but time."""
    return {
        "system": platform.platform(),
        "cpu": execution.machine.cpu,
        "threads": execution.threads,
        "byte_order": sys.byteorder,
    }


def data_told(parts: Parts) -> dict[str, str]:
    """Each part with its size and the hash of its content."""
    sets = {"train": parts.train, "validation": parts.validation, "test": parts.test}
    return {name: _told(data) for name, data in sets.items() if data is not None}


def _told(data: Dataset) -> str:
    return f"{data.about}, {data.digest[:16]}"


def graph_hash(model: Model) -> str:
    return hash_of(fingerprint(model.graph).encode())


def hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
