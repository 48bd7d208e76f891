"""Which pixels a score hangs on: for the class that is looked at, and for the next one."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from graphcnn.errors import LensError
from graphcnn.ir.node import Array
from graphcnn.lens.finding import Finding
from graphcnn.lens.report.page import Figure, Section
from graphcnn.lens.report.subject import Subject

#: Multiply-adds of networks that are asked about two classes, and of those that get fewer steps.
_CHEAP, _LARGE = 10**7, 5 * 10**8
#: The methods that large networks are asked for; occlusion has a section of its own.
_FEW: Final = ("gradient", "smooth", "integrated", "guided", "grad_cam")
#: Multiply-adds that covering may take, and the places along a side: by default, and the fewest.
_ASKED: Final = 2 * 10**11
_PLACES, _FEWEST = 24, 8


def compared(subject: Subject) -> Section:
    """All methods side by side, with what they are worth; where that is cheap for both classes."""
    classes = [subject.target, subject.rival] if subject.work <= _CHEAP else [subject.target]
    methods = None if subject.work <= _LARGE else _FEW
    named = f", methods={methods!r}" if methods else ""
    figures = [
        Figure(
            subject.lens.attribute(subject.x, index, methods=methods, seed=subject.seed).picture,
            "Which pixels the score hangs on, by several methods: they answer different questions, "
            "and where they disagree none of them is the truth. The numbers say what a map is "
            "worth: deletion is small and insertion large where its pixels do matter to the "
            "network; ρ is small where the map is another one once the weights are shuffled."
            if not i
            else f"The same for {subject.name(index)!r}, the next in line.",
            "A map whose ρ stays large shows edges of the image rather than what was learned."
            if not i
            else "",
            f"lens.attribute(x, {index}{named}, seed={subject.seed})",
        )
        for i, index in enumerate(classes)
    ]
    return Section("compared", "Which pixels it hangs on", figures)


def against(subject: Subject) -> Section:
    """Integrated gradients of the target and of the runner-up, for the same image."""
    how: dict[str, Any] = {} if subject.work <= _LARGE else {"steps": 32, "tolerance": None}
    found, shown = _both(subject, lambda x, pair: subject.lens.integrated(x, pair, **how))
    figure = Figure(
        found.picture,
        f"Red pixels speak for the class, blue ones against it: {shown}. The numbers of a map add "
        "up to the score less that of a black image; the caption has the sum and what is missing.",
        "It is a comparison with black: what is black in the image can say nothing here, though "
        "the network may well count on it.",
        _code("integrated", subject, found, how),
    )
    return Section("against", "What speaks for it, and what for the next class", (figure,))


def covered(subject: Subject) -> Section:
    """What happens when a patch is covered, place by place."""
    stride = _stride(subject)
    found = subject.lens.occlude(subject.x, subject.target, stride=stride)
    figure = Figure(
        found.picture,
        "A black patch is moved over the image: where it covers what counts, the probability of "
        f"{subject.name(subject.target)!r} falls. Nothing is derived here, the network is only "
        "asked again and again.",
        "What two places hold alike is not found, since covering one leaves the other; and an "
        "image with a black patch is no image of the data.",
        f"lens.occlude(x, {subject.target}" + (f", stride={stride})" if stride else ")"),
    )
    return Section("covered", "Which parts cannot be covered", (figure,))


def _stride(subject: Subject) -> int | None:
    """As many places as the cost allows; None is the default."""
    places = int((_ASKED / max(subject.work, 1)) ** 0.5)
    return None if places >= _PLACES else -(-max(subject.fed.shape[2:]) // max(places, _FEWEST))


def located(subject: Subject) -> Section:
    """Grad-CAM of the target and of the runner-up."""
    found, shown = _both(subject, subject.lens.grad_cam)
    figure = Figure(
        found.picture,
        f"Where the last layer that has places finds the class, {shown}: its maps, each by the "
        "mean of its gradient, enlarged to the image.",
        "As coarse as that layer: it names a region, not its outline. Only what speaks for the "
        "class is shown.",
        _code("grad_cam", subject, found, {}),
    )
    return Section("located", "Where the last maps find it", (figure,))


def _both(subject: Subject, method: Callable[[Array, list[int]], Finding]) -> tuple[Finding, str]:
    """The maps of the target and of the runner-up, and what is seen; where nothing speaks for the
    runner-up, the target alone."""
    one, other = subject.name(subject.target), subject.name(subject.rival)
    try:
        found = method(np.stack([subject.x] * 2), [subject.target, subject.rival])
        return found, f"first {one!r}, then {other!r}, the next in line"
    except LensError:
        found = method(subject.x[None], [subject.target])
        return found, f"here {one!r} (nothing can be shown for {other!r}, the next in line)"


def _code(name: str, subject: Subject, found: Finding, how: Mapping[str, Any]) -> str:
    """The call of a method for as many classes as it has maps."""
    classes = [subject.target, subject.rival][: len(found.array)]
    options = "".join(f", {key}={value}" for key, value in how.items())
    return f"lens.{name}(np.stack([x] * {len(classes)}), {classes}{options})"
