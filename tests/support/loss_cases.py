"""Losses beside PyTorch: inputs, and what PyTorch makes of them in float64.

`python tests/support/loss_cases.py` with PyTorch 2.13 writes the numbers to loss_cases.json anew.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

STORED = Path(__file__).with_suffix(".json")


@dataclass
class Case:
    """One loss of tensors: predictions first, whose gradients are compared.

    Attributes:
        what: kinds of the arrays: z scores, n numbers, l labels, p shares of classes, b 0 or 1,
            u from 0 to 1, 3 one of three levels there, s strings of labels 0 and 1 that -1 fills
            up; with the shape of each.
        predictions: how many of them are predictions.
        weights: shape of weights of the items.
    """

    name: str
    what: list[tuple[str, tuple[int, ...]]]
    options: dict[str, Any] = field(default_factory=dict)
    predictions: int = 1
    weights: tuple[int, ...] | None = None

    @property
    def key(self) -> str:
        return repr((self.name, self.what, self.options, self.weights))

    def arrays(self) -> tuple[list[np.ndarray], np.ndarray | None]:
        rng = np.random.default_rng(len(self.key))
        made = [_drawn(rng, kind, shape, self.options) for kind, shape in self.what]
        return made, None if self.weights is None else rng.uniform(0, 3, self.weights)


def _drawn(rng: np.random.Generator, kind: str, shape: tuple[int, ...], options: Any) -> Any:
    if kind in "zn":
        return rng.normal(size=shape) * (3 if kind == "z" else 1)
    if kind == "l":
        labels = rng.integers(0, 3, shape)
        if "ignore_index" in options:
            labels[rng.random(shape) < 0.3] = options["ignore_index"]
        return labels
    if kind == "s":
        filled = np.arange(shape[1]) >= rng.integers(1, shape[1] + 1, (shape[0], 1))
        return np.where(filled, -1, rng.integers(0, 2, shape))
    if kind == "p":
        e = rng.random(shape) * (rng.random(shape) > 0.3) + 1e-3 * np.eye(shape[1], 1).reshape(
            1, -1, *(1,) * (len(shape) - 2)
        )
        return e / e.sum(1, keepdims=True)
    if kind == "3":
        return rng.integers(0, 3, shape) / 2
    return rng.integers(0, 2, shape) * 1.0 if kind == "b" else rng.random(shape)


_R, _M, _R4 = (5, 3), (4, 3, 2, 5), (4, 3)
_L, _P = ("l", (5,)), ("l", (4, 2, 5))
CASES = [
    Case("cross_entropy", [("z", _R), _L]),
    Case("cross_entropy", [("z", _R), _L], {"label_smoothing": 0.1}, weights=(5,)),
    Case("cross_entropy", [("z", _M), _P], {"ignore_index": 255, "label_smoothing": 0.1}),
    Case("cross_entropy", [("z", _M), _P], {"ignore_index": 255}, weights=(4, 2, 5)),
    Case("cross_entropy", [("z", _R), _L], {"weight": (0.5, 1.0, 3.0), "label_smoothing": 0.2}),
    Case("cross_entropy", [("z", _R), ("p", _R)]),
    Case("cross_entropy", [("z", _M), ("p", _M)], {"label_smoothing": 0.1}, weights=(4,)),
    Case("cross_entropy", [("z", _R), ("p", _R)], {"weight": (0.5, 1.0, 3.0)}),
    Case("binary_cross_entropy", [("z", _R), ("u", _R)]),
    Case("binary_cross_entropy", [("z", _R), ("u", _R)], {"label_smoothing": 0.1}),
    Case("binary_cross_entropy", [("z", _M), ("b", _M)], {"pos_weight": (2.0, 0.5, 4.0)}),
    Case("binary_cross_entropy", [("z", _R), ("b", _R)], {"pos_weight": 3.0}, weights=(5,)),
    Case("mse", [("n", _M), ("n", _M)], weights=(4,)),
    Case("l1", [("n", _M), ("n", _M)], weights=(4, 1, 2, 5)),
    Case("huber", [("n", _R), ("n", _R)], {"delta": 0.7}),
    Case("huber", [("n", _R), ("n", _R)], weights=_R),
    Case("smooth_l1", [("n", _R), ("n", _R)], {"beta": 0.3}),
    Case("poisson", [("n", _R), ("u", _R)]),
    Case("kl_divergence", [("z", _R), ("p", _R)]),
    Case("cosine_similarity", [("n", _R), ("n", _R)]),
    Case("cosine_similarity", [("n", _M), ("n", _M)], weights=(4, 2, 5)),
    Case("hinge", [("n", _R), _L]),
    Case("hinge", [("n", _R), _L], {"margin": 0.5, "squared": True}, weights=(5,)),
    Case("binary_hinge", [("n", _R), ("b", _R)]),
    Case("binary_hinge", [("n", _R), ("b", _R)], {"squared": True}),
    Case("focal", [("z", _R), _L]),
    Case("focal", [("z", _R), _L], {"gamma": 0.5}),
    Case("focal", [("z", _M), _P], {"gamma": 1.5, "alpha": (1.0, 2.0, 0.5), "ignore_index": 255}),
    Case("binary_focal", [("z", _R), ("b", _R)], {"alpha": 0.25}),
    Case("binary_focal", [("z", _M), ("u", _M)], {"gamma": 3.0}, weights=(4,)),
    Case("dice", [("z", _M), _P]),
    Case("dice", [("z", _M), _P], {"smooth": 0.1, "ignore_index": 255}, weights=(4,)),
    Case("jaccard", [("z", _M), _P], {"smooth": 0.5}),
    Case("binary_dice", [("z", _M), ("b", _M)]),
    Case("binary_jaccard", [("z", _M), ("u", _M)]),
    Case("triplet", [("n", _R), ("n", _R), ("n", _R)], {"margin": 0.7}, 3),
    Case("elbo", [("z", _M), ("n", _M), ("n", _M), ("u", _M)], {}, 3),
    Case("elbo", [("z", _M), ("n", _R4), ("n", _R4), ("b", _M)], {}, 3, weights=(4,)),
    Case("pixel_nll", [("z", _M), ("b", _M)]),
    Case("pixel_nll", [("z", (4, 6, 2, 5)), ("3", (4, 2, 2, 5))], {"levels": 3}, weights=(4,)),
    Case("pixel_nll", [("n", (4, 12, 2, 5)), ("3", (4, 2, 2, 5))], {"levels": 3, "components": 2}),
    Case("ctc", [("z", (4, 7, 3)), ("s", (4, 3))], weights=(4,)),
    Case("ctc", [("z", (4, 4, 3)), ("s", (4, 3))], {"zero_infinity": True}),
    Case("contrastive", [("n", _R), ("n", _R), ("b", (5,))], {"margin": 2.0}, 2, weights=(5,)),
]


def of_torch(case: Case) -> list[Any]:
    """The loss, and its gradient for each prediction."""
    import torch

    arrays, weights = case.arrays()
    tensors = [torch.tensor(a) for a in arrays]
    for each in tensors[: case.predictions]:
        each.requires_grad_()
    loss = torch_loss(case.name, tensors, case.options, weights)
    loss.backward()
    return [loss.item(), *(x.grad.ravel().tolist() for x in tensors[: case.predictions])]


def torch_loss(name: str, tensors: list[Any], options: dict[str, Any], weights: Any = None) -> Any:
    """The loss of this name, of predictions and target, as PyTorch computes it."""
    import torch
    from torch.nn import functional as F

    z, t, o = tensors[0], tensors[1], options
    w = None if weights is None else torch.tensor(weights)
    s, margin = o.get("label_smoothing", 0.0), o.get("margin", 1.0)
    kept = {"ignore_index": o.get("ignore_index", -100)}

    def one_hot() -> Any:
        known = torch.where(t == kept["ignore_index"], 0, t)
        return torch.moveaxis(F.one_hot(known, z.shape[1]).double(), -1, 1)

    def counting() -> Any:
        return (t != kept["ignore_index"]).double()

    def overlap(p: Any, t: Any, jaccard: bool) -> Any:
        pixels, smooth = (2, 3), o.get("smooth", 1.0)
        both, whole = (p * t).sum(pixels), p.sum(pixels) + t.sum(pixels)
        if jaccard:
            return 1 - (both + smooth) / (whole - both + smooth)
        return 1 - (2 * both + smooth) / (whole + smooth)

    def regions(jaccard: bool) -> Any:
        each = counting().unsqueeze(1)
        return overlap(torch.softmax(z, 1) * each, one_hot() * each, jaccard)

    def focal() -> Any:
        lost = F.cross_entropy(z, t, reduction="none", **kept)
        alpha = torch.tensor(o.get("alpha", (1.0, 1.0, 1.0))).double()
        known = torch.where(t == kept["ignore_index"], 0, t)
        return alpha[known] * (1 - torch.exp(-lost)) ** o.get("gamma", 2.0) * lost

    def binary_focal() -> Any:  # as torchvision.ops.sigmoid_focal_loss
        p, lost = torch.sigmoid(z), F.binary_cross_entropy_with_logits(z, t, reduction="none")
        lost = lost * (1 - (p * t + (1 - p) * (1 - t))) ** o.get("gamma", 2.0)
        a = o.get("alpha")
        return lost if a is None else (a * t + (1 - a) * (1 - t)) * lost

    def hinge() -> Any:
        power = 2 if o.get("squared") else 1
        return F.multi_margin_loss(z, t, p=power, margin=margin, reduction="none")

    def contrastive() -> Any:
        d, same = F.pairwise_distance(z, t), tensors[2]
        return 0.5 * (same * d**2 + (1 - same) * torch.relu(margin - d) ** 2)

    def elbo() -> Any:
        mean, log_variance, bits = tensors[1:]
        lost = F.binary_cross_entropy_with_logits(z.flatten(1), bits.flatten(1), reduction="none")
        q = torch.distributions.Normal(mean, torch.exp(0.5 * log_variance))
        p = torch.distributions.Normal(torch.zeros(()).double(), torch.ones(()).double())
        return lost.sum(1) + torch.distributions.kl_divergence(q, p).flatten(1).sum(1)

    def pixel_nll() -> Any:
        if "components" in o:
            shares, means, scales = z.unflatten(1, (t.shape[1], 3, 2)).unbind(2)
            x, half, sharp = (2 * t - 1).unsqueeze(2), 1 / (o["levels"] - 1), torch.exp(-scales)
            a, b = (((x - means + h) * sharp).sigmoid() for h in (half, -half))
            p = torch.where(x > 0.9, torch.ones_like(a), a) - torch.where(x < -0.9, 0 * b, b)
            lost = -(p * shares.softmax(2)).sum(2).log()
        elif o.get("levels", 2) == 2:
            lost = F.binary_cross_entropy_with_logits(z, t, reduction="none")
        else:
            scores = z.unflatten(1, (t.shape[1], o["levels"])).swapaxes(1, 2)
            lost = F.cross_entropy(scores, torch.round(t * 2).long(), reduction="none")
        return lost.flatten(1).sum(1)

    def ctc() -> Any:
        steps = torch.full((len(z),), z.shape[1])
        log_p = torch.log_softmax(z, 2).transpose(0, 1)
        return F.ctc_loss(
            log_p, t.clamp(min=0), steps, (t >= 0).sum(1), blank=z.shape[2] - 1,
            reduction="none", zero_infinity=o.get("zero_infinity", False),
        )  # fmt: skip

    def classes() -> Any:
        weight = None if "weight" not in o else torch.tensor(o["weight"]).double()
        if weight is not None:
            return F.cross_entropy(z, t, weight=weight, label_smoothing=s)  # the mean
        return F.cross_entropy(z, t, label_smoothing=s, reduction="none", **kept)

    def binary() -> Any:
        q = o.get("pos_weight")
        if q is not None:
            q = torch.tensor(q).double()
            q = q.reshape(-1, 1, 1) if q.ndim else q
        smoothed = t * (1 - s) + s / 2
        return F.binary_cross_entropy_with_logits(z, smoothed, pos_weight=q, reduction="none")

    each = {
        "cross_entropy": classes,
        "binary_cross_entropy": binary,
        "mse": lambda: F.mse_loss(z, t, reduction="none"),
        "l1": lambda: F.l1_loss(z, t, reduction="none"),
        "huber": lambda: F.huber_loss(z, t, delta=o.get("delta", 1.0), reduction="none"),
        "smooth_l1": lambda: F.smooth_l1_loss(z, t, beta=o.get("beta", 1.0), reduction="none"),
        "poisson": lambda: F.poisson_nll_loss(z, t, log_input=True, reduction="none"),
        "kl_divergence": lambda: F.kl_div(F.log_softmax(z, 1), t, reduction="none").sum(1),
        "cosine_similarity": lambda: 1 - F.cosine_similarity(z, t),
        "hinge": hinge,
        "binary_hinge": lambda: torch.relu(1 - (2 * t - 1) * z) ** (2 if o.get("squared") else 1),
        "focal": focal,
        "binary_focal": binary_focal,
        "dice": lambda: regions(False),
        "jaccard": lambda: regions(True),
        "binary_dice": lambda: overlap(torch.sigmoid(z), t, False),
        "binary_jaccard": lambda: overlap(torch.sigmoid(z), t, True),
        "triplet": lambda: F.triplet_margin_loss(
            *tensors, margin=o.get("margin", 1.0), reduction="none"
        ),
        "contrastive": contrastive,
        "elbo": elbo,
        "pixel_nll": pixel_nll,
        "ctc": ctc,
    }[name]()
    if w is not None:
        w = w.reshape(*w.shape, *(1,) * (each.ndim - w.ndim)) if w.ndim == 1 else w
        each = each * w
    of_labels = "ignore_index" in o and name not in ("dice", "jaccard")
    return each.sum() / counting().sum() if of_labels else each.mean()


if __name__ == "__main__":
    found = {case.key: of_torch(case) for case in CASES}
    assert len(found) == len(CASES)
    lines = [f"{json.dumps(key)}: {json.dumps(numbers)}" for key, numbers in found.items()]
    STORED.write_text("{\n" + ",\n".join(lines) + "\n}\n")
