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

    Every method returns a `Finding`: arrays, the facts in its caption, and a picture. Images are
    what `predict` takes, one (C, H, W) or several (n, C, H, W). Classes are numbers or names.

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
