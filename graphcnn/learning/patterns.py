"""Names of parameters by patterns, like those of files: what fits one, and what belongs to whom."""

import fnmatch
from collections.abc import Callable, Collection, Mapping, Sequence
from difflib import get_close_matches

from graphcnn.errors import GraphError


def fitting(pattern: str, names: Collection[str], told: str) -> list[str]:
    """The names that a pattern fits.

    Raises `GraphError` where there is none: `told` says whose pattern it is, and the nearest names
    follow.
    """
    found = fnmatch.filter(names, pattern)
    if not found:
        near = get_close_matches(pattern, names, 3, 0.3) or [*names][:3]
        raise GraphError(
            f"{told} fits no parameter; the nearest are "
            f"{', '.join(near) or 'none: there are no parameters'}"
        )
    return found


def shared_out(
    owners: Mapping[str, Sequence[str]],
    names: Collection[str],
    told: Callable[[str, str], str],
    twice: Callable[[str, str, str], str],
) -> dict[str, tuple[str, ...]]:
    """The names that belong to each owner, in their order; those that no pattern fits to none.

    Args:
        owners: the patterns of each.
        told: of an owner and one of its patterns, how a message begins that the pattern fits none.
        twice: of a name and the two owners whose patterns fit it, what is wrong with that.

    Raises:
        GraphError: a pattern fits no name, or those of two owners fit the same one.
    """
    found: dict[str, str] = {}
    for owner, patterns in owners.items():
        for pattern in patterns:
            for name in fitting(pattern, names, told(owner, pattern)):
                if found.setdefault(name, owner) != owner:
                    raise GraphError(twice(name, found[name], owner))
    return {owner: tuple(name for name in names if found.get(name) == owner) for owner in owners}
