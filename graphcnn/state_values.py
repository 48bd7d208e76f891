"""The values of a model's states, which need not be in memory all the time.

An initial value is drawn when it is first asked for, and may be dropped and drawn again: the same
seed gives the same bits. While a session trains the model they are with the session.
"""

from collections.abc import Callable, Iterator, Mapping, ValuesView

from graphcnn.ir import Array


class StateValues(Mapping[str, Array]):
    """Arrays by name, read-only; some are made when they are first asked for."""

    def __init__(self) -> None:
        self._arrays: dict[str, Array] = {}
        self._makers: dict[str, Callable[[], Array]] = {}
        self._keys: dict[str, None] = {}

    def put(self, key: str, array: Array) -> None:
        """Take this array itself, which must not change any more."""
        array.flags.writeable = False
        self._keys[key] = None
        self._makers.pop(key, None)
        self._arrays[key] = array

    def put_later(self, key: str, make: Callable[[], Array]) -> None:
        """Let `make` give the array, each time that it is needed and not there."""
        self._keys[key] = None
        self._arrays.pop(key, None)
        self._makers[key] = make

    def drop(self) -> None:
        """Keep no array that can be made again."""
        for key in self._makers:
            self._arrays.pop(key, None)

    def __getitem__(self, key: str) -> Array:
        found = self._arrays.get(key)
        if found is None:
            found = self._makers[key]()
            found.flags.writeable = False
            self._arrays[key] = found
        return found

    def values(self) -> ValuesView[Array]:
        """All arrays; quick where none is missing, as a run of a network asks every time."""
        if len(self._arrays) < len(self._keys):
            self._arrays = {key: self[key] for key in self._keys}
        return self._arrays.values()

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys
