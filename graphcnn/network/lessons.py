"""How the states of a model know the images that they were trained on.

Models that share states share what these learned: a head on a trained backbone is fed images that
are normalised as the backbone's were. So beside its value a state keeps, for each first input that
it was fed through, the normalisation; see `graphcnn.ir.cells`.
"""

import itertools
from collections.abc import Iterable

from graphcnn.data.normalisation import Normalisation
from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Value

_numbers = itertools.count(1)
_last = 0


def lessons() -> int:
    """Another number each time that any states were taught: what was asked before may be old."""
    return _last


def teach(graph: Graph, feeds: Iterable[Value], normalisation: Normalisation) -> None:
    """Let models that share the states know how the images fed to `feeds` become the input."""
    global _last
    for state in graph.states:
        for value in feeds:
            state_of(state).cell.learned[value] = normalisation
    _last = next(_numbers)


def learned(graph: Graph) -> Normalisation | None:
    """What the states know of images for the first input. Raises `GraphError` where they differ."""
    first, found = graph.inputs[0], []
    for state in graph.states:
        known = state_of(state).cell.learned.get(first)
        if known is not None and known not in found:
            found.append(known)
    if len(found) > 1:
        raise GraphError(
            f"parts of the model {graph.name!r} were trained with different normalisations "
            f"of {first.node.name!r}: {found[0]} and {found[1]}; set model.normalisation"
        )
    return found[0] if found else None
