"""The lens with all its doors."""

from collections.abc import Callable, Sequence
from typing import Any

from graphcnn.lens.methods import Methods
from graphcnn.lens.report.page import Page


class Lens(Methods):
    """Looks into a model: `model.lens()` makes one.

    It has the model's own states: what training changes, it sees. It computes in strict precision
    unless told otherwise, since algorithms that round more (Winograd's) break ties of max-pooling
    another way, and with them the maps.

    Every method returns a `Finding`: arrays, the facts in its caption, and a picture. Its arrays
    are found by name, `found["map"]`; a notebook shows the picture and `found.save("map.svg")`
    writes it. The first call of a method compiles it, which takes seconds for large networks.

    Arguments of the same name mean the same in all methods:

        x, like      images as `predict` takes them, one (C, H, W), or (H, W) where it is grey, or
                     several (n, C, H, W), as pixels: the model's own normalisation is applied
        target       a class by number or name; None is the one that is predicted for each image.
                     With `layer` it is the number of a channel or unit of that layer. A list has
                     one for each image. Its score is the number before softmax or sigmoid
        layer        the name of a layer, as `model.summary()` prints it
        at           row and column of one place in a map; None is the mean over the map
        seed         of all that is drawn at random: equal seeds give equal bytes
        data         a `Dataset`, or a pair (images, class numbers)

    Args:
        model: any network, imported ones too.
        runtime, threads, precision: as in `fit`; precision is "strict" here.
    """

    def report(
        self,
        x: Any,
        target: Any = None,
        *,
        seed: int = 0,
        label: str = "",
        source: str = "",
        repeat: Sequence[str] = (),
        say: Callable[[str, float], None] | None = None,
    ) -> Page:
        """All methods on one image, on one page that needs nothing but itself.

        Each figure says what it shows and what it does not. The sizes of the work (samples, steps)
        follow the cost of the network and stand in the captions. What cannot be shown of this
        network says why in its place. The same model, image and seed give the same bytes.

        Args:
            x: one image.
            target: class number or name; by default the predicted class.
            label: what the image is of, where that is known.
            source: where the image is from, for the page.
            repeat: Python lines that make `model` and `x`, for the page.
            say: is told the name of each section and the seconds that it took.

        Raises:
            LensError: more than one image, or a network without scores of classes.
        """
        from graphcnn.lens.report.report import report

        return report(self, x, target, seed, label, source, tuple(repeat), say)
