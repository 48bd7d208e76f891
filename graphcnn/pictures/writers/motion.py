"""How a film moves in SVG: keyframes of style sheets, which need no script.

Groups that come and go carry a class for the frames in which they are seen. What is hidden in the
last frame is hidden by an attribute: that frame is what stands still where nothing moves, as on
paper, in programs without style sheets and for readers who asked for less motion.
"""

from collections.abc import Iterable, Sequence
from itertools import accumulate

Frames = tuple[int, int]


def class_of(frames: Frames) -> str:
    """The class of groups that are seen from a frame until another."""
    return f"t{frames[0]}-{frames[1]}"


def motion(key: str, seconds: Sequence[float], ranges: Iterable[Frames]) -> str:
    """The rules for a film whose frames stay so many seconds, in the SVG with this identifier.

    A pointer that rests on the picture stops it.
    """
    ends = [0.0, *accumulate(seconds)]
    names, keyframes = [], []
    for frames in sorted(ranges):
        name = class_of(frames)
        names.append(f"#{key} .{name}{{animation-name:{key}-{name}}}")
        steps = {0.0: frames[0] == 0, 100.0: frames[1] == len(seconds)}
        for frame, seen in zip(frames, (True, False), strict=True):
            if 0 < frame < len(seconds):
                steps[100 * ends[frame] / ends[-1]] = seen
        rules = "".join(f"{_percent(at)}{{visibility:{_WORDS[steps[at]]}}}" for at in sorted(steps))
        keyframes.append(f"@keyframes {key}-{name}{{{rules}}}")
    return (
        "".join(keyframes) + "@media screen and (prefers-reduced-motion:no-preference){"
        f"#{key} .film{{animation:{ends[-1]:g}s step-end infinite}}{''.join(names)}"
        f"#{key}:hover .film{{animation-play-state:paused}}}}"
    )


_WORDS = ("hidden", "visible")


def _percent(x: float) -> str:
    return f"{x:.4f}".rstrip("0").rstrip(".") + "%"
