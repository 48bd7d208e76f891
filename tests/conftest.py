"""Options of the whole suite: `pytest --full` runs the sweeps at full size as well."""

import os
import tempfile
from pathlib import Path

import pytest

_USER = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
# Compiled code of tests never goes to the user's own cache; one run finds that of the last.
_CACHE = Path(tempfile.gettempdir()) / f"graphcnn-tests-{_USER}"
os.environ.setdefault("GRAPHCNN_CACHE", str(_CACHE))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="also run the full-size sweeps")


@pytest.fixture
def full(pytestconfig: pytest.Config) -> bool:
    """Whether this run is `pytest --full`: for tests that are one size here, another there."""
    return bool(pytestconfig.getoption("--full"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--full"):
        return
    skip = pytest.mark.skip(reason="a full-size sweep; run with --full")
    for item in items:
        if "sweep" in item.keywords:
            item.add_marker(skip)
