"""The doors to images that are made."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding

#: A little total variation, which leaves edges and takes noise.
TV: Final = MappingProxyType({"tv": 0.1})


class Synthesis(Core):
    """The methods of the lens that make images."""

    def maximise(
        self,
        layer: str | None = None,
        *,
        channel: int | Sequence[int] | None = None,
        unit: int | str | Sequence[int | str] | None = None,
        at: tuple[int, int] | None = None,
        negative: bool = False,
        steps: int = 512,
        seed: int = 0,
        canvas: str = "dct",
        rate: float = 0.05,
        jitter: int | None = None,
        turn: float = 0.0,
        zoom: float = 1.0,
        penalties: Mapping[str, float] | None = None,
        frames: int = 8,
    ) -> Finding:
        """The images that a channel, a unit or a class answers most.

            image = argmax over x of score(x) - Σ weight · penalty(x)

        from strong noise, by gradient, all that are asked for at once. The score is the unit, the
        mean of the channel over its map, or its number at one place; of classes the number before
        softmax.

            lens.maximise("C3", channel=4)      lens.maximise("C3")         # all its channels
            lens.maximise("logits", unit=7)     lens.maximise(unit="seven")

        Args:
            layer: name of a layer; None are the scores of the classes.
            channel, unit: one or several numbers, or names of classes; None are all.
            at: row and column in the map of a channel; None is the mean over the map.
            negative: what it answers least, before its activation.
            steps: of Adam, with `rate`.
            seed: of the starts, each drawn by the number of its channel too, and of the motion.
            canvas: what is changed: "pixels", or "dct", the amplitudes of cosines; colours of three
                channels are decorrelated. See `graphcnn.lens.synthesis.canvas`.
            jitter: rows and columns by which images are shifted at every step, at most; by default
                a 14th of the smaller side.
            turn, zoom: degrees and factor by which they are turned and zoomed, at most.
            penalties: weights of "tv", "l1", "l2", "alpha", "blur", see
                `graphcnn.lens.synthesis.penalties`.
            frames: how many images of the way are kept, besides the first: the last one, that of
                half its steps, and so on; the last alone where they would take more than 256 MiB.

        Returns:
            `images` (n, C, H, W) in [0, 1], `scores` (frames, n) of the `frames`
            (frames, n, C, H, W), and the `course` of the scores over the steps (steps, n).

        Raises:
            LensError: no such channel, or nothing of the score reaches the image, from any of
                several starts; the message names the operator that lets nothing through.
        """
        from graphcnn.lens.synthesis.maximise import maximise
        from graphcnn.lens.synthesis.search import settings

        how = settings(self, canvas, steps, rate, jitter, turn, zoom, penalties, frames)
        return maximise(self, layer, channel, unit, at, negative, seed, how)

    def invert(
        self,
        layer: str,
        like: Any,
        *,
        steps: int = 512,
        seed: int = 0,
        canvas: str = "pixels",
        rate: float = 0.05,
        penalties: Mapping[str, float] | None = TV,
        frames: int = 8,
    ) -> Finding:
        """Images that a layer cannot tell from those given, from noise: what its code has kept.

            image = argmin over x of ‖code(x) - code(like)‖² / ‖code(like)‖² + Σ weight · penalty(x)

        (A. Mahendran, A. Vedaldi, arXiv:1412.0035.)

        Args:
            layer: name of a layer; its code is its tensor.
            like: one image or several.
            others: as in `maximise`.

        Returns:
            `images` (n, C, H, W) in [0, 1], those given as `like`, the `errors` of the code
            (frames, n), relative, the `correlation` (n,) of the pixels, and the `frames`.

        Raises:
            LensError: the code of an image is 0 everywhere, or not finite.
        """
        from graphcnn.lens.synthesis.invert import invert
        from graphcnn.lens.synthesis.search import settings

        how = settings(self, canvas, steps, rate, 0, 0, 1, penalties, frames)
        return invert(self, layer, like, seed, how)

    def reconstruct(
        self,
        x: Any,
        layers: Sequence[str] | None = None,
        *,
        steps: int = 512,
        seed: int = 0,
        canvas: str = "pixels",
        rate: float = 0.05,
        penalties: Mapping[str, float] | None = TV,
    ) -> Finding:
        """Images back from each layer's code, by `invert`: what is lost on the way to the class.

        Args:
            x: one image or several, which are sought at once.
            layers: names; None are all.

        Returns:
            `images` (layers, n, C, H, W), those given as `like`, and for each layer and image the
            relative `errors` of the code, the `correlation` of the pixels, and whether it is still
            read as the same class, `class_kept`.
        """
        from graphcnn.lens.synthesis.invert import reconstruct
        from graphcnn.lens.synthesis.search import settings

        how = settings(self, canvas, steps, rate, 0, 0, 1, penalties, 1)
        return reconstruct(self, x, layers, seed, how)

    def dream(
        self,
        x: Any,
        layer: str,
        *,
        octaves: int = 3,
        scale: float = 1.4,
        steps: int = 16,
        rate: float = 0.01,
        jitter: int | None = None,
        seed: int = 0,
    ) -> Finding:
        """Images in which a layer is shown more of what it sees there already.

            x ← clip(x + rate · g / mean |g|),   g = ∂/∂x of the mean square of the layer

        first at a small size, then at larger ones with what was added so far, so that patterns of
        several sizes appear (A. Mordvintsev, C. Olah, M. Tyka, "Inceptionism", 2015).

        Args:
            x: one image or several.
            octaves: how many sizes, each `scale` times larger than the one before, up to that of
                the images.
            steps: at each size, of `rate` for a pixel on average.
            jitter: as in `maximise`, with `seed`.

        Returns:
            `images` (n, C, H, W) in [0, 1], those given as `like`, the `frames` after each octave,
            the first ones included, and the `energy` of the layer, its mean square, (frames, n).

        Raises:
            LensError: the layer cannot be computed of smaller images, as behind a dense layer;
                octaves=1 dreams at one size.
        """
        from graphcnn.lens.synthesis.dream import dream

        return dream(self, x, layer, octaves, scale, steps, rate, jitter, seed)

    def style(
        self,
        content: Any,
        style: Any,
        *,
        layer: str | None = None,
        style_layers: Sequence[str] | None = None,
        weight: float = 1.0,
        steps: int = 512,
        canvas: str = "pixels",
        rate: float = 0.05,
        penalties: Mapping[str, float] | None = None,
        frames: int = 8,
    ) -> Finding:
        """Images with the content of some and the style of others.

            loss = ‖F(x) - F(content)‖² / ‖F(content)‖²
                   + weight · mean over layers of ‖G(x) - G(style)‖² / ‖G(style)‖²

        F are the maps of a layer, G = F Fᵀ says which channels occur together (L. Gatys,
        A. Ecker, M. Bethge, arXiv:1508.06576). Nothing is drawn: x begins as the content.

        Args:
            content: one image or several.
            style: one image for all of them, or one for each.
            layer: whose maps are the content; by default the last that has maps.
            style_layers: whose maps have the style; by default all.
            others: as in `maximise`.

        Returns:
            `images` (n, C, H, W) in [0, 1], `content` and `style`, at first and at last the
            `content_error` (2, n) and the `style_errors` (2, n, layers), and the `frames`.

        Raises:
            LensError: a layer without maps, or maps that are 0 everywhere.
        """
        from graphcnn.lens.synthesis.search import settings
        from graphcnn.lens.synthesis.style import style_transfer

        how = settings(self, canvas, steps, rate, 0, 0, 1, penalties, frames)
        return style_transfer(self, content, style, layer, style_layers, weight, how)

    def adversarial(
        self,
        x: Any,
        label: int | str | Sequence[int | str] | None = None,
        *,
        to: int | str | Sequence[int | str] | None = None,
        step: float | None = None,
        steps: int = 1,
        seed: int = 0,
    ) -> Finding:
        """Images changed by little so that they are read as another class.

            one step    x' = x + step · sign ∂loss/∂x                      FGSM, arXiv:1412.6572
            several     x' = x + 2.5 step / steps · sign ∂loss/∂x, again and again from a random
                        point, no further than `step` from the image       PGD, arXiv:1706.06083

        with the cross-entropy of the class as the loss; pixels stay in [0, 1].

        Args:
            x: one image or several.
            label: the class that each is to be led away from, one for all or one for each; by
                default the predicted one.
            to: the class that it is to be read as, instead.
            step: how far a pixel may be changed, where white is 1. None is the smallest that is
                enough: doubled from 1/255, then narrowed down to 1/256 of the last doubling. A
                larger one may do nothing again; it is the smallest that was found.
            steps: of the gradient.
            seed: of the point that several steps begin at.

        Returns:
            `images` (n, C, H, W) in [0, 1], those given as `like`, the `step` of each (n,), NaN
            where none does, the probabilities of the classes `before` and `after` (n, K), and
            whether the class has `changed` as was wanted.

        Raises:
            LensError: the model has no classes, or no such class.
        """
        from graphcnn.lens.synthesis.adversarial import adversarial

        return adversarial(self, x, label, to, step, steps, seed)
