"""Adversarial examples: pixels changed by little, so that the class is another.

    fgsm   x' = x + ε · sign ∂loss/∂x
    pgd    x' = x + α · sign ∂loss/∂x, no further than ε from the image, again and again from a
           random point that near to it; α = 2.5 ε / steps

loss is the cross-entropy of the class; towards another class it is minus that of this one. All
pixels stay in [0, 1].

I. Goodfellow et al., "Explaining and Harnessing Adversarial Examples", arXiv:1412.6572; A. Madry et
al., "Towards Deep Learning Models Resistant to Adversarial Attacks", arXiv:1706.06083.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcnn.errors import LensError
from graphcnn.ir.node import Array, Value
from graphcnn.ir.philox import uniform
from graphcnn.ir.tensor_type import N
from graphcnn.language.activations import log_softmax, softmax
from graphcnn.language.elementwise import maximum, minimum, sign
from graphcnn.lens.checks import check_count, is_number
from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding
from graphcnn.lens.probe import Probe
from graphcnn.lens.synthesis.seen import given, normalisation_words, pixel_input, seen
from graphcnn.lens.target import class_target
from graphcnn.ops.broadcast import Sum
from graphcnn.passes.training.backward import gradients
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.raster.sheet import sheet_picture
from graphcnn.pictures.raster.tiles import Tile, number, percent
from graphcnn.pictures.scene.units import counted
from graphcnn.training.session import checked_seed

#: The first step that is tried when the smallest is sought, and how often the interval in which it
#: lies is halved then.
FIRST, HALVINGS = 1 / 255, 8
#: Images that the picture shows, at most.
MOST = 12
_STREAM = 0x41445645


def adversarial(
    core: Core, x: Any, label: Any, to: Any, step: float | None, steps: int, seed: int
) -> Finding:
    """See `Lens.adversarial`."""
    if step is not None and not (is_number(step) and 0 < step <= 1):
        raise LensError(f"step must be in (0, 1], in units of pixels from 0 to 1, found {step!r}")
    check_count("steps", steps)
    looks, _ = core.images(x)
    attack = _Attack.on(core, looks, label, to, steps, checked_seed(seed))
    if step is None:
        size, images = attack.smallest()
    else:
        size = np.full(len(looks), step, np.float32)
        images = attack.at(size)
    before, after = attack.probabilities(looks), attack.probabilities(images)
    changed = attack.succeeded(after)
    arrays = {
        "images": images,
        "like": looks,
        "step": np.where(changed, size, np.nan) if step is None else size,
        "before": before,
        "after": after,
        "changed": changed,
    }
    facts = {
        "class": attack.words,
        "method": "FGSM, one step" if steps == 1 else f"PGD, {steps} steps",
        "step": _step_words(arrays["step"], step),
        "changed": f"the class of {int(changed.sum())} of {counted(len(changed), 'image')}",
        "seed": str(seed),
        "pixels": normalisation_words(core),
        **core.settings(),
    }
    what = "adversarial examples" if len(looks) > 1 else "an adversarial example"
    return Finding(
        f"{what} for {core.model.name}", arrays, facts, lambda found: _picture(core, found)
    )


@dataclass(frozen=True, eq=False)
class _Attack:
    """Images, the classes that they are to be led away from, or to.

    Attributes:
        classes: of each image: that it has, or with `towards` that it is to have.
    """

    core: Core
    looks: Array
    classes: Array
    towards: bool
    steps: int
    seed: int

    @classmethod
    def on(cls, core: Core, looks: Array, label: Any, to: Any, steps: int, seed: int) -> "_Attack":
        if core.scores.type.rank != 2 or core.scores.shape[1] == 1:
            raise LensError(
                f"the scores of {core.model.name} are {core.scores.type}, expected (N, K) with "
                "two classes or more"
            )
        if label is not None and to is not None:
            raise LensError("name the class that images have (label), or that they get (to)")
        attack = cls(core, looks, np.zeros(len(looks), np.int64), to is not None, steps, seed)
        if label is None and to is None:
            return attack.of(attack.probabilities(looks).argmax(1))
        given = label if to is None else to
        each = [given] if isinstance(given, str) or np.ndim(given) == 0 else [*given]
        if len(each) not in (1, len(looks)):
            raise LensError(f"{len(each)} classes for {len(looks)} images")
        found = [class_target(core.network, k, core.scores).index for k in each]
        return attack.of(np.array(found * (len(looks) // len(found))))

    def of(self, classes: Array) -> "_Attack":
        return _Attack(self.core, self.looks, classes, self.towards, self.steps, self.seed)

    @property
    def words(self) -> str:
        """The class that is left or reached."""
        if len(set(self.classes)) > 1:
            return "of each image its own, " + ("reached" if self.towards else "left")
        return ("to " if self.towards else "away from ") + class_name(self.core, self.classes[0])

    def probabilities(self, pixels: Array) -> Array:
        """Of the classes, (n, K)."""

        def parts() -> tuple[Sequence[Value], Mapping[str, Value]]:
            x = pixel_input(self.core)
            return (x,), {"found": softmax(seen(self.core, x, [self.core.scores])[0])}

        key = ("probabilities", self.core.network.normalisation)
        return self.core.probe(key, parts)(pixels)["found"]

    def succeeded(self, probabilities: Array) -> Array:
        """Whether each image is read as is wanted."""
        found: Array = (probabilities.argmax(1) == self.classes) == self.towards
        return found

    def at(self, size: Array) -> Array:
        """The images with steps of these sizes (n,)."""
        most = size.astype(np.float32).reshape(-1, 1, 1, 1)
        goal = np.zeros((len(self.looks), int(self.core.scores.shape[1])), np.float32)  # type: ignore[arg-type]
        goal[range(len(goal)), self.classes] = 1 if self.towards else -1
        if self.steps == 1:
            return self._step(self.looks, self.looks, most, most, goal)["next"]
        x = np.clip(self.looks + most * self._random, 0, 1)
        rate = most * np.float32(2.5 / self.steps)
        for _ in range(self.steps):
            x = self._step(x, self.looks, most, rate, goal)["next"]
        return x

    def smallest(self) -> tuple[Array, Array]:
        """The smallest sizes that do, and the images; those of size 1 where none does."""
        low, high = np.zeros(len(self.looks)), np.full(len(self.looks), FIRST)
        found, images = np.zeros(len(self.looks), bool), self.looks.copy()
        done = self.succeeded(self.probabilities(self.looks))
        while True:
            tried = self.at(high)
            new = self.succeeded(self.probabilities(tried)) & ~found
            images[new], found = tried[new], found | new
            if (found | (high >= 1)).all():
                break
            low = np.where(found, low, high)
            high = np.where(found, high, np.minimum(2 * high, 1))
        images[~found] = tried[~found]
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            tried = self.at(middle)
            good = self.succeeded(self.probabilities(tried)) & found
            images[good] = tried[good]
            high, low = np.where(good, middle, high), np.where(good | ~found, low, middle)
        images[done], high[done] = self.looks[done], 0  # read so already
        return high.astype(np.float32), images

    @property
    def _random(self) -> Array:
        """A random point of the cube (-1, 1) for each image, by its number."""
        count = self.looks[0].size
        draws = [uniform(self.seed, i, _STREAM, count) for i in range(len(self.looks))]
        found: Array = (2 * np.stack(draws) - 1).reshape(self.looks.shape).astype(np.float32)
        return found

    @property
    def _step(self) -> Probe:
        core = self.core

        def parts() -> tuple[Sequence[Value], Mapping[str, Value]]:
            x, first = pixel_input(core), pixel_input(core, "first")
            most, rate = (given(name, (N, 1, 1, 1)) for name in ("most", "rate"))
            (scores,) = seen(core, x, [core.scores])
            goal = given("goal", scores.shape)
            (slope,) = gradients(Sum((0, 1))(log_softmax(scores) * goal), [x])
            near = minimum(maximum(x + rate * sign(slope), first - most), first + most)
            return (x, first, most, rate, goal), {"next": minimum(maximum(near, 0.0), 1.0)}

        return core.probe(("adversarial", core.network.normalisation), parts)


def class_name(core: Core, k: int) -> str:
    """A class for captions."""
    names = core.model.classes
    return repr(names[k]) if k < len(names) else str(k)


def _step_words(sizes: Array, step: float | None) -> str:
    if step is not None:
        return f"{number(step)} = {number(255 * step)}/255 of white"
    found = sizes[np.isfinite(sizes)]
    if not len(found):
        return "none up to white changes the class"
    middle, several = float(np.median(found)), len(found) > 1
    among = f", {number(found.min())} to {number(found.max())}" if several else ""
    which = f"{'median ' * several}{number(middle)} = {number(255 * middle)}/255{among}"
    return f"the smallest that is enough: {which}"


def _picture(core: Core, finding: Finding) -> Picture:
    """Each image, what is added to it, and the sum, with the class and its probability."""
    tiles: list[Tile] = []
    one = len(finding["like"]) == 1
    rows = zip(*(finding[key] for key in ("like", "images", "before", "after")), strict=True)
    for i, (old, new, before, after) in enumerate([*rows][:MOST]):
        added = new - old
        most = float(np.abs(added).max())
        words = [
            f"{class_name(core, int(p.argmax()))}: {percent(p.max(), 1)}" for p in (before, after)
        ]
        tiles += [
            Tile(old, title="image" if one else f"image {i}", lines=(words[0],)),
            Tile(added.mean(0), "signed", f"added: ±{number(most)}", most=most or None),
            Tile(new, title="sum", lines=(words[1],)),
        ]
    return sheet_picture(
        tiles, finding.title, finding.facts["model"], (finding.caption,), columns=3 if one else 6
    )
