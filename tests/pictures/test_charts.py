"""Charts keep their texts inside, whatever numbers and names they are given."""

import pytest
from pictures.charts import charts
from pictures.checks import check_picture

from graphcnn.pictures.scene.scene import Path, Rect, shapes


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ((-3, -1.5, 0, 2), "channel"),
        ((5.0,), "a name that is far too long for the place that it has beside its bar"),
        ((0.0, 0.0), "c"),
        ((-1e-9, -12345678.25), "very small and very large"),
        (tuple(range(40)), "many"),
    ],
)
def test_texts_stay_inside(values: tuple[float, ...], name: str) -> None:
    check_picture(charts(values, name))


def test_bars_are_as_long_as_their_numbers() -> None:
    groups = [g for g in charts((-3, -1.5, 2)).scene.groups("card") if g.title == "numbers"]
    (group,) = [g for g in groups if "channel 0 -3 %" in g.label]
    found = [s.box for s in shapes(group.items) if isinstance(s, Rect)]
    (line,) = (s for s in shapes(group.items) if isinstance(s, Path))
    zero = line.steps[0][1]
    unit = found[2].width / 2
    assert [box.width / unit for box in found] == pytest.approx([3, 1.5, 2])
    assert found[0].right == found[1].right == found[2].left == zero
