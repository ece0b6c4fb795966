"""What the demo checks of itself: a day traded by the reference passes, and any one unit changed in it is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from gridwitness.chain.market import Backstop, MadeRun
from gridwitness.domain.market import Order, Schedule, SettlementRun, Side, ZoneParams
from gridwitness.domain.slots import SLOTS_PER_DAY, slots_of_day
from gridwitness.market.bills import market_bill
from gridwitness.market.clearing import book_of
from gridwitness.market.day import trade_day
from gridwitness.market.settlement import exposure, net_cash, reserve
from gridwitness.service.demo import audit
from gridwitness.service.demo.result import BILL_LINES
from gridwitness.service.demo.tables import bill_lines, busiest_book, clearing_table
from gridwitness.service.demo.trades import Key, Trades

DAY = 17_000
NOON = slots_of_day(DAY)[48]
NOBODY = "0x" + "00" * 20
ATTIC, BARN, CELLAR = (Key(bytes([number]) * 32, DAY) for number in (1, 2, 3))
PARAMS = ZoneParams(
    profile_stream=bytes(32),
    floor_price_per_kwh=70_000,
    tick_size_per_kwh=2_000,
    short_price_per_kwh=320_000,
    long_price_per_kwh=80_000,
    penalty_per_kwh=10_000,
    tolerance_bps=1_000,
    hold_score_bps=9_900,
    cap_tick=125,
    network_fee_ticks=10,
    green_premium_ticks=5,
    green_kinds=4,
    min_order_wh=10,
    gate_lead_slots=4,
    feeder_cap_wh=600,
    provisional_after_seconds=3_600,
    final_after_seconds=7_200,
    dispute_seconds=3_600,
    dispute_bond=1,
)


def schedule(key: Key, side: Side, ticks: range, energy_wh: int) -> Schedule:
    orders = tuple(Order(side, ticks[index % len(ticks)], energy_wh + index) for index in range(SLOTS_PER_DAY))
    return Schedule(key.device_id, f"0x{key.device_id[:20].hex()}", 1, DAY, 1, 0, 3_000, orders)


@pytest.fixture
def trades() -> Trades:
    """Attic and cellar buy what the green barn sells, up to the feeder's cap. The cellar is held."""
    schedules = [
        schedule(ATTIC, Side.BID, range(70, 90), 401),
        schedule(BARN, Side.OFFER, range(5, 60), 903),
        schedule(CELLAR, Side.BID, range(60, 100), 253),
    ]
    profiles_wh = {ATTIC: [450] * 96, BARN: [-700] * 96, CELLAR: [210] * 96}
    green = frozenset({BARN.device_id})
    metered_wh = {key.device_id: profile_wh for key, profile_wh in profiles_wh.items()}
    day = trade_day(schedules, metered_wh, PARAMS, green=green)
    traded = Trades(PARAMS, green, schedules={DAY: schedules}, profiles_wh=dict(profiles_wh), held={CELLAR})
    traded.clearings = dict(zip(slots_of_day(DAY), day.clearings, strict=True))
    traded.books = {slot: book_of(traded.book_orders(slot)) for slot in slots_of_day(DAY)}
    for key in (ATTIC, BARN):
        run = SettlementRun(
            key.device_id, NOBODY, 1, DAY, bytes(32), 1, 0, 0, 0, *day.sources[key.device_id], NOBODY, 0
        )
        traded.runs[key] = MadeRun(run, day.settlements[key.device_id])
        traded.final_cash[key] = net_cash(day.settlements[key.device_id])
    traded.backstops = [Backstop(1_000, 0, 0, False), Backstop(1_000, 1_000, -5, False)]
    return traded


def with_run(trades: Trades, key: Key, change: Callable[[MadeRun], MadeRun]) -> None:
    trades.runs[key] = change(trades.runs[key])


def test_audit__a_day_by_the_reference__finds_nothing(trades: Trades) -> None:
    assert audit.clearing_errors(trades) == []
    assert audit.settlement_errors(trades) == []
    assert audit.contracts_balance(trades)
    assert audit.settled_energy_adds_up(trades)
    assert trades.clearings[NOON].volume_wh == PARAMS.feeder_cap_wh
    assert trades.clearings[NOON].bid_tick > trades.clearings[NOON].tick > trades.clearings[NOON].offer_tick


