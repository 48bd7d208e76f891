"""The doors of attribution, as methods of the lens."""

from collections.abc import Sequence
from typing import Any

from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding


class Attribution(Core):
    """Which pixels a score hangs on.

    All methods take images `x` as `predict` does, one (C, H, W) or several (n, C, H, W), and a
    `target`: a class by number or name (None: the one that is predicted for each image), or with
    `layer` the number of a channel or unit of that layer, the mean of its map or, with `at`, one
    place (row, column) of it; a list has one for each image. The score of a class is the number
    before softmax or sigmoid, where every pixel has one their mean over the image.

    The first array of what they return is "map", (n, C, H, W) or (n, H, W); "score" is F, f32[n].
    They raise `LensError` for a target that is none, and for a map that is not finite or the same
    everywhere; the message names the layer where the way back ends.
    """

    def gradient(
        self,
        x: Any,
        target: Any = None,
        *,
        rule: str = "plain",
        times_input: bool = False,
        baseline: Any = "black",
        layer: str | None = None,
        at: Any = None,
    ) -> Finding:
        """The gradient of the score F for the image: dF/dx, (n, C, H, W).

        K. Simonyan, A. Vedaldi, A. Zisserman, arXiv:1312.6034. The other rules of
        `graphcnn.backward_rules` change the way back through some operators:

            guided       only what speaks for the score passes a rectifier
            deconv       rectifiers work on what comes back, not on what went forward
            redirected   rectifiers that let nothing of an image through are open
            lrp          relevance: x · gradient by the ε rule
            deeplift     contributions from a baseline: (x - x₀) · gradient by slopes

        Guided and deconv mostly draw edges, whatever the network has learned (J. Adebayo et al.,
        arXiv:1810.03292): `attribute` measures it.

        Args:
            x, target, layer, at: as all methods here.
            rule: its name.
            times_input: the gradient times the image; those of lrp and deeplift always are.
            baseline: of deeplift: "black", "mean" or images.

        Raises:
            GradientError: the network has nothing that the rule applies to.
        """
        from graphcnn.lens.attribution.gradient import gradient

        return gradient(self, x, target, rule, times_input, baseline, layer, at)

    def integrated(
        self,
        x: Any,
        target: Any = None,
        *,
        baseline: Any = "black",
        steps: int = 50,
        rule: str = "gauss-legendre",
        tolerance: float | None = 0.01,
        layer: str | None = None,
        at: Any = None,
    ) -> Finding:
        """Integrated gradients: (x - x₀) · ∫ dF/dx (x₀ + a (x - x₀)) da, a from 0 to 1.

        M. Sundararajan, A. Taly, Q. Yan, arXiv:1703.01365. The map adds up to F(x) - F(x₀): the
        caption has the sum, the difference, and the residual as a share of it.

        Args:
            x, target, layer, at: as all methods here.
            baseline: x₀: "black"; "mean", the mean colour that the model was trained with or else
                that of the image; or images.
            steps: points of the path.
            rule: of integration: "gauss-legendre", "riemann-middle" or "riemann-right".
            tolerance: the largest residual: the steps are doubled, to 6400 at most, until it is
                smaller. None takes the steps as they are given.
        """
        from graphcnn.lens.attribution.integrated import integrated

        return integrated(self, x, target, baseline, steps, rule, tolerance, layer, at)

    def smooth(
        self,
        x: Any,
        target: Any = None,
        *,
        samples: int = 50,
        noise: float = 0.15,
        seed: int = 0,
        rule: str = "plain",
        squared: bool = False,
        layer: str | None = None,
        at: Any = None,
    ) -> Finding:
        """SmoothGrad: the mean of the gradients of `samples` noisy copies of the image.

        D. Smilkov et al., arXiv:1706.03825. The noise is normal, keyed by the seed and the number
        of the sample: the same for every image, whatever it is in a batch with.

        Args:
            x, target, layer, at: as all methods here.
            samples: how many copies.
            noise: its standard deviation, as a share of the range of the image.
            seed: of the noise.
            rule: as in `gradient`.
            squared: the mean of the squares (SmoothGrad², S. Hooker et al., arXiv:1806.10758).
        """
        from graphcnn.lens.attribution.smooth import smooth

        return smooth(self, x, target, samples, noise, seed, rule, squared, layer, at)

    def occlude(
        self,
        x: Any,
        target: Any = None,
        *,
        patch: int | tuple[int, int] | None = None,
        stride: int | tuple[int, int] | None = None,
        baseline: Any = "black",
        layer: str | None = None,
        at: Any = None,
    ) -> Finding:
        """Occlusion: how far the probability of the class falls where a patch covers the image.

        "map" is for each pixel the mean fall over the patches that cover it, "score_map" that of
        the score before softmax, "chance" and "winner" the probability and the number of the best
        class at each place of the patch. M. D. Zeiler, R. Fergus, arXiv:1311.2901. The target of a
        layer has no probability: there "map" is the fall of its score.

        Args:
            x, target, layer, at: as all methods here.
            patch: its size, 5 for 28 pixels by default, the same share of larger images.
            stride: how far it moves; by default so far that it has 24 places along a side at most.
                The last one may reach over the border.
            baseline: what covers: "black", "mean" or images.
        """
        from graphcnn.lens.attribution.occlusion import occlude

        return occlude(self, x, target, patch, stride, baseline, layer, at)

    def rise(
        self,
        x: Any,
        target: Any = None,
        *,
        masks: int = 2000,
        cells: int = 7,
        share: float = 0.5,
        seed: int = 0,
        baseline: Any = "black",
        layer: str | None = None,
        at: Any = None,
    ) -> Finding:
        """RISE: Σ f(x · m + x₀ · (1 - m)) · m / (masks · share), over random masks m.

        f is the probability of the class, or the score of a layer's unit. V. Petsiuk, A. Das,
        K. Saenko, arXiv:1806.07421. A mask is keyed by the seed and its number.

        Args:
            x, target, layer, at: as all methods here.
            masks: how many.
            cells: along a side of a mask; they are open or closed, bilinear between their middles.
            share: of them that are open.
            seed: of the masks.
            baseline: what is seen through a closed cell: "black", "mean" or images.
        """
        from graphcnn.lens.attribution.rise import rise

        return rise(self, x, target, masks, cells, share, seed, baseline, layer, at)

    def grad_cam(
        self, x: Any, target: Any = None, *, layer: str | None = None, kind: str = "plain"
    ) -> Finding:
        """Class activation maps: ReLU of the sum of a layer's maps A, each by its weight.

            plain      Grad-CAM: the mean of the gradient g = dF/dA over the map
            ++         Grad-CAM++: Σ α · max(g, 0), α = g² / (2 g² + Σ A · g³)
            layer      LayerCAM: max(g, 0), for every place of the map its own
            score      Score-CAM: softmax of the score of the image behind each map
            ablation   Ablation-CAM: (F - F without the map) / F

        R. Selvaraju et al., arXiv:1610.02391; A. Chattopadhay et al., arXiv:1710.11063; P. Jiang
        et al., IEEE TIP 30, 2021; H. Wang et al., arXiv:1910.01279; S. Desai, H. Ramaswamy, WACV
        2020. "map" is in the size of the image, "cam" (n, h, w) that of the layer, before ReLU.

        Args:
            x, target: as all methods here.
            layer: one with maps; the last before pooling and the head by default.
            kind: the weights.
        """
        from graphcnn.lens.attribution.cams import grad_cam

        return grad_cam(self, x, target, layer, kind)

    def attribute(
        self,
        x: Any,
        target: Any = None,
        *,
        methods: Sequence[str] | None = None,
        seed: int = 0,
        layer: str | None = None,
    ) -> Finding:
        """Methods side by side on one image, each with numbers that say what it is worth.

        Deletion and insertion: the area under the probability of the class while pixels are
        covered, or uncovered, the most important first (V. Petsiuk et al., arXiv:1806.07421); a
        random order is given, too. ρ: Spearman's rank correlation of the sizes of the map with
        those of the network whose weights are shuffled, layer by layer from the scores to the image
        (J. Adebayo et al., arXiv:1810.03292): a map that stays does not show what the weights know.
        The model keeps its states. The caption says how many pixels hang on ties of max pooling.

        Arrays: the map of each method by its name, (1, C, H, W) or (1, H, W); "deletion" and
        "insertion", f64 (methods + 1, steps + 1), the last of a random order; their "areas";
        "correlation", f64 (methods, stages, 2), of all pixels and of those that are not background
        (the number that makes up most of the image). Large networks are given fewer samples, by
        their cost.

        Args:
            x, target, layer: as all methods here, of one image.
            methods: their names; gradient, times_input, smooth, integrated, guided, deconv,
                grad_cam and occlude by default; also lrp, deeplift, rise, grad_cam++, layer_cam,
                score_cam and ablation_cam.
            seed: of noise, masks, shuffled weights and the random order.

        Raises:
            LensError: several images, an unknown method, or none of them has a map.
        """
        from graphcnn.lens.attribution.beside import attribute

        return attribute(self, x, target, methods, seed, layer)
