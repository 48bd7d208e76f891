"""Weights of class activation maps that are found by running the network, not by gradients."""

import numpy as np

from graphcnn.errors import LensError
from graphcnn.ir.graph import rebuilt, topological_order
from graphcnn.ir.node import Array, Value
from graphcnn.ir.sources import Input
from graphcnn.lens.attribution.maps import enlarged
from graphcnn.lens.attribution.responses import responses
from graphcnn.lens.attribution.samples import even_piece
from graphcnn.lens.attribution.subject import Subject
from graphcnn.lens.core import Core, Parts
from graphcnn.lens.target import selected


def score_weights(lens: Core, about: Subject, maps: Value, name: str, found: Array) -> Array:
    """Score-CAM: softmax over the channels of the score of the image behind each map, (C,).

    A map is scaled to [0, 1] and enlarged; one that is the same everywhere covers nothing and has
    no weight. H. Wang et al., arXiv:1910.01279, algorithm 1.
    """
    low, high = found.min((1, 2), keepdims=True), found.max((1, 2), keepdims=True)
    alive = np.flatnonzero((high > low).ravel())
    if not alive.size:
        raise LensError(f"all {len(found)} maps of {name} are the same number everywhere")
    image, sizes = about.fed[0], (about.fed.shape[2], about.fed.shape[3])
    start = lens.black()[0][0]

    def make(first: int, last: int) -> Array:
        chosen = alive[first:last]
        masks = (found[chosen] - low[chosen]) / (high[chosen] - low[chosen])
        open_ = enlarged(masks, sizes)[:, None]
        behind: Array = (image * open_ + start * (1 - open_)).astype(np.float32)
        return behind

    scores = responses(lens, about, len(alive), make).score.astype(np.float64)
    shares = np.exp(scores - scores.max())
    weights = np.zeros(len(found))
    weights[alive] = shares / shares.sum()
    return weights


def ablation_weights(lens: Core, about: Subject, maps: Value, name: str, found: Array) -> Array:
    """Ablation-CAM: by how much of itself the score falls where a map is put to 0, (C,).

    (F - F without the channel) / F. S. Desai, H. Ramaswamy, WACV 2020.
    """

    def parts() -> Parts:
        weights, score = selected(about.value)
        stand_in = Input("lens.maps", maps.type)(name="lens.maps")
        (ablated,) = rebuilt([score], {maps: stand_in})
        used = {v.node for v in (lens.image,)} & set(topological_order([ablated.node]))
        return [stand_in, weights, *([lens.image] if used else [])], {"score": ablated}

    probe = lens.probe(("from maps", about.targets[0].layer, name), parts)
    inputs = len(probe.graph.inputs)
    weights, count = about.weights(), len(found)
    size = even_piece(found.shape, count + 1)
    scores = np.zeros(count + 1)
    for first in range(0, count + 1, size):
        copies = np.repeat(found[None].astype(np.float32), size, 0)
        for place, channel in enumerate(range(first - 1, min(first + size, count + 1) - 1)):
            if channel >= 0:  # the first copy is whole
                copies[place, channel] = 0
        fed = [copies, np.broadcast_to(weights, (size, *weights.shape[1:]))]
        fed += [np.broadcast_to(about.fed, (size, *about.fed.shape[1:]))] * (inputs - 2)
        part = probe(*fed, piece=size)["score"]
        scores[first : first + size] = part[: count + 1 - first]
    if scores[0] == 0:
        raise LensError(f"the score of {about.words} is 0, so nothing is a share of it")
    shares: Array = (scores[0] - scores[1:]) / scores[0]
    return shares
