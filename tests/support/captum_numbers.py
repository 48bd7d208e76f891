"""Attributions by captum, to compare with: `python captum_numbers.py > ../passes/captum.json`.

It needs torch and captum (0.9), which the tests do not: they read what it wrote. Every ReLU is a
module of its own, since captum sees no others.
"""

import json

import numpy as np

CHANNELS, UNITS, EPSILON = (3, 4), 3, 0.25


def arrays() -> dict[str, np.ndarray]:
    """Weights, biases, an image of 6 × 6 and a baseline, in float64."""
    rng = np.random.default_rng(12)
    first, second = CHANNELS
    shapes = {
        "C1.weight": (first, 1, 3, 3),
        "C1.bias": (first,),
        "C2.weight": (second, first, 2, 2),
        "C2.bias": (second,),
        "F3.weight": (UNITS, second * 4),
        "F3.bias": (UNITS,),
        "image": (2, 1, 6, 6),
        "baseline": (2, 1, 6, 6),
    }
    scale = {"baseline": 0.3}
    return {key: rng.normal(size=shape) * scale.get(key, 1.0) for key, shape in shapes.items()}


def main() -> None:
    import torch
    from captum.attr import LRP, Deconvolution, DeepLift, GuidedBackprop, Saliency
    from captum.attr._utils.lrp_rules import EpsilonRule

    known = {key: torch.tensor(array) for key, array in arrays().items()}

    class Network(torch.nn.Module):
        def __init__(self, pool: torch.nn.Module) -> None:
            super().__init__()
            first, second = CHANNELS
            self.C1 = torch.nn.Conv2d(1, first, 3, padding=1)
            self.C2 = torch.nn.Conv2d(first, second, 2)
            self.F3 = torch.nn.Linear(second * 4, UNITS)
            self.R1, self.R2, self.P1 = torch.nn.ReLU(), torch.nn.ReLU(), pool
            self.double().load_state_dict({k: v for k, v in known.items() if "." in k})

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            # Of two modules in a row whose hooks change gradients, captum's DeepLift loses one:
            # its contributions would not add up. The product by 1 keeps them apart.
            x = self.P1(self.R1(self.C1(x)) * 1.0)
            return self.F3(torch.flatten(self.R2(self.C2(x)), 1))

    found = {}
    for kind, pool in (("max", torch.nn.MaxPool2d(2)), ("avg", torch.nn.AvgPool2d(2))):
        image, target = known["image"].clone().requires_grad_(), 1
        made = {
            "plain": Saliency(Network(pool)).attribute(image, target=target, abs=False),
            "guided": GuidedBackprop(Network(pool)).attribute(image, target=target),
            "deconv": Deconvolution(Network(pool)).attribute(image, target=target),
            "deeplift": DeepLift(Network(pool)).attribute(
                image, baselines=known["baseline"], target=target
            ),
        }
        if kind == "avg":  # captum treats max pooling as if it were a sum
            layers = Network(pool)
            for layer in (layers.C1, layers.P1, layers.C2, layers.F3):
                layer.rule = EpsilonRule(EPSILON)
            made["lrp"] = LRP(layers).attribute(image, target=target)
        found[kind] = {k: v.detach().numpy().ravel().tolist() for k, v in made.items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
