"""What is kept with weights, as text by field: written here, and checked where it is read.

A file may come from anywhere; every field that is not what `written` writes is a `WeightsError`
that names it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphcnn.data.normalisation import Normalisation
from graphcnn.errors import DataError, GraphError, WeightsError
from graphcnn.ir.graph import Graph
from graphcnn.learning.aim import Losses
from graphcnn.learning.aim_text import only_name, read_aim, written_aim
from graphcnn.learning.losses import LOSSES
from graphcnn.learning.samplers import Sampler, read_sampler, written_sampler
from graphcnn.text.parse import parse_graph

#: Characters of a field that a message shows.
_SHOWN = 60


@dataclass(frozen=True)
class Learned:
    """What a model knows besides its weights; see `Model`."""

    classes: tuple[str, ...] = ()
    normalisation: Normalisation | None = None
    loss: str | None = None
    objective: Losses | None = None
    seed: int | None = None
    sampler: Sampler | None = None


def written(learned: Learned, graph: Graph) -> dict[str, str]:
    """The fields. There is a name for every score of the prediction, null where it has none."""
    names: list[str | None] = [*learned.classes]
    count = _scores(graph, learned.loss)
    if names and count is not None:
        names = (names + [None] * count)[:count]
    data = {"name": graph.name, "classes": json.dumps(names)}
    if learned.normalisation is not None:
        data["normalisation"] = learned.normalisation.to_json()
    loss = learned.loss or only_name(learned.objective, graph)
    if loss is not None:
        data["loss"] = loss
    objective = written_aim(learned.objective, graph)
    if objective is not None:
        data["objective"] = objective
    if learned.seed is not None:
        data["seed"] = str(learned.seed)
    if learned.sampler is not None:
        data["sampler"] = written_sampler(learned.sampler)
    return data


def read(metadata: Mapping[str, str], graph: Graph, source: object) -> Learned:
    """What the fields say of a model of this graph.

    Raises `WeightsError` with `source`, the field, what was expected and what was found.
    """
    fields = _Fields(metadata, source)
    loss = metadata.get("loss")
    if loss is not None and loss not in LOSSES:
        raise fields.wrong("loss", f"one of {', '.join(LOSSES)}")
    seed = metadata.get("seed")
    if seed is not None and not re.fullmatch(r"-?[0-9]{1,100}", seed):
        raise fields.wrong("seed", "an integer")
    return Learned(
        _classes(fields, graph, loss),
        _normalisation(fields, graph),
        loss,
        _objective(fields, graph) or loss,
        None if seed is None else int(seed),
        _sampler(fields, graph),
    )


def read_graph(metadata: Mapping[str, str], source: object) -> Graph:
    """The graph that a file holds as text. Raises `WeightsError` where that is damaged."""
    if "graph" not in metadata:
        raise WeightsError(
            f"{source} holds weights but no graph; build the model in Python and load them into it"
        )
    try:
        return parse_graph(metadata["graph"])
    except (GraphError, RecursionError) as error:
        raise WeightsError(f"{source}: field 'graph' of the metadata: {error}") from None


@dataclass(frozen=True)
class _Fields:
    """The fields of one file."""

    metadata: Mapping[str, str]
    source: object

    def wrong(self, field: str, expected: str) -> WeightsError:
        found = self.metadata[field]
        shown = repr(found[:_SHOWN]) + (" ..." if len(found) > _SHOWN else "")
        return WeightsError(
            f"{self.source}: field {field!r} of the metadata must be {expected}, found {shown}"
        )

    def json(self, field: str, expected: str) -> Any:
        try:
            return json.loads(self.metadata[field])
        except (ValueError, RecursionError):
            raise self.wrong(field, expected) from None


def _classes(fields: _Fields, graph: Graph, loss: str | None) -> tuple[str, ...]:
    if "classes" not in fields.metadata:
        return ()
    expected = "a JSON list of the names of the classes"
    found = fields.json("classes", expected)
    if not isinstance(found, list):
        raise fields.wrong("classes", expected)
    names = _without_nulls_at_end(found)
    if not all(isinstance(name, str) for name in names):
        raise fields.wrong("classes", expected)
    count = _scores(graph, loss)
    if names and count is not None and len(found) != count:
        prediction, value = next(iter(graph.outputs.items()))
        raise fields.wrong(
            "classes", f"{count} names, one for each score of {prediction!r} {value.type}"
        )
    return tuple(names)


def _without_nulls_at_end(names: Sequence[Any]) -> list[Any]:
    kept = [*names]
    while kept and kept[-1] is None:
        kept.pop()
    return kept


def _objective(fields: _Fields, graph: Graph) -> Losses | None:
    text = fields.metadata.get("objective")
    if text is None:
        return None
    try:
        return read_aim(text, graph)
    except (ValueError, RecursionError, GraphError):
        raise fields.wrong("objective", "JSON of losses of its outputs, and penalties") from None


def _sampler(fields: _Fields, graph: Graph) -> Sampler | None:
    text = fields.metadata.get("sampler")
    if text is None:
        return None
    try:
        return read_sampler(text, graph)
    except (ValueError, RecursionError, TypeError, GraphError):
        raise fields.wrong("sampler", "JSON of how the model draws, as its graph can") from None


def _scores(graph: Graph, loss: str | None) -> int | None:
    """How many classes the prediction tells apart; None where it does not say."""
    if not graph.outputs:
        return None
    prediction = next(iter(graph.outputs.values())).type
    if loss is not None:
        return LOSSES[loss].scores(prediction) if loss in LOSSES else None
    channels = prediction.shape[1] if prediction.rank == 2 else None
    return channels if isinstance(channels, int) and channels > 1 else None


def _normalisation(fields: _Fields, graph: Graph) -> Normalisation | None:
    if "normalisation" not in fields.metadata:
        return None
    expected = "JSON with a mean and a std for each channel, and a scale"
    found = fields.json("normalisation", expected)
    if not isinstance(found, dict) or not {"mean", "std"} <= found.keys() <= _KEYS:
        raise fields.wrong("normalisation", expected)
    lists = found["mean"], found["std"]
    if not all(isinstance(each, list) and all(map(_is_number, each)) for each in lists):
        raise fields.wrong("normalisation", expected)
    if not _is_number(found.get("scale", 1.0)):
        raise fields.wrong("normalisation", expected)
    try:
        made = Normalisation(**found)
    except (DataError, OverflowError) as error:
        raise fields.wrong("normalisation", f"{expected} ({error})") from None
    channels = graph.inputs[0].shape[1] if graph.inputs and graph.inputs[0].type.rank == 4 else None
    if isinstance(channels, int) and len(made.mean) not in (1, channels):
        raise fields.wrong("normalisation", f"that of {channels} channels, as the input has")
    return made


_KEYS = {"mean", "std", "scale"}


def _is_number(x: object) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool)
