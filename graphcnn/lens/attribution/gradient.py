"""The gradient of a score for the pixels, by its derivative and by other backward rules."""

from typing import Any

from graphcnn.errors import GradientError, LensError
from graphcnn.ir.node import Value
from graphcnn.ir.sources import Input
from graphcnn.lens.attribution.baselines import baseline_of
from graphcnn.lens.attribution.maps import map_finding
from graphcnn.lens.attribution.refusals import check_maps
from graphcnn.lens.attribution.subject import subject
from graphcnn.lens.core import Core, Parts
from graphcnn.lens.finding import Finding
from graphcnn.lens.probe import Probe
from graphcnn.lens.target import selected
from graphcnn.ops.broadcast import Sum
from graphcnn.passes.training.backward import Rules, gradients
from graphcnn.passes.training.backward_rules import deeplift

#: The rules, each with what it is called in captions.
RULES = {
    "plain": "gradient",
    "guided": "guided backpropagation",
    "deconv": "deconvolution",
    "redirected": "gradient, redirected at closed rectifiers",
    "lrp": "LRP-ε",
    "deeplift": "DeepLIFT",
}
#: Those whose maps are contributions: always the gradient times the input.
CONTRIBUTIONS = ("lrp", "deeplift")


def gradient(
    lens: Core,
    x: Any,
    target: Any,
    rule: str,
    times_input: bool,
    baseline: Any,
    layer: str | None,
    at: Any,
) -> Finding:
    """See `Attribution.gradient`."""
    if rule not in RULES:
        raise LensError(f"no rule is called {rule!r}; known are {', '.join(RULES)}")
    about = subject(lens, x, target, layer, at)
    probe = gradient_probe(lens, about.value, about.targets[0].layer, rule)
    method, settings = RULES[rule], {}
    moved = about.fed
    if rule == "deeplift":
        start, settings["baseline"] = baseline_of(lens, about, baseline)
        found, moved = probe(about.fed, about.weights(), start), about.fed - start
    else:
        found = probe(about.fed, about.weights())
    maps = found["map"]
    if times_input or rule in CONTRIBUTIONS:
        maps = maps * moved
    if times_input and rule not in CONTRIBUTIONS:
        method += " times input"
    check_maps(lens, about, maps, method)
    arrays = {"map": maps, "score": found["score"]}
    return map_finding(lens, about, method, arrays, settings, found["score"])


def gradient_probe(lens: Core, value: Value, name: str, rule: str = "plain") -> Probe:
    """Of images and weights that select a score of `value`, called `name`: "map", the gradient
    for the images, and "score", f32[N]. DeepLIFT takes the images of the baseline, too."""

    def parts() -> Parts:
        weights, score = selected(value)
        inputs, rules = [lens.image, weights], rule
        if rule == "deeplift":
            inputs.append(Input("lens.baseline", lens.image.type)(name="lens.baseline"))
            return inputs, _outputs(lens, score, deeplift({lens.image: inputs[-1]}))
        return inputs, _outputs(lens, score, rules)

    return lens.probe(("gradient", name, rule), parts)


def _outputs(lens: Core, score: Value, rules: Rules) -> dict[str, Value]:
    try:
        (found,) = gradients(Sum((0,))(score), [lens.image], rules)
    except GradientError as error:
        if rules != "plain":
            raise
        raise GradientError(f"{error}; occlude and rise need no gradient") from None
    return {"map": found, "score": score}
