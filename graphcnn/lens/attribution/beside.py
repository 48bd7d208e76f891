"""All methods side by side on one image, each with its certificates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphcnn.errors import GraphCnnError, LensError
from graphcnn.ir.node import Array
from graphcnn.ir.philox import permutation
from graphcnn.lens.attribution.baselines import baseline_of
from graphcnn.lens.attribution.certificates import (
    Curves,
    cascade,
    curves,
    order_of,
    rank_correlation,
)
from graphcnn.lens.attribution.maps import flattened, map_tile, widest
from graphcnn.lens.attribution.methods import CHECKS, METHODS, USUAL, Asked, Method, efforts
from graphcnn.lens.attribution.responses import responses
from graphcnn.lens.attribution.samples import ORDER
from graphcnn.lens.attribution.subject import Subject, subject
from graphcnn.lens.attribution.ties import tied_pixels
from graphcnn.lens.core import Core
from graphcnn.lens.finding import Finding
from graphcnn.pictures.picture import Picture
from graphcnn.pictures.raster.sheet import sheet_picture
from graphcnn.pictures.raster.tiles import Tile, number
from graphcnn.pictures.scene.units import counted

#: A map that correlates more than this with that of shuffled weights asks them little.
_HIGH = 0.5
#: Where so much of an image is one number, that number rules its ranks.
_MOSTLY = 0.5


@dataclass(frozen=True, eq=False)
class _Row:
    """What is found of one method: a map and its certificates, or why there is none.

    `correlations` (stages, 2) are those of all pixels and of those that are not background.
    """

    method: Method
    found: Finding | None
    curves: Curves | None
    correlations: Array
    refusal: str = ""


def attribute(
    lens: Core,
    x: Any,
    target: Any,
    methods: Sequence[str] | None,
    seed: int,
    layer: str | None,
) -> Finding:
    """See `Attribution.attribute`."""
    chosen = USUAL if methods is None else tuple(methods)
    unknown = [name for name in chosen if name not in METHODS]
    if unknown or not chosen:
        raise LensError(f"methods are some of {', '.join(METHODS)}; found {unknown or 'none'}")
    about = subject(lens, x, target, layer)
    if len(about.fed) != 1:
        raise LensError(f"methods are compared on one image, found {len(about.fed)}")
    effort, check = efforts(lens)
    asked = Asked(about.shown, about.targets[0].index, layer, seed, effort)
    checked = Asked(about.shown, about.targets[0].index, layer, seed, check)
    start, words = baseline_of(lens, about, "black")
    shuffled = cascade(lens, seed, effort.stages)
    others = [lens.on(states) for _, states in shuffled]
    inside = ~_background(about.fed)
    rows = {}
    for name in chosen:
        row = METHODS[name]
        try:
            found = row.make(lens, asked)
            same = found if check is effort else row.make(lens, checked)
        except GraphCnnError as error:
            rows[name] = _Row(row, None, None, np.full((len(others), 2), np.nan), str(error))
            continue
        order = order_of((flattened if row.signed else widest)(found.array[0]))
        drawn = curves(lens, about, order, start[0], effort.cuts)
        kept = np.array([_correlations(row, same, other, checked, inside) for other in others])
        rows[name] = _Row(row, found, drawn, kept)
    pixels = int(np.prod(about.fed.shape[2:]))
    chance = curves(lens, about, permutation(seed, 0, ORDER, pixels), start[0], effort.cuts)
    said = responses(lens, about, 1, about.copies)
    facts = {
        "target": about.words,
        "score": f"{number(said.score[0])}" + " before softmax" * (layer is None),
        **({"probability": number(said.chance[0])} if layer is None else {}),
        "layer": layer or "",
        "deletion and insertion": f"{effort.cuts} steps, covered with {words}",
        "random order": "deletion {}, insertion {}".format(*map(number, chance.areas)),
        "shuffled weights": " → ".join(name for name, _ in shuffled),
        "ties": _ties(lens, about),
        "background": _zeros(~inside),
        "seed": str(seed),
        **lens.settings(),
    }
    kept_facts = {key: fact for key, fact in facts.items() if fact}
    arrays = _arrays(rows, chance)
    title = f"{counted(len(chosen), 'method')}: {about.words}"
    return Finding(
        title, arrays, kept_facts, lambda f: _picture(lens, about, rows, f, check is CHECKS)
    )


def _correlations(
    method: Method, found: Finding, other: Core, asked: Asked, inside: Array
) -> tuple[float, float]:
    """With the map of shuffled weights, of all pixels and of those `inside` (C, H, W); NaN where
    that network gives no map."""
    try:
        shuffled = method.make(other, asked).array[0]
    except GraphCnnError:
        return float("nan"), float("nan")
    own = found.array[0]
    part = inside if own.ndim == 3 else inside.any(0)
    return rank_correlation(own, shuffled), rank_correlation(own[part], shuffled[part])


def _arrays(rows: Mapping[str, _Row], chance: Curves) -> dict[str, Array]:
    """The maps by the names of their methods; then the certificates in the order of the maps."""
    there = {name: row for name, row in rows.items() if row.found and row.curves}
    if not there:
        raise LensError("; ".join(f"{name}: {row.refusal}" for name, row in rows.items()))
    found = {name: np.array(row.found.array) for name, row in there.items() if row.found}
    lines = [row.curves for row in there.values() if row.curves]
    return {
        **found,
        "deletion": np.stack([c.deletion for c in [*lines, chance]]),
        "insertion": np.stack([c.insertion for c in [*lines, chance]]),
        "areas": np.array([c.areas for c in [*lines, chance]]),
        "correlation": np.stack([row.correlations for row in there.values()]),
    }


def _ties(lens: Core, about: Subject) -> str:
    """How much of the plain gradient another rounding would change."""
    share = tied_pixels(lens, about)
    if share is None:
        return ""
    return (
        f"{100 * share:.2g} % of the pixels hang on ties of max pooling: their gradient moves by "
        "more than 0.1 % of the largest where these break another way, as by faster algorithms"
    )


def _background(fed: Array) -> Array:
    """Where an image (1, C, H, W) is the number that makes up most of it; nowhere if none does."""
    values, counts = np.unique(fed, return_counts=True)
    most = int(counts.argmax())
    found: Array = (fed[0] == values[most]) & bool(counts[most] >= _MOSTLY * fed.size)
    return found


def _zeros(background: Array) -> str:
    """What is said of an image most of which is one number."""
    if not background.any():
        return ""
    return (
        f"{100 * background.mean():.0f} % of the pixels are one number, the background: they rule "
        "the ranks, so that even the plain gradient looks bad; the second row of ρ leaves them out"
    )


def _picture(
    lens: Core, about: Subject, rows: Mapping[str, _Row], found: Finding, rough: bool
) -> Picture:
    looks, _ = lens.images(about.shown)
    tiles = [Tile(looks[0], "image", "image", (about.words, f"score {found.facts['score']}"))]
    tiles += [_tile(row, looks[0]) for row in rows.values()]
    notes = [
        found.caption,
        "deletion: area under the probability while the most important pixels are covered, the "
        "smaller the better; insertion: while they are uncovered, the larger the better",
        "ρ: rank correlation of the sizes of the map with those after the weights of more and more "
        "layers are shuffled, in the end of all: a map that explains the network loses it",
    ]
    if any(row.method.edges for row in rows.values()):
        notes.append(
            f"▲ edge detector: guided or deconvolution whose last ρ (inside) is above {_HIGH}"
        )
    if rough:
        notes.append(
            f"ρ is of maps with {CHECKS.samples} samples, {CHECKS.steps} steps and "
            f"{CHECKS.places}×{CHECKS.places} places"
        )
    columns = next(c for c in (3, 4, 5) if len(tiles) <= 3 * c or c == 5)
    data = {"facts": dict(found.facts)}
    return sheet_picture(tiles, found.title, lens.model.name, notes, columns=columns, data=data)


def _tile(row: _Row, image: Array) -> Tile:
    if row.found is None or row.curves is None:
        blank = np.zeros(image.shape[1:])
        return Tile(blank, "size", row.method.title, _broken(row.refusal)[:4], crossed=True)
    deletion, insertion = map(number, row.curves.areas)
    rho, inside = row.correlations.T
    lines = [f"deletion {deletion}, insertion {insertion}", *_broken(f"ρ {_listed(rho)}", 34)]
    if not np.array_equal(rho, inside, equal_nan=True):
        lines += _broken(f"ρ inside {_listed(inside)}", 34)
    if "sum" in row.found.facts:
        lines.append(
            row.found.facts["sum"].rpartition(", ")[2] + f", {row.found['steps'][0]} steps"
        )
    if row.method.edges and inside[-1] > _HIGH:
        lines.append("▲ edge detector")
    return map_tile(row.found.array[0], row.method.title, tuple(lines))


def _listed(numbers: Array) -> str:
    """Correlations in a line."""
    rounded = np.round(numbers, 2) + 0.0  # no zero with a minus
    return " ".join("–" if np.isnan(r) else f"{r:.2f}".replace("-", "−") for r in rounded)


def _broken(text: str, width: int = 44) -> tuple[str, ...]:
    """A text in short lines."""
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return tuple(lines)
