"""Fixtures of tests that share Ape's chain keep to one scope each."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ON_APE_CHAIN = ("conftest.py", "functional", "gas", "anchors")


def fixtures(path: Path) -> list[tuple[str, str]]:
    """Name and scope of each fixture of a file."""
    found = []
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for decorator in map(ast.unparse, function.decorator_list):
            if decorator.startswith(("pytest.fixture", "ape.fixture")):
                _, marked, scope = decorator.partition("scope='")
                found.append((function.name, scope.partition("'")[0] if marked else "function"))
    return found


def test_scopes__fixtures_of_one_name__are_not_of_the_session_here_and_of_a_module_there() -> None:
    """Ape isolates every test, and looks up scopes by name alone.

    A session fixture whose namesake is a module's makes it roll back what a session fixture has sent, or has the
    fixtures of a module made twice.
    """
    scopes: defaultdict[str, set[str]] = defaultdict(set)
    for path in sorted(TESTS.rglob("*.py")):
        for name, scope in fixtures(path):
            scopes[name].add(scope)
    assert len(scopes) > 50
    mixed = {name for name, found in scopes.items() if "session" in found and found & {"module", "class", "package"}}
    assert mixed == set()


def test_scopes__fixtures_on_ape_s_chain__are_of_a_module_nowhere_else() -> None:
    """Ape looks up scopes by name alone: a namesake of a module makes it roll back what a session fixture has sent."""
    on_chain: set[str] = set()
    scopes: defaultdict[str, set[str]] = defaultdict(set)
    for path in sorted(TESTS.rglob("*.py")):
        for name, scope in fixtures(path):
            if path.relative_to(TESTS).parts[0] in ON_APE_CHAIN:
                on_chain.add(name)
            scopes[name].add(scope)
    assert len(on_chain) > 50
    mixed = {name: scopes[name] for name in on_chain if len(scopes[name]) > 1}
    assert [name for name, found in mixed.items() if found & {"module", "class", "package"}] == []
