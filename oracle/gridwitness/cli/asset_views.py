"""What `gridwitness asset` shows of assets, read from a node at one block: holders, and statements of investors."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from eth_utils.address import is_checksum_address
from rich.console import Console
from rich.table import Table

from gridwitness.chain.client import Chain
from gridwitness.chain.manifest import Manifest
from gridwitness.domain.assets import NOBODY, Holder
from gridwitness.errors import InputError
from gridwitness.service.assets.ledger import Ledger, as_rows, read_ledger
from gridwitness.service.assets.words import display

AssetAddress = Annotated[str, typer.Argument(metavar="ASSET", help="Address of the asset")]
PrintJson = Annotated[bool, typer.Option("--json", help="Print JSON")]
_Rpc = Annotated[str, typer.Option(help="URL of an Ethereum node")]
_Manifest = Annotated[Path, typer.Option(help="deployments/<chain-id>.json")]
_Block = Annotated[int | None, typer.Option(min=0, help="Block to read at; else the newest, less --confirmations")]
_Confirmations = Annotated[int, typer.Option(min=0, help="Blocks to stay below the newest")]
_WIDEST = 10_000  # columns, more than any table needs
_LOCAL_NODE = "http://127.0.0.1:8545"


def holders(
    address: AssetAddress,
    rpc: _Rpc = _LOCAL_NODE,
    manifest: _Manifest = Path("deployments/31337.json"),
    block: _Block = None,
    confirmations: _Confirmations = 0,
    as_json: PrintJson = False,
) -> None:
    """Show who holds shares, with what is due to each, at one block.

    Events and views of the asset must agree to the unit for every wallet; otherwise the difference is named.

    Example: gridwitness asset holders 0x… --rpc http://127.0.0.1:8545 --manifest deployments/31337.json
    """
    chain = Chain(rpc, Manifest.load(manifest))
    ledger = read_ledger(chain, checksummed(address), block=block, confirmations=confirmations)
    if as_json:
        typer.echo(json.dumps(_holders_document(ledger), indent=2))
        return
    _print_whole(_holders_table(ledger))
    typer.echo(
        f"{display(ledger.proof.supply, ledger.terms.decimals)} shares of {ledger.proof.holders} investors "
        f"at block {ledger.block.number}"
    )


def statement(
    address: AssetAddress,
    wallet: Annotated[str, typer.Option(help="Any wallet of the investor")],
    first: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="First day (UTC)")],
    last: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Last day (UTC), which must be over")],
    out: Annotated[
        list[Path] | None, typer.Option(help="File to write: .csv, .pdf or .json; may be given again")
    ] = None,
    rpc: _Rpc = _LOCAL_NODE,
    manifest: _Manifest = Path("deployments/31337.json"),
    block: _Block = None,
    confirmations: _Confirmations = 0,
    as_json: PrintJson = False,
) -> None:
    """Make an investor's statement over whole days: shares, trades, dividends, with the transaction of each.

    All wallets of the investor count. Opening, lines and closing add up to the unit, or there is no statement. The
    same block gives the same files, whenever and wherever they are made: give --block to make them again.

    \b
    Example: gridwitness asset statement 0x… --wallet 0x… --first 2016-07-01 --last 2016-07-31 --out july.pdf
    """
    # Imported here because matplotlib's fonts and the PDF library would slow the start of every other command.
    from gridwitness.service.assets.statement import Period, make_statement
    from gridwitness.service.assets.statement_files import json_text, write_statement

    period = Period(first.date(), last.date())
    chain = Chain(rpc, Manifest.load(manifest))
    ledger = read_ledger(chain, checksummed(address), block=block, confirmations=confirmations)
    made = make_statement(ledger, checksummed(wallet), period)
    for path in out or []:
        write_statement(path, made)
        typer.echo(f"written to {path}", err=as_json)
    if as_json or not out:
        typer.echo(json_text(made), nl=False)


def checksummed(address: str) -> str:
    """The address. Raises InputError for one whose letters do not agree with its checksum (EIP-55)."""
    if not is_checksum_address(address):
        raise InputError(f"{address!r} is not a checksummed address")
    return address


def _holders_document(ledger: Ledger) -> dict[str, object]:
    return {
        "asset": ledger.asset,
        "block": ledger.block.number,
        "time": ledger.block.time,
        "share_decimals": ledger.terms.decimals,
        "cash_decimals": ledger.cash.decimals,
        "supply": ledger.proof.supply,
        "investors": ledger.proof.holders,
        "dividend_cash": ledger.dividend_cash,
        "redemption_cash": ledger.redemption_cash,
        "is_paused": ledger.is_paused,
        "proof": asdict(ledger.proof),
        "holders": as_rows(ledger.holders),
    }


def _print_whole(table: Table) -> None:
    """Print a table of which nothing is cut: as wide as it is where no terminal shows it, else folded."""
    console = Console()
    if not console.is_terminal:
        # Without a terminal, Rich takes it that there are 80 columns: no search for an address would find it.
        wide = console.measure(table, options=console.options.update(width=_WIDEST))
        console.width = max(console.width, wide.maximum)
    console.print(table)


def _holders_table(ledger: Ledger) -> Table:
    table = Table()
    for name in ("wallet", "investor"):
        table.add_column(name, overflow="fold")
    for name in ("shares", "of all", "frozen", "due"):
        table.add_column(name, justify="right", overflow="fold")
    for name in ("country", "class", "withheld"):
        table.add_column(name, overflow="fold")
    for holder in ledger.holders:
        table.add_row(*_holder_row(ledger, holder))
    return table


def _holder_row(ledger: Ledger, holder: Holder) -> list[str]:
    decimals, passport = ledger.terms.decimals, holder.passport
    part_bps = holder.shares * 10_000 // ledger.proof.supply if ledger.proof.supply else 0
    return [
        holder.wallet,
        "same" if holder.investor == holder.wallet else holder.investor.replace(NOBODY, "none"),
        display(holder.shares, decimals),
        f"{display(part_bps, 2)} %",
        display(holder.frozen, decimals),
        display(holder.claimable, ledger.cash.decimals),
        str(passport.country) if passport is not None else "",
        str(passport.investor_class) if passport is not None else "",
        holder.withheld,
    ]
