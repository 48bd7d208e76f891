"""A diagnosis in pictures: one for each question, all in one, or as a page."""

import textwrap
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import Final

from graphcnn.doctor.case import Signal
from graphcnn.doctor.finding import Finding
from graphcnn.doctor.told import Told
from graphcnn.lens.report.page import Figure, Page, Section, words
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.raster.page import Part, page_picture, titled
from graphcnn.pictures.results.layers import layers_picture
from graphcnn.pictures.results.signals import Layer, signals_picture
from graphcnn.pictures.scene.scene import Box, Group, Item, Rect, Text, moved

#: Characters of a line of a finding, and the height of one.
_WIDE, _LINE = 120, 14.0
#: The name of a check is not broken.
_WHOLE: Final = 'style="white-space:nowrap;font-weight:bold"'
#: How a grade looks: the paint of its box and of its word.
_PAINTS: Final = {
    "wrong": ("error", "error_text"),
    "look": ("changed", "text"),
    "fine": ("added", "saved_text"),
}


def figures(found: Told) -> Iterator[tuple[str, str, Picture, str]]:
    """Key, title, picture and words of each question that was measured."""
    seen = found.evidence
    if seen.signals:
        yield (
            "activations",
            "What each layer gives before the first step",
            signals_picture([_layer(s) for s in seen.signals], title="activations"),
            "Of a healthy network they are neither all 0 nor at the ends of what an activation can "
            "give, and of about one size from layer to layer.",
        )
    if any(x > 0 for row in (*seen.updates.values(), *seen.step_gradients.values()) for x in row):
        yield (
            "steps",
            "How much each layer learns in the first steps",
            layers_picture(seen.updates, seen.step_gradients, each="step", title="first steps"),
            "An update of about 1/1000 of the weights is usual; where it is 1/10 or 1/100,000, the "
            "learning rate does not fit. Gradients that get smaller from the last layer to the "
            "first vanish.",
        )
    if seen.sweep is not None and len(seen.sweep.rates) > 1:
        yield (
            "rates",
            "Which learning rate fits",
            seen.sweep.picture("learning rates"),
            "Too small a rate leaves the loss as it is, one that is too large makes it rise.",
        )
    for key, title, batch in (
        ("batch", "Whether one batch is learned by heart", seen.overfit),
        ("batch-again", "The same batch with the learning rate that was found", seen.overfit_again),
    ):
        if batch is not None and batch.losses:
            yield (
                key,
                title,
                batch.picture(title[0].lower() + title[1:]),
                "A network and a training that are right bring the loss of one batch to about 0.",
            )


def _layer(signal: Signal) -> Layer:
    said = [f"mean {signal.mean:.2g}, std {signal.std:.2g}"]
    if signal.zero > 0:
        said.append(f"{100 * signal.zero:.0f} % zeros")
    if signal.dead:
        said.append(f"{signal.dead} of {signal.units} dead")
    saturated = signal.saturated or 0.0
    if saturated > 0:
        said.append(f"{100 * saturated:.0f} % at the ends")
    marked = signal.dead > 0.2 * signal.units or saturated > 0.2
    return Layer(f"{signal.name} ({signal.op})", ", ".join(said), signal.values, marked)


def diagnosis_picture(found: Told) -> Picture:
    """Findings and figures, one below the other."""
    parts: list[Part] = [titled("Findings", _findings(found.findings))]
    parts += [_placed(picture) for _, _, picture, _ in figures(found)]
    facts = [f"{name}: {value}" for name, value in found.settings]
    facts += [f"not checked: {check}, {reason}" for check, reason in found.skipped]
    return page_picture(
        parts, f"{found.model} on {found.data}", found.verdict, [" · ".join(facts)],
        data={"findings": [f.to_dict() for f in found.findings]},
    )  # fmt: skip


def _findings(findings: Sequence[Finding]) -> Part:
    def draw(left: float, top: float, width: float) -> tuple[Sequence[Item], float]:
        items: list[Item] = []
        y = top
        for number, finding in enumerate(findings):
            group, y = _drawn(finding, number, left, y, width)
            items.append(group)
        return items, y + 8

    return draw


def _drawn(
    finding: Finding, number: int, left: float, top: float, width: float
) -> tuple[Group, float]:
    """A finding: its grade, its check and its sentences."""
    box, paint = _PAINTS[finding.grade]
    lines = [(line, "text") for line in textwrap.wrap(finding.seen, _WIDE)]
    lines += [(line, "muted") for line in textwrap.wrap(finding.means, _WIDE)]
    lines += [("→ " + line if i == 0 else "   " + line, "text")
              for i, line in enumerate(textwrap.wrap(finding.do, _WIDE))]  # fmt: skip
    items: list[Item] = [
        Rect(Box(left, top + 1, left + 44, top + 15), box, 4),
        Text(left + 22, top + 11.5, finding.grade, 9.5, paint, "middle", True),
        Text(left + 52, top + 11.5, finding.check, 9.5, "text", bold=True),
    ]
    for i, (line, colour) in enumerate(lines):
        items.append(Text(left + 132, top + 11.5 + i * _LINE, line, 9.5, colour))
    bottom = top + max(len(lines), 1) * _LINE + 6
    label = " ".join(filter(None, (f"{finding.grade}, {finding.check}:", finding.seen,
                                   finding.means, finding.do)))  # fmt: skip
    area = Box(left - 1, top, left + width + 1, bottom - 3)
    return Group(tuple(items), "card", f"finding{number}", label, label, area), bottom


def _placed(picture: Picture) -> Part:
    """A whole picture as a part of another, without its ground."""
    scene = picture.scene

    def draw(left: float, top: float, width: float) -> tuple[Sequence[Item], float]:
        return [moved(item, left - 14, top) for item in scene.items[1:]], top + scene.height + 10

    return draw


def diagnosis_page(found: Told) -> Page:
    """The findings in words, then the figures."""
    sections = [Section("findings", "Findings", before=_table(found))]
    for key, title, picture, says in figures(found):
        sections.append(Section(key, title, (Figure(picture, says),)))
    for i, (check, reason) in enumerate(found.skipped):
        sections.append(Section(f"skipped{i}", f"Not checked: {check}", refusal=reason))
    worst = found.of("wrong")
    settings = (*found.settings, ("versions", f"graphcnn {version('graphcnn')}"))
    return Page(
        f"Diagnosis of {found.model}",
        f"{found.model} on {found.data}: {found.verdict}. Everything was tried on copies; the "
        "model is as it was.",
        tuple(f"{f.check}: {f.seen}" for f in worst),
        tuple(sections),
        settings,
        ("import graphcnn as cnn", "# model: this network; train, test: these data",
         "found = cnn.diagnose(model, train, test=test)", 'found.save("doctor.html")'),
    )  # fmt: skip


def _table(found: Told) -> str:
    rows = "".join(
        f'<tr><th scope="row">{words(f.grade)}</th><td {_WHOLE}>{words(f.check)}</td>'
        f"<td>{words(f.seen)}"
        + (f'<br><span class="not">{words(f.means)}</span>' if f.means else "")
        + (f"<br>→ {words(f.do)}" if f.do else "")
        + "</td></tr>"
        for f in found.findings
    )
    return (
        '<table><thead><tr><th scope="col">grade</th><th scope="col">check</th>'
        f'<th scope="col">what was seen</th></tr></thead><tbody>{rows}</tbody></table>\n'
    )
