"""The `gridwitness` command: every subcommand is a plain function in a module of this package."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gridwitness.cli.demo import demo
from gridwitness.cli.proof import prove, verify
from gridwitness.cli.replay import replay
from gridwitness.cli.run import run
from gridwitness.cli.status import status
from gridwitness.errors import GridwitnessError

_ERROR_EXIT_CODE = 2
_COMMANDS = (demo, run, replay, prove, verify, status)


def _options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error")] = False,
) -> None:
    """Devices sign what they measure; oracles score it, batch it and co-sign a root; anyone can prove one reading.

    Start here:  gridwitness demo            a day of a community, on a chain of its own
                 gridwitness run --help      operate an oracle
                 gridwitness prove --help    get the proof of a reading; `verify` checks it
    """
    context.obj = debug


def build_app() -> typer.Typer:
    """The command line with all its commands."""
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.callback()(_options)
    for command in _COMMANDS:
        app.command()(command)
    return app


def main() -> None:
    """Entry point: an error of ours is one line and a hint, and exit code 2."""
    try:
        build_app()()
    except GridwitnessError as error:
        if "--debug" in sys.argv:
            raise
        sys.stderr.write(f"error: {error.message}\n")
        if error.hint:
            sys.stderr.write(f"hint: {error.hint}\n")
        raise SystemExit(_ERROR_EXIT_CODE) from None
