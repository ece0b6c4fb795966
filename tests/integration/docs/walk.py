"""A reader who types every block of a page, in order, in a checkout of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from playwright.sync_api import Error as PlaywrightError

from gridwitness.chain.anvil import free_port
from tests.integration.docs.blocks import ROOT, Block, blocks_of
from tests.integration.docs.models import check_file, check_part
from tests.integration.docs.printed import is_printed
from tests.integration.docs.terminal import PATIENCE_S, Python, Shell, Terminal
from tests.integration.docs.visitor import Visitor

# What a reader's checkout has copies of: what pages write into, and sources, which Ape does not find behind a link.
_COPIED = (".build/artefacts", "contracts", "data", "deployments/params")
_MISSING = {*(name.partition("/")[0] for name in _COPIED), "out", "cache", "docs", ".git"}
# Ports that pages name. Others run tests on this machine too, so that each walk gets free ones in their place.
_PORTS = re.compile(r"\b(8545|8546|8100|8101|8102|8103|8201)\b")


def checkout(folder: Path) -> Path:
    """A folder that looks like this checkout, and may be written to."""
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.name not in _MISSING:
            (folder / path.name).symlink_to(path)
    for name in _COPIED:
        shutil.copytree(ROOT / name, folder / name)
    return folder


class Walk:
    """A reader at a page."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ports: dict[str, str] = {}
        self._environment = os.environ | {
            "COLUMNS": "110",
            "NO_COLOR": "1",
            "TERM": "dumb",
            "PATH": f"{ROOT}/.toolchain/bin:{os.environ['PATH']}",
            # Ape keeps accounts there, and a reader's are none of ours.
            "APE_DATA_FOLDER": str(folder / ".ape-data"),
        }
        self._terminals: dict[str, Terminal] = {}
        self._printed: str | None = None
        self._waiting: Terminal | None = None
        self.visitor: Visitor | None = None

    def follow(self, page: Path) -> int:
        """Type every block of a page; returns how many ran. Raises AssertionError at the first that does not."""
        ran = 0
        for block in blocks_of(page):
            if block.reason:
                self._printed = None
                continue
            try:
                self.do(block)
            except AssertionError as error:
                raise AssertionError(f"{block.place}: {error}") from error
            ran += 1
        return ran

    def prepare(self, source: str) -> None:
        """Type what a page takes for granted. Raises AssertionError if that fails."""
        printed, code = self._terminal("", Shell).run(self.typed(source))
        assert code == 0, printed

    def do(self, block: Block) -> None:
        """Type one block, or compare what was printed."""
        handlers: dict[str, Callable[[Block], None]] = {
            "sh": self._type,
            "python": self._python,
            "js": self._javascript,
            "solidity": self._solidity,
            "json": self._data,
            "toml": self._data,
            "yaml": self._data,
            "text": self._compare,
            "browser": self._browse,
        }
        assert block.language in handlers, f"blocks of {block.language or 'no language'} are not known"
        handlers[block.language](block)

    def end(self) -> None:
        """Close every terminal."""
        for terminal in self._terminals.values():
            terminal.end()

    def typed(self, text: str) -> str:
        """Text with ports of this walk's own."""
        return _PORTS.sub(lambda found: self._ports.setdefault(found[0], str(free_port())), text)

    def _told(self, text: str) -> str:
        for told, own in self._ports.items():
            text = text.replace(own, told)
        return text.replace(str(self.folder), "~/gridwitness")

    def _terminal(self, name: str, kind: Callable[..., Terminal]) -> Terminal:
        if name not in self._terminals:
            self._terminals[name] = kind(self.folder, self._environment)
        return self._terminals[name]

    def _type(self, block: Block) -> None:
        if block.file_name:
            self._save(block)
            return
        if block.title:
            self._waiting, self._printed = self._terminal(block.title, Shell), None
            self._waiting.start(self.typed(block.source))
            return
        self._run(self._terminal("", Shell), block)

    def _python(self, block: Block) -> None:
        if block.file_name:
            self._save(block)
        else:
            self._run(self._terminal("python", Python), block)

    def _run(self, terminal: Terminal, block: Block) -> None:
        printed, code = terminal.run(self.typed(block.source))
        self._printed, self._waiting = self._told(printed), None
        assert (code != 0) == (block.comment == "fails"), f"exit code {code}\n{self._printed}"

    def _javascript(self, block: Block) -> None:
        if block.file_name:
            self._save(block)
            return
        done = subprocess.run(
            ["node", "--input-type=module", "-e", self.typed(block.source)],
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        self._printed, self._waiting = self._told(done.stdout.rstrip("\n")), None
        assert done.returncode == 0, done.stderr

    def _solidity(self, block: Block) -> None:
        if block.file_name:
            self._save(block)
        request = {
            "language": "Solidity",
            "sources": {"contracts/Example.sol": {"content": block.source}},
            "settings": {
                "outputSelection": {"*": {"*": ["evm.bytecode.object"]}},
                "remappings": ["@openzeppelin/contracts/=lib/@openzeppelin/contracts/"],
            },
        }
        done = subprocess.run(
            ["node", "toolchain/solc_front.js", "--standard-json", "--base-path", str(ROOT)],
            input=json.dumps(request),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        errors = json.loads(done.stdout).get("errors", [])
        assert not errors, "\n".join(one["formattedMessage"] for one in errors)

    def _data(self, block: Block) -> None:
        read = {"json": json.loads, "toml": tomllib.loads, "yaml": yaml.safe_load}[block.language]
        try:
            assert read(block.source), "it says nothing"
        except ValueError as error:
            raise AssertionError(str(error)) from error
        if block.file_name:
            self._save(block)
            check_file(self.folder / block.file_name)
        elif block.language == "toml" and block.title:
            check_part(block.title.partition(",")[0], tomllib.loads(block.source))

    def _save(self, block: Block) -> None:
        path = self.folder / block.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.typed(block.source), encoding="utf-8")

    def _browse(self, block: Block) -> None:
        assert self.visitor is not None and block.step is not None, "this page is for a reader with a browser"
        try:
            self.visitor.do(*block.step)
        except PlaywrightError as error:
            raise AssertionError(str(error)) from error

    def _compare(self, block: Block) -> None:
        """What the block before printed is this, `…` standing for anything."""
        if self._waiting is not None:
            self._await(self._waiting, block.source)
            return
        assert self._printed is not None, "nothing was printed that this could be"
        assert is_printed(block.source, self._printed), f"printed was\n{self._printed}"

    def _await(self, terminal: Terminal, expected: str) -> None:
        until = time.monotonic() + PATIENCE_S
        while not is_printed(expected, self._told(terminal.output), in_part=True):
            assert time.monotonic() < until, f"printed was\n{self._told(terminal.output)}"
            time.sleep(0.05)


@contextmanager
def walking(folder: Path) -> Iterator[Walk]:
    """A reader in a checkout of their own, who leaves nothing running."""
    walk = Walk(checkout(folder))
    try:
        yield walk
    finally:
        walk.end()
