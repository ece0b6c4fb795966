"""What MkDocs does beyond docs/: pages from the repository's root, references made of the code, figures of gas.

MkDocs loads this by its name in mkdocs.yml, with its own folder on the path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from command_reference import command_page
from http_reference import http_page
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from python_reference import PACKAGES, python_pages
from repository_links import relinked, section
from settings_reference import settings_page
from solidity_reference import INTERFACES, interface_pages

ROOT = Path(__file__).resolve().parents[2]
# Documents of the repository's root that are pages of the site, too; README's place is the front page's.
PAGES = {
    "README.md": "index.md",
    "SPEC.md": "specification.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changes.md",
    "tests/vectors/README.md": "reference/test-vectors.md",
    "data/simbench-rural1/README.md": "reference/village.md",
}
# Sources whose place in the site is the reference made of them.
LINKED = PAGES | {
    INTERFACES: "reference/contracts.md",
    **{
        f"{INTERFACES}/{path.name}": f"reference/contracts/{path.stem}.md" for path in (ROOT / INTERFACES).glob("*.sol")
    },
}
MERMAID = "node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js"
_INCLUDE = re.compile(r"^<!-- include: (\S+) # (.+) -->$", flags=re.MULTILINE)
_GAS_ROW = re.compile(r"^\| ([^|]*) \| … \| ([^|]*) \| ([^|]*) \| `([^`|]+)` \|$", flags=re.MULTILINE)
_GAS_HEAD = "| elsewhere | key |\n|---|---|---|---|---|"
_EVERY_CALL = "<!-- gas: every call -->"


def on_config(config: MkDocsConfig) -> None:
    """Complete the navigation by what need not be listed by hand."""
    reference = next(entry["Reference"] for entry in config.nav or [] if "Reference" in entry)
    interfaces = sorted(path.stem for path in (ROOT / INTERFACES).glob("*.sol"))
    reference[0] = {"Contracts": ["reference/contracts.md", *({n: f"reference/contracts/{n}.md"} for n in interfaces)]}
    names = [package.rpartition(".")[2] for package in PACKAGES]
    reference[1] = {"Python": ["reference/python.md", *({n: f"reference/python/{n}.md"} for n in names)]}
    _add_manuals(config)
    records = sorted((ROOT / "docs/adr").glob("*.md"))
    decisions = next(entry for entry in config.nav or [] if "Decisions" in entry)
    decisions["Decisions"] = [f"adr/{path.name}" for path in records]


def _add_manuals(config: MkDocsConfig) -> None:
    """Put pages of docs/ itself that the navigation does not name with the manuals: else only a search finds them."""
    manuals = next(entry["Manuals"] for entry in config.nav or [] if "Manuals" in entry)
    named = json.dumps(config.nav)
    manuals += [path.name for path in sorted((ROOT / "docs").glob("*.md")) if f'"{path.name}"' not in named]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    for source, goal in PAGES.items():
        if goal != "index.md":
            text = (ROOT / source).read_text(encoding="utf-8")
            files.append(File.generated(config, goal, content=text))
    for goal, text in _generated_pages():
        files.append(File.generated(config, goal, content=text))
    files.append(File.generated(config, "assets/mermaid.tiny.js", abs_src_path=str(ROOT / MERMAID)))
    return files


def _generated_pages() -> Iterator[tuple[str, str]]:
    names = []
    for name, text in interface_pages(ROOT):
        names.append(name)
        yield f"reference/contracts/{name}.md", text
    yield "reference/contracts.md", _contents("Contracts", "contracts", names, "What `contracts/interfaces` documents.")
    packages = []
    for name, text in python_pages(ROOT):
        packages.append(name)
        yield f"reference/python/{name}.md", text
    yield "reference/python.md", _contents("Python", "python", packages, "Packages for programs of others.")
    yield "reference/http.md", http_page(ROOT)
    yield "reference/commands.md", command_page(ROOT)
    yield "reference/settings.md", settings_page(ROOT)


def _contents(title: str, folder: str, names: list[str], words: str) -> str:
    entries = "\n".join(f"- [{name}]({folder}/{name}.md)" for name in names)
    return f"# {title}\n\n{words}\n\n{entries}\n"


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Put in what a page includes, and lead its links to where they go in the site."""
    place = page.file.src_uri
    origin = next((source for source, goal in PAGES.items() if goal == place and place != "index.md"), None)
    source = ROOT / origin if origin else ROOT / "docs" / place
    if place == "gas.md":
        markdown = with_gas(markdown)
    text = relinked(markdown, source, place, LINKED, ROOT)

    def include(found: re.Match[str]) -> str:
        included = (source.parent / found[1]).resolve()
        told = section(included.read_text(encoding="utf-8"), found[2])
        return relinked(told, included, place, LINKED, ROOT)

    return _INCLUDE.sub(include, text)


def with_gas(markdown: str) -> str:
    """Rows that name a key of tests/gas/gas.json, with the gas it has and how far that is from the goal.

    Raises KeyError for a key that is not there.
    """
    calls = json.loads((ROOT / "tests/gas/gas.json").read_text(encoding="utf-8"))["calls"]

    def row(found: re.Match[str]) -> str:
        work, goal, elsewhere, key = found.groups()
        gas = calls[key]["gas"]
        return f"| {work}<br><small>`{key}`</small> | {gas:,} | {_judged(goal.strip(), gas)} | {elsewhere} |"

    every = [f"| `{key}` | {spent['gas']:,} | {spent['calldata_bytes']:,} |" for key, spent in calls.items()]
    table = "\n".join(["| call | gas | calldata, bytes |", "|---|---|---|", *every])
    return (
        _GAS_ROW.sub(row, markdown).replace(_GAS_HEAD, "| elsewhere |\n|---|---|---|---|").replace(_EVERY_CALL, table)
    )


def _judged(goal: str, gas: int) -> str:
    if not goal:
        return ""
    most = int(goal.removeprefix("≤ ").replace(",", ""))
    return f"{goal} ✓" if gas <= most else f"{goal}, missed by {100 * gas / most - 100:.0f} %"
