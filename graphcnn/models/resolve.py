"""A model by its name: a built-in one, `module:function`, or a saved file."""

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from graphcnn import import_onnx
from graphcnn.base.file_kinds import is_onnx
from graphcnn.base.regular_files import is_link, is_regular, kind_of, open_regular
from graphcnn.data.dataset import Dataset
from graphcnn.errors import GraphCnnError, GraphError, WrongUseError
from graphcnn.language.arguments import choose
from graphcnn.model import Model, load
from graphcnn.models import MODELS
from graphcnn.models.numbers_of_inputs import values


class UnknownModelError(WrongUseError):
    """The text names no model."""


@dataclass(frozen=True)
class ModelName:
    """A model that is known to exist, and how to get it."""

    text: str
    make: Callable[..., Model]
    #: A model read from a file has its weights, and no settings.
    saved: bool = False
    built_in: bool = False
    #: An ONNX file: settings are the numbers of its inputs, `shapes` those that it leaves open.
    onnx: bool = False
    shapes: Mapping[str, Any] = field(default_factory=dict)
    #: The module builds a graph itself while it is imported, and that is why it cannot be.
    failure: GraphError | None = None

    def build(
        self, settings: Mapping[str, Any] | None = None, fitting: Mapping[str, Any] | None = None
    ) -> Model:
        """The model.

        Args:
            settings: arguments of the function, as the user gave them; of an ONNX file, numbers
                of its inputs.
            fitting: arguments that suit the data, for those that a built-in model has and that
                `settings` do not name. What they mean to a user's function is not known.

        Raises:
            WrongUseError: there is no such argument.
            GraphError: the graph cannot be built.
            GraphCnnError: the function fails, or returns no `Model`.
        """
        if self.failure is not None:
            raise self.failure
        if self.onnx:
            return self.make(inputs={**self.shapes, **values(settings)})
        if self.shapes:
            raise WrongUseError(f"{self.text} is no ONNX file, whose inputs --shape describes")
        if self.saved:
            if settings:
                raise WrongUseError(f"{self.text} is a saved model, which has no settings")
            return self.make()
        known = inspect.signature(self.make).parameters
        named = [k for k, p in known.items() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
        given = {k: v for k, v in (fitting or {}).items() if self.built_in and k in named}
        for key, value in (settings or {}).items():
            if key not in named:
                raise WrongUseError(
                    f"{self.text} has no setting {key!r}; it has {', '.join(named) or 'none'}"
                )
            given[key] = value
        missing = [
            k for k in named if known[k].default is inspect.Parameter.empty and k not in given
        ]
        if missing:
            raise WrongUseError(
                f"{self.text} takes {', '.join(missing)}, which has no value: give it with --set "
                "NAME=VALUE, or a default in the function"
            )
        with _user_code(self.text):
            model = self.make(**given)
        if not isinstance(model, Model):
            raise GraphCnnError(
                f"{self.text} must return a graphcnn.Model, found {type(model).__name__}"
            )
        return model


def fitting(data: Dataset) -> dict[str, Any]:
    """Arguments of a model that suit the data."""
    shape = data.image_shape
    if len(shape) not in (2, 3):  # no images
        return {"classes": len(data.classes)} if data.classes else {}
    channels, height, width = (1, *shape)[-3:]
    found: dict[str, Any] = {"in_channels": channels}
    if data.classes:
        found["classes"] = len(data.classes)
    if height == width:
        found["size"] = height
    return found


def find(text: str) -> ModelName:
    """The model that `text` names. Raises `UnknownModelError`, with the nearest known name."""
    if text.endswith(".py"):
        raise UnknownModelError(f"which function of {text}? write {text}:FUNCTION")
    if text.endswith((".safetensors", ".onnx")) or is_regular(text):
        if not is_regular(text):
            raise UnknownModelError(f"{text}: {_no_file(text)}")
        if text.endswith(".onnx") or (not text.endswith(".safetensors") and is_onnx(_start(text))):
            return ModelName(text, partial(import_onnx, text), saved=True, onnx=True)
        return ModelName(text, lambda: load(text), saved=True)
    if ":" in text:
        try:
            return ModelName(text, _function(text))
        except GraphError as error:
            return ModelName(text, Model, failure=error)
    try:
        return ModelName(text, choose(MODELS, text, "model"), built_in=True)
    except GraphError as error:
        raise UnknownModelError(
            f"{error}; or module:function, or a .safetensors or .onnx file"
        ) from None


def _start(path: str) -> bytes:
    """The first bytes of a file, none where it cannot be read."""
    try:
        with open_regular(path) as file:
            return file.read(16) or b""
    except OSError:
        return b""


def _no_file(path: str) -> str:
    kind = kind_of(path)
    if kind:
        return f"it is {kind}, expected a regular file"
    return "it is a link that leads to no file" if is_link(path) else "no such file"


def _function(text: str) -> Callable[..., Model]:
    """`package.module:function` or `path/to/file.py:function`; the current folder comes first."""
    place, _, name = text.rpartition(":")
    if not place or not name:
        raise UnknownModelError(f"unknown model {text!r}; a function is spelled module:function")
    module = _import(place, text)
    found = getattr(module, name, None)
    if isinstance(found, Model):
        return lambda: found
    if callable(found):
        return found  # type: ignore[no-any-return]
    functions = {k: v for k, v in vars(module).items() if inspect.isfunction(v)}
    try:
        return choose(functions, name, f"function of {place}")
    except GraphError as error:
        raise UnknownModelError(str(error)) from None


def _import(place: str, text: str) -> Any:
    if place.endswith(".py"):
        if not is_regular(place):
            raise UnknownModelError(f"{place}: {_no_file(place)}")
        spec = importlib.util.spec_from_file_location(Path(place).stem, place)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        with _user_code(text), _first_on_path(Path(place).parent):
            spec.loader.exec_module(module)
        return module
    with _user_code(text), _first_on_path(Path()):
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{place}.".startswith(f"{error.name}."):
                raise  # something that the module itself imports
            raise UnknownModelError(
                f"no module {error.name!r} for the model {text!r}, neither installed nor in "
                f"{Path.cwd()}"
            ) from None


@contextmanager
def _first_on_path(folder: Path) -> Iterator[None]:
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)


@contextmanager
def _user_code(text: str) -> Iterator[None]:
    """Errors of the user's own code as one line with its place."""
    try:
        yield
    except GraphCnnError:
        raise
    except Exception as error:
        if isinstance(error, SyntaxError):  # which is in no line that ran
            what, place = error.msg, f"{error.filename}:{error.lineno}"
        else:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            what, place = str(error), f"{frame.filename}:{frame.lineno}"
        raise GraphCnnError(f"{text} fails: {type(error).__name__}: {what} ({place})") from error
