"""The losses of 20 steps in PyTorch, in float64, for `tests/training/test_torch_parity.py`.

    PYTHONPATH=tests python tests/learning/torch_numbers/parity.py > parity.json

What PyTorch lacks (Lion, LAMB, Muon for kernels, Lookahead) is written here as in the papers and in
the programs of their authors. PyTorch is not needed to run the tests.
"""

import json
import sys
from collections.abc import Callable, Iterable
from typing import Any

import problem
import torch
from support.loss_cases import torch_loss
from torch.nn import functional as F
from torch.optim import _muon, swa_utils
from torch.optim import lr_scheduler as lr

torch.set_default_dtype(torch.float64)
torch.Tensor.bfloat16 = lambda self: self  # Newton and Schulz in float64, too


def loss_of(line: str, prediction: Any) -> Any:
    """The loss of a line of the table."""
    name, settings, kind = problem.LOSSES[line]
    count = problem.PREDICTIONS.get(line)
    if problem.reads_steps(line):
        prediction = prediction.flatten(2).transpose(1, 2)
    seen = [prediction] if count is None else [prediction[:, i].flatten(1) for i in range(count)]
    if kind is not None:
        numbers, shape = problem.TARGETS[kind]
        seen.append(torch.tensor(numbers).reshape(shape))
    return torch_loss(name, seen, settings)


class Net(torch.nn.Module):
    def __init__(self, maps: bool = False) -> None:
        super().__init__()
        self.maps = maps
        self.names = list(problem.SHAPES)
        for name, shape in problem.SHAPES.items():
            value = torch.tensor(problem.WEIGHTS[name]).reshape(shape)
            self.register_parameter(name.replace(".", "_"), torch.nn.Parameter(value))

    def forward(self, x: Any) -> Any:
        x = F.relu(F.conv2d(x, self.c_weight, self.c_bias))
        if self.maps:
            side = problem.SIZE - 2
            kernel = self.head_weight.view(problem.CLASSES, problem.KERNELS, side, side)
            return F.conv2d(x, kernel, self.head_bias, padding=problem.AROUND)
        return F.linear(x.flatten(1), self.head_weight, self.head_bias)


IMAGES = torch.tensor(problem.IMAGES).reshape(-1, 1, problem.SIZE, problem.SIZE)


class Own(torch.optim.Optimizer):
    """An optimiser from the update of one parameter: f(p, g, state, lr, t)."""

    def __init__(self, params: Iterable[Any], rate: float, update: Callable[..., None]) -> None:
        super().__init__(params, {"lr": rate})
        self.update, self.t = update, 0

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        self.t += 1
        for group in self.param_groups:
            for p in group["params"]:
                self.update(p, p.grad, self.state[p], group["lr"], self.t)


def lion(p: Any, g: Any, state: Any, rate: float, t: int, decay: float = 0.1) -> None:
    m = state.setdefault("m", torch.zeros_like(p))
    p.mul_(1 - rate * decay * (p.ndim > 1))
    p.add_(torch.sign(m * 0.9 + g * 0.1), alpha=-rate)
    m.mul_(0.99).add_(g, alpha=0.01)


def lamb(p: Any, g: Any, state: Any, rate: float, t: int, decay: float = 0.1) -> None:
    m, v = (state.setdefault(k, torch.zeros_like(p)) for k in "mv")
    m.mul_(0.9).add_(g, alpha=0.1)
    v.mul_(0.999).addcmul_(g, g, value=0.001)
    r = (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-6)
    if p.ndim > 1:
        r = r + decay * p
        ratio = p.norm() / r.norm()
        r = r * torch.where((p.norm() > 0) & (r.norm() > 0), ratio, torch.ones(()))
    p.add_(r, alpha=-rate)


def muon(p: Any, g: Any, state: Any, rate: float, t: int, decay: float = 0.1) -> None:
    """As in `MuonWithAuxAdam` of github.com/KellerJordan/Muon."""
    if p.ndim < 2:
        m, v = (state.setdefault(k, torch.zeros_like(p)) for k in "mv")
        m.lerp_(g, 0.1)
        v.lerp_(g.square(), 0.05)
        update = (m / (1 - 0.9**t)) / ((v / (1 - 0.95**t)).sqrt() + 1e-10)
        p.add_(update, alpha=-rate * 0.015625)
        return
    m = state.setdefault("m", torch.zeros_like(p))
    m.lerp_(g, 0.05)
    update = g.lerp(m, 0.95).view(len(p), -1)
    update = _muon._zeropower_via_newtonschulz(update, (3.4445, -4.7750, 2.0315), 5, 1e-7)
    update = update * max(1, update.shape[0] / update.shape[1]) ** 0.5
    p.mul_(1 - rate * decay).add_(update.reshape(p.shape), alpha=-rate)


