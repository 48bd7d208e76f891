"""Pictures in a browser without a window: what it complains of, what it loads, how wide text is."""

import html
import io
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pictures.networks import hostile

from graphcnn.compile.pipelines import inference_graph
from graphcnn.models import build
from graphcnn.passes.memory.plan_memory import plan_memory
from graphcnn.pictures import (
    Picture,
    conv_steps,
    failure_picture,
    graph_picture,
    plan_picture,
    training_picture,
    volume_picture,
)

BROWSERS = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
BROWSER = next(filter(None, BROWSERS), "")
pytestmark = pytest.mark.skipif(not BROWSER, reason="needs Chromium")

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND", "--window-size=1200,800",
]  # fmt: skip


def browse(path: Path, *flags: str) -> tuple[str, str]:
    """The page as the browser has it in the end, and all that it said."""
    profile = f"--user-data-dir={path.parent / 'profile'}"
    command = [BROWSER, *FLAGS, profile, *flags, path.as_uri()]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    return done.stdout.decode(), done.stderr.decode()


def painted() -> Picture:
    model = build("lenet5").initialize(0)
    image = np.random.default_rng(0).random((1, 28, 28), np.float32)
    return volume_picture(model.graph, style="lenet", paint=model.activations(image))


def planned() -> Picture:
    model = build("lenet5").initialize(0)
    return plan_picture(plan_memory(inference_graph(model.graph, model.states).bind(1)))


def failed() -> Picture:
    import graphcnn as cnn

    try:
        cnn.conv2d(cnn.input("image", (3, 4, 4)), 4, 7, name="<b>large")
    except cnn.GraphCnnError as error:
        return failure_picture(error)
    raise AssertionError("a window larger than the image")


PICTURES: dict[str, Callable[[], Picture]] = {
    "graph": lambda: graph_picture(build("resnet18").graph),
    "training": lambda: training_picture(build("lenet5").training_graph()),
    "volume": painted,
    "hostile": lambda: graph_picture(hostile()[0].graph, detail="ops", fold=False),
    "memory": planned,
    "failure": failed,
    "film": lambda: conv_steps(size=6, stride=2),
}


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("graph", ".svg"),
        ("volume", ".svg"),
        ("film", ".svg"),
        *((name, ".html") for name in PICTURES),
    ],
)
def test_nothing_to_complain_about(name: str, suffix: str, tmp_path: Path) -> None:
    """Blocked or failed requests, and errors of scripts, would be told on the console."""
    path = PICTURES[name]().save(tmp_path / f"net{suffix}")
    page, said = browse(path, "--dump-dom")
    assert "aria-label" in page
    assert "CONSOLE" not in said, said


def measured(picture: Picture, tmp_path: Path, script: str) -> object:
    """What a script on the page finds; it sets `found`."""
    answer = "const out=document.createElement('pre');out.id='found';"
    answer += "out.textContent=JSON.stringify(found);document.body.append(out);"
    page = picture.html().replace("</body>", f"<script>{{{script};{answer}}}</script></body>")
    path = tmp_path / "measured.html"
    path.write_text(page, encoding="utf-8")
    dom, said = browse(path, "--dump-dom")
    assert "CONSOLE" not in said, said
    match = re.search(r'<pre id="found">(.*?)</pre>', dom, re.S)
    assert match
    return json.loads(html.unescape(match[1]))


@pytest.mark.parametrize("name", ["volume", "hostile", "film"])
def test_nothing_is_loaded(name: str, tmp_path: Path) -> None:
    script = """
    const found=performance.getEntriesByType('resource').map(e=>e.name)
      .filter(n=>!n.startsWith('data:'))
    """
    assert measured(PICTURES[name](), tmp_path, script) == []


