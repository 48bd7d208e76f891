"""The command `graphcnn lens`: one option for each question, the report without one."""

import html
import re
from pathlib import Path

import numpy as np
from support.command_line import XO, done, refused, run

from graphcnn.tools.lens_questions import QUESTIONS


def facts(told: str) -> dict[str, str]:
    return dict(re.findall(r"^  (\w+)  +(.+)$", told, re.MULTILINE))


def test_a_question_draws_a_picture_and_says_how(pictures: Path, trained: Path) -> None:
    told = done("lens", trained, "first.png", "--maps", "conv", "-o", "maps.svg")
    assert told.endswith("drawn: maps.svg\n")
    assert facts(told)["layer"] == "conv" and facts(told)["precision"] == "strict"
    assert "untrained" not in told
    drawn = Path("maps.svg").read_bytes()
    assert done("lens", trained, "first.png", "--maps", "conv", "-o", "-").encode() == drawn
    done("lens", trained, "large.png", "--resize", "--maps", "all", "-o", "maps.npz")
    with np.load("maps.npz") as arrays:
        assert arrays["conv"].shape == (1, 4, 10, 10) and "facts" in arrays


def test_why_asks_for_classes_and_for_units(pictures: Path, trained: Path) -> None:
    why = ("lens", trained, "first.png", "-o", "why.npz", "--why")
    assert "'X'" in facts(done(*why, "gradient", "--target", "X"))["target"]
    assert facts(done(*why, "integrated", "--target", 1))["sum"].count("residual") == 1
    told = facts(done(*why, "smooth", "--target", "conv:2", "--at", "4,4", "--seed", 5))
    assert told["target"] == "conv[2] at (4, 4)" and told["seed"] == "5"
    assert "deletion" in done(*why, "all")
    assert facts(done(*why, "grad_cam", "--layer", "conv"))["maps"].startswith("conv, 4 of 10×10")
    assert "did you mean 'gradient'?" in refused(2, *why, "gradent")
    assert "is about a class" in refused(2, *why, "grad_cam", "--target", "conv:2")
    assert "--layer says where" in refused(2, *why, "gradient", "--layer", "conv")
    assert "give --target LAYER:UNIT" in refused(2, *why, "gradient", "--at", "4,4")


def test_images_are_made(pictures: Path, trained: Path) -> None:
    told = facts(done("lens", trained, "--maximise", "conv:2", "--seed", 3, "-o", "one.npz"))
    assert told["target"] == "conv[2], mean of its map" and told["seed"] == "3"
    done("lens", trained, "--maximise", "conv", "-o", "all.svg")
    for question in (
        ["--invert", "conv"],
        ["--reconstruct"],
        ["--adversarial"],
        ["--dream", "conv"],
        ["--style", "large.png"],
    ):
        done("lens", trained, "first.png", *question, "-o", "made.npz")
        with np.load("made.npz") as arrays:
            assert arrays["images"].shape[-2:] == (12, 12)


def test_an_image_of_a_data_set_by_its_number(here: Path, trained: Path) -> None:
    for item in (0, 3):
        done("lens", trained, "--data", XO, "--item", item, "--maps", "conv", "-o", f"{item}.npz")
    with np.load("0.npz") as one, np.load("3.npz") as other:
        assert not (one["image"] == other["image"]).all()


def test_random_weights_are_called_so(here: Path) -> None:
    result = run("lens", "nets:tiny", "--filters", "conv", "-o", "filters.svg")
    assert "nets:tiny is not trained; its weights are random" in result.stderr
    assert "untrained" in facts(result.stdout)["weights"]
    assert "untrained" in Path("filters.svg").read_text()


def test_wrong_use_is_told_before_any_work(pictures: Path, trained: Path) -> None:
    ask = ("lens", trained, "first.png")
    assert "no layer 'Conv'; did you mean 'conv'? it has conv, max" in refused(
        2, *ask, "--maps", "Conv", "-o", "x.svg"
    )
    assert "unknown file type '.bmp'" in refused(1, *ask, "--maps", "conv", "-o", "x.bmp")
    assert "language for graphs" in refused(1, *ask, "--maps", "conv", "-o", "x.dot")
    assert "none does not exist" in refused(1, *ask, "-o", "none/x.html")
    assert "a report is .html" in refused(1, *ask, "-o", "x.svg")
    two = refused(2, *ask, "--maps", "conv", "--filters", "conv", "-o", "x.svg")
    assert "one question at a time, found --maps and --filters" in two
    wrong = refused(2, "lens", trained, "--filters", "conv", "--target", "1", "-o", "x.svg")
    assert "--target does not apply to --filters" in wrong
    assert "no image, found first.png" in refused(2, *ask, "--filters", "conv", "-o", "x.svg")
    assert "about an image" in refused(2, "lens", trained, "-o", "x.html")
    assert "not both" in refused(2, *ask, "--data", XO, "-o", "x.html")
    assert "--item N" in refused(1, "lens", trained, "two.npy", "-o", "x.html")
    assert "is 20×30" in refused(1, "lens", trained, "large.png", "-o", "x.html")
    assert "--item 99999" in refused(
        1, "lens", trained, "--data", XO, "--item", 99999, "-o", "x.html"
    )
    assert not list(pictures.glob("x.*"))


def test_the_report_needs_nothing_but_itself(pictures: Path, trained: Path) -> None:
    ask = ("lens", trained, "first.png", "-o")
    result = run(*ask, "one.html", "--verbose")
    assert result.exit_code == 0, result.stderr
    assert " s  The image and the prediction" in result.stderr
    page = Path("one.html").read_text(encoding="utf-8")
    assert "<script" not in page and "default-src 'none'" in page
    done(*ask, "two.html", "--threads", 2)
    assert Path("two.html").read_text(encoding="utf-8") == page
    assert "Not shown" not in page
    (code,) = re.findall(r"<pre tabindex=\"0\"><code>(.*?)</code></pre>", page, re.DOTALL)
    lines = html.unescape(code)
    assert "read_picture(Path('first.png')" in lines and lines.count("lens.") >= 10
    exec(lines, {})
    assert Path("report.html").exists()


def test_the_help_tells_of_every_question() -> None:
    told = done("lens", "--help")
    assert all(f"--{question.option} " in told for question in QUESTIONS)
