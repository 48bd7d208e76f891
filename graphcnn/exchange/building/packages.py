"""For handing a network to others: a package of npm, and a wheel that pip installs.

Sources: npm's "package.json"; "Binary distribution format" of the Python Packaging User Guide.
"""

import base64
import hashlib
import io
import json
import keyword
import pprint
import re
import sys
import zipfile
from collections.abc import Mapping

import numpy as np

from graphcnn.errors import GraphCnnError
from graphcnn.exchange.building.contract import Contract, Tensor, about_of

#: Systems on which a library of ours loads, which asks for nothing: in the words of wheels.
TAGS = {
    "x86_64": "manylinux_2_5_x86_64.manylinux1_x86_64.musllinux_1_1_x86_64",
    "aarch64": "manylinux_2_17_aarch64.musllinux_1_1_aarch64",
}
#: Files in a wheel are as old as those of a zip can be: equal networks are equal bytes.
_DATE = (1980, 1, 1, 0, 0, 0)

#: Modules that Node has itself, which no package replaces.
_NODE = frozenset(
    "assert buffer cluster console constants crypto dgram dns domain events fs http http2 https "
    "inspector module net os path process punycode querystring readline repl stream sys timers tls "
    "tty url util v8 vm wasi zlib".split()
)

_MODULE = '''\
"""{name}, built by {made_by} for {machine} ({precision} precision).

    import {name}
    {outputs} = {name}.run({inputs})

`about` tells inputs, outputs and classes{normalised}.
"""

import ctypes
import threading
from pathlib import Path

import numpy as np

about = {about}

_run = ctypes.CDLL(str(Path(__file__).with_name("lib{name}.so"))).{name}_run
_here = threading.local()


def _arena():
    """Memory of this thread that a run works in."""
    if not hasattr(_here, "arena"):
        room = np.empty({arena} + 64, np.uint8)
        start = -room.ctypes.data % 64
        _here.arena = room[start : start + {arena}]
    return _here.arena


def run({inputs}):
    """One batch: {shapes}.

    Raises `ValueError` for an array of another shape, `TypeError` for one of no such numbers.
    """
    made = _computed([{inputs}])
    return {result}


def _computed(inputs):
    given = []
    for x, kind in zip(inputs, about["inputs"]):
        array, wanted = np.asarray(x), np.dtype(kind["type"])
        if array.shape != tuple(kind["shape"]):
            expected = tuple(kind["shape"])
            raise ValueError(f"{{kind['name']}}: expected {{expected}}, found {{array.shape}}")
        if array.dtype.kind not in ("fiub" if wanted.kind == "f" else "iub"):
            raise TypeError(f"{{kind['name']}}: expected {{wanted}}, found {{array.dtype}}")
        given.append(np.ascontiguousarray(array, wanted).reshape(array.shape))
    made = [np.empty(kind["shape"], kind["type"]) for kind in about["outputs"]]
    arrays = (*given, *made, _arena())
    if _run(*(ctypes.c_void_p(a.ctypes.data) for a in arrays)):
        raise MemoryError("memory that does not begin at a multiple of 64 bytes")
    return made
'''


def check_version(version: str) -> str:
    """Raises `GraphCnnError` for what is no version to both npm and pip."""
    if not isinstance(version, str) or not re.fullmatch(
        r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", version
    ):
        raise GraphCnnError(f"version must be three numbers as in 1.0.2, found {version!r}")
    return version


def check_types(of: Contract) -> None:
    """Raises `GraphCnnError` for types of elements that NumPy alone does not have."""
    for t in (*of.inputs, *of.outputs):
        if t.dtype.numpy.kind == "V" or not hasattr(np, t.dtype.numpy.name.rstrip("_")):
            raise GraphCnnError(
                f"{t.name} of {of.name} is {t.dtype.numpy.name}, which NumPy does not know: a "
                "wheel needs nothing else"
            )


def check_importable(name: str, packages: bool) -> None:
    """Raises `GraphCnnError` for a name under which Python imports something else, or, of
    `packages` of npm, Node does."""
    if packages:
        if name.lower() in _NODE:
            raise GraphCnnError(f"Node has a module {name.lower()!r} of its own; choose a name")
    elif name in keyword.kwlist or name in sys.stdlib_module_names or name == "numpy":
        raise GraphCnnError(f"Python has a {name!r} of its own; choose a name")


