"""Training curves, drawn with matplotlib (extra "plot")."""

import io
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from graphcnn.base.files import atomic_write
from graphcnn.errors import DataError, MissingExtraError, OutputError

#: How the keys of validation values begin: "val_loss" belongs to "loss".
VALIDATION: Final = "val_"
#: Measures that are always drawn; others are where validation measured them too.
USUAL: Final = ("loss", "accuracy")
#: Colour, dash and mark of each curve, distinct in grey and to every eye.
CURVES: Final = {"train": ("#4477aa", "-", "o"), "validation": ("#cc6633", "--", "s")}
#: What each format would otherwise stamp with the time or the version.
_METADATA: Final[dict[str, dict[str, None]]] = {
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
    ".png": {"Software": None},
}


def check_curves(path: Path) -> str:
    """The suffix of a path that curves can be drawn to.

    Raises:
        OutputError: it is unknown.
        MissingExtraError: matplotlib is not installed.
    """
    suffix = path.suffix.lower()
    if suffix not in _METADATA:
        raise OutputError(
            f"cannot draw to {path}: unknown file type {path.suffix or 'without a suffix'!r}; "
            f"known are {', '.join(_METADATA)}"
        )
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise MissingExtraError("drawing training curves", "matplotlib", "plot") from None
    return suffix


def training_curves(
    history: Iterable[Mapping[str, float]], path: str | os.PathLike[str], title: str = ""
) -> Path:
    """Draw loss and accuracy of every epoch, of training and validation, to `path`.

    Args:
        history: a `History`, or one mapping per epoch, such as {"loss": 0.3, "accuracy": 0.9,
            "val_loss": 0.4}. Values that are missing or not finite leave a gap.
        path: an .svg, .pdf or .png. The same history gives the same bytes.

    Returns:
        The path written.

    Raises:
        DataError: no epoch, or nothing to draw in any.
        OutputError: unknown suffix, or a file that cannot be written.
        MissingExtraError: matplotlib is not installed.
    """
    target = Path(path)
    suffix = check_curves(target)
    measures = series(history)
    from matplotlib import style
    from matplotlib.figure import Figure

    # The user's own settings are left out, so that a picture is the same everywhere.
    settings = {"svg.hashsalt": "graphcnn", "font.size": 9.0, "text.parse_math": False}
    with style.context(["default", settings]):
        figure = Figure(figsize=(4.2 * len(measures), 3.2), layout="constrained")
        for i, (measure, curves) in enumerate(measures.items(), start=1):
            _panel(figure.add_subplot(1, len(measures), i), measure, curves)
        if title:
            figure.suptitle(title)
        buffer = io.BytesIO()
        figure.savefig(buffer, format=suffix[1:], metadata=_METADATA[suffix], dpi=150)
    return atomic_write(target, buffer.getvalue())


def series(history: Iterable[Mapping[str, float]]) -> dict[str, dict[str, list[float]]]:
    """`{"loss": {"train": [...], "validation": [...]}}` from one mapping per epoch."""
    epochs = list(history)
    if not epochs:
        raise DataError("the training history has no epochs: nothing to draw")
    keys = dict.fromkeys(key for epoch in epochs for key in epoch)
    validated = [key.removeprefix(VALIDATION) for key in keys if key.startswith(VALIDATION)]
    found: dict[str, dict[str, list[float]]] = {}
    for measure in dict.fromkeys((*USUAL, *validated)):
        for curve, key in (("train", measure), ("validation", VALIDATION + measure)):
            if key in keys:
                values = [float(epoch.get(key, float("nan"))) for epoch in epochs]
                found.setdefault(measure, {})[curve] = values
    if not found:
        raise DataError(
            f"the training history has no loss and no accuracy, only: {', '.join(keys)}"
        )
    return found


def _panel(axes: Any, measure: str, curves: Mapping[str, Sequence[float]]) -> None:
    """One measure over the epochs."""
    longest = max(len(values) for values in curves.values())
    for curve, values in curves.items():
        colour, dash, mark = CURVES[curve]
        axes.plot(
            range(1, len(values) + 1),
            values,
            color=colour,
            linestyle=dash,
            marker=mark if longest <= 30 else None,
            markersize=3.5,
            linewidth=1.5,
            label=curve,
        )
    axes.set_xlabel("epoch")
    axes.set_ylabel(measure.replace("_", " "))
    axes.set_xlim(0.5, longest + 0.5)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(True, color="#e5e5e5", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
