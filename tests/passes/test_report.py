import json

from rewrites import graph_of

from graphcnn.ir.node import Value
from graphcnn.ops.random import Dropout
from graphcnn.passes.driver.base import Applied, Pipeline
from graphcnn.passes.driver.report import format_report, to_json


def applied() -> list[Applied]:
    def build(x: Value) -> Value:
        return Dropout(0.5)(Dropout(0.25)(x * 1.0)) * 0.0

    seen: list[Applied] = []
    Pipeline.parse("eliminate, fuse_pad").run(graph_of(build, x=(2,)), [seen.append])
    return seen


def test_text() -> None:
    lines = format_report(applied()).splitlines()
    assert lines[0].split()[:4] == ["eliminate", "4", "->", "1"]
    assert lines[0].endswith(" ms")
    assert lines[1] == "  + identity 2×, mul_one"
    assert lines[2].startswith("  - mul_one: mul ") and "x · 0 is not 0" in lines[2]
    assert lines[3].split()[:4] == ["fuse_pad", "1", "->", "1"]
    assert lines[4].split()[:4] == ["total", "4", "->", "1"]
    assert len({line.index("->") for line in (lines[0], lines[3], lines[4])}) == 1
    assert len(lines) == 5


def test_options_stand_below_the_pass() -> None:
    seen: list[Applied] = []
    graph = graph_of(lambda x: x + 0.0, x=(2,))
    Pipeline.parse("eliminate{signed_zeros=False}").run(graph, [seen.append])
    lines = format_report(seen).splitlines()
    assert lines[0].startswith("eliminate  ")
    assert lines[1:3] == ["  {signed_zeros=False}", "  + add_any_zero"]


def test_data() -> None:
    first, second = json.loads(json.dumps(to_json(applied())))
    assert first["pass"] == "eliminate"
    assert first["operations"] == [4, 1]
    assert first["fired"] == {"identity": 2, "mul_one": 1}
    (refused,) = first["refused"]
    assert refused["rule"] == "mul_one" and refused["node"] == "mul"
    assert refused["location"].startswith("test_report.py:")
    assert not second["changed"] and not second["fired"]


def test_nothing_applied() -> None:
    assert format_report([]) == "\n"
    assert to_json([]) == []
