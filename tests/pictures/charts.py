"""A page of every kind of chart, of fixed numbers."""

from collections.abc import Sequence

import numpy as np

from graphcnn.pictures import Picture
from graphcnn.pictures.parts.charts import Bar, bar_table, bars, histogram, matrix, table
from graphcnn.pictures.raster.page import beside, page_picture, single, titled
from graphcnn.pictures.raster.sheet import tile_part
from graphcnn.pictures.raster.tiles import Tile


def charts(values: Sequence[float] = (-3, -1.5, 0, 2), name: str = "channel") -> Picture:
    """Bars of `values`, named after `name`, and what is made of them."""
    rows = [Bar(f"{name} {i}", v, f"{v:g} %") for i, v in enumerate(values)]
    array = np.array(values)
    grid = np.outer(array, np.arange(-2, 3))
    names = [row.name for row in rows]
    lines = [[row.name, row.text, f"{i}–{i + 4}"] for i, row in enumerate(rows)]
    tiles = [Tile(grid, "signed", name, ("a line",)), Tile(np.abs(grid), "size", "sizes")]
    return page_picture(
        [
            beside(
                titled("a table", single(lambda x, y, w: table(
                    (name, "value", "range"), lines, x, y, w, "numbers", 1))),
                titled("bars", single(lambda x, y, w: bars(rows, x, y, w, "numbers", "in %"))),
            ),
            beside(
                titled("tiles", tile_part(tiles, columns=2)),
                titled("a histogram", single(lambda x, y, w: histogram(
                    [1, 4, 9, 2, 0, 1], "0", "1.5", x, y, w, 100, "numbers",
                    [(0.2, "the median"), (1.0, "far out →")], "18 images"))),
                shares=(0.6, 0.4),
            ),
            lambda x, y, w: bar_table(
                rows, 10 * grid, ["a", "b", "c", "d", "e"], x, y, w, "change", ("bars", "squares")
            ),
            single(lambda x, y, w: matrix(
                np.abs(grid) / max(np.abs(grid).max(), 1), names, list("abcde"), x, y, w,
                "likeness", 0, 1)),
        ],
        "Charts", "all kinds", ["what stands below"],
    )  # fmt: skip
