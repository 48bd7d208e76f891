"""Groups of parameters with settings of their own, by patterns of their names."""

import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graphcnn.errors import GraphError
from graphcnn.ir.node import Array
from graphcnn.language.arguments import choose
from graphcnn.learning.patterns import fitting
from graphcnn.learning.schedules import Schedule
from graphcnn.learning.schedules.base import is_number

#: The setting that is a factor on the schedule in a group.
RATE = "learning_rate"
#: The name of those that no pattern fits.
OTHERS = "others"


class Groups(Mapping[str, Mapping[str, Any]]):
    """{pattern: settings}, in an order that counts; it never changes."""

    def __init__(self, groups: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        if not isinstance(groups, Mapping | None) or not all(
            isinstance(pattern, str) and isinstance(settings, Mapping)
            for pattern, settings in (groups or {}).items()
        ):
            raise GraphError(
                'groups must be settings by pattern, such as {"head.*": {"learning_rate": 10}}, '
                f"found {groups!r}"
            )
        self._groups = {pattern: dict(settings) for pattern, settings in (groups or {}).items()}

    def __getitem__(self, pattern: str) -> Mapping[str, Any]:
        return self._groups[pattern]

    def __iter__(self) -> Iterator[str]:
        return iter(self._groups)

    def __len__(self) -> int:
        return len(self._groups)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Groups) and list(self.items()) == list(other.items())

    def __hash__(self) -> int:
        return hash(tuple((pattern, *sorted(self[pattern])) for pattern in self))

    def __repr__(self) -> str:
        return repr(self._groups)

    def check(self, optimizer: str, known: set[str]) -> None:
        """Raise `GraphError` for a setting that is none, or a factor that is no number."""
        for pattern, settings in self.items():
            for name in settings:
                choose(dict.fromkeys(sorted(known)), name, f"setting of {optimizer} in a group")
                if isinstance(settings[name], Schedule) and name != RATE:
                    raise GraphError(
                        f"groups[{pattern!r}]: {name} must be a number: of the settings of a group "
                        "only the learning rate follows a schedule of its own"
                    )
            factor = settings.get(RATE, 1.0)
            if isinstance(factor, Schedule) or (is_number(factor) and factor >= 0):
                continue
            raise GraphError(
                f"groups[{pattern!r}]: learning_rate is a factor, a number of at least 0 or a "
                f"schedule, found {factor!r}; freeze() leaves parameters out"
            )

    def factor(self, pattern: str) -> float | str:
        """What the learning rate of all is multiplied by in a group: a number, or the name of the
        one of `schedules` that tells it."""
        factor = self.get(pattern, {}).get(RATE, 1.0)
        return _scheduled(pattern) if isinstance(factor, Schedule) else float(factor)

    @property
    def schedules(self) -> dict[str, Schedule]:
        """The factors that follow schedules, by names that no setting has."""
        rates = {_scheduled(pattern): self[pattern].get(RATE) for pattern in self}
        return {name: rate for name, rate in rates.items() if isinstance(rate, Schedule)}

    def over(self, steps_per_epoch: int | None, epochs: float) -> "Groups":
        """With the schedules of a run of so many epochs; see `Schedule.over`."""
        return Groups(
            {
                pattern: {
                    name: x.over(steps_per_epoch, epochs) if isinstance(x, Schedule) else x
                    for name, x in settings.items()
                }
                for pattern, settings in self.items()
            }
        )


def _scheduled(pattern: str) -> str:
    return f"{RATE}[{pattern}]"


def assigned(groups: Groups, names: Sequence[str], optimizer: str) -> dict[str, str]:
    """The first pattern that fits each name, or `OTHERS`. Raises `GraphError` for one that fits
    nothing."""
    for pattern in groups:
        fitting(pattern, names, f"{optimizer}: groups[{pattern!r}]")
    return {name: next((p for p in groups if fnmatch.fnmatch(name, p)), OTHERS) for name in names}


def table(optimizer: Any, groups: Groups, parameters: Mapping[str, Array]) -> str:
    """Which parameters are in which group, and what is set there."""
    patterns = assigned(groups, tuple(parameters), type(optimizer).__name__)
    rules = optimizer.grouped(parameters)
    lines = [f"{optimizer}"]
    for pattern in dict.fromkeys((*groups, OTHERS)):
        names = [name for name, found in patterns.items() if found == pattern]
        if not names:
            if pattern in groups:
                lines.append(f"{pattern}: none, patterns before it have them")
            continue
        settings = {k: v for k, v in groups.get(pattern, {}).items() if k != RATE}
        factor = rules[names[0]][1]
        rate = f"{factor:g}" if is_number(factor) else repr(groups[pattern][RATE])
        said = [f"learning_rate × {rate}", *(f"{k} = {v!r}" for k, v in settings.items())]
        lines.append(f"{pattern}: {', '.join(said)}")
        for name in names:
            array = parameters[name]
            left = name in getattr(parameters, "undecayed", ())
            decay = rules[name][0].decay_of(array.ndim, not left)
            shape = "×".join(map(str, array.shape)) or "a number"
            lines.append(
                f"  {name:<32} {shape:<16} {f'decays by {decay:g}' if decay else 'no decay'}"
            )
    return "\n".join(lines)


def layer_decay(names: Mapping[str, Any], factor: float) -> dict[str, dict[str, float]]:
    """Groups in which each layer learns `factor` times as fast as the one after it.

    `names` are `model.parameters`; the last layer has the whole rate. J. Howard, S. Ruder,
    arXiv:1801.06146, section 3.2, take a factor of 1 / 2.6.
    """
    layers = [*dict.fromkeys(name.rpartition(".")[0] for name in names)]
    return {f"{layer}.*": {RATE: factor**i} for i, layer in enumerate(reversed(layers))}
