"""How long a page takes to be ready, a stroke to be seen, a hover to be shown: run by hand.

    python tests/page/times.py lenet5.html [OTHER.html ...] [--rounds 5] [--profile]

Pages take turns, so that two versions of one network are compared while the machine does the same
for both. What is told of each, in milliseconds: from the begin of the navigation to the painted
page whose self-check has passed; from a pointer event of a stroke, and of a mouse over the maps,
until the frame in which its consequences are painted has left the main thread (scripts, style,
layout, paint). Where others use the machine too, `busy` is the number to look at: what the main
thread had of a processor, for the whole opening and for each event, the median of all rounds.
`--profile` adds where the time of strokes goes, by function.
"""

import argparse
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

#: Notes the moment when the page is ready, and of each pointer event how long it kept the thread
#: until its frame was done: the event's listeners, then the frame that they asked for.
WATCH = """
addEventListener("pointermove", () => {
  const began = performance.now();
  let listeners = 0;
  // The last listener of the event, where none stops it.
  addEventListener("pointermove", () => (listeners = performance.now() - began), { once: true });
  requestAnimationFrame(() => {
    const from = performance.now(), painted = new MessageChannel();
    painted.port1.onmessage = () => times.push(listeners + performance.now() - from);
    painted.port2.postMessage(0);
  });
}, true);
window.times = [];
const frames = new MessageChannel();
frames.port1.onmessage = () => { // the frame has left the thread
  const maps = document.getElementById("maps")?.textContent ?? "";
  const shown = document.querySelector(".scores .best") && maps.includes("±");
  if (shown) window.ready = performance.now();
  else requestAnimationFrame(watch);
};
function watch() { frames.port2.postMessage(0); }
watch();
"""
SEVEN = ((0.28, 0.25), (0.7, 0.25), (0.6, 0.5), (0.47, 0.8))
STEPS = 20


@dataclass
class Times:
    """Milliseconds of single events, and what a processor was busy with each, on the average."""

    single: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)


def between(places: list[tuple[float, float]], steps: int) -> Iterator[tuple[float, float]]:
    for (x0, y0), (x1, y1) in pairwise(places):
        for step in range(1, steps + 1):
            yield x0 + (x1 - x0) * step / steps, y0 + (y1 - y0) * step / steps


def taken(
    page: Any, session: Any, box: dict[str, float], shares: tuple[tuple[float, float], ...]
) -> Times:
    """Of moves along these places of a box."""
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in shares]
    page.evaluate("() => void (times.length = 0)")
    before = processor(session)
    for x, y in between(places, STEPS):
        page.mouse.move(x, y)
    after = processor(session)
    page.wait_for_timeout(100)
    found: list[float] = page.evaluate("() => times.slice()")
    return Times(found, [(after - before) / max(1, len(found))])


def processor(session: Any) -> float:
    """Milliseconds of a processor that the main thread of the page has had."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return 1000.0 * next(each["value"] for each in metrics if each["name"] == "TaskDuration")


def visited(browser: Any, url: str, profile: Counter[str] | None) -> dict[str, Times]:
    context = browser.new_context(offline=True, viewport={"width": 1440, "height": 900})
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    page.add_init_script(WATCH)
    page.goto(url)
    page.wait_for_function("() => window.ready")
    found = {"ready": Times([page.evaluate("() => ready")], [processor(session)])}
    page.wait_for_timeout(1000)
    if profile is not None:
        session.send("Profiler.enable")
        session.send("Profiler.setSamplingInterval", {"interval": 200})
        session.send("Profiler.start")
    box = page.locator("#input canvas[role=application]").bounding_box()
    page.mouse.move(box["x"] + SEVEN[0][0] * box["width"], box["y"] + SEVEN[0][1] * box["height"])
    page.mouse.down()
    found["stroke"] = taken(page, session, box, SEVEN)
    page.mouse.up()
    if profile is not None:
        profile.update(own_times(session.send("Profiler.stop")["profile"]))
    page.wait_for_timeout(1000)
    sheet = page.locator("#maps .sheet").nth(1)
    sheet.scroll_into_view_if_needed()
    found["hover"] = taken(page, session, sheet.bounding_box(), SEVEN)
    context.close()
    return found


def own_times(profile: dict[str, Any]) -> Counter[str]:
    """Milliseconds of every function without those that it called."""
    names = {node["id"]: node["callFrame"]["functionName"] or "?" for node in profile["nodes"]}
    own: Counter[str] = Counter()
    for node, micro in zip(profile["samples"], profile["timeDeltas"], strict=True):
        own[names[node]] += micro / 1000
    return own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    all_times: dict[Path, dict[str, Times]] = {page: {} for page in options.pages}
    profiles: dict[Path, Counter[str]] = {page: Counter() for page in options.pages}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(options.rounds):
            for page, times in all_times.items():
                profile = profiles[page] if options.profile else None
                for what, some in visited(browser, page.resolve().as_uri(), profile).items():
                    all_of = times.setdefault(what, Times())
                    all_of.single += some.single
                    all_of.busy += some.busy
        browser.close()
    print(f"{'page':24}{'what':8}{'median':>9}{'95 %':>9}{'busy':>9}{'count':>7}")
    for page, times in all_times.items():
        for what, some in times.items():
            ordered = sorted(some.single)
            median, most = (ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.95))
            busy = sorted(some.busy)[len(some.busy) // 2]
            row = f"{median:9.2f}{most:9.2f}{busy:9.2f}{len(ordered):7}"
            print(f"{page.name:24}{what:8}{row}")
        for name, ms in profiles[page].most_common(25):
            print(f"    {ms:9.1f} ms  {name}")


if __name__ == "__main__":
    main()
