"""What the lens holds of a data set does not grow with the number of its images."""

from collections.abc import Callable

import pytest
from support.small_training import stripes

import graphcnn as cnn
from graphcnn.lens.finding import Finding
from graphcnn.lens.lens import Lens
from graphcnn.lens.probe import Probe
from graphcnn.lens.study import stream
from graphcnn.models import MODELS

METHODS: dict[str, Callable[[Lens, cnn.data.Dataset], Finding]] = {
    "unit": lambda lens, data: lens.unit("conv2", 5, data=data, steps=0),
    "ablate": lambda lens, data: lens.ablate("conv2", [1, 2], data=data, fill="mean"),
    "similarity": lambda lens, data: lens.similarity(data=data, most=None),
    "codes": lambda lens, data: lens.codes(data, most=20),
}


@pytest.mark.parametrize("name", METHODS)
def test_data_sets_run_in_pieces(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[int] = []
    plain = Probe.__call__

    def recorded(self, *feeds, **options):
        fed.append(max(map(len, feeds)))
        return plain(self, *feeds, **options)

    monkeypatch.setattr(stream, "_ITEMS", 16)
    monkeypatch.setattr(Probe, "__call__", recorded)
    lens = MODELS["digits_cnn"]().initialize(0).lens()
    for count in (16, 70):
        METHODS[name](lens, stripes(count))
    assert max(fed) == 16
