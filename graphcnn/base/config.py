"""The few switches that come from the environment."""

import os

from graphcnn.errors import GraphCnnError

RUNTIMES = ("native", "reference")
VERIFY_LEVELS = ("off", "types", "numbers")
#: "fast" may choose algorithms that round more (Winograd), "strict" only sums of the products.
PRECISIONS = ("fast", "strict")


def verify_level() -> str:
    """GRAPHCNN_VERIFY: "off", "types" (default: types after every pass) or "numbers".

    "numbers" also runs the reference before and after every pass and compares the outputs, and
    compares every step of the native runtime with the definition of its operator.
    """
    level = os.environ.get("GRAPHCNN_VERIFY", "types")
    if level not in VERIFY_LEVELS:
        raise GraphCnnError(
            f"GRAPHCNN_VERIFY={level!r} is unknown; it is one of {', '.join(VERIFY_LEVELS)}"
        )
    return level


def default_runtime() -> str:
    """GRAPHCNN_RUNTIME: "native" (default) or "reference"."""
    return check_runtime(os.environ.get("GRAPHCNN_RUNTIME", RUNTIMES[0]))


def check_runtime(name: str) -> str:
    """`name`, if it is a runtime."""
    if name not in RUNTIMES:
        raise GraphCnnError(f"unknown runtime {name!r}; it is one of {', '.join(RUNTIMES)}")
    return name


def check_tune(chosen: bool | None) -> bool:
    """`chosen`; None is what GRAPHCNN_TUNE says, "1" or "0" (default)."""
    text = os.environ.get("GRAPHCNN_TUNE") or "0"
    if chosen is None and text not in ("0", "1"):
        raise GraphCnnError(f"GRAPHCNN_TUNE={text!r} is unknown; it is 1 or 0")
    return text == "1" if chosen is None else chosen


def check_precision(name: str | None) -> str:
    """`name`, if it is a precision; None is that of GRAPHCNN_PRECISION, "fast" by default."""
    name = name or os.environ.get("GRAPHCNN_PRECISION") or PRECISIONS[0]
    if name not in PRECISIONS:
        raise GraphCnnError(f"unknown precision {name!r}; it is one of {', '.join(PRECISIONS)}")
    return name
