"""The recipe `cifar10`: ours beside PyTorch on the same batches, an epoch of it or the whole.

Both begin with the same whitened weights and take the same batches, which our data set draws on a
thread beside the step; both are measured on the test images by `Model.evaluate`, outside of the
time. Ours includes the compilation. PyTorch computes channels last, in float32, or with autocast to
bfloat16.
"""

import copy
import importlib.util
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import graphcnn as cnn
from graphcnn import recipes
from graphcnn.data.prefetching import drawn
from graphcnn.ir.node import Array
from graphcnn.learning.optimizers import Optimizer
from graphcnn.network.feeding import item_feeds
from graphcnn.recipes.aims import loss_of
from graphcnn.recipes.inputs import augmented, network_named, network_of, parts_of
from graphcnn.recipes.optimizing import optimizer_of
from graphcnn.tools.bench import torch_muon
from graphcnn.tools.bench.cases import ACCURACY, LOSS, Options
from graphcnn.tools.bench.ours import OURS, our_name
from graphcnn.tools.bench.torch_nets import torch_module

#: Losses are told as means over so many parts of an epoch.
PARTS = 10
MINUTE = 60.0

#: Takes a batch, gives its loss.
Step = Callable[[Any, Any], float]


@dataclass
class Raced:
    """What one contender did: seconds of training, and rows with the minutes of each."""

    seconds: float = 0.0
    rows: list[dict[str, float]] = field(default_factory=list)
    minutes: list[float] = field(default_factory=list)


