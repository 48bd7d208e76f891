"""CHANGELOG, SECURITY and CITATION: what they name exists, and what is said twice is said alike."""

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_every_promise_names_tests_that_exist() -> None:
    promised = read("SECURITY.md").split("## What is promised")[1].split("\n## ")[0]
    for promise in re.split(r"\n(?=\*\*)", promised)[1:]:
        named = re.findall(r"`(tests/\S+\.py)::(\w+)`", promise)
        assert named, f"no test holds this promise: {promise}"
        for path, test in named:
            tree = ast.parse(read(path))
            assert test in {getattr(item, "name", "") for item in tree.body}, f"{path}::{test}"
    for path in re.findall(r"`((?:graphcnn|passes|runtime|tools|\.ci)/[\w./]+)`", promised):
        assert (ROOT / path).exists(), path


def test_the_changelog_is_kept() -> None:
    """In the form of Keep a Changelog: versions from the newest, changes by their kind."""
    text = read("CHANGELOG.md")
    versions = re.findall(r"^## \[(.+?)\]( - \d{4}-\d\d-\d\d)?$", text, re.MULTILINE)
    assert versions[0] == ("Unreleased", ""), "what is not released stands first"
    assert all(date for _, date in versions[1:])
    kinds = set(re.findall(r"^### (.+)$", text, re.MULTILINE))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_citation_agrees_with_the_project() -> None:
    lines = read("CITATION.cff").splitlines()
    fields = dict(
        re.fullmatch(r"([\w-]+): (.+)", x).groups() for x in lines if re.match(r"\w.*: ", x)
    )
    keys = [x.split(":")[0] for x in lines if re.match(r"[\w-]+:", x)]
    assert {"cff-version", "message", "title", "authors"} <= set(keys), "what the format requires"
    assert len(keys) == len(set(keys))
    assert fields["title"] == PROJECT["name"]
    assert fields["version"] == PROJECT["version"]
    assert fields["license"] == PROJECT["license"]
    assert fields["abstract"].strip('"') == PROJECT["description"]
    start = lines.index("keywords:") + 1
    assert [x.removeprefix("  - ") for x in lines[start:]] == PROJECT["keywords"]