def airbench(net: Net) -> Own:
    """Kernels as in airbench94_muon.py of github.com/KellerJordan/cifar10-airbench, all else by SGD
    with a rate of its own, that of a bias on a straight line to 0."""

    def update(p: Any, g: Any, state: Any, rate: float, t: int) -> None:
        momentum = 0.6 if p is net.c_weight else 0.85
        if p is net.c_bias:
            rate *= max(0.0, 0.5 - (t - 1) / 16)
        if p is net.head_weight:
            rate, g = rate / 4, g + 0.1 * p
        v = state.setdefault("v", torch.zeros_like(p))
        v.mul_(momentum).add_(g)
        g = g.add(v, alpha=momentum)
        if p is net.c_weight:
            p.mul_(len(p) ** 0.5 / p.norm())
            turned = g.view(len(p), -1)
            turned = _muon._zeropower_via_newtonschulz(turned, (3.4445, -4.7750, 2.0315), 3, 1e-7)
            g = turned.reshape(p.shape)
        p.add_(g, alpha=-rate)

    return Own(net.parameters(), RATE, update)


class Lookahead:
    def __init__(self, net: Net, optimizer: Any, every: int, alpha: float) -> None:
        self.net, self.optimizer, self.every, self.alpha, self.t = net, optimizer, every, alpha, 0
        self.slow = [p.detach().clone() for p in net.parameters()]

    @torch.no_grad()
    def step(self) -> None:
        self.optimizer.step()
        self.t += 1
        if self.t % self.every == 0:
            for p, slow in zip(self.net.parameters(), self.slow, strict=True):
                slow.add_(p - slow, alpha=self.alpha)
                p.copy_(slow)


def course(
    make: Callable[[Net], Any],
    loss: str = "cross_entropy",
    clip: Callable[[Any], Any] | None = None,
    average: Callable[[Net], tuple[Any, Callable[[int], bool]]] | None = None,
    scheduler: Callable[[Any], Any] | None = None,
) -> list[float]:
    """The losses before each step and after the last; then that of the averages."""
    net, found = Net(problem.sees_maps(loss)), []
    optimizer = make(net)
    schedule = None if scheduler is None else scheduler(optimizer)
    averaged, due = average(net) if average is not None else (None, lambda step: False)
    for step in range(1, problem.STEPS + 2):
        value = loss_of(loss, net(IMAGES))
        found.append(value.item())
        if step > problem.STEPS:
            break
        net.zero_grad()
        value.backward()
        if clip is not None:
            clip([*net.parameters()])
        optimizer.step()
        if schedule is not None:
            schedule.step()
        if due(step):
            averaged.update_parameters(net)
    if averaged is not None:
        found.append(loss_of(loss, averaged(IMAGES)).item())
    return found


