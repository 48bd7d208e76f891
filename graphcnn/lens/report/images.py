"""Images that are made: what excites a class most, what each layer's code still knows."""

from typing import Final

from graphcnn.lens.report.page import Figure, Section
from graphcnn.lens.report.subject import Subject

#: Multiply-adds that a search may take, forward alone, and the bounds of its steps.
_BUDGET: Final = 10**11
_STEPS: Final = (48, 512)


def steps(subject: Subject, share: float = 1.0) -> int:
    """Steps of a search: as many as a network of this cost makes in a few seconds."""
    least, most = _STEPS
    return int(min(most, max(least, share * _BUDGET / max(subject.work, 1))))


def maximised(subject: Subject) -> Section:
    """The image that the target class answers most."""
    count = steps(subject)
    found = subject.lens.maximise(unit=subject.target, steps=count, seed=subject.seed)
    figure = Figure(
        found.picture,
        f"An image made from noise so that the score of {subject.name(subject.target)!r} is as "
        "large as it can be: what the network would like to see.",
        "It is no image of the data and need not look like one: where its score is far above "
        "that of any real image, it says what the score grows with, not what the class looks like.",
        f"lens.maximise(unit={subject.target}, steps={count}, seed={subject.seed})",
    )
    return Section("maximised", "What the class is to the network", (figure,))
