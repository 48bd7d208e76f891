"""The numbers of PyTorch's schedulers over 100 steps, for `test_schedules.py`.

    python tests/learning/torch_numbers/schedules.py > tests/learning/torch_numbers/schedules.json

PyTorch is not needed to run the tests.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import torch
from torch.optim import lr_scheduler as lr

STEPS = 100


def course(make: Callable[[Any], Any], rate: float, momentum: bool = False) -> Any:
    """Learning rates (and momenta) of the steps 1 to 100."""
    weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = torch.optim.SGD([weight], rate, momentum=0.9)
    schedule = make(optimizer)
    rates, momenta = [], []
    for _ in range(STEPS):
        rates.append(optimizer.param_groups[0]["lr"])
        momenta.append(optimizer.param_groups[0]["momentum"])
        optimizer.step()
        schedule.step()
    return {"rates": rates, "momenta": momenta} if momentum else {"rates": rates}


def main() -> None:
    found = {
        "step": course(lambda o: lr.StepLR(o, 30, 0.5), 0.1),
        "steps": course(lambda o: lr.MultiStepLR(o, [20, 70], 0.2), 0.1),
        "exponential": course(lambda o: lr.ExponentialLR(o, 0.97), 0.1),
        "linear": course(lambda o: lr.LinearLR(o, 0.25, 1.0, 60), 0.4),
        "polynomial": course(lambda o: lr.PolynomialLR(o, 80, 1.5), 0.1),
        "cosine": course(lambda o: lr.CosineAnnealingLR(o, STEPS, 0.01), 0.1),
        "restarts": course(lambda o: lr.CosineAnnealingWarmRestarts(o, 15, 2, 0.001), 0.1),
        "one_cycle": course(lambda o: lr.OneCycleLR(o, 0.4, STEPS + 1, pct_start=0.25), 0.1, True),
        "one_cycle_linear": course(
            lambda o: lr.OneCycleLR(o, 0.4, STEPS + 1, anneal_strategy="linear", div_factor=10), 0.1
        ),
        "triangular": course(lambda o: lr.CyclicLR(o, 0.01, 0.1, 12, 20), 0.1),
        "triangular2": course(lambda o: lr.CyclicLR(o, 0.01, 0.1, 8, mode="triangular2"), 0.1),
        "joined": course(
            lambda o: lr.SequentialLR(
                o, [lr.LinearLR(o, 0.1, 1.0, 20), lr.CosineAnnealingLR(o, 80)], [20]
            ),
            0.1,
        ),
        "inverse_sqrt": course(
            lambda o: lr.LambdaLR(o, lambda k: min((k + 1) / 10, (10 / (k + 1)) ** 0.5)), 0.3
        ),
    }
    json.dump({"torch": torch.__version__, **found}, sys.stdout, indent=0)


if __name__ == "__main__":
    main()
