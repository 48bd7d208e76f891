"""The package of pictures: every name that it gives is where it says, and loads nothing else."""

import subprocess
import sys

import pytest

from graphcnn import pictures


def test_every_name_is_found_and_no_other() -> None:
    assert set(pictures._HOMES) == set(pictures.__all__)
    for name in pictures.__all__:
        assert getattr(pictures, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'graph_pictures'"):
        pictures.graph_pictures  # noqa: B018


def test_one_picture_does_not_load_the_others() -> None:
    code = (
        "import sys; from graphcnn.pictures import graph_picture; "
        "parts = ('graphcnn.pictures.lessons', 'graphcnn.pictures.results'); "
        "assert not [m for m in sys.modules if m.startswith(parts)]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
