"""`gridwitness outbox`: look at transactions, and tell a running oracle or relay what to do about them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from gridwitness.chain.outbox_store import Intent, OutboxState, OutboxStore
from gridwitness.errors import InputError

outbox = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Transactions of an oracle or a relay: list, retry, cancel, resume.",
)
_DataDir = Annotated[Path, typer.Option(help="Folder with outbox.sqlite; its oracle or relay may be running")]
_Key = Annotated[str, typer.Argument(help="Key of the transaction, as `list` shows it")]
_DONE = "asked for; done at the next step of the oracle or relay"


@outbox.command("list")
def list_(
    data_dir: _DataDir,
    everything: Annotated[bool, typer.Option("--all", help="Final ones too")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON")] = False,
) -> None:
    """Show what is queued, under way or failed, with what was asked for and is not done yet, and with what is wrong.

    Exit code 1 if sending is halted.

    Example: gridwitness outbox list --data-dir data/oracle-1
    """
    with _opened(data_dir) as store:
        asked = {key: verb for _, verb, key in store.requests()}
        rows = [_row(store, one, asked) for one in store.intents() if everything or one.state is not OutboxState.FINAL]
        halted = store.nonces().halted
    if as_json:
        typer.echo(json.dumps({"halted": halted, "transactions": rows}, indent=2))
    else:
        table = Table("key", "state", "nonce", "attempts", "gwei", "age", "asked for", "what is wrong")
        for row in rows:
            table.add_row(*("" if value is None else str(value) for value in row.values()))
        Console().print(table)
        if halted:
            typer.echo(f"halted: {halted}")
    if halted:
        raise typer.Exit(1)


@outbox.command()
def retry(key: _Key, data_dir: _DataDir) -> None:
    """Queue a transaction anew that failed for good, or that was cancelled.

    Example: gridwitness outbox retry readings/17 --data-dir data/oracle-1
    """
    with _opened(data_dir) as store:
        intent = _known(store, key)
        if intent.state is not OutboxState.FAILED:
            raise InputError(f"{key} is {intent.state}; only one that failed can be retried")
        if not intent.settled:
            raise InputError(f"{key} failed in block {intent.block_number}, which may still be taken back: wait")
        store.request("retry", key)
    typer.echo(f"retry of {key} {_DONE}")


@outbox.command()
def cancel(key: _Key, data_dir: _DataDir) -> None:
    """Send nothing, from the account to itself, in place of a transaction under way; drop one that is queued.

    It takes the same nonce, so the chain takes one of the two: `list --all` says which. While fees are above the cap
    it waits, and `list` shows that it was asked for.

    Example: gridwitness outbox cancel readings/17 --data-dir data/oracle-1
    """
    with _opened(data_dir) as store:
        intent = _known(store, key)
        if intent.state not in (OutboxState.QUEUED, OutboxState.SIGNED, OutboxState.SENT):
            raise InputError(f"{key} is {intent.state}; only what is queued or under way can be cancelled")
        store.request("cancel", key)
    typer.echo(f"cancelling {key} {_DONE}, or once fees are within the cap")


@outbox.command()
def resume(data_dir: _DataDir) -> None:
    """Send again after a halt, once whoever else sent from the key does so no more.

    Example: gridwitness outbox resume --data-dir data/oracle-1
    """
    with _opened(data_dir) as store:
        if not store.nonces().halted:
            raise InputError("sending is not halted")
        store.request("resume", "")
    typer.echo(f"resuming {_DONE}")


@contextmanager
def _opened(data_dir: Path) -> Iterator[OutboxStore]:
    store = OutboxStore(data_dir / "outbox.sqlite", None)
    try:
        yield store
    finally:
        store.close()


def _known(store: OutboxStore, key: str) -> Intent:
    intent = store.find(key)
    if intent is None:
        raise InputError(f"no transaction has the key {key!r}", hint="`gridwitness outbox list --all` shows all keys")
    return intent


def _row(store: OutboxStore, intent: Intent, asked: Mapping[str, str]) -> dict[str, object]:
    attempts = store.attempts(intent)
    return {
        "key": intent.key,
        "state": str(intent.state),
        "nonce": intent.nonce,
        "attempts": len(attempts),
        "max_fee_gwei": round(attempts[-1].max_fee_wei / 10**9, 3) if attempts else None,
        "age_s": round(time.time() - attempts[0].signed_at) if attempts else None,
        "asked": asked.get(intent.key),
        "error": intent.error,
    }
