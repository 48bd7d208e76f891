"""The values of states, each in one place for all the models that have the state.

Every `State` operator carries a `Cell`, and so does every operator that is made of it: models whose
graphs hold the same state share its value by construction, whatever the state is called in each.
While a session trains, the values are in its memory, lent by a `Loan`: whoever reads or writes a
cell then reads or writes there.

Locks are taken in one order: those of loans by their numbers, then `_lock`, which is held for
moments only. A loan's lock is held for as long as a step takes.
"""

import itertools
import os
import threading
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Protocol

from graphcnn.errors import TrainingError
from graphcnn.ir.node import Array, Value


class Cell:
    """The value of one state.

    Attributes:
        array: the value, read-only; of a lent state a copy of it, where one was asked for.
        loan: of the session that has the value.
        trainable: whether the model that said so last trains it; None before there is a model.
        learned: how images became each input with which the value was learned.
    """

    __slots__ = ("__weakref__", "array", "learned", "loan", "trainable")

    def __init__(self, array: Array | None = None, trainable: bool | None = None) -> None:
        self.array = array
        self.loan: Loan | None = None
        self.trainable = trainable
        self.learned: dict[Value, Any] = {}

    def __reduce__(self) -> tuple[type["Cell"], tuple[Array | None, bool | None]]:
        """A copy has the value for itself."""
        return Cell, (read([self])[0], self.trainable)


class Holder(Protocol):
    """Who has the values of states in training."""

    def state(self, key: str) -> Array:
        """A value."""

    def load(self, states: Mapping[str, Array]) -> None:
        """Replace values."""


class Keeper(Protocol):
    """Who keeps values of one moment as long as they are the present ones."""

    def keep(self, values: Sequence[Array | None] | None) -> None:
        """Take these, or nothing any more."""


class Loan:
    """The states of one session: those it updates, which it holds, and those it only reads.

    Sessions whose models share states take turns: who makes a step holds the states, with the
    values that they have by then, until another session makes one, or `end`.

    Attributes:
        lock: held during a step, and while the values are read or written.
        alone: a run holds the states that may not be taken from it.
    """

    _numbers = itertools.count()

    def __init__(
        self, holder: Holder, updated: Mapping[Cell, str], reads: Mapping[Cell, str]
    ) -> None:
        self.lock = threading.RLock()
        self.number = next(self._numbers)
        self.alone = False
        self._abandoned = False
        self._holder, self._keys, self._reads = holder, dict(updated), dict(reads)
        self._holding = False
        self._cached = False  # whether any cell has a copy
        #: The arrays that the holder's values are equal to.
        self._given: dict[Cell, weakref.ref[Array]] = {}
        self._unstepped = False  # whether some of these are of states that a step changes
        _loans.add(self)

    def given(self, arrays: Mapping[Cell, Array]) -> None:
        """The holder has these values."""
        self._given.update((cell, weakref.ref(array)) for cell, array in arrays.items())
        self._unstepped = True

    def hold_alone(self) -> None:
        """Take the states, and let nobody have them until `end`."""
        with self.stepping():
            self.alone = True

    @contextmanager
    def still(self) -> Iterator[None]:
        """Nothing of these states changes."""
        with held((*self._keys, *self._reads), self):
            yield

    def abandon(self) -> None:
        """The session is gone; who asks next takes the values from it."""
        self._abandoned = True

    def stepping(self) -> "_Stepping":
        """The states are this session's inside, and about to change.

        Raises `TrainingError` where a run does not let go of them.
        """
        return _Stepping(self)

    def _begin(self, owners: Any) -> bool:
        """The values are here, and copies of them out of date; the locks are held. False where
        somebody takes a value meanwhile that is only read here."""
        if self._reads and self._load(owners) is None:
            return False
        self._forget()
        if self._unstepped:
            for cell in self._keys:
                self._given.pop(cell, None)
            self._unstepped = False
        return True

    def take(self) -> None:
        """Hold the states, with the values that they have now."""
        while not self._holding:
            with held(self._keys, self) as owners:
                others = {*owners.values()} - {None, self}
                for other in others:
                    if other is not None and other.alone:
                        raise TrainingError(
                            "the states of this model are in training by a `fit` that has not "
                            "ended; train it when that has"
                        )
                found = self._load({c: o for c, o in owners.items() if o is not self})
                if found is None:
                    continue
                with _lock:
                    if any(c.array is not a or c.loan is not owners[c] for c, a in found.items()):
                        continue  # somebody has written or taken meanwhile
                    for cell in self._keys:
                        cell.loan, cell.array = self, None
                    for other in others:
                        if other is not None:
                            other._holding = False
                    self._holding, self._cached = True, False
                    _changed()

    def end(self) -> None:
        """Give the values back: the cells hold them from now on."""
        with self.lock:
            mine = [cell for cell in self._keys if cell.loan is self]
            for cell in mine:
                self.fetch(cell)
            self.given({cell: cell.array for cell in mine if cell.array is not None})
            with _lock:
                for cell in mine:
                    cell.loan = None
                self._holding = self.alone = False

    def fetch(self, cell: Cell) -> None:
        """Let the cell have a copy; the lock is held."""
        if cell.array is None:
            array = self._holder.state(self._keys[cell]).view()
            array.flags.writeable = False
            self._cached = True
            cell.array = array

    def write(self, arrays: Mapping[Cell, Array]) -> None:
        """Replace values; the lock is held."""
        self._holder.load({self._keys[cell]: array for cell, array in arrays.items()})
        self._cached = True

    def _load(self, owners: Mapping[Cell, "Loan | None"]) -> dict[Cell, Array] | None:
        """Give the holder the values of these cells that it does not have; the locks of their
        owners are held. None where one is taken meanwhile that had no owner."""
        found: dict[Cell, Array] = {}
        for cell, owner in owners.items():
            if owner is not None:
                owner.fetch(cell)
            array = cell.array
            if array is None:
                with _lock:
                    valued = cell.loan is not None or cell.array is not None
                assert valued, "a session begins with a value for every state"
                return None
            found[cell] = array
        known = self._given
        new = {c: a for c, a in found.items() if c not in known or known[c]() is not a}
        if new:
            keys = {**self._keys, **self._reads}
            self._holder.load({keys[cell]: array for cell, array in new.items()})
            self.given(new)
        return found

    def _forget(self) -> None:
        """The copies are out of date."""
        if self._cached:
            with _lock:
                for cell in self._keys:
                    if cell.loan is self:
                        cell.array = None
                self._cached = False
                _changed()


