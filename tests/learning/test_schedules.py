"""Learning rates as functions of the step."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pictures.checks import check_picture, check_texts

from graphcnn.errors import GraphError
from graphcnn.learning.schedules import (
    Constant,
    Cosine,
    CosineRestarts,
    Exponential,
    Function,
    InverseSqrt,
    Linear,
    OneCycle,
    Polynomial,
    Schedule,
    Step,
    Steps,
    Triangular,
    epochs,
    join,
    schedule,
    warmup,
)

#: Made by PyTorch: `torch_numbers/schedules.py`.
TORCH = json.loads((Path(__file__).parent / "torch_numbers/schedules.json").read_text())
SAME: dict[str, Schedule] = {
    "step": Step(0.1, 0.5, 30),
    "steps": Steps(0.1, (20, 70), 0.2),
    "exponential": Exponential(0.1, 0.97, 1),
    "linear": Linear(0.1, 0.4, 60),
    "polynomial": Polynomial(0.1, 80, 1.5),
    "cosine": Cosine(0.1, 100, final=0.01),
    "restarts": CosineRestarts(0.1, 15, 2, 0.001),
    "one_cycle": OneCycle(0.4, 101, 0.25),
    "one_cycle_linear": OneCycle(0.4, 101, first=0.04, linear=True),
    "triangular": Triangular(0.01, 0.1, 12, 20),
    "triangular2": Triangular(0.01, 0.1, 8, shrink=0.5),
    "joined": join(Linear(0.01, 0.1), Cosine(0.1, 80), at=20).over(100),
    "inverse_sqrt": InverseSqrt(0.3, 10),
}


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


def test_all_equal_those_of_pytorch() -> None:
    assert SAME.keys() == TORCH.keys() - {"torch"}
    for name, rule in SAME.items():
        found = rates(rule, *range(1, 101))
        np.testing.assert_allclose(found, TORCH[name]["rates"], 1e-12, 1e-15, err_msg=name)
    momentum = OneCycle(0.85, 101, 0.25, first=0.95, last=0.95)
    found = rates(momentum, *range(1, 101))
    np.testing.assert_allclose(found, TORCH["one_cycle"]["momenta"], 1e-12)


def test_a_run_tells_what_lengths_are() -> None:
    assert Cosine(0.1).over(50, 4) == Cosine(0.1, 200)
    assert Cosine(0.1, warmup=epochs(0.5)).over(50, 4) == Cosine(0.1, 200, 25)
    assert Step(1.0, every=epochs(2)).over(10, 9).every == 20
    assert Steps(1.0, [epochs(1), 15]).over(10, 9).milestones == (10, 15)  # type: ignore[arg-type]
    rule = join(Linear(0.1, 1.0), 1.0, 0.5 * warmup(Cosine(2.0), epochs(1)), at=(epochs(2), 30))
    told = rule.over(10, 9)
    assert rates(told, 1, 11, 21, 30) == pytest.approx([0.1, 0.55, 1, 1])
    assert rates(told, 31, 40, 41, 66, 91) == pytest.approx([0.1, 1, 1, 0.5, 0])
    assert told.over(99, 99) == told  # nothing is open any more
    for waiting in (rule, warmup(Cosine(0.1), epochs(1)), Triangular(0.1, 1, epochs(1))):
        with pytest.raises(GraphError, match=r"which fit knows, and nobody else: give a number"):
            waiting.at(1)
        with pytest.raises(GraphError, match=r"schedule.over\(steps_per_epoch, epochs\)"):
            waiting.over(None, 3)
    assert Constant(0.1).over(None, 3) == Constant(0.1)


def test_warmup_rises_to_where_the_schedule_begins() -> None:
    s = warmup(Polynomial(1.0, 10, power=1), 4)
    assert rates(s, 1, 2, 4, 5, 10) == pytest.approx([0.25, 0.5, 1, 1, 0.5])
    assert rates(warmup(Step(0.5), 2, start=0.1), 1, 2, 3) == pytest.approx([0.3, 0.5, 0.5])
    same = Cosine(0.3, 20, warmup=5), warmup(Cosine(0.3, 15), 5)
    assert rates(same[0], *range(1, 25)) == pytest.approx(rates(same[1], *range(1, 25)))


def test_functions_and_products() -> None:
    assert rates(schedule(lambda step: 1 / step), 1, 4) == [1, 0.25]
    both = 2 * Step(1.0, 0.5, 1) * schedule(lambda step: step)
    assert rates(both, 1, 2, 3) == [2, 2, 1.5]
    with pytest.raises(GraphError, match="a number of at least 0, found nan at step 3"):
        Function(lambda step: float("nan")).at(3)


def test_each_has_a_picture() -> None:
    for rule in (*SAME.values(), OneCycle(0.4), schedule(0.1)):
        picture = rule.picture()
        check_picture(picture)
        check_texts(picture.scene)
    assert join(OneCycle(0.4), Linear(0.1, final=0.0), at=9).picture().scene.title == (
        "Join((OneCycle(0.4), Linear(0.1)), starts=(9,))"
    )
    assert OneCycle(0.4)._repr_mimebundle_()["text/plain"] == repr(OneCycle(0.4))
    text = OneCycle(0.4).picture(title="one cycle").text()
    assert "1,000 steps" in text and "highest 0.4 in step 300" in text


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
        (lambda: OneCycle(0.1, rise=1), "OneCycle: rise must be between 0 and 1, found 1"),
        (lambda: Steps(0.1, 30), "milestones must be several numbers of steps, found 30"),
        (lambda: Steps(0.1, (30, 0)), "Steps: milestones must be numbers greater than 0"),
        (lambda: Triangular(0.1, 0.1), "Triangular: low 0.1 must be less than high 0.1"),
        (lambda: epochs(0), "epochs must be a number greater than 0, found 0"),
        (lambda: join(0.1, 0.2, at=()), "join: 2 schedules have 1 places where one follows"),
        (lambda: join(0.1, 0.2, 0.3, at=(9, 3)), "at= must be lengths that grow"),
        (lambda: -1 * Constant(0.1), "multiplied by a number of at least 0"),
        (lambda: Constant(-1.0), "Constant: rate must be a number greater than 0"),
    ],
)
def test_settings_that_make_no_sense(make: Callable[[], Schedule], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        make()
