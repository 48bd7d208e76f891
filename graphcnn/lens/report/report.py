"""Puts a report together: a section for each question, and what is said of all of them."""

import platform
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any, Final

import numpy as np

from graphcnn.errors import GraphCnnError
from graphcnn.lens.methods import Methods
from graphcnn.lens.report.evidence import against, compared, covered, located
from graphcnn.lens.report.images import maximised, misled, reconstructed
from graphcnn.lens.report.network import fields, filters, maps
from graphcnn.lens.report.page import Page, Section
from graphcnn.lens.report.prediction import prediction
from graphcnn.lens.report.subject import Subject, subject_of
from graphcnn.lens.untrained import is_untrained
from graphcnn.pictures.scene.units import joined

#: By the anchor: the title, and what makes it.
SECTIONS: Final[tuple[tuple[str, str, Callable[[Subject], Section]], ...]] = (
    ("prediction", "The image and the prediction", prediction),
    ("compared", "Which pixels it hangs on", compared),
    ("against", "What speaks for it, and what for the next class", against),
    ("covered", "Which parts cannot be covered", covered),
    ("located", "Where the last maps find it", located),
    ("maps", "What each layer makes of it", maps),
    ("filters", "What the first layer looks for", filters),
    ("fields", "How far each layer sees", fields),
    ("reconstructed", "What each layer still knows", reconstructed),
    ("maximised", "What the class is to the network", maximised),
    ("misled", "How little would change its mind", misled),
)


def report(
    lens: Methods,
    x: Any,
    target: Any,
    seed: int,
    label: str,
    source: str,
    repeat: tuple[str, ...],
    say: Callable[[str, float], None] | None,
) -> Page:
    """See `Lens.report`."""
    subject = subject_of(lens, x, target, seed, label)
    sections = []
    for key, title, make in SECTIONS:
        start = time.perf_counter()
        try:
            sections.append(make(subject))
        except GraphCnnError as error:  # what this network does not have: the others are shown
            sections.append(Section(key, title, refusal=str(error)))
        if say is not None:
            say(title, time.perf_counter() - start)
    return Page(
        f"What {lens.model.name} sees",
        _lead(subject, source),
        tuple(_warnings(subject)),
        tuple(sections),
        tuple(_settings(subject)),
        tuple(_repeat(sections, subject, repeat)),
    )


def _lead(subject: Subject, source: str) -> str:
    of = f" {source}," if source else " this image,"
    label = f" labelled {subject.label!r}," if subject.label else ""
    best = subject.predicted
    said = f"Of{of}{label} {subject.lens.model.name} says {subject.name(best)!r} "
    said += f"({subject.chance(best)}). "
    if subject.target != best:
        said += f"The report asks about {subject.name(subject.target)!r} instead. "
    return said + (
        f"The figures below look into why: what speaks for {subject.name(subject.target)!r}, and "
        f"what for {subject.name(subject.rival)!r}, the next in line."
    )


def _warnings(subject: Subject) -> Iterator[str]:
    if is_untrained(subject.lens.model):
        yield (
            "Untrained weights: they were drawn at random. The figures show what the architecture "
            "does by itself, not something that was learned."
        )
    if subject.label and subject.label != subject.name(subject.predicted):
        yield f"The prediction is wrong: the label of the image is {subject.label!r}."


def _settings(subject: Subject) -> Iterator[tuple[str, str]]:
    lens = subject.lens
    yield "model", joined((lens.model.name, f"{subject.work:,} multiply-adds for an image"))
    yield "target", f"{subject.name(subject.target)!r}, score before softmax"
    yield "seed", str(subject.seed)
    yield "precision", lens.execution.precision
    yield "runtime", joined((lens.execution.runtime, "any number of threads gives the same bits"))
    yield (
        "versions",
        joined(
            (
                f"graphcnn {version('graphcnn')}",
                f"NumPy {np.__version__}",
                f"Python {platform.python_version()}",
            )
        ),
    )


def _repeat(sections: list[Section], subject: Subject, repeat: tuple[str, ...]) -> Iterator[str]:
    yield "import numpy as np"
    yield "import graphcnn as cnn"
    yield from repeat or ("# model: this network; x: this image",)
    yield "lens = model.lens()"
    yield from (figure.code for section in sections for figure in section.figures if figure.code)
    yield f'lens.report(x, {subject.target}, seed={subject.seed}).save("report.html")'
