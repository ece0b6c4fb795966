"""The reference of the command line: what every command says with --help."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import typer
from typer.core import TyperGroup

_WIDTH = 100


def command_page(root: Path) -> str:
    """Every command of `gridwitness` and every script of `ape run`, with its help."""
    os.environ["COLUMNS"] = str(_WIDTH)
    from gridwitness.cli import build_app

    parts = ["# Commands\n", "What each says with `--help`.\n"]
    for name, text in _helps(typer.main.get_command(build_app()), "gridwitness"):
        parts.append(_entry(name, text))
    for script in scripts_of(root):
        sys.path.insert(0, str(root))
        command = importlib.import_module(f"scripts.{script}").cli
        for name, text in _helps(command, f"ape run {script}"):
            parts.append(_entry(name, text))
    # Defaults that are paths of this checkout are nobody else's.
    return "\n".join(parts).replace(f"{root}/", "")


def scripts_of(root: Path) -> list[str]:
    """Scripts that `ape run` offers."""
    return sorted(path.stem for path in (root / "scripts").glob("*.py") if not path.name.startswith("_"))


def _entry(name: str, text: str) -> str:
    return f"## {name} {{: #{name.replace(' ', '-')} }}\n\n```text\n{text.rstrip()}\n```\n"


def _helps(command: Any, name: str, parent: Any = None) -> Iterator[tuple[str, str]]:
    """A command and all below it. Typer brings a copy of click of its own, so both kinds of groups are asked for."""
    context = command.context_class(command, info_name=name, parent=parent, max_content_width=_WIDTH)
    yield context.command_path, context.get_help()
    if isinstance(command, click.Group | TyperGroup):
        for inner in command.list_commands(context):
            yield from _helps(command.get_command(context, inner), inner, context)
