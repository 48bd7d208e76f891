"""Paints by name, for light and dark readers, and the families of operators that they tell apart.

Every pair of text and ground has a contrast of at least 4.5 to 1 in both themes (the tests compute
it after the Web Content Accessibility Guidelines 2.2), and no meaning hangs on colour alone: a
family has two letters and a corner radius of its own, a state of change has a sign.
"""

import colorsys
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Paint:
    """Fill and stroke, light and dark. None is not painted."""

    fill: str | None = None
    stroke: str | None = None
    dark_fill: str | None = None
    dark_stroke: str | None = None
    width: float = 1.0
    dash: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """Operators of one kind: name in the legend, letters on the card, radius of its corners, paint
    of cards and of solids."""

    title: str
    letters: str
    radius: float
    paint: str


#: Every `Op.family`.
FAMILIES: Final[dict[str, Family]] = {
    "conv": Family("convolution", "Cv", 2, "conv"),
    "norm": Family("normalisation", "No", 5, "norm"),
    "activation": Family("activation", "Ac", 9, "activation"),
    "pool": Family("pooling and resampling", "Po", 0, "pool"),
    "arithmetic": Family("arithmetic and joining", "Me", 7, "merge"),
    "shape": Family("shape", "Sh", 1, "shape"),
    "dense": Family("dense", "De", 4, "dense"),
    "loss": Family("loss", "Lo", 11, "loss"),
    "own": Family("own operator", "Ow", 8, "own"),
    "end": Family("input and output", "IO", 12, "end"),
    "state": Family("state and constant", "St", 6, "state"),
    "several": Family("several operators", "··", 3, "several"),
}

#: Steps of the scale from little to much.
HEAT: Final = 7
_HEAT_LIGHT = ("#fff9ec", "#fdebc8", "#fbd9a0", "#f9c47a", "#f5ab58", "#ee8f3d", "#e27527")
_HEAT_DARK = ("#26221c", "#3a2c18", "#4d3414", "#613b10", "#75420d", "#88480b", "#974d0a")

