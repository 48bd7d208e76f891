"""What runs in a process of its own: sessions of ONNX Runtime, and messages through two pipes.

The process is this file alone: it imports nothing of graphcnn and sees nothing of the program that
started it, neither its `__main__` nor its start-up files. A message is the length of a head in
eight bytes, the head as JSON, and the bytes of the arrays that the head lists; nothing in it can
run code. What ONNX Runtime prints goes to stderr, which the other side keeps in a file.
"""

import json
import math
import os
import queue
import signal
import sys
import threading
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:  # the process knows where packages lie after its first message
    import numpy as np

#: Bytes of a head: some per array.
_LONGEST = 1 << 28

Head = dict[str, Any]
Arrays = dict[str, "np.ndarray[Any, Any]"]


def send(pipe: IO[bytes], head: Head, arrays: Mapping[str, Any] | None = None) -> None:
    """Write a message. Raises `TypeError` for arrays of Python objects."""
    import numpy as np

    kept = {name: np.asarray(a, order="C") for name, a in (arrays or {}).items()}
    for name, array in kept.items():
        if array.dtype.hasobject:
            raise TypeError(f"{name!r} is an array of Python objects, expected numbers")
    listed = [(name, _spelled(a.dtype), a.shape) for name, a in kept.items()]
    text = json.dumps({**head, "arrays": listed}).encode()
    pipe.write(len(text).to_bytes(8, "little"))
    pipe.write(text)
    for array in kept.values():
        pipe.write(array.reshape(-1).view(np.uint8).data)
    pipe.flush()


def receive(pipe: IO[bytes]) -> tuple[Head, Arrays]:
    """Read a message. Raises `EOFError` where the other side is gone, `ValueError` for what is
    none."""
    size = int.from_bytes(_read(pipe, 8), "little")
    if size > _LONGEST:
        raise ValueError(f"a head of {size} bytes")
    head = json.loads(_read(pipe, size))
    arrays: Arrays = {}
    for name, kind, shape in head.pop("arrays"):
        import numpy as np

        dtype = np.dtype(kind)
        content = _read(pipe, math.prod(shape) * dtype.itemsize)
        arrays[name] = np.frombuffer(content, dtype).reshape(shape)
    return head, arrays


def _spelled(dtype: Any) -> str:
    """The spelling from which `numpy.dtype` makes the type again."""
    return str(dtype.name if dtype.kind == "V" else dtype.str)  # V: types that others add


def _read(pipe: IO[bytes], size: int) -> bytearray:
    content = bytearray(size)
    left = memoryview(content)
    while left:
        count = pipe.readinto(left)  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        left = left[count:]
    return content


class Sessions:
    """The sessions of ONNX Runtime by number, and the requests that they answer."""

    def __init__(self) -> None:
        self._sessions: dict[int, Any] = {}

    def answer(self, head: Head, arrays: Arrays) -> tuple[Head, Arrays]:
        """What is asked for, or {"error": text}."""
        for number in head["forgotten"]:
            self._sessions.pop(number, None)
        try:
            if head["do"] == "hello":
                return {}, {}
            if head["do"] == "start":
                return self._start(), {}
            if head["do"] == "load":
                return self._load(head, arrays), {}
            return self._run(head, arrays)
        except Exception as error:  # those of ONNX Runtime have no common base
            return {"error": str(error) or type(error).__name__}, {}

    def _start(self) -> Head:
        import onnxruntime

        return {"version": onnxruntime.__version__}

    def _load(self, head: Head, arrays: Arrays) -> Head:
        import onnxruntime as runtime

        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        if not head["optimised"]:
            options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        source = head["path"] or arrays.pop("").tobytes()
        if arrays:
            values = [runtime.OrtValue.ortvalue_from_numpy(a) for a in arrays.values()]
            options.add_external_initializers(list(arrays), values)
        session = runtime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        self._sessions[head["number"]] = session
        sides = {"inputs": session.get_inputs(), "outputs": session.get_outputs()}
        return {key: [(i.name, i.shape, i.type) for i in side] for key, side in sides.items()}

    def _run(self, head: Head, arrays: Arrays) -> tuple[Head, Arrays]:
        import numpy as np

        found = self._sessions[head["number"]].run(head["names"], arrays)
        for place, each in enumerate(found):
            if not isinstance(each, np.ndarray) or each.dtype.hasobject:
                raise TypeError(f"result {place} is {type(each).__name__}, expected numbers")
        return {}, {str(place): each for place, each in enumerate(found)}


def _die_quietly() -> None:
    """A crash leaves no file behind and opens no window."""
    if sys.platform == "win32":
        import ctypes

        ctypes.windll.kernel32.SetErrorMode(0x3)  # no box for critical errors and for faults
    else:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def main() -> None:
    """Answer requests until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the side that waits for us
    _die_quietly()
    requests, answers = (os.fdopen(os.dup(fd), mode) for fd, mode in ((0, "rb"), (1, "wb")))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    sys.path[:] = receive(requests)[0]["path"]
    waiting: queue.Queue[tuple[Head, Arrays]] = queue.Queue()

    def read() -> None:
        try:
            while True:
                waiting.put(receive(requests))
        finally:  # the other side has finished or died, whatever is being computed here
            os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    sessions = Sessions()
    while True:
        send(answers, *sessions.answer(*waiting.get()))


if __name__ == "__main__":
    main()
