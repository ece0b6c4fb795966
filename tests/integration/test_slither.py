"""Nothing that Slither says is put aside without a reason beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
SUPPRESSIONS = [
    (path.relative_to(ROOT), number)
    for path in sorted((ROOT / "contracts").rglob("*.sol"))
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines())
    if re.search(r"slither-disable(?!-end)", line)
]
MOST_LINES = 8  # of a block put aside


@pytest.mark.parametrize(("path", "number"), SUPPRESSIONS, ids=lambda value: str(value))
def test_suppress_finding__in_a_contract__is_of_a_few_lines_with_its_reason_above(path: Path, number: int) -> None:
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    found = re.fullmatch(r"\s*// slither-disable-(next-line|start) ([a-z0-9-]+)", lines[number])
    assert found
    if found[1] == "start":
        end = f"// slither-disable-end {found[2]}"
        assert end in (line.strip() for line in lines[number : number + MOST_LINES])
    assert re.fullmatch(r"\s*//(?!.*slither-disable).*\w{3}.*", lines[number - 1])


def test_exclude_detector__in_the_makefile__has_its_reason_there() -> None:
    excluded = re.search(r"^SLITHER_EXCLUDED := (.*)$", MAKEFILE, re.MULTILINE)
    assert excluded
    for detector in excluded[1].split(","):
        assert re.search(rf"^#   {detector}: \w+", MAKEFILE, re.MULTILINE), detector


def test_configure_slither__file__puts_aside_only_levels_mocks_and_libraries_of_others() -> None:
    levels = {"exclude_low": True, "exclude_informational": True, "exclude_optimization": True}
    config = json.loads((ROOT / "slither.config.json").read_text(encoding="utf-8"))
    assert config == {"filter_paths": "node_modules|contracts/mocks", **levels}
