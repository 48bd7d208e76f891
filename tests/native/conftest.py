"""Every test of the native runtime runs between guard pages and red zones.

A test of what happens in whole runs (threads that meet, pieces, interrupts, time and memory, what
lies where) has the mark `whole_runs`, or its module has, and takes memory as a user's program does.
"""

import pytest


@pytest.fixture(autouse=True)
def red_zones(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "whole_runs" not in request.keywords:
        monkeypatch.setenv("GRAPHCNN_ARENA", "guard")
