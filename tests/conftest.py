"""Options of the whole suite: `pytest --full` runs the sweeps at full size as well.

The whole suite takes a process for each core (up to eight); tests that are named on the command
line run in this one, unless `-n` says otherwise.
"""

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


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    option = config.option
    named = config.args_source is pytest.Config.ArgsSource.ARGS
    watched = option.usepdb or option.capture == "no"
    inside = "PYTEST_XDIST_WORKER" in os.environ  # one of the processes, or a child of one
    if named or watched or inside or not config.pluginmanager.hasplugin("xdist"):
        return
    if option.numprocesses is None:
        option.numprocesses, option.dist = "auto", "worksteal"
        option.maxprocesses = option.maxprocesses or 8


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
