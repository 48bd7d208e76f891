"""Every error that graphcnn raises on purpose. All derive from `GraphCnnError`.

A message is one readable text: what (node and source line), expected, found, and the formula with
its numbers. The command line prints it alone; a traceback adds nothing to it.

Names come from files and users, and may be of any length. Every message passes `readable`, so that
one long name, or a list of very many, does not hide the rest.
"""

import re
from collections.abc import Sequence

#: The longest word or quoted name of a message, and its longest line.
_WORD, _LINE = 200, 2000
_LONG = re.compile(rf"""(?<!\w)(["'])(?:(?!\1)[^\n]){{{_WORD},}}\1(?!\w)|\S{{{_WORD + 1},}}""")


def shortened(text: str, most: int = _WORD) -> str:
    """`text` in at most `most` characters: a longer one loses its middle."""
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[len(text) - tail :]}"


def readable(message: str) -> str:
    """The message with long words, long quoted names and long lines shortened in their middle."""
    if len(message) <= _WORD:
        return message
    lines = (shortened(line, 10 * _LINE) for line in message.split("\n"))
    short = (_LONG.sub(lambda found: shortened(found[0]), line) for line in lines)
    return "\n".join(shortened(line, _LINE) for line in short)


class GraphCnnError(Exception):
    """Base of all errors that a user can cause and mend."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(readable(each) if isinstance(each, str) else each for each in args))


class WrongUseError(GraphCnnError):
    """What was asked for does not exist: a mistake in what was said, not in the work."""


class RecipeError(WrongUseError):
    """A recipe that cannot be read, or says what has no meaning; names file, line and key."""


class GraphError(GraphCnnError):
    """A graph that means nothing: wrong shape, type, attribute or connection."""


class GradientError(GraphError):
    """A value that the loss depends on cannot be differentiated."""


class OperatorError(GraphError):
    """An operator of the user's own that failed, or is not what it says; names method and line."""


class VerifyError(GraphCnnError):
    """A graph breaks an invariant of the IR, or a pass changed the numbers."""


class DataError(GraphCnnError, ValueError):
    """A data set, an image or a label that cannot be used; names the file and the record."""


class WeightsError(GraphCnnError):
    """A file of weights or a checkpoint that does not fit the model, or cannot be read."""


class OutputError(GraphCnnError):
    """A file that could not be written. What stood there before is untouched."""


class TrainingError(GraphCnnError):
    """Training cannot go on, for example because the loss is not a number."""


class LensError(GraphCnnError):
    """A look into a network that would show nothing, or something else than it says."""


class ExportError(GraphCnnError):
    """A graph that has no equivalent in the format asked for."""


class CrashError(ExportError):
    """ONNX Runtime itself died of a model, or hung: nothing is said about results of ours."""


class ImportModelError(GraphCnnError):
    """A model file that is damaged, breaks the rules of its format, or asks for what we lack."""


class MissingExtraError(GraphCnnError, ImportError):
    """An optional package is not installed; the message holds the command that installs it."""

    def __init__(self, what: str, packages: str | Sequence[str], extra: str) -> None:
        names = [packages] if isinstance(packages, str) else packages
        one = len(names) == 1
        super().__init__(
            f"{what} needs the package{'' if one else 's'} {', '.join(map(repr, names))}, "
            f"which {'is' if one else 'are'} not installed: "
            f'run  pip install "graphcnn[{extra}]"'
        )


class OutOfMemoryError(GraphCnnError, MemoryError):
    """The system refuses memory that NumPy asks for."""

    def __init__(self, doing: str, error: MemoryError) -> None:
        found = f": {str(error)[0].lower()}{str(error)[1:]}" if str(error) else ""
        super().__init__(
            f"{doing}: the memory does not suffice{found}. A smaller batch, smaller images or a "
            "smaller network need less."
        )

    @staticmethod
    def of(doing: str, error: MemoryError) -> GraphCnnError:
        """The error to raise in place of one that may have been told already."""
        return error if isinstance(error, GraphCnnError) else OutOfMemoryError(doing, error)


class GraphCnnWarning(UserWarning):
    """Base of what is said once and stops nothing."""


class DataWarning(GraphCnnWarning):
    """Data that can be used, but are hardly meant so."""


class ImportModelWarning(GraphCnnWarning):
    """A model file that can be read, but says of itself what is not so."""


class CheckpointWarning(GraphCnnWarning):
    """A checkpoint that does not tell all that is compared when a run is resumed."""


class TrainingWarning(GraphCnnWarning):
    """Training that goes on, but does not report or do all that was asked for."""
