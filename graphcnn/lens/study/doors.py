"""The doors of what a layer and a unit do."""

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