@pytest.mark.parametrize("field", ["tick", "volume_wh", "cap_wh", "bid_tick", "offer_tick", "marginal_bid_filled_wh"])
def test_clearing_errors__one_field_off_by_one__names_the_slot(trades: Trades, field: str) -> None:
    clearing = trades.clearings[NOON]
    trades.clearings[NOON] = replace(clearing, **{field: getattr(clearing, field) + 1})
    assert audit.clearing_errors(trades) == [NOON]


def test_clearing_errors__order_missing_in_the_book__names_the_slot(trades: Trades) -> None:
    trades.books[NOON] = book_of(trades.book_orders(NOON)[:-1])
    assert audit.clearing_errors(trades) == [NOON]


@pytest.mark.parametrize("field", ["traded_cash", "grid_cash", "imbalance_cash", "penalty_cash", "residual_long_wh"])
def test_settlement_errors__one_unit_off__names_the_schedule(trades: Trades, field: str) -> None:
    value = getattr(trades.runs[BARN].settlement, field) + 1
    with_run(trades, BARN, lambda made: made._replace(settlement=replace(made.settlement, **{field: value})))
    assert audit.settlement_errors(trades) == [BARN]


def test_settlement_errors__unit_moved_between_the_sources__names_the_schedule(trades: Trades) -> None:
    def move(made: MadeRun) -> MadeRun:
        run = made.run
        sources = {"from_counterparties": run.from_counterparties + 1, "from_backstop": run.from_backstop - 1}
        return made._replace(run=replace(run, **sources))

    with_run(trades, ATTIC, move)
    assert audit.settlement_errors(trades) == [ATTIC]


def test_settlement_errors__not_ended_or_paid_otherwise__names_the_schedule(trades: Trades) -> None:
    trades.final_cash[ATTIC] += 1
    del trades.final_cash[BARN]
    assert audit.settlement_errors(trades) == [ATTIC, BARN]


def test_settlement_errors__neither_held_nor_run__names_the_schedule(trades: Trades) -> None:
    trades.held.clear()
    assert audit.settlement_errors(trades) == [CELLAR]


def test_contracts_balance__more_matched_than_filled__is_found(trades: Trades) -> None:
    clearing = trades.clearings[NOON]
    trades.clearings[NOON] = replace(clearing, volume_wh=clearing.volume_wh + 2)
    assert not audit.contracts_balance(trades)


@pytest.mark.parametrize("field", ["contracted_wh", "metered_wh"])
def test_settled_energy_adds_up__a_watt_hour_off__is_found(trades: Trades, field: str) -> None:
    value = getattr(trades.runs[ATTIC].settlement, field) - 1
    with_run(trades, ATTIC, lambda made: made._replace(settlement=replace(made.settlement, **{field: value})))
    assert not audit.settled_energy_adds_up(trades)


def test_backstop_covers__locked_or_exposed_off_by_one__is_found(trades: Trades) -> None:
    held = trades.schedules[DAY][2]
    locked = {row.account: 0 for row in trades.schedules[DAY]} | {held.account: reserve(held, PARAMS)}
    end = Backstop(5_000, exposure(held, PARAMS, green=False), 0, False)
    assert audit.backstop_covers(trades, locked, end)
    assert not audit.backstop_covers(trades, locked, end._replace(exposure=end.exposure + 1))
    assert not audit.backstop_covers(trades, locked | {held.account: locked[held.account] - 1}, end)
    trades.backstops.append(Backstop(1_000, 1_001, 0, False))
    assert not audit.backstop_covers(trades, locked, end)


def test_bill_lines__settled_day__add_up_to_the_complete_bill(trades: Trades) -> None:
    for key in (ATTIC, BARN):
        settlement = trades.runs[key].settlement
        lines = dict(zip(BILL_LINES, bill_lines(settlement, PARAMS), strict=True))
        assert -sum(lines.values()) == market_bill(settlement, PARAMS)
        assert lines["grid"] == settlement.grid_cash
        tariff = settlement.residual_long_wh * 80 - settlement.residual_short_wh * 320
        assert lines["residual"] == tariff != 0


def test_tables__capped_slot__show_cap_fee_and_premium(trades: Trades) -> None:
    row = clearing_table(trades).iloc[48]
    assert (row["volume_wh"], row["cap_wh"]) == (600, 600)
    assert (row["network_fee_eur_per_kwh"], row["green_premium_eur_per_kwh"]) == (0.02, 0.01)
    assert busiest_book(trades).cap_wh == busiest_book(trades).volume_wh
