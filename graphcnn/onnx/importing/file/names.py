"""The names of ONNX's operators: which there are at an opset, and which are like another."""

import difflib
from collections.abc import Iterable
from functools import cache
from typing import Any

import onnx


@cache
def find_schema(op_type: str, opset: int, domain: str = "") -> Any:
    """ONNX's description of an operator at an opset, or None."""
    try:
        return onnx.defs.get_schema(op_type, opset, domain)
    except onnx.defs.SchemaError:
        return None


def shown(text: str) -> str:
    """A text of a file on one line, not too long."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:80])


def near(op_type: str, known: Iterable[str]) -> list[str]:
    """The two names at most that are most like one, whatever the case of their letters."""
    lower: dict[str, str] = {}
    for name in known:
        lower.setdefault(name.lower(), name)
    found = difflib.get_close_matches(op_type.lower(), lower, 2, 0.6)
    return [lower[name] for name in found]


@cache
def _first_opsets(domain: str) -> dict[str, int]:
    """Every operator of a domain, and the opset that it came with."""
    found: dict[str, int] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain == domain:
            found[schema.name] = min(found.get(schema.name, 1 << 31), schema.since_version)
    return found


def no_operator(op_type: str, opset: int, domain: str) -> str:
    """What is said of an operator that an opset has not: another opset may, or another spelling."""
    first = _first_opsets(domain)
    text = f"opset {opset} has no operator {shown(op_type)!r}, expected one it has"
    if first.get(op_type, 0) > opset:
        return f"{text}: that came with opset {first[op_type]}"
    like = [
        name if first[name] <= opset else f"{name} (of opset {first[name]})"
        for name in near(op_type, first)
    ]
    return f"{text}: did you mean {' or '.join(like)}?" if like else text
