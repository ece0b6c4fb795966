"""`gridwitness deadletter`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from gridwitness.cli.settings import load_settings
from gridwitness.service.deadletters import list_dead_letters, replay_dead_letters
from gridwitness.store.deadletters import DeadLetter

deadletter = typer.Typer(
    no_args_is_help=True,
    help="Readings and bodies that an oracle refused: list them, or post them again once the cause is mended.",
)
_Config = Annotated[Path, typer.Option(help="TOML file with the oracle's settings")]
_Reason = Annotated[str | None, typer.Option(help="Only those refused for this reason, such as unknown_device")]


@deadletter.command("list")
def list_letters(
    config: _Config,
    reason: _Reason = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with the body")] = False,
) -> None:
    """List dead letters, the oldest first. The oracle may be running.

    Example: gridwitness deadletter list --config oracle.toml --reason unknown_device
    """
    letters = list_dead_letters(_log_of(config), reason)
    if json:
        for letter in letters:
            typer.echo(msgspec.json.encode(_document(letter)).decode())
        return
    table = Table("id", "when", "source", "reason", "message")
    for letter in letters:
        when = datetime.fromtimestamp(letter.at, UTC).isoformat()
        table.add_row(str(letter.id), when, letter.source, letter.reason, letter.message)
    Console().print(table, highlight=False)


@deadletter.command("replay")
def replay_letters(
    config: _Config,
    to: Annotated[str, typer.Option(help="HTTP address of a running oracle, such as http://127.0.0.1:8101")],
    reason: _Reason = None,
) -> None:
    """Post dead letters to a running oracle again. Those it takes, or has, are removed; what it refuses again stays.

    Example: gridwitness deadletter replay --config oracle.toml --reason unknown_device --to http://127.0.0.1:8101
    """
    for verdict, count in sorted(replay_dead_letters(_log_of(config), reason, to).items()):
        typer.echo(f"{count:>8} {verdict}")


def _log_of(config: Path) -> Path:
    return load_settings(config).data_dir / "oracle.sqlite"


def _document(letter: DeadLetter) -> dict[str, object]:
    """As JSON: the body as text if it is text, else as 0x-hex."""
    try:
        body = letter.body.decode()
    except UnicodeDecodeError:
        body = "0x" + letter.body.hex()
    return {
        "id": letter.id,
        "at": letter.at,
        "source": letter.source,
        "reason": letter.reason,
        "message": letter.message,
        "content_type": letter.content_type,
        "body": body,
        "is_whole": letter.is_whole,
    }
