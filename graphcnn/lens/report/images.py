"""Images that are made: what excites a class most, what each layer's code still knows."""

from typing import Final

from graphcnn.lens.report.page import Figure, Section
from graphcnn.lens.report.subject import Subject
from graphcnn.lens.study.layers import layers

#: Multiply-adds that a search may take, forward alone, and the bounds of its steps.
_BUDGET: Final = 10**11
_STEPS: Final = (40, 512)
#: Layers that are all inverted.
_LAYERS: Final = 9
#: Of the others so many.
_DEEPEST: Final = 4


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


def reconstructed(subject: Subject) -> Section:
    """The image back from layer after layer."""
    known = layers(subject.lens)
    # Of a deep network the last layer of each size, and the layers without places: the deepest.
    sizes = {value.shape[2:] or name: name for name, value in known.items()}
    names = list(known) if len(known) <= _LAYERS else list(sizes.values())[-_DEEPEST:]
    count = steps(subject, 1 / len(names))
    found = subject.lens.reconstruct(subject.x, names, steps=count, seed=subject.seed)
    figure = Figure(
        found.picture,
        "Images made from noise that the layer answers as it does to this one: what is the same in "
        "them the layer has kept, what differs it has forgotten.",
        "Pooling forgets places, dense layers nearly everything but the class. An image that looks "
        "bad may also be one that the search did not find: the error says how close it came.",
        f"lens.reconstruct(x, {names!r}, steps={count}, seed={subject.seed})",
    )
    return Section("reconstructed", "What each layer still knows", (figure,))


def misled(subject: Subject) -> Section:
    """The smallest change that makes it another class."""
    found = subject.lens.adversarial(subject.x, seed=subject.seed)
    figure = Figure(
        found.picture,
        "Every pixel moved by the same step, up or down as the gradient says, with the smallest "
        "step that makes the network say something else; white is 1.",
        "It is not the nearest image of all, and a network that resists it may fall for another. "
        "Such images need not occur.",
        f"lens.adversarial(x, seed={subject.seed})",
    )
    return Section("misled", "How little would change its mind", (figure,))