class _Stepping:  # quicker than one made by `contextmanager`: it stands around every step
    __slots__ = ("_inside", "_loan")

    _inside: AbstractContextManager[Any]

    def __init__(self, loan: Loan) -> None:
        self._loan = loan

    def __enter__(self) -> None:
        loan = self._loan
        while True:
            if not loan._holding:
                loan.take()
            inside: AbstractContextManager[Any]
            inside = held(loan._reads, loan) if loan._reads else loan.lock
            owners = inside.__enter__()  # of what is read, where anything is
            try:
                if loan._holding and loan._begin(owners):
                    self._inside = inside
                    return
            except BaseException:
                inside.__exit__(None, None, None)
                raise
            inside.__exit__(None, None, None)

    def __exit__(self, *error: Any) -> None:
        self._inside.__exit__(None, None, None)


_lock = threading.Lock()
_loans: "weakref.WeakSet[Loan]" = weakref.WeakSet()
_writes = [0]
#: Who keeps values; to be told when one of a cell is replaced or gone.
_keepers: "list[weakref.ref[Keeper]]" = []


@contextmanager
def held(cells: Iterable[Cell], *also: Loan) -> Iterator[dict[Cell, Loan | None]]:
    """The loans of these cells stand still: those that are given, by cell.

    Nobody takes a cell from one of them. What had none may be taken at any moment, by a loan that
    does not stand still: whoever acts on owners acts on those given here, and looks under `_lock`
    whether they still are.
    """
    cells = tuple(cells)
    while True:
        found = {loan for cell in cells if (loan := cell.loan) is not None}
        loans = sorted(found.union(also), key=lambda loan: loan.number)
        with ExitStack() as stack:
            for loan in loans:
                stack.enter_context(loan.lock)
            for loan in loans:
                if loan._abandoned:
                    loan.end()
            owners = {cell: cell.loan for cell in cells}
            if any(loan is not None and loan not in loans for loan in owners.values()):
                continue
            yield owners
            return


def read(cells: Sequence[Cell], keeper: Keeper | None = None) -> list[Array | None]:
    """The values of one moment; None where there is none.

    `keeper` is given them to keep, and told when one of any cell's values is replaced.
    """
    found = _present(cells, keeper)
    while found is None:
        with held(cells) as owners:
            for cell, owner in owners.items():
                if owner is not None:
                    owner.fetch(cell)
            found = _present(cells, keeper)
    return found


def _present(cells: Sequence[Cell], keeper: Keeper | None) -> list[Array | None] | None:
    """The values, or None where some must be fetched."""
    with _lock:
        if any(cell.array is None and cell.loan is not None for cell in cells):
            return None
        found = [cell.array for cell in cells]
        if keeper is not None:
            keeper.keep(found)
            _keepers.append(weakref.ref(keeper))
        return found


def write(new: Mapping[Cell, Array], only_empty: bool = False) -> None:
    """Replace values, all at the same moment, by these arrays, which are read-only from now on.

    `only_empty` leaves the cells that have a value.
    """
    for array in new.values():
        array.flags.writeable = False
    while True:
        with held(new) as owners:
            if only_empty:
                new = {c: a for c, a in new.items() if owners[c] is None and c.array is None}
            lent: dict[Loan, dict[Cell, Array]] = {}
            for cell, array in new.items():
                owner = owners[cell]
                if owner is not None:
                    lent.setdefault(owner, {})[cell] = array
            for loan, arrays in lent.items():
                loan.write(arrays)
            with _lock:
                if any(c.loan is not owners[c] for c in new):
                    continue  # taken meanwhile
                for cell, array in new.items():
                    if not only_empty or cell.array is None:
                        cell.array = array
                _changed()
                _writes[0] += 1
                return


def writes() -> int:
    """How often values were written so far; another number tells that some may be others."""
    return _writes[0]


def in_training(cells: Iterable[Cell]) -> bool:
    """Whether a run holds any of these states alone."""
    loans = {cell.loan for cell in cells} - {None}
    return any(loan is not None and loan.alone and not loan._abandoned for loan in loans)


def _changed() -> None:
    for reference in _keepers:
        keeper = reference()
        if keeper is not None:
            keeper.keep(None)
    _keepers.clear()


def _renew_locks() -> None:
    """In a forked child: a lock that another thread of the parent held would stay closed."""
    global _lock
    _lock = threading.Lock()
    for loan in list(_loans):
        loan.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
