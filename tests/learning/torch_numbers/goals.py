"""Nine steps of WGAN-GP on points of the plane in PyTorch, float64.

    python tests/learning/torch_numbers/goals.py     # with torch; prints the numbers of NUMBERS

The critic has a step in each, the generator behind every third one. I. Gulrajani et al.,
arXiv:1704.00028; the critic's gradient penalty is a derivative within its loss.
"""

from collections.abc import Iterator

import numpy as np

Arrays = dict[str, np.ndarray]
#: Losses of critic and generator in the last step; sums of their first kernels after it.
NUMBERS = [1.7549142756702452, 0.14164446637649888, -2.0114729127126743, 1.7173611593243239]
STEPS, ITEMS = 9, 8
SHAPES = {
    "G.1.weight": (6, 3), "G.1.bias": (6,), "G.2.weight": (2, 6), "G.2.bias": (2,),
    "D.1.weight": (6, 2), "D.1.bias": (6,), "D.2.weight": (1, 6), "D.2.bias": (1,),
}  # fmt: skip


def parameters() -> Arrays:
    rng = np.random.default_rng(11)
    return {key: rng.normal(size=shape) * 0.5 for key, shape in SHAPES.items()}


def batches(steps: int = STEPS, items: int = ITEMS) -> Iterator[Arrays]:
    rng = np.random.default_rng(3)
    for _ in range(steps):
        yield {
            "z": rng.normal(size=(items, 3)),
            "x": rng.normal(size=(items, 2)) + 1,
            "share": rng.random((items, 1)),
        }


def main() -> None:
    import torch

    p = {key: torch.tensor(array, requires_grad=True) for key, array in parameters().items()}

    def net(x, name):
        hidden = torch.tanh(x @ p[f"{name}.1.weight"].T + p[f"{name}.1.bias"])
        return hidden @ p[f"{name}.2.weight"].T + p[f"{name}.2.bias"]

    def adam(name, rate, beta1):
        own = [value for key, value in p.items() if key.startswith(name)]
        return torch.optim.Adam(own, lr=float(np.float32(rate)), betas=(beta1, 0.999))

    of_d, of_g = adam("D", 0.01, 0.5), adam("G", 0.02, 0.0)
    for step, arrays in enumerate(batches(), start=1):
        b = {key: torch.tensor(array) for key, array in arrays.items()}
        fake = net(b["z"], "G").detach()
        between = (b["x"] * b["share"] + fake * (1 - b["share"])).requires_grad_()
        (slope,) = torch.autograd.grad(net(between, "D").sum(), between, create_graph=True)
        norm = torch.sqrt((slope * slope).sum(1) + 1e-12)
        d = net(fake, "D").mean() - net(b["x"], "D").mean() + 10 * ((norm - 1) ** 2).mean()
        of_d.zero_grad()
        d.backward()
        of_d.step()
        if step % 3 == 0:
            g = -net(net(b["z"], "G"), "D").mean()
            of_g.zero_grad()
            g.backward()
            of_g.step()
    print([d.item(), g.item(), p["D.1.weight"].sum().item(), p["G.1.weight"].sum().item()])


if __name__ == "__main__":
    main()
