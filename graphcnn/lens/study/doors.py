"""The doors of what a layer and a unit do."""

from collections.abc import Sequence
from typing import Any

from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding


class Study(Core):
    """The methods about weights, feature maps, fields, units and layers."""

    def filters(self, layer: str, *, most: int = 64) -> Finding:
        """The weights of a layer as pictures: what each filter, or dense unit, looks for.

        A first layer of three channels is shown in colours (grey is 0), others signed, the kernels
        of a filter side by side; a dense layer behind maps shows the maps of each unit. One scale
        for the layer.

        Found are `weights` (filters, channels, KH, KW), the `norm` of each filter (the root of its
        sum of squares), `cosine` (filters, filters) between them, `dead` ones with a norm below
        1/1000 of the largest, and `duplicates`, pairs of others with a cosine above 0.95.

        Args:
            layer: a convolution or dense layer.
            most: how many filters the picture has, those with the largest norms.

        Raises:
            LensError: no such layer, or weights that are computed, not finite, or all equal.
        """
        from graphcnn.lens.study.filters import filters

        return filters(self, layer, most)

    def maps(self, x: Any, layer: str | None = None, *, scale: str = "shared") -> Finding:
        """Feature maps of images, ordered by energy, the mean square.

        With the least and largest number of each map and the share that is 0. A map that is one
        number everywhere is dead: a cross says so. Found are arrays by layer, (n, C, H, W) or
        (n, K), the images, and for one layer the `order` (n, C) of its channels.

        Args:
            x: one image or several.
            layer: by default all layers, a row of the strongest maps for each.
            scale: "shared" gives all maps of a layer the same colours, "own" each its own.

        Raises:
            LensError: numbers that are not finite; for one layer also that all its maps are dead.
        """
        from graphcnn.lens.study.maps import feature_maps

        return feature_maps(self, x, layer, scale)

    def field(
        self,
        layer: str,
        at: tuple[int, int] | None = None,
        *,
        channel: int | None = None,
        x: Any = None,
        pixel: tuple[int, int] | None = None,
        samples: int = 32,
        seed: int = 0,
    ) -> Finding:
        """What an element of a map sees: the box of the geometry, and how much of it counts.

        The box is that of `graphcnn.analysis.receptive_field`. The `heat` (H, W) is the root mean
        square of the derivative of the element by each pixel, which falls off towards the edges
        of the box (W. Luo et al., "Understanding the Effective Receptive Field in Deep
        Convolutional Neural Networks", arXiv:1701.04128): over images, or over uniform noise.
        Where the derivative reaches all edges of the box, it is said to be exact.

        A table tells size, jump and start of all layers, and what one pixel reaches in each, its
        projective field. Found are also the `box` and the `reach` (layers, 4) as top, left,
        bottom, right, the last two exclusive.

        Args:
            at: row and column of the element; the middle of the map by default.
            channel: by default all channels of that place together.
            x: images at which the derivative is taken.
            pixel: row and column of the pixel; the middle of the image by default.
            samples, seed: of the noise, where no images are given.

        Raises:
            LensError: no such element or pixel, or one that no pixel has a path to.
        """
        from graphcnn.lens.study.field import field

        return field(self, layer, at, channel, x, pixel, samples, seed)

    def unit(
        self, layer: str, channel: int | str, *, data: Any, steps: int = 256, seed: int = 0
    ) -> Finding:
        """All that is known of a channel, or of a dense unit, on one page.

        The patches of the data that it answers most, cropped to what it sees there; how many
        images reach how much; what its first patch owes to each pixel, by the gradient and by
        guided backpropagation; the kernels it reads most through; its mean by class; the images
        made for it, as `maximise` does, most and least.

        A percentile is of the largest number in the map of each image: of the numbers of all
        places, most of which are quiet, every image that was made would lie above nearly all.

        Found are the `patches` (9, C, h, w) with `items`, `values`, `places` and `boxes`, the
        `maxima` (n,), `class_means`, `gradient`, `guided`, `incoming` with their channels, and
        the images `maximised` and `minimised`, as far as there are such.

        Args:
            channel: a number; of the scores also the name of a class.
            data: a `Dataset` or a pair (images, class numbers), or images alone. It runs in
                pieces; one number of each image is kept.
            steps, seed: of the images that are made; 0 steps make none.

        Raises:
            LensError: no such unit, one that answers the same to all images (a dead one), or
                numbers that are not finite.
        """
        from graphcnn.lens.study.unit import unit

        return unit(self, layer, channel, data, steps, seed)

    def ablate(self, layer: str, channel: Any = None, *, data: Any, fill: str = "zero") -> Finding:
        """What is lost when channels of a layer say nothing: accuracy, class by class.

        The mask of the channels is an input of the graph: one compilation serves all of them.

        Found are the `change` of the accuracy and the `accuracy`, (runs,), the change for each
        of the `classes` (runs, K), NaN where the data has none of it, the mean cross-entropy
        `loss`, and of the whole network the `baseline` (accuracy, loss) and `baseline_classes`.

        Args:
            channel: a number, several that are ablated together, or None: each alone.
            data: a `Dataset` or a pair (images, class numbers). It runs in pieces.
            fill: what a channel becomes: "zero", or its "mean" over the data.

        Raises:
            LensError: no such channel, a layer that the scores do not depend on, scores that are
                not of classes, or numbers that are not finite.
        """
        from graphcnn.lens.study.ablate import ablate

        return ablate(self, layer, channel, data, fill)

    def codes(
        self,
        data: Any,
        layer: str | None = None,
        *,
        method: str = "pca",
        most: int | None = 400,
        perplexity: float = 30.0,
    ) -> Finding:
        """The images of a data set where a layer puts them: those it takes for alike lie near.

        By principal components, whose signs are fixed, or by t-SNE (with scikit-learn, the extra
        "digits"). Each image also gets a cell of a grid near its point; colour and letters are its
        class. Found are `points` (n, 2), rows and columns in the `grid`, the `items` by number,
        their `codes` (n, d), `labels` where they are known, and the shares of the `variance`.

        Args:
            data: a `Dataset` or a pair (images, class numbers); images alone have no colours.
            layer: the one that the scores are computed from, by default.
            method: "pca" or "tsne".
            most: how many images, evenly spaced; None is all. The codes of these are held.
            perplexity: of t-SNE: how many neighbours count.

        Raises:
            LensError: a layer that answers the same to all images, or numbers that are not finite.
            MissingExtraError: t-SNE without scikit-learn.
        """
        from graphcnn.lens.study.codes import codes

        return codes(self, data, layer, method, most, perplexity)

    def similarity(
        self,
        other: Any = None,
        *,
        data: Any,
        layers: Sequence[str] | None = None,
        others: Sequence[str] | None = None,
        most: int | None = 1000,
    ) -> Finding:
        """How alike the layers of this model and another are: linear CKA.

        With X and Y the centred activations of two layers for n images, (n, d),

            CKA = |Yᵀ X|² / (|Xᵀ X| |Yᵀ Y|)     (Frobenius norms)

        which rotations and scales of a layer do not change (S. Kornblith et al., "Similarity of
        Neural Network Representations Revisited", arXiv:1905.00414). It is exact: the sums run
        over all pairs of images, in blocks, so that memory depends neither on n nor on d²; time
        grows with n² and d: of large networks a few layers are named. Found are `cka` (rows,
        columns) and the names of `rows` and `columns`.

        Args:
            other: a model or lens that takes the same images; by default this one.
            data: images, or a `Dataset`, or a pair with labels, which are not looked at.
            layers, others: those of this model, the rows, and of the other, the columns; by
                default all.
            most: how many images, evenly spaced; None is all.

        Raises:
            LensError: a layer that answers the same to all images, or numbers that are not finite.
        """
        from graphcnn.lens.study.similarity import similarity

        return similarity(self, other, data, layers, others, most)

    def confusion(self, data: Any, targets: Any = None, *, order: str = "given") -> Finding:
        """What each class of a data set is taken for.

        Found are `confusion` int64 (K, K), the items of class i taken for class j; `recall` and
        `precision` (K,), NaN for a class without items or predictions; and `true` and `predicted`
        (n,) of the `items`.

        Args:
            data, targets: as for `Model.evaluate`.
            order: of the rows in the picture: "given", or "error", the largest share of mistakes
                first.

        Raises:
            LensError: regression, several labels for an item, or a label for each pixel.
            DataError: data that do not fit the model.
        """
        from graphcnn.lens.study.mistakes import confusion

        return confusion(self, data, targets, order)

    def errors(self, data: Any, targets: Any = None, *, most: int = 24) -> Finding:
        """The mistakes that the model is surest of, with their images.

        Ordered by the probability of the class that is predicted, the softmax of the scores. Found
        are `items` (n,), their numbers in the data set, `true` and `predicted` classes, and
        `probability` of the one and `probability_true` of the other.

        Args:
            data, targets: as for `Model.evaluate`.
            most: how many are found, at most.

        Raises:
            LensError: as `confusion`; also a model that makes no mistake.
        """
        from graphcnn.lens.study.mistakes import errors

        return errors(self, data, targets, most)

    def dense_form(self, layer: str) -> Finding:
        """A convolution as the dense layer that it is: most weights removed, the others shared.

        Of a large layer a part: the outputs at the top left of one or two maps, and the pixels that
        they read. The counts are those of the whole layer.

        Found are `weights` (rows, columns), 0 where one is removed; `taps`, the place of each in
        the flattened kernel (O, C/groups, KH, KW), -1 where it is removed; and (map, row, column)
        of the `outputs` and `inputs` that rows and columns stand for.

        Raises:
            LensError: weights that are computed. GraphError: no such layer, or no convolution.
        """
        from graphcnn.lens.study.dense_form import dense_form

        return dense_form(self, layer)

    def steps(
        self,
        layer: str,
        x: Any,
        *,
        channel: int | None = None,
        at: tuple[int, int] | None = None,
        shown: int | tuple[int, int] = 3,
    ) -> Finding:
        """A layer at work, as a film: its real weights slid over what it reads of an image.

        One number of the output a frame, with the window, the weights, the products and their sum,
        as `graphcnn.pictures.conv_steps` shows them. The numbers are those of the definition; the
        caption says how far the compiled layer is from them.

        Found are `y`, the outputs that are worked, the part `x` of the input that they read, and
        `weight` and `bias` of the filter.

        Args:
            layer: a convolution, a pool, upsampling or padding.
            x: one image.
            channel: of the output; by default the one with the largest number.
            at: row and column of the first output; by default around the largest number.
            shown: how many rows and columns of outputs.

        Raises:
            LensError: more than one image, or numbers that are not finite.
            GraphError: no such layer, or one that slides no window.
        """
        from graphcnn.lens.study.steps import steps

        return steps(self, layer, x, channel, at, shown)
