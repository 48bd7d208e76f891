"""The report: what it says of the image, and what it says where something cannot be shown."""

import re

import numpy as np
import pytest
from support.small_training import small, stripes

import graphcnn as cnn
from graphcnn.lens.report.report import SECTIONS

LOADED = re.compile(r"(?:src|href)=\"(?!#|data:)|url\(|@import|<script", re.IGNORECASE)


def test_every_section_has_figures_with_words_or_a_reason() -> None:
    """Also of a network without maps, which most methods cannot say anything about."""
    image = cnn.input("image", (1, 6, 6))
    flat = cnn.Model(image, cnn.dense(cnn.flatten(image), 3, name="logits"), name="flat")
    x = np.random.default_rng(0).random((1, 6, 6), np.float32)
    page = flat.initialize(0).lens().report(x)
    assert [section.key for section in page.sections] == [key for key, _, _ in SECTIONS]
    shown = {section.key for section in page.sections if section.figures}
    told = {section.key: section.refusal for section in page.sections if section.refusal}
    assert shown.isdisjoint(told) and len(shown) + len(told) == len(SECTIONS)
    assert "no convolution" in told["filters"] and "prediction" in shown
    assert "Untrained weights" in page.html()
    assert all(f.says for section in page.sections for f in section.figures)
    assert not LOADED.search(page.html())


def test_a_wrong_prediction_and_names_of_classes() -> None:
    model, data = small(), stripes(40)
    model.fit(data, epochs=1, seed=0, progress=False)
    model.classes = ("<b>across", "down", "both")[: len(data.classes) or 2]
    x = data.images[0]
    best = model.classes[int(model.predict(x[None]).argmax())]
    other = next(name for name in model.classes if name != best)
    page = model.lens().report(x, label=other, source="<i>.png")
    share = float(model.predict(x[None]).max())
    assert f"says {best!r} ({100 * share:.1f} %)" in page.lead
    assert f"what for {other!r}, the next in line" in page.lead
    text = page.html()
    assert "The prediction is wrong" in text and "Untrained" not in text
    assert "<b>across" not in text and "<i>.png" not in text
    asked = model.lens().report(x, other)
    assert f"asks about {other!r} instead" in asked.lead
    assert asked.html() == model.lens(threads=2).report(x, other).html()


def test_a_report_is_about_one_image_and_classes() -> None:
    lens = small().initialize(0).lens()
    with pytest.raises(cnn.LensError, match="one image, found 2"):
        lens.report(stripes(2).images)
    with pytest.raises(cnn.OutputError, match=r"a report is \.html"):
        lens.report(stripes(1).images[0]).save("report.svg")
