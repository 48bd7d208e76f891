"""What the methods of the lens are built of: targets, probes, findings."""

import numpy as np
import pytest
from support.small_training import small, stripes

import graphcnn as cnn
from graphcnn.lens.finding import Finding
from graphcnn.lens.lens import Lens
from graphcnn.lens.probe import Probe
from graphcnn.lens.target import selected
from graphcnn.ops.broadcast import Sum
from graphcnn.pictures.raster.sheet import sheet_picture
from graphcnn.pictures.raster.tiles import Tile
from graphcnn.runtime.execution import REFERENCE


def gradient_probe(lens: Lens) -> Probe:
    def parts():
        weights, score = selected(lens.scores)
        (found,) = cnn.gradients(Sum((0,))(score), [lens.image])
        return (lens.image, weights), {"map": found, "score": score}

    return lens.probe("gradient", parts)


def test_one_compilation_serves_all_classes_and_follows_the_states() -> None:
    model = small().initialize(1)
    lens = model.lens()
    probe = gradient_probe(lens)
    _, fed = lens.images(stripes(5).images)
    for k in range(2):
        value, target = lens.target(k, fed)
        found = probe(fed, target.selector(value).repeat(5, 0))
        assert np.allclose(found["score"], model.predict(stripes(5).images)[:, k], atol=1e-6)
    assert gradient_probe(lens) is probe
    before = found["map"]
    model.initialize(2)
    after = probe(fed, target.selector(value).repeat(5, 0))["map"]
    assert not np.allclose(before, after), "the states are those of the model"
    by_definition = Probe("reference", probe.graph.inputs, probe.graph.outputs, REFERENCE)
    again = by_definition(fed, target.selector(value).repeat(5, 0))["map"]
    assert np.allclose(after, again, atol=1e-6)


def test_pieces_are_joined_in_order() -> None:
    lens = small().initialize(0).lens()
    probe = gradient_probe(lens)
    _, fed = lens.images(stripes(7).images)
    value, target = lens.target(0, fed)
    weights = target.selector(value).repeat(7, 0)
    whole, pieces = probe(fed, weights), probe(fed, weights, piece=2)
    assert np.allclose(whole["map"], pieces["map"], atol=1e-6)


def test_a_score_is_taken_before_the_softmax() -> None:
    model = small().initialize(0)
    wrapped = cnn.Model(model.graph.inputs, cnn.softmax(model["logits"]))
    assert wrapped.lens().scores is wrapped["logits"]


def test_classes_have_names_and_units_have_places() -> None:
    model = small().initialize(0)
    model.classes = ("down", "across")
    lens = model.lens()
    looks, fed = lens.images(stripes(1).images[0])
    assert looks.shape == fed.shape == (1, 1, 8, 8)
    assert lens.target("across", fed)[1].words == "logits[1] = 'across'"
    assert "the predicted class" in lens.target(None, fed)[1].words
    value, unit = lens.target(3, fed, layer="c1", at=(2, 5))
    assert unit.words == "c1[3] at (2, 5)"
    assert unit.selector(value).sum() == unit.selector(value)[0, 3, 2, 5] == 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (dict(target=2), "from 0 to 1 among the 2 classes of small, found 2"),
        (dict(target="up"), "small has no class 'up'; it knows no names, only numbers"),
        (dict(target="c1:2"), "only numbers; a unit is target=2, layer='c1'"),
        (dict(target=4, layer="c1"), "from 0 to 3 among the 4 channels of 'c1', found 4"),
        (dict(target=0, layer="c1", at=(6, 0)), r"in the 6×6 maps of 'c1', found \(6, 0\)"),
        (dict(target=0, layer="logits", at=(0, 0)), "it has units, no maps with places"),
    ],
)
def test_a_target_that_is_none_is_refused(call: dict, message: str) -> None:
    lens = small().initialize(0).lens()
    _, fed = lens.images(stripes(1).images)
    with pytest.raises(cnn.LensError, match=message):
        lens.target(call.pop("target"), fed, **call)


def test_words_of_a_target_do_not_choose_among_one_score_and_tell_a_mean_over_pixels() -> None:
    image = cnn.input("image", (1, 8, 8))
    maps = cnn.conv2d(image, 1, 3, name="maps")
    pixels = cnn.Model(image, cnn.sigmoid(maps), name="pixels").initialize(0).lens()
    whole = cnn.sigmoid(cnn.dense(cnn.flatten(maps), 1, name="one"))
    lens = cnn.Model(image, whole, name="whole").initialize(0).lens()
    _, fed = lens.images(stripes(1).images)
    assert pixels.target(None, fed)[1].words == "maps[0], the only score, mean over the image"
    assert lens.target(None, fed)[1].words == "one[0], the only score"
    with pytest.raises(cnn.LensError, match="expected 0 among the one score of whole, found 1"):
        lens.target(1, fed)


def test_the_name_of_a_file_is_no_image() -> None:
    with pytest.raises(cnn.DataError, match=r"found the text 'seven\.png'; read the file first"):
        small().initialize(0).lens().gradient("seven.png")


def test_a_finding_is_its_array_its_caption_and_its_picture(tmp_path) -> None:
    values = np.arange(6.0).reshape(2, 3)
    finding = Finding(
        "a map", {"map": values}, {"target": "logits[1]", "seed": "0"},
        lambda found: sheet_picture([Tile(found.array, "signed")], found.title, found.caption),
    )  # fmt: skip
    assert (np.asarray(finding) == values).all() and not finding.array.flags.writeable
    assert finding.caption == "target logits[1] · seed 0"
    assert finding.caption in finding.save(tmp_path / "map.svg").read_text(encoding="utf-8")
    path = finding.save(tmp_path / "map.npz")
    first = path.read_bytes()
    assert (np.load(path)["map"] == values).all() and '"seed": "0"' in str(np.load(path)["facts"])
    assert finding.save(path).read_bytes() == first
    with pytest.raises(cnn.LensError, match="a map has no array 'score'; it has map"):
        finding["score"]
