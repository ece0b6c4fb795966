"""Every invariant of SPEC.md is cited by a test, and every citation is of one that it has."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NUMBER = re.compile(r"INV-([A-Z])(\d+)")
DEFINITION = re.compile(r"^- \*\*INV-([A-Z])(\d+)\*\* \S", flags=re.MULTILINE)


def numbers(pattern: re.Pattern[str], text: str) -> list[tuple[str, int]]:
    return [(family, int(number)) for family, number in pattern.findall(text)]


def specified() -> list[tuple[str, int]]:
    return numbers(DEFINITION, (ROOT / "SPEC.md").read_text(encoding="utf-8"))


def cited() -> set[tuple[str, int]]:
    """In comments of tests: Python's above a function, Solidity's NatSpec."""
    sources = [*ROOT.glob("tests/**/*.py"), *ROOT.glob("tests/**/*.sol")]
    comments = [
        line
        for source in sources
        for line in source.read_text(encoding="utf-8").splitlines()
        if line.strip().startswith(("# INV-", "///"))
    ]
    return set(numbers(NUMBER, "\n".join(comments)))


def test_number_invariants__every_family__counts_from_one_without_gaps() -> None:
    families = {family: [n for _, n in group] for family, group in groupby(specified(), key=lambda one: one[0])}
    assert set(families) == {"R", "A", "B", "M", "O", "S"}
    assert families == {family: list(range(1, len(found) + 1)) for family, found in families.items()}


def test_cite_invariants__every_one_of_the_specification__has_a_test() -> None:
    assert set(specified()) - cited() == set()


def test_cite_invariants__every_citation__is_of_the_specification() -> None:
    assert cited() - set(specified()) == set()


def test_cite_invariants__shortened__never() -> None:
    """What a range leaves out, or a number without its prefix, would not be found."""
    short = re.compile(r"INV-[A-Z]\d+(?:,| to| and) [A-Z]\d")
    sources = [*ROOT.glob("tests/**/*.py"), *ROOT.glob("tests/**/*.sol")]
    assert [source.name for source in sources if short.search(source.read_text(encoding="utf-8"))] == []
