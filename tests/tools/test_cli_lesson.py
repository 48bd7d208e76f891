"""The command that explains operators: lesson."""

import json
from pathlib import Path

import numpy as np
from support.command_line import done, refused

from graphcnn.pictures.lessons.examples import EXAMPLES


def test_lists_and_tells(here: Path) -> None:
    listed = done("lesson", "--help")
    assert all(f"\n  {name} " in listed for name in (*EXAMPLES, "all", "dense"))
    told = done("lesson", "conv")
    assert "kernel 3×3: " in told and "9 of 9: output at row 2, column 2: " in told
    assert "(bias) = " in told and "// 1 + 1 = 3" in told


def test_films_strips_and_frames(here: Path) -> None:
    assert done("lesson", "stride", "-o", "film.svg") == "drawn: film.svg\n"
    assert "@keyframes" in Path("film.svg").read_text()
    done("lesson", "stride", "-o", "strip.svg", "--strip")
    done("lesson", "stride", "-o", "frame.svg", "--frame", "1")
    for name in ("strip.svg", "frame.svg"):
        assert "@keyframes" not in Path(name).read_text()
    assert "@keyframes" in done("lesson", "conv", "-o", "-")
    done("lesson", "transposed", "-o", "strip.pdf")
    assert Path("strip.pdf").read_bytes().startswith(b"%PDF")


def test_options_change_the_figure(here: Path) -> None:
    done("lesson", "conv", "--size", "4x6", "--kernel", "1x3", "--stride", "2", "--padding", "same",
         "-o", "x.json")  # fmt: skip
    facts = json.loads(Path("x.json").read_text())
    assert facts["title"] == 'Convolution: kernel 1×3, stride 2, padding "same"'
    assert [len(facts["data"]["y"][0]), len(facts["data"]["y"][0][0])] == [2, 3]
    done("lesson", "conv", "--padding", "1,0,2,0", "--seed", "5", "-o", "x.json")
    assert len(json.loads(Path("x.json").read_text())["data"]["y"][0]) == 4


def test_all_into_a_folder(here: Path) -> None:
    done("lesson", "all", "-o", "figures")
    assert {path.stem for path in Path("figures").iterdir()} == set(EXAMPLES)
    assert all("@keyframes" in path.read_text() for path in Path("figures").iterdir())


def test_wrong_use(here: Path) -> None:
    assert "No such option" in refused(2, "lesson", "conv", "--scale", "2")
    assert "'x3' must be spelled N or HEIGHTxWIDTH" in refused(2, "lesson", "conv", "--size", "x3")
    assert "same or TOP,BOTTOM" in refused(2, "lesson", "conv", "--padding", "sam")
    assert "frames 1 to 9, not 10" in refused(2, "lesson", "conv", "--frame", "10")
    assert "exclude" in refused(2, "lesson", "conv", "--frame", "1", "--strip")
    assert "needs a file" in refused(2, "lesson", "conv", "--open")
    assert "unknown file type '.bmp'" in refused(1, "lesson", "conv", "-o", "x.bmp")
    assert "does not fit an input of 5" in refused(1, "lesson", "conv", "--kernel", "7")
    assert "at most 100" in refused(1, "lesson", "conv", "--size", "20")


def test_a_layer_of_a_model(here: Path, trained: Path) -> None:
    np.save("x.npy", np.random.default_rng(0).random((1, 12, 12)))
    done("lens", trained, "x.npy", "--steps", "conv:1", "--at", "2,3", "-o", "film.svg")
    svg = Path("film.svg").read_text()
    assert "@keyframes" in svg and "output at row 2, column 3" in svg
