"""`gridwitness agent`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from eth_utils.address import is_checksum_address
from rich.console import Console
from rich.table import Table

from gridwitness.chain.keystore import load_account
from gridwitness.chain.manifest import Manifest
from gridwitness.cli.proof import parse_device_id
from gridwitness.cli.zone import zone_rules
from gridwitness.domain.market import NO_ORDER, Side, ZoneParams
from gridwitness.domain.slots import slots_of_day
from gridwitness.errors import ConfigError, InputError
from gridwitness.market.agents import Strategy
from gridwitness.market.battery import Battery
from gridwitness.service.agent import (
    Party,
    Proposal,
    document,
    expected_prices,
    forecast_meter,
    propose,
    save,
    seal,
)
from gridwitness.sources.community_data import EPOCH, time_text


def agent(
    history: Annotated[Path, typer.Option(help="CSV or Parquet, or a folder: slot_start, meter, import_wh, export_wh")],
    day: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="Delivery day (UTC)")],
    device: Annotated[str, typer.Option(help="The device's id: 0x and 64 hex digits")],
    account: Annotated[str, typer.Option(help="Account that pays and is paid: the device's owner")],
    meter: Annotated[str | None, typer.Option(help="Meter of the history, if it has several")] = None,
    zone: Annotated[int, typer.Option(min=1, max=(1 << 24) - 1, help="Zone of the device")] = 1,
    version: Annotated[int, typer.Option(min=1, max=(1 << 32) - 1, help="A higher one replaces the last")] = 1,
    strategy: Annotated[Strategy, typer.Option(help="What to do with the forecast")] = Strategy.HEDGED,
    rules: Annotated[Path | None, typer.Option(help="TOML or JSON file with the zone's rules")] = None,
    manifest: Annotated[Path | None, typer.Option(help="deployments/<chain-id>.json, instead of --rules")] = None,
    rpc: Annotated[str | None, typer.Option(help="Node to read the rules from, with --manifest")] = None,
    history_days: Annotated[int, typer.Option(min=1, help="Days to learn from")] = 3,
    capacity_wh: Annotated[int | None, typer.Option(help="Battery: what it gives when full")] = None,
    charge_power_w: Annotated[int, typer.Option(help="Battery: most it takes")] = 5_000,
    discharge_power_w: Annotated[int, typer.Option(help="Battery: most it gives")] = 5_000,
    round_trip_bps: Annotated[int, typer.Option(help="Battery: given / taken, 9,000 = 90 %")] = 9_000,
    initial_wh: Annotated[int, typer.Option(help="Battery: state of charge when the day begins")] = 0,
    final_wh: Annotated[int, typer.Option(help="Battery: least state of charge when it ends")] = 0,
    prices: Annotated[Path | None, typer.Option(help="Battery: past prices to expect, such as clearings.csv")] = None,
    key: Annotated[Path | None, typer.Option(help="Keystore v3 file to sign with; needs --manifest")] = None,
    password_file: Annotated[Path | None, typer.Option(help="File with the keystore's password")] = None,
    out: Annotated[Path, typer.Option(help="File to write")] = Path("schedule.json"),
) -> None:
    """Turn a meter's history into a schedule: one order for each quarter hour of a day.

    truthful trades the median forecast at the grid's prices. hedged limits each order to what it is worth, given how
    sure the forecast is. battery first plans a battery for the median: without --prices it expects the grid's.
    The file is unsigned unless --key is given: the owner's, a delegate's, or the device's own.

    \b
    Example: gridwitness agent --history meter.csv --day 2016-08-13 --device 0x… --account 0x… --rules zone.toml
    Example: gridwitness agent … --strategy battery --capacity-wh 10000 --initial-wh 2000 --final-wh 2000
    Example: gridwitness agent … --manifest deployments/31337.json --key owner.json --password-file password
    """
    party = Party(parse_device_id(device), _checksummed(account), zone)
    if (key is None) is not (password_file is None) or (key is not None and manifest is None):
        raise ConfigError(
            "--key, --password-file and --manifest go together",
            hint="a signature is for one market on one chain, which the manifest names",
        )
    if (strategy is Strategy.BATTERY) is (capacity_wh is None):
        raise InputError("--capacity-wh goes with --strategy battery, and no other")
    battery = None
    if capacity_wh is not None:
        battery = Battery(capacity_wh, charge_power_w, discharge_power_w, round_trip_bps, initial_wh, final_wh)
    params = zone_rules(zone, rules, manifest, rpc)
    number = (day.date() - EPOCH).days
    proposal = propose(
        forecast_meter(history, meter, number, history_days),
        params,
        party,
        day=number,
        version=version,
        strategy=strategy,
        battery=battery,
        prices=expected_prices(prices, number, params),
    )
    sealed = None
    if key is not None and password_file is not None and manifest is not None:
        known = Manifest.load(manifest)
        signer = load_account(key, password_file)
        sealed = seal(proposal.schedule, known.chain_id, known.address("EnergyMarket"), signer)
    save(out, document(proposal, sealed))
    Console().print(_table(proposal, params))
    typer.echo(f"written to {out}, {'unsigned' if sealed is None else 'signed'}")


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