def groups(net: Net, decay: float) -> list[dict[str, Any]]:
    """Weight decay for kernels and matrices."""
    several = [p for p in net.parameters() if p.ndim > 1]
    return [
        {"params": several, "weight_decay": decay},
        {"params": [p for p in net.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]


RATE = 0.0625


def sgd(net: Net) -> Any:
    return torch.optim.SGD(net.parameters(), RATE, momentum=0.9)


def own(update: Callable[..., None], rate: float) -> Callable[[Net], Any]:
    return lambda net: Own(net.parameters(), rate, update)


def optimizers() -> dict[str, Any]:
    o, decayed = torch.optim, lambda net: groups(net, 0.1)
    ema = swa_utils.AveragedModel
    utils = torch.nn.utils
    heads = lambda net: [  # noqa: E731
        {"params": [net.head_weight, net.head_bias], "lr": 4 * RATE, "momentum": 0.5},
        {"params": [net.c_weight, net.c_bias]},
    ]

    def each(parameters: list[Any]) -> None:
        for p in parameters:
            utils.clip_grad_norm_([p], 0.125)

    return {
        "sgd": course(lambda n: o.SGD(decayed(n), RATE)),
        "momentum": course(lambda n: o.SGD(decayed(n), RATE, momentum=0.9)),
        "nesterov": course(lambda n: o.SGD(n.parameters(), RATE, momentum=0.9, nesterov=True)),
        "rmsprop": course(lambda n: o.RMSprop(decayed(n), RATE / 8, momentum=0.5)),
        "adam": course(lambda n: o.Adam(decayed(n), RATE)),
        "amsgrad": course(lambda n: o.Adam(n.parameters(), RATE, amsgrad=True)),
        "adamw": course(lambda n: o.AdamW(decayed(n), RATE)),
        "adamw_amsgrad": course(lambda n: o.AdamW(decayed(n), RATE, amsgrad=True)),
        "adagrad": course(lambda n: o.Adagrad(decayed(n), RATE)),
        "adadelta": course(lambda n: o.Adadelta(decayed(n), 1.0)),
        "lion": course(own(lion, RATE / 8)),
        "lamb": course(own(lamb, RATE)),
        "muon": course(own(muon, RATE)),
        "airbench": course(airbench),
        "groups": course(lambda n: o.SGD(heads(n), RATE, momentum=0.9)),
        "clip_norm": course(sgd, clip=lambda ps: utils.clip_grad_norm_(ps, 0.25)),
        "clip_norm_each": course(sgd, clip=each),
        "clip_value": course(sgd, clip=lambda ps: utils.clip_grad_value_(ps, 0.03125)),
        "lookahead": course(lambda n: Lookahead(n, sgd(n), 6, 0.5)),
        "ema": course(sgd, average=lambda n: (
            ema(n, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.9)), lambda step: True)),
        "ema_warmup": course(sgd, average=lambda n: (
            ema(n, avg_fn=lambda a, p, k: a + (1 - min(0.9, (1 + k) / (10 + k))) * (p - a)),
            lambda step: True)),
        "swa": course(sgd, average=lambda n: (
            swa_utils.AveragedModel(n), lambda step: step >= 8 and step % 4 == 0)),
        "ema_of_lookahead": course(lambda n: Lookahead(n, sgd(n), 6, 0.5), average=lambda n: (
            ema(n, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.9)), lambda step: True)),
    }  # fmt: skip


def schedules() -> dict[str, Any]:
    """With momentum, and for one cycle with a momentum that goes the other way."""
    each: dict[str, Callable[[Any], Any]] = {
        "step": lambda o: lr.StepLR(o, 5, 0.5),
        "steps": lambda o: lr.MultiStepLR(o, [4, 15], 0.2),
        "exponential": lambda o: lr.ExponentialLR(o, 0.9),
        "linear": lambda o: lr.LinearLR(o, 0.25, 1.0, 12),
        "polynomial": lambda o: lr.PolynomialLR(o, 20, 2.0),
        "cosine": lambda o: lr.CosineAnnealingLR(o, 20),
        "restarts": lambda o: lr.CosineAnnealingWarmRestarts(o, 4, 2),
        "one_cycle": lambda o: lr.OneCycleLR(o, 2 * RATE, 21),
        "triangular": lambda o: lr.CyclicLR(o, RATE / 4, RATE, 4, 6, cycle_momentum=False),
        "joined": lambda o: lr.SequentialLR(
            o, [lr.LinearLR(o, 0.1, 1.0, 5), lr.CosineAnnealingLR(o, 15)], [5]
        ),
    }
    return {name: course(sgd, scheduler=make) for name, make in each.items()}


def main() -> None:
    found = {
        "torch": torch.__version__,
        "optimizers": optimizers(),
        "schedules": schedules(),
        "losses": {name: course(sgd, name) for name in problem.LOSSES},
    }
    # Where the last of them is PyTorch's own: of matrices alone.
    net = Net()
    matrix = torch.optim.Muon([net.head_weight], RATE, weight_decay=0.1)
    own_rule, state, other = muon, {}, net.head_weight.detach().clone()
    for t in range(1, problem.STEPS + 1):
        net.zero_grad()
        F.cross_entropy(net(IMAGES), torch.tensor(problem.LABELS)).backward()
        own_rule(other, net.head_weight.grad.clone(), state, RATE, t)
        matrix.step()
    assert torch.allclose(other, net.head_weight, 1e-12, 1e-12), "not the Muon of PyTorch"
    json.dump(found, sys.stdout, indent=0)


if __name__ == "__main__":
    main()
