"""The few switches that come from the environment, and which values they take."""

import os

from graphcnn.errors import GraphCnnError

RUNTIMES = ("native", "reference")
VERIFY_LEVELS = ("off", "types", "numbers")
#: "fast" may choose algorithms that round more (Winograd), "strict" only sums of the products.
PRECISIONS = ("fast", "strict")
MOST_THREADS = 256


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


def default_tune() -> bool:
    """GRAPHCNN_TUNE: "1" or "0" (default)."""
    text = os.environ.get("GRAPHCNN_TUNE") or "0"
    if text not in ("0", "1"):
        raise GraphCnnError(f"GRAPHCNN_TUNE={text!r} is unknown; it is 1 or 0")
    return text == "1"


def default_precision() -> str:
    """GRAPHCNN_PRECISION: "fast" (default) or "strict"."""
    return check_precision(os.environ.get("GRAPHCNN_PRECISION") or PRECISIONS[0])


def check_precision(name: str) -> str:
    """`name`, if it is a precision."""
    if name not in PRECISIONS:
        raise GraphCnnError(f"unknown precision {name!r}; it is one of {', '.join(PRECISIONS)}")
    return name


def default_processors() -> int | None:
    """GRAPHCNN_THREADS: how many processors a run may use; None, where it is not set, is all."""
    text = os.environ.get("GRAPHCNN_THREADS", "").strip()
    if not text:
        return None
    return check_threads(int(text) if text.isdecimal() else text, "GRAPHCNN_THREADS")


def check_threads(count: object, what: str) -> int | None:
    """`count`, if it is None or as many threads as a run can have."""
    if count is None or (isinstance(count, int) and 1 <= count <= MOST_THREADS):
        return count
    raise GraphCnnError(f"{what} must be a number from 1 to {MOST_THREADS}, found {count!r}")
