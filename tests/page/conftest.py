"""Pages and visits to them, for the tests that use a browser; skipped without one."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from support.visits import CHROMIUM, MNIST, Case, Visit, lenet5

import graphcnn as cnn


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    path = tmp_path_factory.mktemp("page") / "lenet5.html"
    model = lenet5()
    images = np.random.default_rng(0).integers(0, 256, (3, 1, 28, 28), np.uint8)
    if MNIST.is_dir():
        images = cnn.data.mnist(str(MNIST))[1].images[:3]
    model.page(path, samples=images, labels=["a", "b", "c"])
    return Case(path.as_uri(), path, model.predict(images))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Starts Chromium, with arguments of one's own."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the extra 'browser'")
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with sync_api.sync_playwright() as playwright:
        yield lambda *args: playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", *args]
        )


@pytest.fixture(scope="module")
def browser(chromium: Any) -> Iterator[Any]:
    found = chromium()
    yield found
    found.close()


@pytest.fixture
def visit(browser: Any, case: Case) -> Iterator[Any]:
    contexts = []

    def opened(url: str = case.url, waited: str = ".scores .best", **options: Any) -> Visit:
        context = browser.new_context(offline=True, **options)
        contexts.append(context)
        found = Visit(context.new_page())
        found.page.on("request", lambda request: found.requests.append(request.url))
        found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
        found.page.on("console", lambda said: found.complaints.append(f"{said.type}: {said.text}"))
        found.page.goto(url)
        found.page.wait_for_selector(waited)
        return found

    yield opened
    for context in contexts:
        context.close()
