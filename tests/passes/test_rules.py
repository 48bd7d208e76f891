"""What holds for every rewrite rule: it fires, refuses with a reason, keeps the numbers, rests."""

import importlib
import pkgutil
import re

import numpy as np
import pytest
from rewrites import (
    Example,
    RefusalExample,
    all_examples,
    all_refusals,
    arrays_for,
    expression,
)
from support.evaluate import evaluate

import graphcnn.passes
from graphcnn.analysis.verify import verify
from graphcnn.ir.node import Array
from graphcnn.passes.driver.base import PassLog
from graphcnn.passes.driver.rewrite import Rule

EXAMPLES, REFUSALS = all_examples(), all_refusals()

#: Rules that may change the sign of a zero, as their docstrings or the pass's say.
SIGNLESS = {"add_any_zero", "reduce_nothing", "pool_single_pixels"}


def declared_rules() -> list[Rule]:
    modules = [
        importlib.import_module(module.name)
        for module in pkgutil.walk_packages(graphcnn.passes.__path__, "graphcnn.passes.")
    ]
    return [x for module in modules for x in vars(module).values() if isinstance(x, Rule)]


def test_every_rule_has_an_example() -> None:
    assert {rule.name for rule in declared_rules()} == {e.rule for e in EXAMPLES}


def test_every_rule_has_an_equation() -> None:
    for rule in declared_rules():
        assert "->" in rule.equation, rule.name


@pytest.mark.parametrize("example", EXAMPLES, ids=repr)
def test_fires(example: Example) -> None:
    log = PassLog()
    after = example.by(example.graph, log)
    assert log.fired[example.rule] >= 1
    assert expression(after.outputs["result"]) == example.result
    verify(after, example.by.stage)


@pytest.mark.parametrize("example", EXAMPLES, ids=repr)
def test_is_idempotent(example: Example) -> None:
    after = example.by(example.graph)
    log = PassLog()
    assert example.by(after, log) is after
    assert not log.fired


@pytest.mark.parametrize("example", EXAMPLES, ids=repr)
def test_keeps_the_numbers(example: Example) -> None:
    exact = example.by.tolerance == 0
    before = example.graph.bind(N=2)
    after = example.by(example.graph).bind(N=2)
    for special in (False, True) if exact else (False,):
        arrays = arrays_for(before, special)
        with np.errstate(all="ignore"):
            expected, found = evaluate(before, arrays, arrays), evaluate(after, arrays, arrays)
        for key in expected:
            if exact:
                same_bits(expected[key], found[key], example.rule not in SIGNLESS)
            else:
                scale = np.abs(expected[key]).max()
                np.testing.assert_allclose(found[key], expected[key], rtol=0, atol=1e-12 * scale)


def same_bits(expected: Array, found: Array, signs: bool) -> None:
    assert expected.dtype == found.dtype
    np.testing.assert_array_equal(found, expected)
    if signs and expected.dtype.kind == "f":
        number = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(found[number]), np.signbit(expected[number]))


@pytest.mark.parametrize("example", REFUSALS, ids=repr)
def test_refuses_with_a_reason(example: RefusalExample) -> None:
    log, graph = PassLog(), example.graph
    after = example.by(graph, log)
    assert not log.fired[example.rule]
    reasons = [str(r) for r in log.refused if r.rule == example.rule]
    assert len(reasons) == 1
    assert re.search(example.reason, reasons[0]), reasons[0]
    assert expression(after.outputs["result"]) == expression(graph.outputs["result"])
