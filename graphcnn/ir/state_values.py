"""The values of the states of a graph by name: a view of the cells in which they are.

A session in training may have them; reading gives what they are there after its last step, and all
that is read at once is of one moment.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from graphcnn.errors import GraphError
from graphcnn.ir import cells
from graphcnn.ir.graph import Graph, state_of
from graphcnn.ir.node import Array


class Snapshot(dict[str, Array]):
    """The values of all states of a graph at one moment, read-only arrays."""


class ArraysByName(Mapping[str, Array]):
    """Arrays by name; a copy is a dict of one's own.

    `undecayed` are the names of those that weight decay leaves alone however many axes they have.
    """

    def __init__(self, arrays: Mapping[str, Array], undecayed: Collection[str] = ()) -> None:
        self._arrays, self.undecayed = dict(arrays), frozenset(undecayed)

    def __getitem__(self, key: str) -> Array:
        return self._arrays[key]

    def __setitem__(self, key: str, array: Any) -> None:
        raise GraphError(
            f"these arrays are copies to read: model.set_parameters({{{key!r}: array}}) writes"
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __reduce__(self) -> tuple[type[dict[str, Array]], tuple[dict[str, Array]]]:
        return dict, (dict(self),)


class StateValues(Mapping[str, Array]):
    """Arrays by name, read-only.

    Attributes:
        graph: whose states they are.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._cells = {state_of(s).key: state_of(s).cell for s in graph.states}
        self._snapshot: Snapshot | None = None
        self._complete = False

    @property
    def complete(self) -> bool:
        """Whether every state has a value; once it has one it always has."""
        if not self._complete:
            self._complete = all(c.array is not None or c.loan for c in self._cells.values())
        return self._complete

    @property
    def missing(self) -> list[str]:
        """The states without a value."""
        return [k for k, c in self._cells.items() if c.array is None and c.loan is None]

    def put(self, arrays: Mapping[str, Array]) -> None:
        """Take these arrays themselves, all at the same moment; they must not change any more."""
        cells.write({self._cells[key]: array for key, array in arrays.items()})

    def fill(self, arrays: Mapping[str, Array]) -> None:
        """Take the arrays of states that have no value yet."""
        cells.write({self._cells[key]: array for key, array in arrays.items()}, only_empty=True)

    def snapshot(self) -> Snapshot:
        """The values of this moment; the same object as long as none is replaced."""
        found = self._snapshot
        if found is None:
            arrays = cells.read([*self._cells.values()], self)
            found = self._snapshot or _snapshot(self._cells, arrays)
        return found

    def keep(self, values: Sequence[Array | None] | None) -> None:
        """Keep the values of a moment, or none; called by the cells."""
        self._snapshot = None if values is None else _snapshot(self._cells, values)

    def __getitem__(self, key: str) -> Array:
        cell = self._cells[key]
        array = cell.array
        if array is None:
            (array,) = cells.read([cell])
        if array is None:
            raise KeyError(key)
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._cells)

    def __len__(self) -> int:
        return len(self._cells)

    def __reduce__(self) -> tuple[type[dict[str, Array]], tuple[dict[str, Array]]]:
        """A copy is a dict of one's own."""
        return dict, (dict(self.snapshot()),)

    def __contains__(self, key: object) -> bool:
        return key in self._cells


def _snapshot(keys: Mapping[str, cells.Cell], values: Sequence[Array | None]) -> Snapshot:
    """By name; what has no value is left out."""
    pairs = zip(keys, values, strict=True)
    return Snapshot((key, array) for key, array in pairs if array is not None)
