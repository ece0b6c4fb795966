"""Mechanisms compared over a community's days: its agents' schedules in, tables and a picture out."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gridwitness.domain.market import EUR, Schedule, ZoneParams
from gridwitness.errors import ConfigError, InputError
from gridwitness.market.agents import Strategy, imbalance_limit_wh, make_orders
from gridwitness.market.bills import grid_only_bill
from gridwitness.market.comparison import Comparison, HomeAccount, Mechanism, compare, share_bps
from gridwitness.service.comparison_chart import write_chart
from gridwitness.service.net_forecast import forecast_net_day
from gridwitness.sources.community_data import ChosenDays, Community

# One row per home and mechanism. Bills are positive when the home pays.
HOME_COLUMNS = (
    "meter",
    "mechanism",  # no trading, market, pay as bid, net metering
    "bill_eur",
    "saved_eur",  # bill without trading − bill
    "imported_wh",  # through the home's meter; own use behind it is not seen
    "exported_wh",
    "bought_wh",  # imports contracted in the market and used; under net metering, cancelled by own exports
    "sold_wh",  # exports contracted in the market and delivered; under net metering, cancelled by own imports
    "self_sufficiency_bps",  # bought / imported
    "self_consumption_bps",  # sold / exported
)

# One row per mechanism: the sums over homes, and what only the community has.
COMMUNITY_COLUMNS = (
    *HOME_COLUMNS[1:],
    "saved_bps",  # saved / what the imports would cost from the grid
    "other_side_eur",  # what operator, backstop and supplier keep after the feeder's exchange with the grid
    "welfare_eur",  # matched orders at their own limits: buyers' values − sellers' costs
    "shared_wh",  # imported by some while others exported: the most that can be traded at once
)


def compare_community(community: Community, days: ChosenDays, params: ZoneParams, strategy: Strategy) -> Comparison:
    """Trade the chosen days, each forecast from the whole days before it; homes come in the order of the meters.

    Raises InputError for a strategy that needs more than a forecast.
    """
    if strategy is Strategy.BATTERY:
        raise InputError("a comparison has no batteries to plan", hint="choose truthful or hedged")
    green = {_device_id(place) for place, meter in enumerate(community.meters) if _is_green(community, meter, params)}
    return compare(_trading_days(community, days, params, strategy), params, green=green)


def _trading_days(
    community: Community, days: ChosenDays, params: ZoneParams, strategy: Strategy
) -> Iterator[tuple[list[Schedule], dict[bytes, list[int]]]]:
    """Schedules and metered energies of each day; a device's id is its meter's place."""
    span = range(days.history.start, days.trade.stop)
    homes = [
        (_device_id(place), _is_green(community, meter, params), community.days_wh(meter, span))
        for place, meter in enumerate(community.meters)
    ]
    for day in range(len(days.history), len(span)):
        past = slice(day - len(days.history), day)
        schedules = []
        for device, green, known_wh in homes:
            forecast = forecast_net_day(known_wh[past], span[day])
            orders = make_orders(forecast, params, strategy, green=green)
            schedules.append(Schedule(device, "", 1, span[day], 1, 0, imbalance_limit_wh(forecast), orders))
        yield schedules, {device: known_wh[day].tolist() for device, _, known_wh in homes}


def _device_id(place: int) -> bytes:
    return place.to_bytes(32, "big")


def _is_green(community: Community, meter: str, params: ZoneParams) -> bool:
    return params.is_green(community.kind_of(meter))


def home_rows(comparison: Comparison, meters: Sequence[str]) -> list[dict[str, Any]]:
    """The homes' table, in `HOME_COLUMNS`."""
    return [
        {
            "meter": meter,
            **_figures(mechanism, home.accounts[mechanism], home.saved(mechanism), home.imported_wh, home.exported_wh),
        }
        for meter, home in zip(meters, comparison.homes.values(), strict=True)
        for mechanism in Mechanism
    ]


def community_rows(comparison: Comparison, params: ZoneParams) -> list[dict[str, Any]]:
    """The community's table, in `COMMUNITY_COLUMNS`."""
    homes = comparison.homes.values()
    imported_wh, exported_wh = sum(home.imported_wh for home in homes), sum(home.exported_wh for home in homes)
    rows = []
    for mechanism in Mechanism:
        account = HomeAccount(
            comparison.bill(mechanism),
            sum(home.accounts[mechanism].bought_wh for home in homes),
            sum(home.accounts[mechanism].sold_wh for home in homes),
        )
        saved = comparison.saved(mechanism)
        rows.append(
            {
                **_figures(mechanism, account, saved, imported_wh, exported_wh),
                "saved_bps": share_bps(saved, grid_only_bill((imported_wh,), params)),
                "other_side_eur": _eur(comparison.other_side(mechanism)),
                "welfare_eur": _eur(comparison.welfare(mechanism)),
                "shared_wh": comparison.shared_wh,
            }
        )
    return rows


def _figures(
    mechanism: Mechanism, account: HomeAccount, saved: int, imported_wh: int, exported_wh: int
) -> dict[str, Any]:
    return {
        "mechanism": mechanism.value,
        "bill_eur": _eur(account.bill),
        "saved_eur": _eur(saved),
        "imported_wh": imported_wh,
        "exported_wh": exported_wh,
        "bought_wh": account.bought_wh,
        "sold_wh": account.sold_wh,
        "self_sufficiency_bps": share_bps(account.bought_wh, imported_wh),
        "self_consumption_bps": share_bps(account.sold_wh, exported_wh),
    }


def _eur(units: int) -> str:
    """Token units as EUR, exactly."""
    return f"{'-' if units < 0 else ''}{abs(units) // EUR}.{abs(units) % EUR:06d}"


def write_comparison(out_dir: Path, comparison: Comparison, meters: Sequence[str], params: ZoneParams) -> None:
    """Write homes.csv, community.csv and comparison.png. Raises ConfigError if the folder cannot be written."""
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        _write_csv(out_dir / "homes.csv", HOME_COLUMNS, home_rows(comparison, meters))
        _write_csv(out_dir / "community.csv", COMMUNITY_COLUMNS, community_rows(comparison, params))
        write_chart(out_dir / "comparison.png", comparison)
    except OSError as error:
        raise ConfigError(
            f"cannot write the comparison to {out_dir}: {error.strerror}", hint="choose another folder"
        ) from error


def _write_csv(path: Path, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
