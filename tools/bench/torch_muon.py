"""Muon and SGD for PyTorch as our optimiser has them: each parameter by rules of its own.

Nothing of graphcnn is loaded here, as in `torch_nets`. The rules are plain data, which `rules_of`
in `cifar` makes of our optimiser.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Rule:
    """How one parameter is updated; `rates` has the rate of each step."""

    rates: tuple[float, ...]
    momentum: float
    nesterov: bool
    weight_decay: float = 0.0
    #: Steps of Newton and Schulz; 0 is SGD, whose weight decay is part of the gradient.
    steps: int = 0
    normalised: bool = False


class Optimizer:
    """All parameters of a network: those of SGD in groups of PyTorch's own, the others by Muon."""

    def __init__(self, parameters: Mapping[str, Any], rules: Mapping[str, Rule]) -> None:
        import torch

        self.taken = 0
        self.plain = [(p, rules[name]) for name, p in parameters.items() if not rules[name].steps]
        self.turned = [(p, rules[name]) for name, p in parameters.items() if rules[name].steps]
        self.velocities = [torch.zeros_like(p) for p, _ in self.turned]
        self.sgd = torch.optim.SGD(
            [
                {
                    "params": [p], "momentum": rule.momentum, "nesterov": rule.nesterov,
                    "weight_decay": rule.weight_decay,
                }
                for p, rule in self.plain
            ],
            lr=1.0,
        )  # fmt: skip

    def zero_grad(self) -> None:
        for p, _ in (*self.plain, *self.turned):
            p.grad = None

    def step(self) -> None:
        import torch

        for group, (_, rule) in zip(self.sgd.param_groups, self.plain, strict=True):
            group["lr"] = rule.rates[self.taken]
        self.sgd.step()
        with torch.no_grad():
            for (p, rule), velocity in zip(self.turned, self.velocities, strict=True):
                self._turn(p, rule, velocity)
        self.taken += 1
        for p, rule in self.plain:  # as ours: no gradient of what moves no more
            left = rule.rates[self.taken :]
            if left and not any(left):
                p.requires_grad_(False)

    def _turn(self, p: Any, rule: Rule, velocity: Any) -> None:
        velocity.lerp_(p.grad, 1 - rule.momentum)
        direction = p.grad.lerp(velocity, rule.momentum) if rule.nesterov else velocity
        matrix = direction.reshape(len(p), -1)
        rows, columns = matrix.shape
        if rule.normalised:
            p.mul_(rows**0.5 / p.norm())
        rate = rule.rates[self.taken]
        p.mul_(1 - rate * rule.weight_decay)
        turned = orthogonal(matrix, rule.steps).view_as(p)
        p.add_(turned, alpha=-rate * max(1.0, rows / columns) ** 0.5)


def orthogonal(x: Any, steps: int) -> Any:
    """Newton and Schulz, as in K. Jordan's Muon."""
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(steps):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return x.T if tall else x
