"""Python's search for garbage in cycles, put off while graphs and code are made.

Nodes and their values point at each other, as do the instructions of LLVM IR: many objects that
live on, through which Python would search again and again. That took an eighth of the time.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept() -> Iterator[None]:
    """No search inside, for the whole process; also a decorator."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def drop_young() -> None:
    """Free what became garbage since the last search, if none goes on by itself."""
    if not gc.isenabled():
        gc.collect(0)
