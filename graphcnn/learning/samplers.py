"""How a network draws: what a model knows of itself that `Model.sample` needs.

    model.sampler = cnn.samplers.Pixels(cnn.distributions.Bernoulli())    # PixelCNN, PixelRNN
    model.sampler = cnn.samplers.Codes("code", image="drawn")             # VAE, GAN

A model with a sampler takes images as they are, with numbers in [0, 1].
"""

import json
from dataclasses import dataclass, field
from typing import Any

from graphcnn.errors import GraphError
from graphcnn.ir.graph import Graph
from graphcnn.ir.node import Value
from graphcnn.language.arguments import choose
from graphcnn.learning.distributions import Bernoulli, Distribution, distribution_of


@dataclass(frozen=True)
class Pixels:
    """The model gives, for each number of an image, how it is distributed given those before it.

    Numbers come in the order of reading: row by row, in a row pixel by pixel, in a pixel channel by
    channel. p(x) = Π p(xᵢ | x₁ … xᵢ₋₁), so that one number after the other can be drawn (A. van den
    Oord et al., "Pixel recurrent neural networks", arXiv:1601.06759).

    Attributes:
        distribution: of one number, of which `logits` are the parameters.
        logits: the output that has them, (N, C · k, H, W).
        image: the input that is drawn, (N, C, H, W).
    """

    distribution: Distribution = field(default_factory=Bernoulli)
    logits: str = "logits"
    image: str = "image"

    def __post_init__(self) -> None:
        if not isinstance(self.distribution, Distribution):
            raise GraphError(
                f"the distribution of pixels is one of cnn.distributions, found "
                f"{self.distribution!r}"
            )

    def check(self, graph: Graph) -> None:
        """Raise `GraphError` where the graph has no such output or input, or of another shape."""
        logits = choose(graph.outputs, self.logits, f"output of {graph.name}, in its sampler,")
        inputs = {v.node.name: v for v in graph.inputs}
        image = choose(inputs, self.image, f"input of {graph.name}, in its sampler,")
        _check_image(image, f"the input {self.image!r}")
        n, channels, *size = image.shape
        per = self.distribution.per_channel
        expected = (n, channels * per, *size)
        if logits.shape != expected:
            raise GraphError(
                f"{graph.name}: logits of {self.distribution} for the image {image.type} must be "
                f"{_shape(expected)}: {channels} channels · {per} = {channels * per}, found "
                f"{logits.type} of {self.logits!r}"
            )


@dataclass(frozen=True)
class Codes:
    """The model makes an image of a code, which is a draw of normal numbers.

    Attributes:
        code: the name of the tensor that is fed ε · temperature, ε of mean 0 and variance 1,
            whatever it is computed from where the model is trained.
        image: the output that is the image, (N, C, H, W) with numbers in [0, 1]; it depends on
            the code and on nothing else that is fed.
    """

    code: str = "code"
    image: str = "drawn"

    def __post_init__(self) -> None:
        for name in (self.code, self.image):
            if not isinstance(name, str) or not name:
                raise GraphError(f"a code and an image have names, found {name!r}")

    def check(self, graph: Graph) -> None:
        """Raise `GraphError` where the graph has no such tensors, or an output of another shape."""
        image = choose(graph.outputs, self.image, f"output of {graph.name}, in its sampler,")
        _check_image(image, f"the output {self.image!r}")


Sampler = Pixels | Codes


def _check_image(value: Value, what: str) -> None:
    if value.type.rank != 4 or not value.dtype.is_float:
        raise GraphError(f"{what} must be an image (N, C, H, W) of floats, found {value.type}")


def _shape(sizes: tuple[Any, ...]) -> str:
    return f"({', '.join(map(str, sizes))})"


def written_sampler(sampler: Sampler) -> str:
    """As JSON, which is kept with a model."""
    if isinstance(sampler, Pixels):
        told = {"distribution": sampler.distribution.to_json()}
        return json.dumps({**told, "logits": sampler.logits, "image": sampler.image})
    return json.dumps({"code": sampler.code, "image": sampler.image})


def read_sampler(text: str, graph: Graph) -> Sampler:
    """The sampler of such a text, for a model of this graph.

    Raises `ValueError` for another text, and `GraphError` where it does not fit the graph.
    """
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("no object")
    made: Sampler
    if found.keys() == {"code", "image"}:
        made = Codes(found["code"], found["image"])
    elif found.keys() == {"distribution", "logits", "image"}:
        made = Pixels(distribution_of(found["distribution"]), found["logits"], found["image"])
    else:
        raise ValueError(f"unknown fields {', '.join(found)}")
    made.check(graph)
    return made
