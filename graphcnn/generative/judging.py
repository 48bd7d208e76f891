"""What drawn images are worth: which classes there are, and how near they are to real ones.

Numbers of other networks, trained on other data, are not compared here: what is measured depends on
the classifier, and on its features.
"""

from functools import partial
from typing import Final

import numpy as np

from graphcnn.analysis.finding import value_named
from graphcnn.compile.runner import Runner
from graphcnn.data.dataset import Dataset
from graphcnn.errors import DataError, GraphError
from graphcnn.generative.judgement import Judgement
from graphcnn.generative.neighbours import among, nearest, numbers_of
from graphcnn.generative.sampling import Sampling
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Array, Value
from graphcnn.ir.sources import State
from graphcnn.ir.tensor_type import N, is_open, known_size
from graphcnn.network.feeding import at_least_one, item_feeds
from graphcnn.network.network import Network
from graphcnn.ops.shape import Reshape
from graphcnn.runtime.execution import Execution

#: The neighbours whose farthest one a ball reaches to, as in the paper.
NEIGHBOURS: Final = 3
#: Images whose nearest ones are looked for, at most.
_SOUGHT: Final = 1000
#: Images that a classifier sees at a time.
_AT_ONCE: Final = 1000


def judge(
    drawn: Sampling | Array,
    real: Dataset,
    training: Dataset,
    classifier: Network,
    *,
    n: int = 2000,
    seed: int = 0,
    features: str | None = None,
    neighbours: int = NEIGHBOURS,
    runtime: str | None = None,
    threads: int | None = None,
    precision: str | None = None,
) -> Judgement:
    """Judge what a network draws by a classifier that was trained on the same data.

    Classes are what the classifier takes images for. Precision and recall are those of T.
    Kynkäänniemi et al., arXiv:1904.06991: around each image, in features of the classifier, lies a
    ball that reaches to its third nearest neighbour of the same kind; a drawn image that lies in
    the ball of a real one counts for precision, a real one in that of a drawn one for recall.
    Nearest training images are found by their pixels; for the first thousand.

    Args:
        drawn: a network that draws, or images float (n, C, H, W) in [0, 1].
        real: images that were not trained on, of which `n` evenly spaced ones are taken.
        training: those that were.
        classifier: a network of scores of classes.
        n: how many are drawn, and how many real ones they are compared with.
        features: a tensor of the classifier by its name; by default what its last layer reads.

    Raises:
        DataError: fewer real images than two more than `neighbours`, half or more of them among
            the training images, or images of other shapes.
        GraphError: the classifier has no such tensor, or one with more than the images of a batch.
    """
    execution = Execution.of(runtime, threads, precision)
    k = at_least_one(neighbours, "neighbours")
    count = min(at_least_one(n, "n"), len(real))
    images = _drawn(drawn, count, seed, execution)
    count = min(count, len(images))
    if count < k + 2:
        raise DataError(
            f"{count} images are too few to judge: each needs {k} neighbours and one that is "
            "looked at"
        )
    truths = numbers_of(real, spaced(len(real), count))
    for what, shape in (("real", truths.shape[1:]), ("training", training.image_shape)):
        if shape != images.shape[1:]:
            raise DataError(f"drawn images are {images.shape[1:]}, and the {what} ones {shape}")
    runner = classifier.runner_of(
        f"judging by {features}", partial(_judging, classifier, features), execution
    )
    seen = [_seen(classifier, runner, each) for each in (images, truths)]
    (scores, own), (real_scores, others) = seen
    sought = images[: min(count, _SOUGHT)]
    near, distances = nearest(sought, training, execution)
    real_distances = nearest(truths[: len(sought)], training, execution)[1]
    if np.median(real_distances) == 0:
        raise DataError(
            f"{(real_distances == 0).sum()} of {len(real_distances)} real images are training "
            "images: drawn ones are compared with images that were not trained on"
        )
    return Judgement(
        images[:count],
        classifier.classes,
        _shares(scores),
        _shares(real_scores),
        among(own, others, k, execution),
        among(others, own, k, execution),
        near,
        distances,
        real_distances,
        numbers_of(training, near),
    )


def _drawn(drawn: Sampling | Array, count: int, seed: int, execution: Execution) -> Array:
    if isinstance(drawn, Sampling):
        return drawn.sample(
            count,
            seed=seed,
            runtime=execution.runtime,
            threads=execution.threads,
            precision=execution.precision,
        )
    images = np.asarray(drawn)
    if images.dtype.kind != "f" or images.ndim != 4:
        raise DataError(
            f"drawn images are floats (n, C, H, W) in [0, 1], found {images.dtype} {images.shape}"
        )
    return images[:count].astype(np.float32)


def _judging(classifier: Network, features: str | None) -> Graph:
    """The scores of a classifier, and its features flat."""
    scores = next(iter(classifier.graph.outputs.values()))
    if scores.type.rank != 2 or not isinstance(scores.shape[1], int) or scores.shape[1] < 2:
        raise GraphError(
            f"{classifier.name} judges by the classes that it knows: its first output must be "
            f"scores of classes (N, K), found {scores.type}"
        )
    found = (
        _before(scores, classifier.name)
        if features is None
        else value_named(classifier.graph, features)
    )
    if found.shape[:1] != (N,) or is_open(found.shape[1:]) or not found.dtype.is_float:
        raise GraphError(
            f"features are floats, some of each image, (N, ...), found {features!r} {found.type}"
        )
    flat = Reshape((N, known_size(found.shape[1:])))(found)
    return Graph.of(
        classifier.graph.inputs, {"scores": scores, "features": flat}, name=classifier.name
    )


def _before(scores: Value, name: str) -> Value:
    """What the last layer with weights reads."""
    node = scores.node
    while not any(isinstance(v.node.op, State) for v in node.inputs):
        computed = [v for v in node.inputs if v.node.inputs]
        if len(computed) != 1:
            raise GraphError(
                f"which layer of {name} is its last is not plain, {node.op.name} {node.name!r} "
                "has several operands: name the features, features=..."
            )
        node = computed[0].node
    return node.inputs[0]


def _seen(classifier: Network, runner: Runner, images: Array) -> tuple[Array, Array]:
    """The scores and the features of images."""
    states, found = classifier.states.snapshot(), []
    for first in range(0, len(images), _AT_ONCE):
        feeds = item_feeds(classifier, images[first : first + _AT_ONCE])
        found.append(runner.run(feeds, states)[0])
    scores, features = (np.concatenate([f[key] for f in found]) for key in ("scores", "features"))
    return scores, features.astype(np.float32, copy=False)


def _shares(scores: Array) -> Array:
    counts = np.bincount(scores.argmax(1), minlength=scores.shape[1])
    return counts / len(scores)


def spaced(total: int, count: int) -> Array:
    """`count` numbers from 0 on below `total`, evenly spaced."""
    return np.arange(count) * total // count
