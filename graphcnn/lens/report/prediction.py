"""The first section: the image as it is given and as the network takes it, and what it says."""

from typing import Final

import numpy as np

from graphcnn.lens.report.page import Figure, Section, words
from graphcnn.lens.report.subject import Subject
from graphcnn.pictures.raster.sheet import sheet_picture
from graphcnn.pictures.raster.tiles import Tile, number
from graphcnn.pictures.scene.units import joined

#: Classes in the table.
_MOST: Final = 5


def prediction(subject: Subject) -> Section:
    """The table of the most probable classes, and the image twice."""
    network, fed = subject.lens.network, subject.fed[0]
    known = network.normalisation
    how = "the model knows no normalisation: it is fed as it is given"
    if known is not None:
        mean, std = (", ".join(map(number, each)) for each in (known.mean, known.std))
        how = f"normalised: (pixel − {mean}) / {std}, pixels in [0, 1]"
    tiles = [Tile(subject.looks[0], title="as given")]
    channels = [f"channel {i}" for i in range(len(fed))] if len(fed) > 1 else ["as it is fed"]
    most = float(np.abs(fed).max())
    for name, plane in zip(channels, fed, strict=True):
        lines = (f"{number(plane.min())} … {number(plane.max())}",)
        tiles.append(Tile(plane, "signed", title=name, lines=lines, most=most))
    size = "×".join(map(str, fed.shape))
    facts = joined((f"input {size}", how))
    picture = sheet_picture(tiles, "the image", "as given, and as the network takes it", (facts,))
    figure = Figure(
        picture,
        "What the network computes with is the normalised image: a grey that looks like nothing "
        "may be far from 0, and 0 may be a grey.",
        "Everything below is about this one image; another image of the same class may be "
        "recognised by something else.",
    )
    return Section("prediction", "The image and the prediction", (figure,), before=_table(subject))


def _table(subject: Subject) -> str:
    shares, how = subject.probabilities
    order = list(np.argsort(-subject.scores, kind="stable")[:_MOST])
    if subject.target not in order:
        order[-1] = subject.target
    rows = "".join(
        f"<tr{' class=target' if i == subject.target else ''}>"
        f'<th scope="row">{words(subject.name(i))}</th>'
        f'<td class="number">{subject.chance(i)}</td>'
        f'<td class="bar"><span style="width:{100 * float(shares[i]):.1f}%"></span></td>'
        f'<td class="number">{number(subject.scores[i])}</td></tr>'
        for i in map(int, order)
    )
    count = len(subject.scores)
    shown = f"{len(order)} of {count} classes" if len(order) < count else f"all {count} classes"
    return (
        '<table><thead><tr><th scope="col">class</th><th class="number" scope="col">probability'
        '</th><td></td><th class="number" scope="col">score</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>\n"
        f'<p class="facts">{words(shown)}; probability: {words(how)}. The score is the number '
        "before it: it is what the maps below explain, since after it the classes compete.</p>\n"
    )
