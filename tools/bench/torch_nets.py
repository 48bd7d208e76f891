"""The networks of the benchmark as anyone would write them in PyTorch, given our weights.

Nothing of graphcnn is loaded here: the memory of a process that only uses PyTorch is measured too.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from graphcnn.ir.node import Array


def torch_network(net: str, **arguments: Any) -> Any:
    """A `torch.nn.Module` of the same layers as our network of that name."""
    builders = {
        "digits_cnn": _digits_cnn,
        "lenet5": _lenet5,
        "mnist_cnn": _mnist_cnn,
        "vgg_cifar": _vgg_cifar,
        "resnet18": _resnet18,
        "cifar_fast": _cifar_fast,
    }
    return builders[net](**arguments)


def torch_module(net: str, states: "Mapping[str, Array]", **arguments: Any) -> Any:
    """The same with our weights, so that it computes what ours does."""
    import torch

    module = torch_network(net, **arguments)
    ours = [states[key] for key in states]
    theirs = list(module.state_dict().items())
    kept = [(key, t) for key, t in theirs if not key.endswith("num_batches_tracked")]
    if len(kept) != len(ours):
        raise AssertionError(f"{net}: {len(kept)} tensors in PyTorch, {len(ours)} here")
    for (key, tensor), array in zip(kept, ours, strict=True):
        if tuple(tensor.shape) != array.shape:
            raise AssertionError(f"{net}: {key} is {tuple(tensor.shape)}, ours {array.shape}")
    loaded = {key: torch.from_numpy(np.array(a)) for (key, _), a in zip(kept, ours, strict=True)}
    module.load_state_dict(loaded, strict=False)
    return module


def _digits_cnn() -> Any:
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(512, 10),
    )  # fmt: skip


def _lenet5() -> Any:
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def _mnist_cnn() -> Any:
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(1600, 10),
    )  # fmt: skip


def _vgg_cifar() -> Any:
    from torch import nn

    layers: list[Any] = []
    channels = 3
    for i, width in enumerate((32, 64, 128)):
        for _ in range(2):
            layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False),
                       nn.BatchNorm2d(width), nn.ReLU()]  # fmt: skip
            channels = width
        if i < 2:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


def _resnet18() -> Any:
    from torch import nn

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self, channels: int, width: int, stride: int) -> None:
            super().__init__()
            if stride > 1:
                self.shortcut: Any = nn.Sequential(
                    nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width)
                )
            else:
                self.shortcut = nn.Identity()
            self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
            self.norm1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
            self.norm2 = nn.BatchNorm2d(width)
            self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()

        def forward(self, x: Any) -> Any:
            y = self.relu1(self.norm1(self.conv1(x)))
            return self.relu2(self.shortcut(x) + self.norm2(self.conv2(y)))

    layers: list[Any] = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
                         nn.MaxPool2d(3, 2, 1)]  # fmt: skip
    channels = 64
    for stage, width in enumerate((64, 128, 256, 512)):
        for block in range(2):
            layers.append(Block(channels, width, 2 if stage and not block else 1))
            channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))


def _cifar_fast(width: int = 64) -> Any:
    from torch import nn

    def norm(channels: int) -> Any:
        found = nn.BatchNorm2d(channels, eps=1e-12, momentum=0.4)
        found.weight.requires_grad_(False)
        return found

    layers: list[Any] = [nn.Conv2d(3, 24, 2), nn.GELU()]
    layers[0].weight.requires_grad_(False)
    channels = 24
    for wide in (width, 4 * width, 4 * width):
        layers += [nn.Conv2d(channels, wide, 3, padding=1, bias=False), nn.MaxPool2d(2),
                   norm(wide), nn.GELU(), nn.Conv2d(wide, wide, 3, padding=1, bias=False),
                   norm(wide), nn.GELU()]  # fmt: skip
        channels = wide
    return nn.Sequential(*layers, nn.MaxPool2d(3), nn.Flatten(), nn.Linear(channels, 10, False))
