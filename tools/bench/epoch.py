"""One epoch of lenet5 on MNIST, from the files on disk: ours, and the same loop in PyTorch.

Everybody reads the files by our reader, normalises alike, sees the images in a shuffled order in
batches of 64, and trains by SGD with momentum 0.9 on cross-entropy. PyTorch's loops: one that picks
the rows of a batch by their indices, the same with the network compiled, and a `DataLoader`.
"""

import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

from graphcnn.data.specs import load
from graphcnn.models import build
from graphcnn.tools.bench.cases import OPTIMIZER, Options
from graphcnn.tools.bench.ours import our_name
from graphcnn.tools.bench.timing import Run

NET, BATCH = "lenet5", 64

#: Batches of images and labels of one epoch, as PyTorch takes them.
Batches = Callable[[Any, Any], Iterator[tuple[Any, Any]]]


def our_epoch(options: Options, precision: str, threads: int) -> Run:
    """`fit` for one epoch, beginning with the files."""

    def run() -> object:
        train, _ = load(options.data)
        return build(NET).initialize(0).fit(
            train, epochs=1, batch_size=BATCH, optimizer=OPTIMIZER, progress=False,
            runtime=options.runtime, threads=threads, precision=precision, tune=options.tune,
        )  # fmt: skip

    return run


def torch_epoch(options: Options, threads: int, batches: Batches, compiled: bool = False) -> Run:
    """The same in PyTorch, the batches made in some way."""
    import torch

    from graphcnn.tools.bench.torch_nets import torch_module

    torch.set_num_threads(threads)
    states = build(NET).initialize(0).states
    net = torch_module(NET, states)
    initial = {key: value.clone() for key, value in net.state_dict().items()}
    call: Any = torch.compile(net) if compiled else net

    def run() -> object:
        train, _ = load(options.data)
        net.load_state_dict(initial)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
        assert train.normalisation is not None
        images = train.normalisation.apply(train.images)
        total = torch.zeros(())
        for x, y in batches(torch.from_numpy(images), torch.from_numpy(train.labels)):
            optimizer.zero_grad(set_to_none=True)
            loss = torch.nn.functional.cross_entropy(call(x), y)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(x)
        return total.item() / len(train)

    return run


def _by_index(images: Any, labels: Any) -> Iterator[tuple[Any, Any]]:
    import torch

    for rows in torch.randperm(len(images)).split(BATCH):
        yield images[rows], labels[rows]


def _by_loader(images: Any, labels: Any) -> Iterator[tuple[Any, Any]]:
    from torch.utils.data import DataLoader, TensorDataset

    yield from DataLoader(TensorDataset(images, labels), batch_size=BATCH, shuffle=True)


def epochs(options: Options, threads: int) -> dict[str, Callable[[], Run]]:
    """What makes the function to time, by contender."""
    found: dict[str, Callable[[], Run]] = {
        our_name(p): lambda p=p: our_epoch(options, p, threads)  # type: ignore[misc]
        for p in options.precisions
    }
    if options.peers and importlib.util.find_spec("torch"):
        found["torch loop"] = lambda: torch_epoch(options, threads, _by_index)
        found["torch compiled loop"] = lambda: torch_epoch(options, threads, _by_index, True)
        found["torch DataLoader"] = lambda: torch_epoch(options, threads, _by_loader)
    return found
