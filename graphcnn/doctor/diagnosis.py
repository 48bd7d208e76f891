"""A diagnosis: findings of all checks in words, as a page with pictures, and as JSON."""

import json
import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from graphcnn.doctor.told import Told

if TYPE_CHECKING:
    from graphcnn.lens.report.page import Page
    from graphcnn.pictures.picture import Picture

#: Columns of the text on a terminal.
_WIDE: Final = 96
_INDENT: Final = " " * 16


class Diagnosis(Told):
    """What `diagnose` found, to be read, drawn and saved.

    found = model.diagnose(train, test=test)
    print(found)
    found.save("doctor.html")
    assert found.ok, found
    """

    def __str__(self) -> str:
        lines = [f"{self.model} on {self.data}: {self.verdict}"]
        for finding in self.findings:
            lines += _lines(f"{finding.grade:<6}{finding.check:<12}", finding.seen)
            lines += _lines(f"{_INDENT}  ", finding.means) if finding.means else []
            lines += _lines(f"{_INDENT}> ", finding.do) if finding.do else []
        for check, reason in self.skipped:
            lines += _lines(f"{'-':<6}{check:<12}", f"not checked: {reason}")
        return "\n".join(lines)

    def to_json(self) -> str:
        """Findings, what was skipped, and the numbers behind them."""
        seen = self.evidence
        told: dict[str, Any] = {
            "model": self.model,
            "data": self.data,
            "grade": self.grade,
            "findings": [f.to_dict() for f in self.findings],
            "skipped": [{"check": c, "reason": r} for c, r in self.skipped],
            "settings": dict(self.settings),
            "start": seen.start,
            "constants": None if seen.constants is None else vars(seen.constants),
            "signals": [{k: v for k, v in vars(s).items() if k != "values"} for s in seen.signals],
            "gradients": seen.gradients,
            "updates": seen.updates,
            "rates": None
            if seen.sweep is None
            else {
                "rates": seen.sweep.rates,
                "losses": seen.sweep.losses,
                "suggestion": seen.sweep.steepest,
            },
            "one_batch": None
            if seen.overfit is None
            else {
                "losses": seen.overfit.losses,
                "to": seen.overfit.to,
                "success": seen.overfit.success,
            },
        }
        return json.dumps(_plain(told), indent=1)

    def picture(self) -> "Picture":
        """Findings and figures in one picture."""
        from graphcnn.doctor.report import diagnosis_picture

        return diagnosis_picture(self)

    def page(self) -> "Page":
        """A page of HTML that refers to nothing: findings in words, then the figures."""
        from graphcnn.doctor.report import diagnosis_page

        return diagnosis_page(self)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the page (.html), or the picture in the format of another suffix."""
        if Path(path).suffix.lower() in (".html", ".htm"):
            return self.page().save(path)
        return self.picture().save(path)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """What a notebook shows."""
        return {"image/svg+xml": self.picture().svg(), "text/plain": str(self)}


def _lines(head: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDE,
        initial_indent=head,
        subsequent_indent=" " * 18,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _plain(x: Any) -> Any:
    """For JSON, which knows no NaN."""
    if isinstance(x, dict):
        return {key: _plain(each) for key, each in x.items()}
    if isinstance(x, list | tuple):
        return [_plain(each) for each in x]
    if isinstance(x, float) and (x != x or x in (float("inf"), float("-inf"))):
        return None
    return x
