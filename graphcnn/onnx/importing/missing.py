"""Operators that the importer lacks: known by their name, before anything of a node is read."""

from typing import Final

from graphcnn.errors import readable
from graphcnn.onnx.importing.context import RULES, UnsupportedError
from graphcnn.onnx.importing.control import CONTROL
from graphcnn.onnx.importing.file.names import find_schema, no_operator, shown
from graphcnn.onnx.importing.file.validate import (
    EXPERIMENTAL,
    LAST_EXPERIMENTAL,
    STANDARD,
    TRAINING,
    UNVERSIONED,
)
from graphcnn.onnx.importing.known.fold import FOLDS
from graphcnn.onnx.importing.rules.microsoft.operators import MICROSOFT, OWN

_TEXTS: Final = frozenset(
    {"RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit", "TfIdfVectorizer"}
)

#: Domains of other makers, by how they begin: whose they are, and what helps.
_DOMAINS: Final = {
    "com.microsoft.nchwc": (
        "ONNX Runtime's own",
        "its form for one processor: save the model without its optimisations",
    ),
    "com.microsoft.extensions": (
        "one of ONNX Runtime's extensions",
        "give the network without what they do before and behind it",
    ),
    "com.microsoft": (
        "ONNX Runtime's own",
        "save the model without its optimisations, and quantise to the QDQ format",
    ),
    "com.ms.": ("ONNX Runtime's own", "save the model without its optimisations"),
    "ai.onnx.ml": ("one of tables and trees", "give the network without them, as by zipmap=False"),
    "ai.onnx.contrib": (
        "one of ONNX Runtime's extensions",
        "give the network without what they do before and behind it",
    ),
    "TRT": ("one of TensorRT's", "export the model for ONNX Runtime"),
    "org.pytorch": ("PyTorch's own", "export the model with standard operators alone"),
}


class MissingError(UnsupportedError):
    """Nothing is known of an operator, `op_type`, in any of its forms."""

    def __init__(self, message: str, op_type: str) -> None:
        super().__init__(message)
        self.op_type = op_type


def missing(op_type: str, domain: str, opset: int) -> str:
    """Why an operator that is no function of the model cannot be read; "" where it is known, in
    some of its forms at least: by a rule of ours, or by a function that ONNX has for it."""
    if domain == MICROSOFT and op_type in OWN:
        return ""
    if domain not in (*STANDARD, TRAINING):
        return _foreign(op_type, domain)
    standard = "" if domain in STANDARD else domain
    schema = find_schema(op_type, opset, standard)
    on_trial = op_type in EXPERIMENTAL and opset <= LAST_EXPERIMENTAL
    if schema is None and op_type not in UNVERSIONED and not on_trial:
        return no_operator(op_type, opset, standard)
    if op_type in RULES or op_type in CONTROL or op_type in FOLDS:
        return ""
    if schema is not None and any(
        v <= opset
        for v in (
            *schema.function_opset_versions,
            *schema.context_dependent_function_opset_versions,
        )
    ):
        return ""
    if domain == TRAINING:
        return (
            f"the operator {op_type!r} of training is not supported: export the model for inference"
        )
    if op_type in _TEXTS:
        return f"the operator {op_type!r} works on texts, which are not supported"
    return f"the operator {shown(op_type)!r} is not supported"


def _foreign(op_type: str, domain: str) -> str:
    """Why an operator that ONNX has not is not supported, and what helps."""
    for start, (whose, advice) in _DOMAINS.items():
        if domain.startswith(start):
            return (
                f"the operator {shown(op_type)!r} is {whose} ({shown(domain)}) and not supported: "
                f"{advice}"
            )
    also = f" (of which {op_type!r} is one)" if op_type in RULES else ""
    return (
        f"the operator {shown(op_type)!r} of the domain {shown(domain)!r} is unknown, expected "
        f"standard operators{also} or functions of the model"
    )


def within(where: str, error: Exception) -> str:
    """The first line of an error of a node, which begins with the node once."""
    line = str(error).split("\n")[0]
    return line if line.startswith(where) else readable(f"{where}: {line}")
