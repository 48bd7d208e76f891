"""The data and the network of a recipe."""

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

import numpy as np

import graphcnn as cnn
from graphcnn.data.augment.binarise import binarised
from graphcnn.data.augment.transform import Transform
from graphcnn.data.dataset import Dataset
from graphcnn.data.parts import Parts
from graphcnn.data.specs import SPECS, load
from graphcnn.errors import DataError, GraphCnnError, RecipeError, WrongUseError
from graphcnn.model import Model
from graphcnn.models.resolve import ModelName, UnknownModelError, find, fitting
from graphcnn.recipes.kinds import as_texts
from graphcnn.recipes.recipe import Recipe, keys
from graphcnn.recipes.transforms import transforms

#: What the input for images is called beside others.
IMAGE = "image"
#: How pictures are read: keys of the table and arguments of `cnn.data.load`.
READING = ("size", "grey", "lazy", "labels", "on_error", "background")


def transforms_of(recipe: Recipe) -> tuple[Transform, ...]:
    """What changes the training images. Raises `RecipeError`."""
    try:
        return tuple(t for text in as_texts(recipe.data.augment) for t in transforms(text))
    except RecipeError as error:
        recipe.places.refuse("data.augment", error)


def parts_of(recipe: Recipe, given: Any = None) -> Parts:
    """The images, with those for validation and without augmentation.

    Args:
        given: data in place of the source: `Parts`, or a pair of data sets for training and test.
    """
    found = _read(recipe) if given is None else given if isinstance(given, Parts) else Parts(*given)
    if recipe.data.binarise:
        found = found.map(lambda part, _: binarised(part))
    if recipe.data.label_input is not None and not recipe.data.reconstruct:
        recipe.places.refuse_name("data.label_input", "needs data.reconstruct = true")
    if recipe.data.reconstruct:
        found = found.map(lambda part, _: reconstruction(part, recipe.data.label_input))
    fraction, places = recipe.data.validation_fraction, recipe.places
    if not fraction:
        if recipe.run.early_stopping and found.validation is None:
            places.refuse_name(
                "run.early_stopping",
                "needs --validation-fraction, such as 0.1, or DATA with images for validation",
            )
        return found
    if found.validation is not None:
        raise RecipeError(
            f"DATA sets {len(found.validation)} images aside for validation: leave out "
            f"{places.name('data.validation_fraction')}"
        )
    train, validation = found.train.split(fraction, recipe.run.seed)
    return Parts(train, found.test, validation)


def _read(recipe: Recipe) -> Parts:
    said, places = recipe.data, recipe.places
    if said.source is None:
        raise RecipeError(
            "which images? --data DATA says it, or data.source in a recipe; see graphcnn --help"
        )
    name, _, place = said.source.partition(":")
    known = SPECS.get(name)
    if known is not None and ":" in known.form and "[" not in known.form and not place:
        raise RecipeError(f"{places.name('data.source')} is {name}: say where, --data {known.form}")
    options = {key: getattr(said, key) for key in READING if getattr(said, key) is not None}
    wrong = [] if known is None else [key for key in options if key not in known.options]
    if wrong:
        fit = " and ".join(s.form for s in SPECS.values() if {*wrong} <= s.options.keys())
        told = ", ".join(places.name(f"data.{key}") for key in wrong)
        raise RecipeError(f"{told}: for {fit}, not for {said.source}")
    if "size" in options:
        options["size"] = size_of(options["size"], recipe)
    return load(said.source, **options)


def size_of(size: Any, recipe: Recipe) -> int | tuple[int, int]:
    """N, [height, width], or a text as on the command line."""
    if not isinstance(size, str):
        return size  # type: ignore[no-any-return]
    numbers = size.lower().replace("×", "x").split("x")
    if len(numbers) > 2 or not all(n.isdecimal() and 0 < int(n) < 1 << 16 for n in numbers):
        recipe.places.refuse(
            "data.size", f"{size!r} must be spelled N or HEIGHTxWIDTH, as in 24x32"
        )
    height, width = int(numbers[0]), int(numbers[-1])
    return height if height == width else (height, width)


def augmented(recipe: Recipe, parts: Parts) -> Parts:
    """With transforms of the training images; a target that is an image moves with it."""
    changes = transforms_of(recipe)
    if not changes:
        return parts
    targets = "image" if recipe.data.reconstruct else None
    train = parts.train.augmented(*changes, targets=targets)
    return Parts(train, parts.test, parts.validation)


def reconstruction(data: Dataset, label_input: str | None = None) -> Dataset:
    """The same images, each with itself as its target; its label goes to an input of that name."""
    if not isinstance(data.images, np.ndarray):
        raise DataError("--reconstruct takes images that are kept in memory, without --lazy")
    pixels = data.images[:, None] if data.images.ndim == 3 else data.images
    if pixels.dtype == np.uint8:
        pixels = pixels / np.float32(255)
    images: Any = data.images
    if label_input is not None:
        images = {IMAGE: images, label_input: data.first_labels}
    return replace(data, images=images, labels=pixels, classes=())


def network_named(recipe: Recipe) -> ModelName:
    """The network, found by its name and not yet built. This runs a Python file that it names."""
    if recipe.network.name is None:
        raise RecipeError("which network? MODEL says it, or network.name in a recipe")
    try:
        return find(recipe.network.name)
    except UnknownModelError as error:
        recipe.places.refuse("network.name", error)


def network_of(recipe: Recipe, named: ModelName, train: Dataset) -> Model:
    """The network as training begins: built to suit the data, with the weights that it is to have,
    some of them frozen."""
    said, places = recipe.network, recipe.places
    try:
        found = replace(named, shapes=dict(said.shapes))
        model = found.build(_plain(said.arguments), fitting(train))
    except WrongUseError as error:
        key = "shapes" if said.shapes else "arguments"
        places.refuse(f"network.{key}", f"{error}{_meant(said.arguments)}")
    if said.weights is not None:
        model.load_weights(said.weights)
    if said.whiten:
        model.initialize_missing(recipe.run.seed)
        _whiten(model, dict(said.whiten), train, recipe)
    for pattern in as_texts(said.freeze):
        try:
            model.freeze(pattern)
        except GraphCnnError as error:
            places.refuse("network.freeze", error)
    return model


def _meant(arguments: Mapping[str, Any]) -> str:
    """A key of a recipe by which --set may have been meant."""
    tables = {key.partition(".")[0] for key in keys()}
    for name in arguments:
        table, dot, rest = name.partition(".")
        close = get_close_matches(table, tables, 1)
        if dot and close:
            return f", did you mean {close[0]}{dot}{rest}?"
    return ""


def _plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Lists as tuples: what a function of Python has for sizes."""
    return {key: tuple(x) if isinstance(x, list) else x for key, x in arguments.items()}


def _whiten(model: Model, settings: dict[str, Any], train: Dataset, recipe: Recipe) -> None:
    """{ node = "whiten", images = 5000, epsilon = 5e-4 }"""
    count = settings.pop("images", None)
    try:
        cnn.whiten(model, images=train[:count], **settings)
    except (GraphCnnError, TypeError) as error:
        recipe.places.refuse("network.whiten", error)
