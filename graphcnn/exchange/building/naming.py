"""What files and functions of a network are called."""

from graphcnn.errors import GraphCnnError
from graphcnn.runtime.native.ahead.places import identifier

#: File systems, and linkers of some machines, know no longer ones.
LONGEST = 64
#: Names whose NAME.h, NAME.o or libNAME would be taken for something else: headers and libraries
#: of C, the example beside them, devices of Windows.
_TAKEN = frozenset(
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal "
    "stdalign stdarg stdatomic stdbit stdbool stdckdint stddef stdint stdio stdlib stdnoreturn "
    "string tgmath threads time uchar wchar wctype "
    "c dl gcc gcc_s m pthread rt stdcxx util "
    "main aux con nul prn".split()
)


def network_name(given: str | None, model: str) -> str:
    """The name that was given, or one for a model that is called so.

    Raises `GraphCnnError` for one that is given and cannot be, with one that can.
    """
    if given is None:
        return _free(model)
    free = _free(given) if isinstance(given, str) else "net"
    if given == free:
        return given
    taken = isinstance(given, str) and free == f"{given}_net"
    fault = (
        "must not be that of a header, a library or a file of others"
        if taken
        else f"must be one that C knows, up to {LONGEST} letters, digits and underscores"
    )
    raise GraphCnnError(f"name {fault}, found {given!r}; {free!r} is one")


def _free(text: str) -> str:
    name = identifier(text)[:LONGEST]
    return f"{name}_net" if name.lower() in _TAKEN else name
