"""States are taken, read and written by several threads: nobody touches what is in a step."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from graphcnn.ir import cells
from graphcnn.ir.cells import Cell, Loan
from graphcnn.ir.node import Array


class Memory:
    """A session's memory with one state, "w", that knows whether a step is under way."""

    def __init__(self) -> None:
        self.value = np.zeros(())
        self.busy, self.disturbed = False, False

    def state(self, key: str) -> Array:
        self.disturbed |= self.busy
        return self.value

    def load(self, states: Mapping[str, Array]) -> None:
        self.disturbed |= self.busy
        self.value = states["w"]


def reading(cell: Cell) -> None:
    """Of a state that a session left behind: its value has to be fetched."""
    cell.array, cell.loan = None, Loan(Memory(), {cell: "w"}, {})
    cell.loan.abandon()
    cells.read([cell])


def writing(cell: Cell) -> None:
    cells.write({cell: np.full((), 7.0)})


def taking(cell: Cell) -> None:
    with Loan(Memory(), {cell: "w"}, {}).stepping():
        pass


def only_reading(cell: Cell) -> None:
    """A session that holds another state, and reads this one."""
    own = Cell(np.zeros(()))
    with Loan(Memory(), {own: "w"}, {cell: "w"}).stepping():
        pass


@pytest.mark.parametrize("act", [reading, writing, taking, only_reading])
def test_what_nobody_held_is_left_alone_when_it_is_taken_for_a_step(
    act: Callable[[Cell], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another session takes the state, and begins a step, when `act` has just found it free."""
    cell, memory = Cell(np.zeros(())), Memory()
    other, inside = Loan(memory, {cell: "w"}, {}), threading.Event()
    actor, events, still = threading.current_thread(), list[str](), cells.held

    def step() -> None:
        with other.stepping():
            memory.busy = True
            inside.set()
            time.sleep(0.1)  # for an actor that does not wait
            memory.value, memory.busy = np.ones(()), False
            events.append("step")

    thread = threading.Thread(target=step)

    @contextmanager
    def held(wanted: Any, *also: Loan) -> Iterator[Any]:
        with still(wanted, *also) as owners:
            if threading.current_thread() is actor and cell in wanted and not inside.is_set():
                thread.start()
                inside.wait()
            yield owners

    monkeypatch.setattr(cells, "held", held)
    act(cell)
    events.append("act")
    thread.join()
    assert not memory.disturbed
    assert events == ["step", "act"]