PAINTS: Final[dict[str, Paint]] = {
    "ground": Paint("#ffffff", None, "#14171b", None),
    "text": Paint("#111111", None, "#eeeeee", None),
    "muted": Paint("#4b535c", None, "#b3bbc5", None),
    "body": Paint("#ffffff", "#9aa3ad", "#1d2126", "#5d6671"),
    "conv": Paint("#cfe2f7", "#2b6cb0", "#1d3a5f", "#6ea8e6"),
    "norm": Paint("#d3ecd6", "#2f7d43", "#1d4028", "#6fc186"),
    "activation": Paint("#fbeec0", "#8a6800", "#4a3b0c", "#d9b445"),
    "pool": Paint("#fbd9cd", "#b5482a", "#55261a", "#ee8f73"),
    "merge": Paint("#d2eff0", "#1f7a82", "#13434a", "#5cc3cd"),
    "shape": Paint("#e6e7e9", "#666b72", "#3a3e44", "#a5abb3"),
    "dense": Paint("#e3d8f3", "#6b46a8", "#3a2a57", "#b094e6"),
    "loss": Paint("#f7d3e2", "#a8326a", "#551c38", "#ee86b4"),
    "own": Paint("#f0dfd0", "#8a4f1d", "#452c18", "#d69a66"),
    "end": Paint("#ffffff", "#15191e", "#14171b", "#eef1f5", width=1.4),
    "state": Paint("#f4f4f2", "#77756c", "#2b2b28", "#a09d92", dash="4 2"),
    "several": Paint("#e8ebf0", "#4b535c", "#2c323a", "#b3bbc5"),
    "backward": Paint("#ffe6d3", "#b34700", "#54290c", "#f39a5b"),
    "update": Paint("#f2dcf2", "#8a3a8a", "#4b214b", "#d98fd9"),
    "frame": Paint(None, "#8b949e", None, "#69727d", dash="5 3"),
    "repeat": Paint("#f6f8fa", "#4b535c", "#191d22", "#9aa3ad", width=1.4),
    "badge": Paint("#15191e", None, "#eef1f5", None),
    "badge_text": Paint("#ffffff", None, "#14171b", None),
    "edge": Paint(None, "#6a737d", None, "#8b949e"),
    "head": Paint("#6a737d", None, "#8b949e", None),
    "skip": Paint(None, "#2b6cb0", None, "#6ea8e6", dash="6 3"),
    "skip_head": Paint("#2b6cb0", None, "#6ea8e6", None),
    "carry": Paint(None, "#6b46a8", None, "#b094e6", width=1.8),
    "carry_head": Paint("#6b46a8", None, "#b094e6", None),
    "gradient": Paint(None, "#b34700", None, "#f39a5b"),
    "gradient_head": Paint("#b34700", None, "#f39a5b", None),
    "update_line": Paint(None, "#8a3a8a", None, "#d98fd9"),
    "update_head": Paint("#8a3a8a", None, "#d98fd9", None),
    "saved": Paint(None, "#2f7d43", None, "#6fc186", dash="1.5 2.5"),
    "saved_text": Paint("#256636", None, "#7fcf95", None),
    "outline": Paint(None, "#15191e", None, "#eef1f5", width=2.4),
    "kept": Paint("#eceef0", "#8b949e", "#2b3036", "#69727d"),
    "removed": Paint("#fbd5d5", "#b42318", "#57201c", "#f0877e", dash="4 2"),
    "added": Paint("#d3ecd6", "#1f7a35", "#1d4028", "#6fc186", width=1.6),
    "changed": Paint("#fbeec0", "#8a6800", "#4a3b0c", "#d9b445", width=1.6),
    "fused": Paint("#dcd9f7", "#4f46a5", "#2e2b5a", "#a59ff0"),
    "link": Paint(None, "#8b949e", None, "#69727d", dash="1.5 2.5"),
    "fused_link": Paint(None, "#4f46a5", None, "#a59ff0", width=1.4),
    "fused_head": Paint("#4f46a5", None, "#a59ff0", None),
    "error": Paint("#fbd5d5", "#b42318", "#57201c", "#f0877e", width=2.2),
    "error_text": Paint("#8f1a11", None, "#ffb3ac", None),
    "error_line": Paint(None, "#b42318", None, "#f0877e", width=1.6),
    "error_head": Paint("#b42318", None, "#f0877e", None),
    "kernel": Paint("#fff3b8", "#a65f00", "#6a4b00", "#ffce5c", width=1.3),
    "window": Paint(None, "#d9480f", None, "#d9480f", width=1.6),
    "ray": Paint(None, "#a65f00", None, "#ffce5c", width=0.8),
    "leader": Paint(None, "#8b949e", None, "#69727d", width=0.7),
    "tab": Paint(None, "#888888", None, "#888888"),
    "tie": Paint(None, "#15191e", None, "#eef1f5", width=1.2, dash="1.5 2"),
    "limit": Paint(None, "#b42318", None, "#f0877e", width=1.4),
    "bound": Paint(None, "#256636", None, "#7fcf95", width=1.4, dash="6 3"),
    "tile": Paint(None, "#8b949e", None, "#69727d", width=0.8),
    "curve_train": Paint(None, "#2b6cb0", None, "#6ea8e6", width=1.8),
    "curve_validation": Paint(None, "#b34700", None, "#f39a5b", width=1.8, dash="6 3"),
    "mark_train": Paint("#2b6cb0", None, "#6ea8e6", None),
    "mark_validation": Paint("#b34700", None, "#f39a5b", None),
    "band_train": Paint("#dbe8f6", None, "#1d3a5f", None),
    "band_validation": Paint("#fbe6d8", None, "#4a2a14", None),
    "axis": Paint(None, "#4b535c", None, "#b3bbc5", width=0.8),
    **{
        f"heat{i}": Paint(light, "#8a6232", dark, "#c79a63")
        for i, (light, dark) in enumerate(zip(_HEAT_LIGHT, _HEAT_DARK, strict=True))
    },
    **{
        f"level{i}": Paint(light, None, dark, None)
        for i, (light, dark) in enumerate(zip(_HEAT_LIGHT, _HEAT_DARK, strict=True))
    },
}


def mixed(one: str, other: str, share: float) -> str:
    """The colour between two, `share` of the way to the other."""
    parts = []
    for i in (1, 3, 5):
        a, b = int(one[i : i + 2], 16), int(other[i : i + 2], 16)
        parts.append(f"{round(a + (b - a) * share):02x}")
    return "#" + "".join(parts)


