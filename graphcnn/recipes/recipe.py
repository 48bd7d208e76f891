"""A recipe: everything of a run as plain values, by tables and keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from graphcnn.recipes.kinds import NUMBERS, OPEN, TABLE, TABLE_OR_FALSE, TEXT, key, nearest
from graphcnn.recipes.places import KeyPath, Places
from graphcnn.recipes.tables import Data, Machine, Measuring, Network, Output, Run, Settings
from graphcnn.recipes.trees import Tree, leaves, merged, nested, spelled_out
from graphcnn.recipes.writing import toml

_STATES = {"kind": NUMBERS, "own": False}
_AROUND = {"kind": TABLE_OR_FALSE, "own": False}


@dataclass(frozen=True)
class Recipe:
    """Everything of a run: the tables of a file, each with its keys.

        recipe = graphcnn.recipes.load("digits").with_({"run.epochs": 20})
        print(recipe)                        # what it says, as TOML
        result = graphcnn.recipes.train(recipe)

    `loss`, `optimizer` and `schedule` have the settings of the class that their `name` names, and
    `lookahead`, `swa` and `ema`, where they are given, those of these classes; `ema = false` over
    another recipe takes its own away. Of several optimisers each is a table of its own, by a
    pattern of the names of its parameters: [optimizer."D.*"]. A number that follows a schedule of
    its own is a table, { schedule = "cosine", initial = 0.9 }, an optimiser in another as well,
    { name = "adamw", learning_rate = 0.5 }, and a length in epochs a text, "2 epochs".

    Attributes:
        states: results on the test images that the recipe promises: { accuracy = 0.994 } is at
            least that, { mse = 0.01 } at most.
        said: what it says, as nested dicts, without defaults.
        places: where each value was said, for messages.
    """

    about: str = key(TEXT, "")
    network: Network = field(default_factory=Network)
    data: Data = field(default_factory=Data)
    loss: Settings = field(default_factory=dict, metadata=OPEN)
    measuring: Measuring = field(default_factory=Measuring)
    optimizer: Settings = field(default_factory=dict, metadata=OPEN)
    schedule: Settings = field(default_factory=dict, metadata=OPEN)
    lookahead: Settings = field(default_factory=dict, metadata=_AROUND)
    swa: Settings = field(default_factory=dict, metadata=_AROUND)
    ema: Settings = field(default_factory=dict, metadata=_AROUND)
    run: Run = field(default_factory=Run)
    machine: Machine = field(default_factory=Machine)
    output: Output = field(default_factory=Output)
    states: Mapping[str, float] = field(default_factory=dict, metadata=_STATES)
    said: Tree = field(default_factory=dict, repr=False)
    places: Places = field(default_factory=Places, repr=False, compare=False)

    @classmethod
    def of(cls, settings: Mapping[str, Any], places: Places | None = None) -> Self:
        """The recipe of values by tables or dotted names.

        Raises `RecipeError` for a key that is not known, with the nearest, and for a value that is
        not what is expected; with its place.
        """
        places, said = places or Places(), spelled_out(nested(settings))
        tables = {f.name: f for f in fields(cls) if f.name not in ("said", "places")}
        made = {}
        for name, value in said.items():
            _check_known((name,), tables, places)
            kind = tables[name].metadata.get("kind")
            if kind is None:
                _check((name,), value, TABLE, places)
                made[name] = _table(tables[name].default_factory, name, value, places)
            else:
                _check((name,), value, kind, places)
                if value is not False:
                    made[name] = value
        said = {name: value for name, value in said.items() if name in made}
        return cls(**made, said=said, places=places)

    def with_(self, settings: Mapping[str, Any], places: Places | None = None) -> Self:
        """With other values, by dotted names or nested: {"run.epochs": 3, "loss": "focal"}.

        Where another optimiser, loss, schedule or network is named, the settings of the former one
        are gone. Raises `RecipeError` as `of` does.
        """
        above = spelled_out(nested(settings))
        new = places or Places()
        told = dict(self.places.told)
        for path in leaves(above):
            told = {key: place for key, place in told.items() if key[: len(path)] != path}
            told[path] = ""  # not where its table stands
        both = Places({**told, **new.told}, new.source or self.places.source)
        return self.of(merged(self.said, above), both)

    def __str__(self) -> str:
        return toml(self.said)


def _table(cls: Any, name: str, values: Mapping[str, Any], places: Places) -> Any:
    known = {f.name: f for f in fields(cls)}
    for word, value in values.items():
        _check_known((name, word), known, places)
        _check((name, word), value, known[word].metadata["kind"], places)
    return cls(**{word: _frozen(value) for word, value in values.items()})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _check_known(path: KeyPath, known: Any, places: Places) -> None:
    if path[-1] not in known:
        close = nearest(path[-1], known) or f"; known are {', '.join(known)}"
        places.refuse_name(path, f"is not known{close}")


def _check(path: KeyPath, value: Any, kind: Any, places: Places) -> None:
    if not kind.fits(value):
        places.refuse(path, f"expected {kind.expected}, found {value!r}")


def keys() -> dict[str, Any]:
    """Every key by its dotted name, with its default. Tables that have the settings of a class are
    one key each."""
    found: dict[str, Any] = {}
    recipe = Recipe()
    for f in fields(Recipe):
        table = getattr(recipe, f.name)
        if "kind" in f.metadata:
            found[f.name] = table
        elif f.name not in ("said", "places"):
            found |= {f"{f.name}.{each.name}": getattr(table, each.name) for each in fields(table)}
    return found