@pytest.mark.parametrize("name", ["graph", "training", "hostile", "failure"])
def test_every_text_lies_inside_its_card(name: str, tmp_path: Path) -> None:
    """By the boxes of the browser, in the font that it takes."""
    script = """
    const found=[];
    for(const card of document.querySelectorAll('g.card')){
      const hull=card.querySelector('rect').getBBox();
      for(const line of card.querySelectorAll('text,use')){
        const b=line.getBBox();
        if(b.x<hull.x-1||b.x+b.width>hull.x+hull.width+1||b.y<hull.y-2||
           b.y+b.height>hull.y+hull.height+3)found.push(line.textContent+' in '+card.id)}}
    """
    assert measured(PICTURES[name](), tmp_path, script) == []


def test_the_whole_picture_is_seen_at_first(tmp_path: Path) -> None:
    script = """
    const b=document.querySelector('#view svg').getBoundingClientRect();
    const found=[b.left>=0,b.top>=0,b.right<=innerWidth,b.bottom<=innerHeight,b.height>300]
    """
    assert measured(PICTURES["graph"](), tmp_path, script) == [True] * 5


def test_search_finds_a_card_and_shows_its_neighbours(tmp_path: Path) -> None:
    script = """
    find.value='C3';find.dispatchEvent(new Event('input'));
    const near=[...document.querySelectorAll('g.card.near')].length;
    const found=[count.textContent,facts.textContent.split(':')[0],near];
    """
    picture = graph_picture(build("lenet5").graph)
    assert measured(picture, tmp_path, script) == ["1 found", "C3", 3]


def test_dark_readers_get_a_dark_picture(tmp_path: Path) -> None:
    """All of it: what is put in its place by reference too."""
    pil = pytest.importorskip("PIL.Image")
    path = PICTURES["graph"]().save(tmp_path / "net.svg")
    bright = []
    for scheme in (1, 0):  # light, dark
        shot = tmp_path / f"{scheme}.png"
        browse(path, f"--screenshot={shot}", f"--blink-settings=preferredColorScheme={scheme}")
        grey = np.asarray(pil.open(io.BytesIO(shot.read_bytes())).convert("L"))
        bright.append(float((grey > 150).mean()))
    assert bright[0] > 0.85 and bright[1] < 0.12
    # No patch of chips or badges stays as light as by day.
    grey = np.asarray(pil.open(tmp_path / "0.png").convert("RGB"))
    for color in ((0xFB, 0xEE, 0xC0), (0xD3, 0xEC, 0xD6), (0xCF, 0xE2, 0xF7)):
        assert not (grey == color).all(axis=2).any()


def test_a_film_shows_its_frames(tmp_path: Path) -> None:
    """By its style sheet alone: at the middle of each frame, the groups of that frame are seen."""
    script = """
    play(false);for(const p of parts)p.removeAttribute('style');
    const found=SECONDS.map((s,i)=>{
      const middle=1000*(SECONDS.slice(0,i).reduce((a,b)=>a+b,0)+s/2);
      for(const a of document.getAnimations()){a.pause();a.currentTime=middle}
      return parts.map(p=>getComputedStyle(p).visibility==='visible')});
    """
    picture = PICTURES["film"]()
    seen = measured(picture, tmp_path, script)
    frames = [tuple(map(int, f)) for f in re.findall(r'data-frames="(\d+) (\d+)"', picture.html())]
    assert picture.scene.film and frames
    count = len(picture.scene.film.seconds)
    assert seen == [[a <= i < b for a, b in frames] for i in range(count)]


def test_a_film_stands_still_where_less_motion_is_asked_for(tmp_path: Path) -> None:
    pil = pytest.importorskip("PIL.Image")
    film = PICTURES["film"]()
    paths = [film.save(tmp_path / "film.svg"), film.frame(-1).save(tmp_path / "last.svg")]
    shots = []
    for path in paths:
        shot = tmp_path / f"{path.stem}.png"
        browse(path, f"--screenshot={shot}", "--force-prefers-reduced-motion")
        shots.append(np.asarray(pil.open(io.BytesIO(shot.read_bytes())).convert("L")))
    assert np.array_equal(*shots)