def npm(of: Contract, version: str) -> dict[str, bytes]:
    """`package.json` and `README.md` beside the module and its loader."""
    files = [f"{of.name}.{suffix}" for suffix in ("wasm", "mjs", "d.mts")]
    files += [] if of.inside else [f"{of.name}.weights"]
    package = {
        "name": of.name.lower().replace("_", "-"),
        "version": version,
        "description": f"The network {of.name} as WebAssembly, built by {of.made_by}",
        "type": "module",
        "exports": {".": {"types": f"./{of.name}.d.mts", "default": f"./{of.name}.mjs"}},
        "files": files,
        "sideEffects": False,
    }
    inputs = ", ".join(t.name for t in of.inputs)
    readme = (
        f'# {of.name}\n\n```js\nimport {{ load }} from "{package["name"]}";\n\n'
        f"const network = await load();\nconst {_results(of)} = network.run({inputs});\n```\n\n"
        + "".join(f"- in: {_told(t)}\n" for t in of.inputs)
        + "".join(f"- out: {_told(t)}\n" for t in of.outputs)
        + (f"\nLevels 0 to 255 become the input by {of.normalised}.\n" if of.normalised else "")
    )
    return {
        "package.json": (json.dumps(package, indent=2) + "\n").encode(),
        "README.md": readme.encode(),
    }


def _results(of: Contract) -> str:
    names = [t.name for t in of.outputs]
    return names[0] if len(names) == 1 else f"{{ {', '.join(names)} }}"


def _told(t: Tensor) -> str:
    return f"`{t.name}` {t.dtype.numpy.name} {list(t.shape)}"


def wheel(of: Contract, library: bytes, processor: str, version: str) -> tuple[str, bytes]:
    """The name of the wheel, and its bytes: a module around the shared library."""
    tag = f"py3-none-{TAGS[processor]}"
    info = f"{of.name}-{version}.dist-info"
    metadata = (
        f"Metadata-Version: 2.1\nName: {of.name}\nVersion: {version}\n"
        f"Summary: The network {of.name}, built by {of.made_by}\nRequires-Python: >=3.8\n"
        "Requires-Dist: numpy\n"
    )
    tags = "".join(f"Tag: py3-none-{each}\n" for each in TAGS[processor].split("."))
    files = {
        f"{of.name}/__init__.py": module(of).encode(),
        f"{of.name}/lib{of.name}.so": library,
        f"{info}/METADATA": metadata.encode(),
        f"{info}/WHEEL": (
            f"Wheel-Version: 1.0\nGenerator: {of.made_by}\nRoot-Is-Purelib: false\n{tags}"
        ).encode(),
    }
    record = f"{info}/RECORD"
    files[record] = _record(files, record).encode()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, _DATE), data, zipfile.ZIP_DEFLATED)
    return f"{of.name}-{version}-{tag}.whl", content.getvalue()


def module(of: Contract) -> str:
    """`__init__.py`."""
    inputs = ", ".join(t.name for t in of.inputs)
    one = len(of.outputs) == 1
    pairs = ", ".join(f'"{t.name}": made[{i}]' for i, t in enumerate(of.outputs))
    shapes = [f"`{t.name}` {t.dtype.numpy.name} {t.shape}" for t in of.inputs]
    results = [f"`{t.name}` {t.dtype.numpy.name} {t.shape}" for t in of.outputs]
    return _MODULE.format(
        name=of.name,
        made_by=of.made_by,
        machine=of.machine,
        precision=of.precision,
        about=pprint.pformat(about_of(of), sort_dicts=False, width=98),
        arena=of.arena,
        inputs=inputs,
        outputs=of.outputs[0].name if one else "outputs",
        shapes=f"{', '.join(shapes)} to {', '.join(results)}",
        normalised=", and how levels become the first input" if of.normalised else "",
        result="made[0]" if one else f"{{{pairs}}}",
    )


def _record(files: Mapping[str, bytes], own: str) -> str:
    """Names, hashes and sizes of all files, of itself the name."""
    rows = []
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append(f"{name},sha256={digest},{len(data)}")
    return "\n".join([*rows, f"{own},,", ""])
