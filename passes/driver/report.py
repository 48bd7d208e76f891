"""What the passes did to a graph, as text for people and as data for programs."""

from collections.abc import Iterable, Sequence
from typing import Any

from graphcnn.errors import readable
from graphcnn.passes.driver.base import Applied, PassLog


def format_report(applied: Sequence[Applied]) -> str:
    """A line per pass (operations before and after, time), then its options, rules, near misses.

    eliminate    12 ->     9      0.41 ms
      {signed_zeros=False}
      + identity 2×, view_of_view
      - mul_one: mul "scaled" (net.py:7): x · 0 is not 0 where x is NaN, infinite or negative
    """
    width = max([len(a.by.name) for a in applied] + [len("total")])
    lines = []
    for each in applied:
        lines.append(_line(each.by.name, each.before, each.after, each.seconds, width))
        options = str(each.by).removeprefix(each.by.name)
        lines += [f"  {options}"] if options else []
        lines += [f"  {text}" for text in _log(each.log)]
    if applied:
        seconds = sum(each.seconds for each in applied)
        lines.append(_line("total", applied[0].before, applied[-1].after, seconds, width))
    return readable("\n".join(lines)) + "\n"


def _line(name: str, before: Any, after: Any, seconds: float, width: int) -> str:
    sizes = f"{len(before.operations):>5} -> {len(after.operations):>5}"
    return f"{name:<{width}} {sizes} {1000 * seconds:>9.2f} ms"


def _log(log: PassLog) -> Iterable[str]:
    if log.fired:
        yield "+ " + ", ".join(_counted(rule, log.fired[rule]) for rule in sorted(log.fired))
    for refusal in log.refused:
        yield f"- {refusal}"
    for note in log.notes:
        yield f"  {note}"


def _counted(rule: str, count: int) -> str:
    return rule if count == 1 else f"{rule} {count}×"


def to_json(applied: Iterable[Applied]) -> list[dict[str, Any]]:
    """One dict per pass, of plain types: what `format_report` shows, and more exactly."""
    return [
        {
            "pass": str(each.by),
            "operations": [len(each.before.operations), len(each.after.operations)],
            "nodes": [len(each.before.nodes), len(each.after.nodes)],
            "seconds": each.seconds,
            "changed": each.changed,
            "fired": dict(sorted(each.log.fired.items())),
            "refused": [
                {
                    "rule": refusal.rule,
                    "node": refusal.node.name or refusal.node.op.name,
                    "location": refusal.node.origin.location,
                    "reason": refusal.reason,
                }
                for refusal in each.log.refused
            ],
            "notes": list(each.log.notes),
        }
        for each in applied
    ]
