"""`gridwitness agent`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from eth_account.signers.local import LocalAccount
from eth_utils.address import is_checksum_address
from rich.console import Console
from rich.table import Table

from gridwitness.chain.keystore import load_account
from gridwitness.chain.manifest import Manifest
from gridwitness.cli.proof import parse_device_id
from gridwitness.cli.trading import (
    ManifestOption,
    RpcOption,
    RulesOption,
    ZoneOption,
    load_battery,
    zone_rules,
)
from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.market import NO_ORDER, Schedule, Side, ZoneParams
from gridwitness.domain.slots import slots_of_day
from gridwitness.errors import ConfigError, InputError
from gridwitness.market.agents import Strategy
from gridwitness.service.agent import Proposal, document, forecast_meter, plan_day, propose, save, seal, send
from gridwitness.sources.community_data import EPOCH, time_text

# Key, chain id and market.
_Signer = tuple[LocalAccount, int, str]

History = Annotated[Path, typer.Option(help="CSV or Parquet, or a folder: slot_start, meter, import_wh, export_wh")]
Day = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Delivery day (UTC)")]
Device = Annotated[str, typer.Option(help="The device's id: 0x and 64 hex digits")]
Owner = Annotated[str, typer.Option(help="Account that pays and is paid: the device's owner")]
AllHistoryOption = Annotated[
    int | None, typer.Option("--history-days", min=1, help="Days to learn from; else a year if it is there, or three")
]
Meter = Annotated[str | None, typer.Option(help="Meter of the history, if it has several")]
Version = Annotated[int, typer.Option(min=1, max=(1 << 32) - 1, help="A higher one replaces the last")]
StrategyOption = Annotated[Strategy, typer.Option(help="What to do with the forecast")]
BatteryFile = Annotated[Path | None, typer.Option(help="TOML or JSON file of the battery, for that strategy")]
Prices = Annotated[Path | None, typer.Option(help="Past prices for the battery to expect, such as clearings.csv")]
Kind = Annotated[str, typer.Option(help="Kind of the device: some are green, and paid a premium")]
Relay = Annotated[str | None, typer.Option(help="HTTP address of a relay to send the schedule to; needs --key")]
Key = Annotated[Path | None, typer.Option(help="Keystore v3 file to sign with; needs --manifest")]
PasswordFile = Annotated[Path | None, typer.Option(help="File with the keystore's password")]


def agent(
    history: History,
    day: Day,
    device: Device,
    account: Owner,
    meter: Meter = None,
    kind: Kind = "prosumer",
    zone: ZoneOption = 1,
    version: Version = 1,
    strategy: StrategyOption = Strategy.HEDGED,
    rules: RulesOption = None,
    manifest: ManifestOption = None,
    rpc: RpcOption = None,
    history_days: AllHistoryOption = None,
    battery: BatteryFile = None,
    prices: Prices = None,
    key: Key = None,
    password_file: PasswordFile = None,
    relay: Relay = None,
    out: Annotated[Path, typer.Option(help="File to write")] = Path("schedule.json"),
) -> None:
    """Turn a meter's history into a schedule: one order for each quarter hour of a day.

    The forecast is the day-ahead model's with 112 days of history or more, and else made from the last three days.
    truthful trades the median forecast at the grid's prices. hedged limits each order to what it is worth, given how
    sure the forecast is. battery plans a battery first, and then hedges. The file is unsigned unless --key is given:
    the owner's, a delegate's, or the device's own. It is good until the gate of the last slot ordered in closes.

    Example: gridwitness agent --history meter.csv --day 2016-08-13 --device 0x… --account 0x… --rules zone.toml
    """
    number = (day.date() - EPOCH).days
    device_id, owner = parse_device_id(device), _checksummed(account)
    signer = _signer(key, password_file, manifest, relay)
    params = zone_rules(zone, rules, manifest, rpc, number)
    green = params.is_green(_kind(kind))
    forecast = forecast_meter(history, meter, number, history_days)
    plan = plan_day(forecast, load_battery(battery) if battery else None, prices, number, params, green=green)
    unfilled = Schedule(device_id, owner, zone, number, version, 0, 0, ())
    _finish(propose(unfilled, forecast, params, strategy, plan, green=green), params, signer, out, relay)


def _finish(proposal: Proposal, params: ZoneParams, signer: _Signer | None, out: Path, relay: str | None) -> None:
    """Sign if there is a key, write the file, print the orders, send them if there is a relay."""
    sealed = seal(proposal.schedule, *signer) if signer else None
    save(out, document(proposal, sealed))
    Console().print(_table(proposal, params))
    typer.echo(f"written to {out}, {'signed' if sealed else 'unsigned'}")
    if relay is not None and sealed is not None:
        typer.echo(f"sent to {relay}: {send(relay, proposal.schedule, sealed)}")


def _signer(key: Path | None, password_file: Path | None, manifest: Path | None, relay: str | None) -> _Signer | None:
    """Whom to sign as, and for which market; None without a key."""
    if key is None and password_file is None and relay is None:
        return None
    if key is None or password_file is None or manifest is None:
        raise ConfigError(
            "--key, --password-file and --manifest go together, and --relay needs them",
            hint="a signature is for one market on one chain, which the manifest names",
        )
    known = Manifest.load(manifest)
    return load_account(key, password_file), known.chain_id, known.address("EnergyMarket")


def _kind(name: str) -> DeviceKind:
    kinds = {kind.name.lower(): kind for kind in DeviceKind if kind is not DeviceKind.UNSPECIFIED}
    if name not in kinds:
        raise InputError(f"kind {name!r} is not one of {', '.join(kinds)}")
    return kinds[name]


def _checksummed(account: str) -> str:
    if not is_checksum_address(account):
        raise InputError(f"account {account!r} is not a checksummed address")
    return account


def _table(proposal: Proposal, params: ZoneParams) -> Table:
    """The orders beside the forecast they were made from."""
    table = Table("slot (UTC)", title=f"{proposal.strategy.value}, net energy in Wh, import positive")
    names = [".1", ".5", ".9", *(["battery", "stored"] if proposal.plan else []), "order", "ct/kWh", "Wh"]
    for name in names:
        table.add_column(name, justify="right")
    levels = [proposal.forecast.quantile_wh(level) for level in (0.1, 0.5, 0.9)]
    for index, (slot, order) in enumerate(
        zip(slots_of_day(proposal.schedule.day), proposal.schedule.orders, strict=True)
    ):
        row = [time_text(slot)[11:16], *(f"{values[index]:.0f}" for values in levels)]
        if proposal.plan:
            row += [str(proposal.plan.meter_wh[index]), str(proposal.plan.stored_wh[index])]
        if order != NO_ORDER:
            side = "bid" if order.side is Side.BID else "offer"
            row += [side, f"{params.price_of(order.tick) / 10_000:.2f}", str(order.energy_wh)]
        table.add_row(*row)
    return table