class Race:
    """Everything of the recipe that the contenders share."""

    def __init__(self, options: Options, data: Any = None, **settings: Any) -> None:
        said = {"data.source": options.data} if data is None else {}
        recipe = recipes.load("cifar10").with_({**said, **settings})
        parts = parts_of(recipe, data)
        self.model = network_of(recipe, network_named(recipe), parts.train)
        self.model.initialize_missing(recipe.run.seed)
        parts = augmented(recipe, parts)
        self.train, self.test, self.recipe = parts.train, parts.test, recipe
        self.size = recipe.run.batch_size or 64
        steps = self.train.steps(self.size, recipe.run.drop_last) or 1
        epochs = recipe.run.epochs or 1
        self.steps = min(steps, options.steps or steps)
        self.epochs = epochs if options.whole else 1
        self.optimizer: Optimizer = optimizer_of(recipe).over(steps, epochs)
        self.loss = loss_of(recipe, self.model)
        self.execution: dict[str, Any] = {"runtime": options.runtime, "tune": options.tune}

    def run(self, begin: Callable[[cnn.Model], tuple[Step, Callable[[], None]]]) -> Raced:
        """Train a copy of the model. `begin` gives what takes a step, and what gives the model the
        weights of that moment."""
        found, model = Raced(), copy.deepcopy(self.model)
        start = time.perf_counter()
        step, end = begin(model)
        for epoch in range(self.epochs):
            losses: list[float] = []
            part = max(1, self.steps // PARTS)
            for i, (images, labels, *_) in enumerate(self.batches(epoch), start=1):
                losses.append(step(images, labels))
                if i % part == 0 or i == self.steps:
                    found.rows.append({LOSS: sum(losses) / len(losses)})
                    now = found.seconds + time.perf_counter() - start
                    found.minutes.append(now / MINUTE)
                    losses = []
            found.seconds += time.perf_counter() - start
            end()
            views = self.recipe.measuring.tta
            found.rows[-1][ACCURACY] = model.evaluate(self.test, tta=views)["accuracy"]
            start = time.perf_counter()
        return found

    def batches(self, epoch: int) -> Iterator[tuple[Any, ...]]:
        """Those that `fit` takes."""
        run = self.recipe.run
        given = self.train.epoch(
            run.seed, epoch, self.size, shuffle=run.shuffle, drop_last=run.drop_last
        )
        with drawn(given, self.train.costly) as batches:
            for _, batch in zip(range(self.steps), batches, strict=False):
                yield batch

    def ours(self, precision: str, threads: int) -> Raced:
        def begin(model: cnn.Model) -> tuple[Step, Callable[[], None]]:
            session = cnn.Session(
                model, self.loss, self.optimizer, seed=self.recipe.run.seed, data=self.train,
                threads=threads, precision=precision, **self.execution,
            )  # fmt: skip
            return lambda x, y: session.step(x, y)["loss"], session.sync

        return self.run(begin)

    def torch(self, threads: int, bf16: bool = False, double: bool = False) -> Raced:
        import torch

        def begin(model: cnn.Model) -> tuple[Step, Callable[[], None]]:
            torch.set_num_threads(threads)
            net = torch_module("cifar_fast", model.states, **self.recipe.network.arguments)
            net = net.to(torch.float64 if double else torch.float32)
            net = net.to(memory_format=torch.channels_last).train()
            kept = [k for k in net.state_dict() if not k.endswith("num_batches_tracked")]
            ours = dict(zip(kept, model.states, strict=True))
            trained = {ours[k]: p for k, p in net.named_parameters() if p.requires_grad}
            optimizer = torch_muon.Optimizer(trained, self.rules(model))
            smoothing = getattr(self.loss, "label_smoothing", 0.0)

            def step(images: Any, labels: Any) -> float:
                (array,) = item_feeds(model, images, learning=True).values()
                x = torch.from_numpy(array).to(memory_format=torch.channels_last)
                x = x.to(torch.float64) if double else x
                optimizer.zero_grad()
                with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                    loss = torch.nn.functional.cross_entropy(
                        net(x), torch.from_numpy(labels), label_smoothing=smoothing
                    )
                loss.backward()
                optimizer.step()
                return float(loss.detach())

            def end() -> None:
                states = net.state_dict()
                found = {name: states[k].float().contiguous() for k, name in ours.items()}
                model.replace_states({name: np_of(found[name]) for name in model.states})
                model.loss = "cross_entropy"

            model.normalisation = model.normalisation or self.train.normalisation
            return step, end

        return self.run(begin)

    def rules(self, model: cnn.Model) -> Mapping[str, torch_muon.Rule]:
        """The rule of each parameter, with its rate in each step."""
        names, found = model.parameters, {}
        every = range(1, self.steps * self.epochs + 1)
        for name, (rule, factor) in self.optimizer.grouped(names).items():
            rank = names[name].ndim
            given: Any = rule
            turned = given.orthogonal and rank >= 2
            by, share = (given, 1.0) if turned else (given.others, given.others.learning_rate)
            follows = self.optimizer.settings.get(factor) if isinstance(factor, str) else None
            rates = tuple(
                self.optimizer.rate(i) * share * (follows.at(i) if follows else float(factor))
                for i in every
            )
            found[name] = torch_muon.Rule(
                rates, by.momentum, by.nesterov, given.decay_of(rank),
                given.steps if turned else 0, turned and given.normalised,
            )  # fmt: skip
        return found


def np_of(tensor: Any) -> Array:
    found: Array = tensor.detach().numpy()
    return found


def contenders(options: Options, threads: int, race: Race) -> dict[str, Callable[[], Raced]]:
    """Who runs, in this order."""
    found: dict[str, Callable[[], Raced]] = {
        our_name(p): lambda p=p: race.ours(p, threads)  # type: ignore[misc]
        for p in options.precisions
    }
    if options.peers and importlib.util.find_spec("torch"):
        found["torch channels last"] = lambda: race.torch(threads)
        if options.bf16:
            found["torch bfloat16"] = lambda: race.torch(threads, bf16=True)
    return found


def told(runs: Mapping[str, Raced], race: Race) -> list[str]:
    """What was reached, and how long ours took beside each of the others."""
    epochs = f"{race.epochs} epoch{'s' * (race.epochs > 1)} of {race.steps} steps"
    found = [
        f"{name}: accuracy {run.rows[-1][ACCURACY]:.4f} on the test images after {epochs} in "
        f"{run.seconds / MINUTE:.2f} minutes"
        for name, run in runs.items()
    ]
    ours = runs[next(name for name in runs if name.startswith(OURS))]
    return found + [
        f"{OURS} takes {ours.seconds / run.seconds:.3f} of the time of {name}"
        for name, run in runs.items()
        if not name.startswith(OURS)
    ]
