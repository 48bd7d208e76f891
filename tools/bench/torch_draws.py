"""Networks that draw, as they are usually written in PyTorch, with the weights of ours."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphcnn.ir.node import Array
from graphcnn.models.pixelcnn import DILATIONS
from graphcnn.tools.bench.timing import Run

#: Tensors of PyTorch by their names here.
State = dict[str, Any]

RATE, BETAS = 1e-3, (0.5, 0.999)


def state_of(states: Mapping[str, Array]) -> State:
    """Copies that PyTorch owns."""
    import torch

    return {key: torch.from_numpy(np.array(a)) for key, a in states.items()}


def drawing(state: State, uniform: Array) -> Run:
    """A forward pass of the whole `pixelcnn` for every pixel of images, drawn by these numbers."""
    import torch

    u = torch.from_numpy(uniform)

    def draw() -> object:
        image = torch.zeros(u.shape)
        with torch.inference_mode():
            for y in range(u.shape[2]):
                for x in range(u.shape[3]):
                    p = torch.sigmoid(pixelcnn(state, image))
                    image[:, :, y, x] = (u[:, :, y, x] < p[:, :, y, x]).float()
        return image.numpy()

    return draw


def training(name: str, state: State, images: Array) -> Run:
    """A step of Adam on these images. It returns the loss, of `dcgan` those of both networks."""
    import torch

    x = torch.from_numpy(images)
    trained = {k: v for k, v in state.items() if not k.endswith((".mean", ".variance"))}
    for each in trained.values():
        each.requires_grad_()
    if name == "dcgan":
        return _two_players(state, trained, x)
    pixel_models = {"pixelcnn": pixelcnn, "row_lstm": row_lstm}
    loss_of = _elbo if name == "vae" else _nats_by(pixel_models[name])
    optimizer = torch.optim.Adam(trained.values(), lr=RATE)

    def step() -> object:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(state, x)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def _nats_by(network: Callable[[State, Any], Any]) -> Callable[[State, Any], Any]:
    """The loss of a pixel model, given its logits."""
    from torch.nn import functional as F

    def nats(state: State, x: Any) -> Any:
        lost = F.binary_cross_entropy_with_logits(network(state, x), x, reduction="none")
        return lost.sum((1, 2, 3)).mean()

    return nats


def pixelcnn(state: State, image: Any) -> Any:
    """Its logits: kernels along a row have no taps that a mask would leave out."""
    import torch
    from torch.nn import functional as F

    def conv(x: Any, name: str, taps: int | None = None, dilation: int = 1) -> Any:
        weight = state[f"{name}.weight"]
        weight = weight if taps is None else weight[..., :taps]
        return F.conv2d(x, weight, state.get(f"{name}.bias"), dilation=dilation)

    def gate(x: Any) -> Any:
        a, b = x.chunk(2, 1)
        return torch.tanh(a) * torch.sigmoid(b)

    above = left = image
    width, layers = image.shape[3], sum(key.endswith(".rows.weight") for key in state)
    for i in range(layers):
        name, first = f"layer{i + 1}", i == 0
        reach, apart = (3, 1) if first else (1, DILATIONS[(i - 1) % len(DILATIONS)])
        far = reach * apart
        rows = conv(F.pad(above, (far, far, far, 0)), f"{name}.rows", None, apart)
        pixels = conv(F.pad(left, (far, 0, 0, 0)), f"{name}.pixels", reach + (not first), apart)
        down = conv(F.pad(rows, (0, 0, 1, 0))[:, :, :-1], f"{name}.down")
        new = conv(gate(pixels[..., :width] + down), f"{name}.out")
        above, left = gate(rows), new if first else left + new
    return conv(F.relu(conv(F.relu(left), "head")), "logits")


def row_lstm(state: State, image: Any) -> Any:
    """Its logits: a convolution for the inputs of all rows of a layer, and one for each row."""
    import torch
    from torch.nn import functional as F

    mask = torch.ones((1, 1, 7, 7))
    mask[..., 4:, :] = mask[..., 3, 3:] = 0
    first = state["first.weight"]
    x = F.conv2d(image, first * mask, state["first.bias"], padding=3)
    for i in range(sum(key.endswith(".state.weight") for key in state)):
        name = f"layer{i + 1}"
        seen, recurrent = state[f"{name}.input.weight"][..., :2], state[f"{name}.state.weight"]
        reads = F.conv2d(F.pad(x, (1, 0, 0, 0)), seen, state[f"{name}.input.bias"])
        h = c = reads.new_zeros((len(x), recurrent.shape[1], x.shape[3]))
        rows = []
        for row in reads.unbind(2):
            gates = row + F.conv1d(h, recurrent[:, :, 0], padding=1)
            i_, f, g, o = gates.chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i_) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            rows.append(h)
        x = x + _conv(state, f"{name}.up", torch.stack(rows, 2))
    return _conv(state, "logits", F.relu(_conv(state, "head", F.relu(x))))


def _elbo(state: State, x: Any) -> Any:
    """- ELBO, the mean over the images, with a draw of each code."""
    import torch
    from torch.nn import functional as F

    y = F.relu(_conv(state, "encoder.conv1", x, stride=2, padding=1))
    y = F.relu(_conv(state, "encoder.conv2", y, stride=2, padding=1))
    y = F.relu(_dense(state, "encoder.dense", y.flatten(1)))
    mean, log_variance = (_dense(state, f"encoder.{k}", y) for k in ("mean", "log_variance"))
    code = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
    y = F.relu(_dense(state, "decoder.dense1", code))
    y = F.relu(_dense(state, "decoder.dense2", y))
    up = state["decoder.up1.weight"]
    y = y.reshape(len(x), len(up), x.shape[2] // 4, x.shape[3] // 4)
    logits = _up(state, "decoder.up2", F.relu(_up(state, "decoder.up1", y)))
    lost = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum((1, 2, 3))
    apart = 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum(1)
    return (lost + apart).mean()


def critic(state: State, x: Any) -> Any:
    """The logits of `dcgan` that an image is a real one."""
    from torch.nn import functional as F

    x = F.leaky_relu(_conv(state, "D.conv1", x, stride=2, padding=1), 0.2)
    x = F.leaky_relu(_conv(state, "D.conv2", x, stride=2, padding=1), 0.2)
    return _dense(state, "D.score", x.flatten(1))


def generator(state: State, code: Any, batch_statistics: bool = True) -> Any:
    """The images of `dcgan` for codes."""
    import torch
    from torch.nn import functional as F

    def norm(x: Any, name: str) -> Any:
        gamma, beta, mean, variance = (
            state[f"G.{name}.{key}"] for key in ("gamma", "beta", "mean", "variance")
        )
        return F.batch_norm(x, mean, variance, gamma, beta, batch_statistics, 0.1)

    x = _dense(state, "G.dense", code)
    features = len(state["G.up1.weight"])
    side = int((x.shape[1] // features) ** 0.5)
    x = F.relu(norm(x.reshape(len(x), features, side, side), "bn1"))
    x = F.relu(norm(_up(state, "G.up1", x), "bn2"))
    return torch.sigmoid(_up(state, "G.up2", x))


def _two_players(state: State, trained: State, x: Any) -> Run:
    import torch
    from torch.nn.functional import softplus

    rules = {
        key: torch.optim.Adam(
            [v for k, v in trained.items() if k.startswith(f"{key}.")], lr=RATE, betas=BETAS
        )
        for key in "DG"
    }
    size = state["G.dense.weight"].shape[1]

    def step() -> object:
        fake = generator(state, torch.randn(len(x), size))
        told = softplus(-critic(state, x)).mean() + softplus(critic(state, fake.detach())).mean()
        rules["D"].zero_grad(set_to_none=True)
        told.backward()
        rules["D"].step()
        drawn = softplus(-critic(state, fake)).mean()
        rules["G"].zero_grad(set_to_none=True)
        drawn.backward()
        rules["G"].step()
        return told.item(), drawn.item()

    return step


def _conv(state: State, name: str, x: Any, **options: int) -> Any:
    from torch.nn import functional as F

    return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), **options)


def _up(state: State, name: str, x: Any) -> Any:
    from torch.nn import functional as F

    weight, bias = state[f"{name}.weight"], state.get(f"{name}.bias")
    return F.conv_transpose2d(x, weight, bias, stride=2, padding=1)


def _dense(state: State, name: str, x: Any) -> Any:
    from torch.nn import functional as F

    return F.linear(x, state[f"{name}.weight"], state.get(f"{name}.bias"))
