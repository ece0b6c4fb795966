"""`gridwitness apikey`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from gridwitness.errors import ConfigError
from gridwitness.store.api_keys import KEY_FILE_NAME, KEY_SCOPES, ApiKey, ApiKeyFile

apikey = typer.Typer(no_args_is_help=True, help="Keys of the HTTP API: make one, list them, end one.")
_Data = Annotated[
    Path,
    typer.Option("--data", help="The site's data_dir, or the oracle's where the site has none; a demo's folder"),
]


@apikey.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What the key is for, as lists and logs show it")],
    data: _Data,
    scope: Annotated[list[str], typer.Option(help=f"What it opens; may be given again: {', '.join(KEY_SCOPES)}")],
    account: Annotated[str, typer.Option(help="Account (0x…) whose household alone it opens; all without")] = "",
) -> None:
    """Make a key and print it. It is shown this once: only its hash is kept.

    Example: gridwitness apikey create billing --data data --scope read
    """
    with _keys(data) as keys:
        typer.echo(keys.create(name, scope, account))


@apikey.command("list")
def list_keys(
    data: _Data,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line")] = False,
) -> None:
    """List keys, the oldest first, with those revoked.

    Example: gridwitness apikey list --data data
    """
    with _keys(data) as keys:
        every = keys.every_key()
    if json:
        for key in every:
            typer.echo(msgspec.json.encode(key).decode())
        return
    table = Table("id", "name", "scopes", "account", "created", "revoked")
    for key in every:
        revoked = _when(key.revoked_at) if key.revoked_at is not None else ""
        table.add_row(key.id, key.name, _scopes(key), key.account or "all", _when(key.created_at), revoked)
    Console().print(table, highlight=False)


@apikey.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(help="Its id, as `list` shows it")], data: _Data) -> None:
    """End a key at once, in running services too.

    Example: gridwitness apikey revoke 5f0c1a2b3c4d --data data
    """
    with _keys(data) as keys:
        revoked = keys.revoke(key_id)
    typer.echo(f"revoked {revoked.id}, {revoked.name}")


@contextmanager
def _keys(data: Path) -> Iterator[ApiKeyFile]:
    if not data.is_dir():  # made here, it would be one that no service looks into
        raise ConfigError(
            f"there is no folder {data}", hint="--data names that of the service, which makes it at its start"
        )
    keys = ApiKeyFile(data / KEY_FILE_NAME)
    try:
        yield keys
    finally:
        keys.close()


def _scopes(key: ApiKey) -> str:
    return ", ".join(sorted(key.scopes))


def _when(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()
