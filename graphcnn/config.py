"""The few switches that come from the environment."""

import os

from graphcnn.errors import GraphCnnError

VERIFY_LEVELS = ("off", "types", "numbers")


def verify_level() -> str:
    """GRAPHCNN_VERIFY: "off", "types" (default: types after every pass) or "numbers".

    "numbers" also runs the reference before and after every pass and compares the outputs.
    """
    level = os.environ.get("GRAPHCNN_VERIFY", "types")
    if level not in VERIFY_LEVELS:
        raise GraphCnnError(
            f"GRAPHCNN_VERIFY={level!r} is unknown; it is one of {', '.join(VERIFY_LEVELS)}"
        )
    return level
