"""What the releases of ONNX Runtime can read: `target="onnxruntime>=1.16"` keeps a file to it."""

import re

from graphcnn.errors import ExportError

#: Newest opset and IR version of a release, as documented; loading and refusing was measured for
#: 1.15, 1.17, 1.18, 1.21, 1.23 and 1.31. Releases between two rows are taken for the older one.
ONNXRUNTIME = {
    (1, 10): (15, 8), (1, 11): (16, 8), (1, 12): (17, 8), (1, 14): (18, 8), (1, 15): (19, 9),
    (1, 17): (20, 9), (1, 18): (21, 10), (1, 21): (22, 10), (1, 23): (23, 11), (1, 31): (26, 13),
}  # fmt: skip

_FORM = re.compile(r"onnxruntime\s*>=\s*(\d+)\.(\d+)(\.\d+)*")


def newest_for(target: str) -> tuple[int, int]:
    """The newest opset and IR version that all releases of `target` read.

    Raises `ExportError` where the target is spelled otherwise, or too old.
    """
    found = _FORM.fullmatch(target.strip())
    if found is None:
        raise ExportError(f"target must be spelled 'onnxruntime>=1.16', found {target!r}")
    release = int(found[1]), int(found[2])
    rows = [row for since, row in ONNXRUNTIME.items() if since <= release]
    if not rows:
        raise ExportError(
            f"target must be at least onnxruntime>={_name(min(ONNXRUNTIME))}, found {target!r}"
        )
    return rows[-1]


def first_release(opset: int, ir_version: int) -> str:
    """The oldest release that reads such a file."""
    for since, (newest, newest_ir) in ONNXRUNTIME.items():
        if opset <= newest and ir_version <= newest_ir:
            return f"onnxruntime>={_name(since)}"
    return "a release that does not exist yet"


def _name(release: tuple[int, int]) -> str:
    return ".".join(map(str, release))
