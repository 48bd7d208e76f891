"""What a diagnosis is made of, before anybody writes or draws it."""

from dataclasses import dataclass
from functools import cached_property

from graphcnn.doctor.case import Evidence
from graphcnn.doctor.finding import GRADES, Finding


@dataclass(frozen=True, eq=False)
class Told:
    """Findings, the numbers behind them, and how was asked.

    Attributes:
        model, data: what was looked at, in words.
        findings: of all checks, the worst first.
        skipped: checks that this model or these data do not have, each with the reason.
        evidence: the numbers behind them.
        settings: how it was asked.
    """

    model: str
    data: str
    findings: tuple[Finding, ...]
    skipped: tuple[tuple[str, str], ...]
    evidence: Evidence
    settings: tuple[tuple[str, str], ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; there may be something to look at."""
        return self.grade != "wrong"

    @property
    def grade(self) -> str:
        """The worst of all findings."""
        return max((f.grade for f in self.findings), key=GRADES.index, default="fine")

    def of(self, grade: str) -> list[Finding]:
        """The findings of one grade."""
        return [f for f in self.findings if f.grade == grade]

    @cached_property
    def verdict(self) -> str:
        """All in one line."""
        counts = {grade: len(self.of(grade)) for grade in GRADES}
        return f"{counts['wrong']} wrong, {counts['look']} to look at, {counts['fine']} fine" + (
            f", {len(self.skipped)} not checked" if self.skipped else ""
        )
