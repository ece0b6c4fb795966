"""The `gridwitness` command: every subcommand is a plain function in a module of this package."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated

import typer

from gridwitness.errors import GridwitnessError

_ERROR_EXIT_CODE = 2
_COMMANDS = {
    "demo": "demo",
    "run": "run",
    "serve": "serve",
    "worker": "worker",
    "replay": "replay",
    "prove": "proof",
    "verify": "proof",
    "status": "status",
    "doctor": "doctor",
    "outbox": "outbox",
    "agent": "agent",
    "relay": "relay",
    "asset": "asset",
    "apikey": "apikey",
    "deadletter": "deadletter",
    "log": "log",
    "compare": "compare",
    "bench": "bench",
}


def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error")] = False,
) -> None:
    """Devices sign what they measure; oracles score it, batch it and co-sign a root; anyone can prove one reading.

    \b
    Start here:  gridwitness demo            a day of a community, on a chain of its own
                 gridwitness serve           its web page again, when it has ended
                 gridwitness run --help      operate an oracle; `worker` verifies for a large one
                 gridwitness prove --help    get the proof of a reading; `verify` checks it
                 gridwitness agent --help    make a day's orders from a meter's history
                 gridwitness bench --help    measure the scoring on your own data
                 gridwitness relay --help    submit signed schedules for others, many at once
                 gridwitness asset --help    make an asset in shares, pay its holders, make their statements
    """


def build_app(arguments: Sequence[str] = ()) -> typer.Typer:
    """The command line; of all its commands, or only of the one that `arguments` ask for.

    Each command imports what only it needs (web3, pyarrow, pandas): an oracle starts twice as fast without the rest.
    """
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.callback()(_options)
    wanted = next((argument for argument in arguments if not argument.startswith("-")), "")
    for name in (wanted,) if wanted in _COMMANDS else _COMMANDS:
        command = getattr(import_module(f"gridwitness.cli.{_COMMANDS[name]}"), name)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def main() -> None:
    """Entry point: an error of ours is one line and a hint, and exit code 2."""
    try:
        build_app(sys.argv[1:])()
    except GridwitnessError as error:
        if "--debug" in sys.argv:
            raise
        sys.stderr.write(f"error: {error.message}\n")
        if error.hint:
            sys.stderr.write(f"hint: {error.hint}\n")
        raise SystemExit(_ERROR_EXIT_CODE) from None
