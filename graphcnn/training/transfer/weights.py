"""Weights from elsewhere: the tensors of a safetensors file, found by the names that it has.

Nothing is unpickled: a file of PyTorch is recognised by its content and refused, whatever it is
called, with the line that converts it.
"""

import difflib
import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphcnn.base.file_kinds import HEAD, is_pickle
from graphcnn.base.regular_files import is_regular, open_regular
from graphcnn.data.normalisation import Normalisation
from graphcnn.errors import WeightsError, shortened
from graphcnn.ir.graph import state_of
from graphcnn.ir.node import Array
from graphcnn.ir.tensor_type import DType, TensorType
from graphcnn.network.metadata import read
from graphcnn.network.network import Network
from graphcnn.network.weights import as_stored, read_tensors
from graphcnn.training.transfer.heads import head_states
from graphcnn.training.transfer.names import IMAGENET, TORCH, foreign_names

#: A word for a package whose names are known, what a file calls each of our names, or None.
Names = str | Mapping[str, str] | Callable[[str], str] | None

#: The last part of names that a file may have besides: they say nothing about a network.
IGNORED = ("num_batches_tracked",)
_SHOWN = 20


@dataclass(frozen=True)
class LoadedWeights:
    """What became of the tensors of a file.

    Attributes:
        read: from our name to that in the file.
        kept: our states that were left as they are, as `skip` says.
        ignored: tensors of the file that nothing was done with.
    """

    read: Mapping[str, str]
    kept: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"{len(self.read)} tensors read"]
        if self.kept:
            parts.append(f"{', '.join(self.kept)} left as they are")
        if self.ignored:
            few = ", ".join(self.ignored[:3]) + (", ..." if len(self.ignored) > 3 else "")
            parts.append(f"{len(self.ignored)} of the file ignored ({few})")
        return "; ".join(parts)


def load_weights(
    model: Network,
    path: str | Path,
    names: Names = None,
    *,
    skip: str | Sequence[str] = (),
    normalisation: Normalisation | None = None,
) -> LoadedWeights:
    """Read the tensors of a file into a model. See `Model.load_weights`."""
    tensors, metadata = _tensors(path)
    types = {state_of(s).key: s.type for s in model.graph.states}
    kept = _skipped(model, types, skip)
    theirs = _names(model, types, names)
    wanted = {key: theirs[key] for key in types if key not in kept}
    free = isinstance(names, str)  # a dense layer may be written as a convolution
    problems = [
        *_missing(tensors, types, wanted),
        *([] if kept else _extra(tensors, wanted)),
        *_shapes(tensors, types, wanted, free),
    ]
    if problems:
        raise WeightsError(_listed(path, problems, kept or None))
    own = names is None and "graph" in metadata
    learned = read(metadata if own else {}, model.graph, path) if not kept else None
    arrays = {k: _array(path, k, tensors[other], types[k]) for k, other in wanted.items()}
    model._values().put(arrays)
    if own and learned is not None:
        model._take(learned)
    elif own:
        known = {k: text for k, text in metadata.items() if k == "normalisation"}
        model.normalisation = read(known, model.graph, path).normalisation or model.normalisation
    known_images = isinstance(names, str) and names != TORCH
    if known_images or normalisation is not None:
        model.normalisation = normalisation or IMAGENET
    used = {*wanted.values()}
    return LoadedWeights(wanted, tuple(kept), tuple(key for key in tensors if key not in used))


def _tensors(path: str | Path) -> tuple[dict[str, Array], dict[str, str]]:
    """What a file holds. Raises `WeightsError` for one that would have to be unpickled."""
    if is_regular(path):
        with open_regular(path) as file:
            start = file.read(HEAD) or b""
        if is_pickle(start):
            other = str(Path(path).with_suffix(".safetensors"))
            raise WeightsError(
                f"{path}: it is a pickle, as torch.save writes it, which can run any code and is "
                "never read here; where it is trusted, with PyTorch: "
                f"from safetensors.torch import save_file; "
                f"save_file(torch.load({str(path)!r}, weights_only=True), {other!r})"
            )
    return read_tensors(path)


