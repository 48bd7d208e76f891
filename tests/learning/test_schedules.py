"""Learning rates as functions of the step."""

from collections.abc import Callable

import numpy as np
import pytest

from graphcnn.errors import GraphError
from graphcnn.learning.schedules import Constant, Cosine, Exponential, Schedule, Step, schedule


def rates(s: Schedule, *steps: int) -> list[float]:
    return [s.at(step) for step in steps]


def test_a_number_is_constant() -> None:
    assert schedule(0.1) == Constant(0.1)
    assert rates(schedule(np.float32(0.5)), 1, 1000) == [0.5, 0.5]
    s = Step(1.0)
    assert schedule(s) is s


def test_step_is_a_staircase() -> None:
    assert rates(Step(1.0, 0.5, 10), 1, 10, 11, 20, 21) == [1, 1, 0.5, 0.5, 0.25]


def test_exponential_meets_the_staircase_at_its_edges() -> None:
    s = Exponential(1.0, 0.5, 10)
    assert rates(s, 1, 11, 21) == [1, 0.5, 0.25]
    assert s.at(6) == pytest.approx(0.5**0.5)


def test_cosine() -> None:
    assert rates(Cosine(2.0, 10), 1, 6, 11, 99) == pytest.approx([2, 1, 0, 0])
    s = Cosine(1.0, 14, warmup=4, final=0.2)
    assert rates(s, 1, 2, 4, 5) == pytest.approx([0.25, 0.5, 1, 1])
    assert rates(s, 10, 15, 16) == pytest.approx([0.6, 0.2, 0.2])
    falling = rates(s, *range(5, 15))
    assert falling == sorted(falling, reverse=True) and min(falling) > 0.2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: schedule(0), "learning_rate must be a number greater than 0 or a Schedule"),
        (lambda: schedule("cosine"), "or a Schedule, found 'cosine'"),
        (lambda: Step(0.0), "Step: initial must be a number greater than 0, found 0.0"),
        (lambda: Step(0.1, 0.5, 0), "Step: every must be a number greater than 0, found 0"),
        (lambda: Step(0.1, -1), "Step: factor must be a number greater than 0"),
        (lambda: Exponential(float("inf")), "Exponential: initial must be a number"),
        (lambda: Cosine(0.1, 10, 10), "Cosine: warmup 10 must be less than steps 10"),
        (lambda: Cosine(0.1, 10, -1), "Cosine: warmup must be a number at least 0"),
        (lambda: Cosine(0.1, 10, final=-0.1), "Cosine: final must be a number at least 0"),
        (lambda: Constant(-1.0), "Constant: rate must be a number greater than 0"),
    ],
)
def test_settings_that_make_no_sense(make: Callable[[], Schedule], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        make()
