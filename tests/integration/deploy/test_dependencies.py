"""Every dependency is pinned to one version and has its line of reasons."""

from __future__ import annotations

import json
import re
import tomllib

from tests.integration.deploy.conftest import ROOT


def python_requirements() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"].values()
    return [*project["project"]["dependencies"], *(name for group in groups for name in group)]


def npm_requirements() -> dict[str, str]:
    package = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))
    return package["dependencies"] | package["devDependencies"]


def test_dependencies__each__is_pinned_to_one_version() -> None:
    loose = [requirement for requirement in python_requirements() if not re.fullmatch(r"[\w.-]+==[\w.]+", requirement)]
    loose += [name for name, version in npm_requirements().items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)]
    assert loose == []


def test_dependencies__each__has_one_line_of_reasons_and_no_line_is_left_over() -> None:
    text = (ROOT / "docs" / "adr" / "0001-dependencies.md").read_text(encoding="utf-8")
    explained = [row for row in re.findall(r"^\| ([^ |]+) \|", text, re.MULTILINE) if row != "dependency"]
    required = [requirement.partition("==")[0] for requirement in python_requirements()] + list(npm_requirements())
    assert sorted(explained) == sorted(required)
