"""`gridwitness compare`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from gridwitness.cli.demo import COMMUNITY
from gridwitness.cli.trading import (
    HistoryDaysOption,
    ManifestOption,
    RpcOption,
    RulesOption,
    ZoneOption,
    zone_rules,
)
from gridwitness.domain.slots import day_of, slot_of
from gridwitness.market.agents import Strategy


def compare(
    community: Annotated[
        Path, typer.Option(help="Folder of CSV or Parquet with slot_start, meter, import_wh, export_wh")
    ] = COMMUNITY,
    days: Annotated[int, typer.Option(min=1, help="Days to trade, one billing period")] = 6,
    start: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day to trade (UTC); else the sunniest stretch")
    ] = None,
    strategy: Annotated[Strategy, typer.Option(help="What agents do with forecasts: truthful or hedged")] = (
        Strategy.HEDGED
    ),
    history_days: HistoryDaysOption = 3,
    zone: ZoneOption = 1,
    rules: RulesOption = None,
    manifest: ManifestOption = None,
    rpc: RpcOption = None,
    out: Annotated[Path, typer.Option(help="Folder for the tables and the picture")] = Path("out/compare"),
) -> None:
    """Compare this market with no trading, pay-as-bid and net metering, on the same homes and flows.

    Writes homes.csv, community.csv and comparison.png; the same input gives the same files. Nothing is sent
    anywhere: clearing and settlement are the reference's, which the contract equals to the unit. Meters that export
    count as prosumers or generation, whose offers receive the premium if the zone's rules say so.

    \b
    Columns of both tables; energy in Wh at the meter, own use behind it is not seen:
      bill_eur              what the home pays, its supplier for what the market leaves included
      saved_eur             bill without trading − bill
      imported_wh           taken from the feeder
      exported_wh           given to the feeder
      bought_wh             imports contracted in the market and used; net metering: cancelled
      sold_wh               exports contracted in the market and delivered; net metering: cancelled
      self_sufficiency_bps  bought / imported
      self_consumption_bps  sold / exported: generation that stays in the community
    Columns of community.csv alone:
      saved_bps             saved / what the imports would cost from the grid
      other_side_eur        what operator, backstop and supplier keep after the feeder's exchange with the grid
      welfare_eur           matched orders at their own limits: buyers' values − sellers' costs
      shared_wh             imported by some while others exported: the most that can be traded at once

    \b
    Example: gridwitness compare --rules zone.toml
    Example: gridwitness compare --community my-street/ --days 30 --manifest deployments/31337.json
    """
    # Imported here because pandas and matplotlib would slow the start of every other command.
    from gridwitness.service.comparison import community_rows, compare_community, write_comparison
    from gridwitness.sources.community import load_community

    today = day_of(slot_of(int(time.time())))
    params = zone_rules(zone, rules, manifest, rpc, today)
    village = load_community(community)
    chosen = village.choose_days(days, history_days, start.date() if start else None)
    comparison = compare_community(village, chosen, params, strategy)
    write_comparison(out, comparison, village.meters, params)
    title = f"{len(village.meters)} homes, {days} days, {comparison.shared_wh} Wh to share"
    Console().print(_table(title, community_rows(comparison, params)))
    typer.echo(f"written to {out}")


def _table(title: str, rows: Sequence[dict[str, Any]]) -> Table:
    table = Table(title=title)
    table.add_column("mechanism", no_wrap=True)
    for name in ("bill €", "saved €", "other side €", "welfare €", "self-sufficient"):
        table.add_column(name, justify="right")
    for row in rows:
        money = (f"{float(row[name]):.2f}" for name in ("bill_eur", "saved_eur", "other_side_eur", "welfare_eur"))
        table.add_row(row["mechanism"], *money, f"{row['self_sufficiency_bps'] / 100:.1f} %")
    return table
