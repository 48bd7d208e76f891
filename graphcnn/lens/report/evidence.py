"""Which pixels a score hangs on: for the class that is looked at, and for the next one."""

import numpy as np

from graphcnn.lens.report.page import Figure, Section
from graphcnn.lens.report.subject import Subject


def against(subject: Subject) -> Section:
    """Integrated gradients of the target and of the runner-up, for the same image."""
    pair = [subject.target, subject.rival]
    found = subject.lens.integrated(np.stack([subject.x, subject.x]), pair)
    one, other = map(subject.name, pair)
    figure = Figure(
        found.picture,
        f"Red pixels speak for the class, blue ones against it: first for {one!r}, then for "
        f"{other!r}, the next in line. The numbers of a map add up to the score less that of a "
        "black image; the caption has the sum and what is missing.",
        "It is a comparison with black: what is black in the image can say nothing here, though "
        "the network may well count on it.",
        f"lens.integrated(np.stack([x, x]), {pair})",
    )
    return Section("against", "What speaks for it, and what for the next class", (figure,))
