"""The search for garbage is put off for a while, and goes on whatever happens."""

import gc

import pytest

from graphcnn.base.garbage import drop_young, kept


class Cycle:
    """An object that only the search finds."""

    alive = 0

    def __init__(self) -> None:
        self.myself = self
        Cycle.alive += 1

    def __del__(self) -> None:
        Cycle.alive -= 1


@kept()
def broken() -> None:
    """Fails inside."""
    with kept():
        assert not gc.isenabled()
    assert not gc.isenabled()
    raise ValueError


def test_the_search_goes_on_afterwards() -> None:
    assert gc.isenabled()
    for _ in range(2):
        with pytest.raises(ValueError):
            broken()
        assert gc.isenabled()


def test_who_switched_it_off_finds_it_off() -> None:
    gc.disable()
    try:
        with kept():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_is_young_can_be_freed_inside() -> None:
    gc.collect()
    with kept():
        Cycle()
        assert Cycle.alive == 1
        drop_young()
        assert Cycle.alive == 0
