"""One test for all samples of an operator, or for all cases of a kind.

    @each(all_samples())
    def test_something(sample: Sample) -> None: ...

is a test for each operator (`pytest -k conv2d` picks one), which tries all of its samples and
names those that fail.
"""

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import pytest

Test = Callable[..., None]


def operator_of(case: Any) -> str:
    """The operator's name of a sample, or of a tuple that begins with one."""
    name: str = (case[0] if isinstance(case, tuple) else case).op.name
    return name


def each(cases: Iterable[Any], of: Callable[[Any], str] = operator_of) -> Callable[[Test], Any]:
    """Turns a test of one case into one for each group of them, the name of which `of` tells.

    A case is the first argument of the test, or a tuple of its first arguments.
    """
    groups: dict[str, list[tuple[Any, ...]]] = {}
    for case in cases:
        groups.setdefault(of(case), []).append(case if isinstance(case, tuple) else (case,))
    taken = len(next(iter(groups.values()))[0])

    def decorate(test: Test) -> Any:
        @pytest.mark.parametrize("cases", list(groups.values()), ids=list(groups))
        @wraps(test)
        def try_all(cases: list[tuple[Any, ...]], **fixtures: Any) -> None:
            failed: dict[str, BaseException] = {}
            for case in cases:
                try:
                    test(*case, **fixtures)
                except (Exception, pytest.fail.Exception) as error:
                    failed[", ".join(getattr(a, "__name__", str(a)) for a in case)] = error
            if failed:
                first = next(iter(failed.values()))
                first.add_note(f"{len(failed)} of {len(cases)} fail:\n" + "\n".join(failed))
                raise first

        own = list(inspect.signature(test).parameters.values())[taken:]
        given = inspect.Parameter("cases", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        try_all.__signature__ = inspect.Signature([given, *own])  # type: ignore[attr-defined]
        return try_all

    return decorate