def _add_sides() -> None:
    """For each family the ground of its letters, a line, and the sides of its volumes."""
    for name in [family.paint for family in FAMILIES.values()]:
        p = PAINTS[name]
        assert p.fill and p.stroke and p.dark_fill and p.dark_stroke
        PAINTS[f"{name}_line"] = Paint(None, p.stroke, None, p.dark_stroke)
        PAINTS[f"{name}_side"] = Paint(p.stroke, None, p.dark_stroke)
        for part, share in (("top", 0.12), ("front", 0.4)):
            PAINTS[f"{name}_{part}"] = Paint(
                mixed(p.fill, p.stroke, share), p.stroke,
                mixed(p.dark_fill, p.dark_stroke, share), p.dark_stroke, width=0.8,
            )  # fmt: skip


#: Runs that are told apart in one picture.
RUNS: Final = 24
_RUN_COLORS: Final = (
    ("#2b6cb0", "#6ea8e6"), ("#b34700", "#f39a5b"), ("#2f7d43", "#6fc186"), ("#a8326a", "#ee86b4"),
    ("#6b46a8", "#b094e6"), ("#1f7a82", "#5cc3cd"), ("#8a6800", "#d9b445"), ("#4b535c", "#b3bbc5"),
)  # fmt: skip


def _add_runs() -> None:
    """A line and a mark for each of several runs: eight colours, each whole, dashed and dotted."""
    for i in range(RUNS):
        light, dark = _RUN_COLORS[i % len(_RUN_COLORS)]
        dash = ("", "7 3", "1.5 2.5")[i // len(_RUN_COLORS)]
        PAINTS[f"run{i}"] = Paint(None, light, None, dark, width=1.6, dash=dash)
        PAINTS[f"mark_run{i}"] = Paint(light, None, dark, None)


#: Steps of the scale of signed numbers, from 0 to either end.
SIGNED: Final = 4
#: Paints that tell the parts of one thing apart, such as the weights of a kernel.
SHARES: Final = 64


def _add_tables() -> None:
    """Squares of tables: signed numbers, blue below 0 and red above, and one paint for each of
    many parts. All are so light, or so dark, that digits are read on them."""
    line, dark_line = "#8b949e", "#69727d"
    PAINTS["zero"] = Paint("#ffffff", line, "#1d2126", dark_line, width=0.6)
    for name, light, dark in (("plus", "#f4a582", "#8f3a22"), ("minus", "#92c5de", "#1f5f8f")):
        for i in range(1, SIGNED + 1):
            part = 0.15 + 0.85 * i / SIGNED
            PAINTS[f"{name}{i}"] = Paint(
                mixed("#ffffff", light, part), line, mixed("#1d2126", dark, part), dark_line, 0.6
            )
    for i in range(SHARES):
        # Steps of the golden section keep neighbours apart in hue; three grades of light.
        hue, grade = (i * 0.61803398875) % 1, i % 3
        fill = _of_hue(hue, (0.84, 0.74, 0.64)[grade], 0.62)
        dark_fill = _of_hue(hue, (0.24, 0.30, 0.18)[grade], 0.5)
        PAINTS[f"share{i}"] = Paint(fill, line, dark_fill, dark_line, 0.6)
    PAINTS["conv_area"] = Paint("#7fb0e6", None, "#2f5f96", None)
    PAINTS["backward_area"] = Paint("#f0a878", None, "#8a4716", None)


def _of_hue(hue: float, light: float, strength: float) -> str:
    """The colour of a hue, as light to the eye as a grey of `light`."""
    low, high = 0.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        red, green, blue = colorsys.hls_to_rgb(hue, middle, strength)
        grey = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
        low, high = (middle, high) if grey < light**2.2 else (low, middle)
    parts = colorsys.hls_to_rgb(hue, low, strength)
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)


_add_sides()
_add_runs()
_add_tables()


def luminance(color: str) -> float:
    """Relative luminance of `#rrggbb`, between 0 and 1."""
    linear = []
    for i in (1, 3, 5):
        c = int(color[i : i + 2], 16) / 255
        linear.append(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4)
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast of two colours, between 1 and 21: (lighter + 0.05) / (darker + 0.05)."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)
