"""The pages of docs/pages, which visitors open: whole, closed, of our own pictures, and right."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest
from support.pages import about_of, inflated

HERE = Path(__file__).parent
PAGES = HERE.parents[1] / "docs" / "pages"
NODE = shutil.which("node")
NAMES = ["lenet5", "vgg_cifar"]


@pytest.mark.parametrize("name", NAMES)
def test_a_page_knows_its_code_by_hash_and_asks_nobody(name: str) -> None:
    text = (PAGES / f"{name}.html").read_text(encoding="utf-8")
    policy = unescape(re.findall(r'Content-Security-Policy" content="([^"]*)"', text)[0])
    assert policy.startswith("default-src 'none'; ")
    script = inflated(text, "script")
    loader = text.rpartition("<script>")[2].partition("</script>")[0]
    for each in (loader, script):
        digest = base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert set(re.findall(r"https?://[^\s\"'`)]*", text + script)) <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_of_the_network_that_it_names(name: str) -> None:
    about = about_of(PAGES / f"{name}.html")
    assert about["name"] == name and len(about["classes"]) == 10 and about["samples"]


@pytest.mark.skipif(NODE is None, reason="needs node")
@pytest.mark.parametrize("name", NAMES)
def test_a_page_computes_what_the_reference_did(name: str) -> None:
    done = subprocess.run(
        [str(NODE), str(HERE / "engine_run.mjs"), str(PAGES / f"{name}.html")],
        input="{}", capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["check"]["good"]