def _skipped(model: Network, types: Mapping[str, Any], skip: str | Sequence[str]) -> list[str]:
    """The states that patterns name; "head" is the last layer."""
    found: set[str] = set()
    for pattern in (skip,) if isinstance(skip, str) else skip:
        matching = fnmatch.filter(types, pattern)
        if pattern == "head" and not matching:
            matching = head_states(model.graph)
        if not matching:
            near = difflib.get_close_matches(pattern, types, 3, 0.4)
            hint = f"; near it are {', '.join(near)}" if near else ""
            raise WeightsError(f"skip={pattern!r} matches no state of {model.name}{hint}")
        found.update(matching)
    return [key for key in types if key in found]


def _names(model: Network, types: Mapping[str, Any], names: Names) -> dict[str, str]:
    """What the file calls each of our states."""
    if names is None:
        return {key: key for key in types}
    if isinstance(names, str):
        return foreign_names(model.graph, names)
    if callable(names):
        return {key: names(key) for key in types}
    for key in names:
        if key not in types:
            near = difflib.get_close_matches(key, types, 3, 0.4) or list(types)[:3]
            raise WeightsError(
                f"names are given from those of the model to those of the file: {model.name} has "
                f"no state {key!r}; near it are {', '.join(near)}"
            )
    return {key: names.get(key, key) for key in types}


def _missing(
    tensors: Mapping[str, Array], types: Mapping[str, TensorType], wanted: Mapping[str, str]
) -> list[str]:
    free = [key for key in tensors if key not in wanted.values()]
    found = []
    for key, other in wanted.items():
        if other in tensors:
            continue
        near = difflib.get_close_matches(other, free, 1, 0.6)
        hint = f"; near it is {near[0]} {_sizes(tensors[near[0]])}" if near else ""
        ours = "" if key == other else f" for {key}"
        found.append(f"missing {shortened(other)}{ours} {types[key]}{hint}")
    return found


def _extra(tensors: Mapping[str, Array], wanted: Mapping[str, str]) -> list[str]:
    used = {*wanted.values()}
    return [
        f"extra {shortened(key)} {_sizes(array)}"
        for key, array in tensors.items()
        if key not in used and key.rpartition(".")[2] not in IGNORED
    ]


def _shapes(
    tensors: Mapping[str, Array],
    types: Mapping[str, TensorType],
    wanted: Mapping[str, str],
    free: bool,
) -> list[str]:
    found = []
    for key, other in wanted.items():
        array, t = tensors.get(other), types[key]
        if array is None or array.shape == t.shape:
            continue
        same = array.shape[:1] == t.shape[:1] and array.size == t.size
        if free and same and t.rank == 2:
            continue
        theirs = "" if key == other else f"{shortened(other)} "
        found.append(f"{shortened(key)}: expected {t}, found {theirs}{_sizes(array)}")
    return found


def _listed(path: str | Path, problems: Sequence[str], kept: Sequence[str] | None) -> str:
    shown = "\n  ".join(problems[:_SHOWN])
    more = f"\n  and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    advice = (
        '\nskip="head" leaves the last layer as it is, where the classes are others'
        if kept is None and any(": expected " in each for each in problems)
        else ""
    )
    return f"{path} does not hold the weights of this model:\n  {shown}{more}{advice}"


def _array(path: str | Path, key: str, array: Array, t: TensorType) -> Array:
    """A tensor as the state `key` holds it."""
    found = as_stored(key, array, t.dtype)
    if found.dtype.kind == "f" and not np.isfinite(found).all():
        raise WeightsError(f"{path}: the numbers for {shortened(key)} are not all finite")
    return found.reshape([d for d in t.shape if isinstance(d, int)])


def _sizes(array: Array) -> str:
    return f"{DType.of(array.dtype)}{list(array.shape)}"
