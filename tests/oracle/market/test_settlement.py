"""Settlement by hand, its conservation, and reserves and exposures against the worst that can happen."""

from dataclasses import replace
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwitness.domain.market import Clearing, Order, Schedule, Settlement, Side, ZoneParams
from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.errors import InputError
from gridwitness.market.clearing import book_order, is_rounded
from gridwitness.market.day import DayResult, trade_day
from gridwitness.market.settlement import (
    CashSources,
    contracts_wh,
    dust_cash,
    estimate,
    exposure,
    net_cash,
    reserve,
    settle,
    settle_missing,
    sources_of,
)

from .orders import FEE_ZONE, ZONE, energies_wh, fitting, raw_order_lists, schedule_of, sides, ticks

thorough = settings(max_examples=200, deadline=None)
# Tick 67 of the zone is 66,000 + 67 × 2,000: exactly 20 ct; everybody on the better side is served whole.
AT_20_CT = Clearing(67, 200_000, 10_000, 100_000, 67, 67, 0, 0, 0, 0)
DAY_AT_20_CT = [AT_20_CT] * SLOTS_PER_DAY


def metered(values: dict[int, int]) -> list[int]:
    """Net energies of a day, zero where not given."""
    return [values.get(index, 0) for index in range(SLOTS_PER_DAY)]


def cash_of(result: Settlement) -> tuple[int, int, int, int]:
    return result.traded_cash, result.grid_cash, result.imbalance_cash, result.penalty_cash


def test_settle__buyer_short_and_long__pays_price_then_imbalance_then_penalty() -> None:
    schedule = schedule_of({0: Order(Side.BID, 100, 1000), 1: Order(Side.BID, 100, 1000)})
    result = settle(schedule, DAY_AT_20_CT, metered({0: 1500, 1: 950}), ZONE, green=False)
    # 2 kWh at 20 ct; 0.5 kWh short at 32 ct, 0.05 kWh long at 8 ct; penalty 1.5 ct on 500 − 100 Wh, none on 50 ≤ 100.
    assert cash_of(result) == (-400_000, 0, -160_000 + 4_000, -6_000)
    assert (result.contracted_wh, result.metered_wh) == (2000, 2450)
    assert (result.residual_short_wh, result.residual_long_wh) == (0, 0)
    assert net_cash(result) == -562_000


def test_settle__seller_delivering_too_little__buys_the_rest_at_the_short_price() -> None:
    schedule = schedule_of({5: Order(Side.OFFER, 20, 2000)}, imbalance_limit_wh=0)
    result = settle(schedule, DAY_AT_20_CT, metered({5: -500}), ZONE, green=False)
    # 2 kWh sold at 20 ct; 1.5 kWh short at 32 ct; penalty 1.5 ct on 1,500 − 200 Wh.
    assert cash_of(result) == (400_000, 0, -480_000, -19_500)
    assert (result.contracted_wh, result.metered_wh) == (-2000, -500)


@pytest.mark.parametrize(("green", "premium_cash"), [(True, 40_000), (False, 0)])
def test_settle__zone_with_fee_and_premium__buyers_pay_it_and_green_sellers_get_it(
    green: bool, premium_cash: int
) -> None:
    schedule = schedule_of({0: Order(Side.BID, 100, 1000), 1: Order(Side.OFFER, 50, 2000)})
    result = settle(schedule, DAY_AT_20_CT, metered({0: 1000, 1: -2000}), FEE_ZONE, green=green)
    # 1 kWh bought at 20 ct and 1 ct fee; 2 kWh sold at 20 ct, and 2 ct if green.
    assert cash_of(result) == (200_000, premium_cash - 10_000, 0, 0)


def test_settle__bid_with_fee_at_the_margin__pays_its_limit_and_no_more() -> None:
    schedule = schedule_of({0: Order(Side.BID, 72, 1000)})
    at_margin = replace(AT_20_CT, marginal_bid_filled_wh=1, marginal_bid_wh=2)
    result = settle(schedule, [at_margin] * SLOTS_PER_DAY, metered({0: 500}), FEE_ZONE, green=False)
    assert cash_of(result) == (-100_000, -5_000, 0, 0)
    assert -net_cash(result) == 500 * FEE_ZONE.price_of(72) // 1000


def test_settle__imbalance_beyond_the_limit__is_residual() -> None:
    orders = {0: Order(Side.BID, 100, 1000), 1: Order(Side.OFFER, 20, 300)}
    schedule = schedule_of(orders, imbalance_limit_wh=200)
    short = settle(schedule, DAY_AT_20_CT, metered({0: 1000, 1: 400, 2: 50}), ZONE, green=False)
    # Short by 700 Wh of the offer's slot and by 50: the market balances the 300 Wh sold and the limit of 200 Wh.
    assert (short.imbalance_cash, short.residual_short_wh, short.residual_long_wh) == (-160_000, 250, 0)
    long = settle(schedule, DAY_AT_20_CT, metered({0: -100, 1: -500}), ZONE, green=False)
    # Long by 1,100 and by 200 Wh: it balances the 1,000 Wh bought and 200 Wh.
    assert (long.imbalance_cash, long.residual_short_wh, long.residual_long_wh) == (96_000, 0, 100)


def test_settle__no_order_and_no_limit__all_is_residual() -> None:
    result = settle(schedule_of({}, imbalance_limit_wh=0), [None] * SLOTS_PER_DAY, metered({3: 700}), ZONE, green=False)
    assert result == Settlement(0, 0, 0, 0, 0, 700, 700, 0)


def test_settle__deviation_within_tolerance__bears_no_penalty_but_pays_its_energy() -> None:
    schedule = schedule_of({0: Order(Side.BID, 100, 999)})
    # The tolerance of 99.9 Wh is rounded down to 99 Wh.
    inside = settle(schedule, DAY_AT_20_CT, metered({0: 999 + 99}), ZONE, green=False)
    outside = settle(schedule, DAY_AT_20_CT, metered({0: 999 + 100}), ZONE, green=False)
    assert (inside.imbalance_cash, inside.penalty_cash) == (-31_680, 0)
    assert (outside.imbalance_cash, outside.penalty_cash) == (-32_000, -15)


def test_settle__fractions_of_a_unit__rounded_once_against_the_account() -> None:
    odd = replace(ZONE, short_price_per_kwh=320, long_price_per_kwh=80, penalty_per_kwh=0)
    # Slot by slot 2 × −0.32 would round down to −2, and 13 × 0.08 to 0.
    paid = settle(schedule_of({}), DAY_AT_20_CT, metered({0: 1, 1: 1}), odd, green=False)
    received = settle(schedule_of({}), DAY_AT_20_CT, [-1] * 13 + [0] * (SLOTS_PER_DAY - 13), odd, green=False)
    assert (paid.imbalance_cash, received.imbalance_cash) == (-1, 1)


def test_settle__order_in_a_slot_without_result__error() -> None:
    with pytest.raises(InputError, match="an order of 700 Wh stands in a slot that is not cleared"):
        settle(schedule_of({3: Order(Side.BID, 127, 700)}), [None] * SLOTS_PER_DAY, metered({}), ZONE, green=False)


def test_estimate__no_data__everybody_keeps_the_contract() -> None:
    schedule = schedule_of({0: Order(Side.BID, 100, 1000), 1: Order(Side.OFFER, 10, 1500)})
    assert estimate(schedule, DAY_AT_20_CT, ZONE, green=False) == Settlement(100_000, 0, 0, 0, -500, -500, 0, 0)


def test_settle_missing__buyer_and_seller_slots__bought_is_taken_sold_is_not_delivered() -> None:
    schedule = schedule_of({0: Order(Side.BID, 100, 1000), 1: Order(Side.OFFER, 10, 1000)})
    result = settle_missing(schedule, DAY_AT_20_CT, ZONE, green=False)
    # −20 ct + 20 ct traded; 1 kWh short at 32 ct; penalty 1.5 ct on 900 Wh.
    assert result == Settlement(0, 0, -320_000, -13_500, 0, 1000, 0, 0)


@pytest.mark.parametrize(("clearings", "energies", "what"), [(95, 96, "95 clearings"), (96, 97, "97 metered energies")])
def test_settle__day_of_wrong_length__error_names_count_and_limit(clearings: int, energies: int, what: str) -> None:
    with pytest.raises(InputError, match=f"a day has {what}; it must have 96"):
        settle(schedule_of({}), [AT_20_CT] * clearings, [0] * energies, ZONE, green=False)


def test_sources_of__bid_rounded_down__backstop_pays_for_the_wh_it_falls_short_by() -> None:
    # Three bids of 1 Wh share 2 Wh: each contracts nothing, 2 Wh are sold.
    at_margin = replace(AT_20_CT, marginal_bid_filled_wh=2, marginal_bid_wh=3)
    buyer = schedule_of({0: Order(Side.BID, 67, 1), 1: Order(Side.BID, 67, 1), 2: Order(Side.BID, 67, 3)})
    clearings = [at_margin] * SLOTS_PER_DAY
    result = estimate(buyer, clearings, ZONE, green=False)
    assert dust_cash(buyer, clearings, ZONE) == 400
    assert sources_of(result, 400) == CashSources(from_counterparties=-400 - 400, from_backstop=400)
    seller = schedule_of({0: Order(Side.OFFER, 67, 1)})
    offered = [replace(AT_20_CT, marginal_offer_filled_wh=1, marginal_offer_wh=2)] * SLOTS_PER_DAY
    assert dust_cash(seller, offered, ZONE) == 0


def test_dust_cash__fractions_of_a_unit__rounded_up_once() -> None:
    at_margin = replace(AT_20_CT, price_per_kwh=1, marginal_bid_filled_wh=2, marginal_bid_wh=3)
    buyer = schedule_of({slot: Order(Side.BID, 67, 1) for slot in range(3)})
    assert dust_cash(buyer, [at_margin] * SLOTS_PER_DAY, ZONE) == 1


def test_reserve__bids_offers_and_limit__limit_for_buyers_and_non_delivery_for_sellers() -> None:
    # At tick 0: a bid's 66,000 + 15,000, an offer's 320,000 + 15,000 − 66,000, and 320,000 a Wh of limit and dust.
    dust = 96 * 320_000 // 1000
    orders = {0: Order(Side.BID, 0, 1000), 1: Order(Side.OFFER, 0, 1000)}
    assert reserve(schedule_of(orders, imbalance_limit_wh=500), ZONE) == 81_000 + 269_000 + 160_000 + dust + 3
    assert reserve(schedule_of({0: Order(Side.BID, 0, 1)}, imbalance_limit_wh=0), ZONE) == 81 + dust + 3
    assert reserve(schedule_of({}), ZONE) == 0
    cheap_to_miss = replace(ZONE, short_price_per_kwh=50_000, penalty_per_kwh=0)
    assert reserve(schedule_of({0: Order(Side.OFFER, 0, 1_000)}, imbalance_limit_wh=0), cheap_to_miss) == dust + 3


def test_reserve__worst_that_can_happen__is_owed_but_for_the_rounding() -> None:
    schedule = schedule_of({0: Order(Side.BID, 67, 1000), 1: Order(Side.OFFER, 67, 1000)}, imbalance_limit_wh=500)
    whole = replace(
        AT_20_CT, marginal_bid_filled_wh=2, marginal_bid_wh=2, marginal_offer_filled_wh=2, marginal_offer_wh=2
    )
    at_worst = settle(schedule, [whole] * SLOTS_PER_DAY, metered({0: 2500, 1: 0}), ZONE, green=False)
    tolerated = 2 * 100 * ZONE.penalty_per_kwh // 1000
    assert -net_cash(at_worst) == reserve(schedule, ZONE) - 96 * 320_000 // 1000 - 3 - tolerated
    assert at_worst.residual_short_wh == 1000


def test_reserve__offer_that_costs_little_to_fail__is_the_premium_it_may_expose() -> None:
    green = replace(ZONE, green_premium_ticks=5, short_price_per_kwh=250_000)
    offers = schedule_of({0: Order(Side.OFFER, 127, 1_000_000)}, imbalance_limit_wh=0)
    assert reserve(offers, green) - exposure(offers, green, green=True) == 3 - 1
    assert exposure(offers, green, green=True) > exposure(offers, green, green=False)


def test_exposure__bids_offers_and_limit__long_energy_premium_and_dust() -> None:
    orders = {0: Order(Side.BID, 50, 1000), 1: Order(Side.OFFER, 50, 2000)}
    schedule = schedule_of(orders, imbalance_limit_wh=500)
    dust = 96 * 320_000 // 1000
    assert exposure(schedule, FEE_ZONE, green=False) == 1500 * 80 + dust + 1
    assert exposure(schedule, FEE_ZONE, green=True) == 1500 * 80 + 2000 * 20 + dust + 1
    assert exposure(schedule_of({}), FEE_ZONE, green=True) == 0


@st.composite
def zones(draw: st.DrawFn) -> ZoneParams:
    """Any rules that a zone may have."""
    floor_price, penalty, short = (draw(st.integers(0, most)) for most in (400_000, 50_000, 900_000))
    cap_tick = draw(st.integers(0, 127))
    return replace(
        ZONE,
        floor_price_per_kwh=floor_price,
        tick_size_per_kwh=draw(st.integers(1, 9_999)),
        short_price_per_kwh=short,
        long_price_per_kwh=draw(st.integers(0, min(short, floor_price + penalty))),
        penalty_per_kwh=penalty,
        tolerance_bps=draw(st.integers(0, 10_000)),
        cap_tick=cap_tick,
        network_fee_ticks=draw(st.integers(0, cap_tick)),
        green_premium_ticks=draw(st.integers(0, 127)),
    )


flows_wh = st.one_of(st.integers(-50, 50), st.integers(-(1 << 31), (1 << 31) - 1))
limits_wh = st.one_of(st.integers(0, 50), st.integers(0, (1 << 32) - 1))


class TradedDay(NamedTuple):
    """Devices that traded in a few slots, metered anything; those with an even id are green."""

    params: ZoneParams
    schedules: list[Schedule]
    profiles: dict[bytes, list[int]]
    result: DayResult

    def is_green(self, schedule: Schedule) -> bool:
        return schedule.device_id[-1] % 2 == 0


@st.composite
def traded_days(draw: st.DrawFn) -> TradedDay:
    params = draw(st.one_of(st.sampled_from([ZONE, FEE_ZONE]), zones()))
    slots = draw(st.lists(st.integers(0, SLOTS_PER_DAY - 1), min_size=1, max_size=3, unique=True))
    greens = [device % 2 == 0 for device in range(1, 50)]
    books = {slot: fitting(draw(raw_order_lists), greens, params) for slot in slots}
    traded_wh = sum(order.energy_wh for order in books[slots[0]])
    params = replace(params, feeder_cap_wh=draw(st.one_of(st.just(params.feeder_cap_wh), st.integers(0, traded_wh))))
    schedules = [
        schedule_of(
            {slot: orders[device] for slot, orders in books.items() if device < len(orders)},
            device + 1,
            imbalance_limit_wh=draw(limits_wh),
        )
        for device in range(max(1, *(len(orders) for orders in books.values())))
    ]
    profiles = {row.device_id: metered(draw(st.dictionaries(st.sampled_from(slots), flows_wh))) for row in schedules}
    green = {row.device_id for row in schedules if row.device_id[-1] % 2 == 0}
    return TradedDay(params, schedules, profiles, trade_day(schedules, profiles, params, green=green))


@thorough
@given(traded_days())
def test_trade_day__any_day__nobody_owes_more_than_was_reserved_or_gets_more_than_was_exposed(day: TradedDay) -> None:
    for row in day.schedules:
        if any(order.energy_wh for order in row.orders):
            settlement, sources = day.result.settlements[row.device_id], day.result.sources[row.device_id]
            assert net_cash(settlement) >= -reserve(row, day.params)
            assert sources.from_backstop <= exposure(row, day.params, green=day.is_green(row))


@thorough
@given(traded_days())
def test_trade_day__any_day__what_buyers_pay_covers_what_sellers_get(day: TradedDay) -> None:
    sources = day.result.sources
    assert day.result.in_transit == -sum(source.from_counterparties for source in sources.values()) >= 0
    # Nothing is lost: what accounts, the backstop and what is in transit have in all does not change.
    paid = sum(net_cash(settlement) for settlement in day.result.settlements.values())
    assert paid + day.result.in_transit + day.result.backstop_cash == 0
    # Rounded are a bid's and an offer's share, by less than a Wh each, and a schedule's sums, by less than 2 units.
    orders = sum(order.energy_wh > 0 for row in day.schedules for order in row.orders)
    assert day.result.in_transit <= orders * day.params.price_of(127) // 1000 + 2 * len(day.schedules)


@thorough
@given(traded_days())
def test_settle__any_day__equals_the_exact_sums_rounded_down(day: TradedDay) -> None:
    params = day.params
    premium_per_kwh = params.green_premium_ticks * params.tick_size_per_kwh
    fee_per_kwh = params.network_fee_ticks * params.tick_size_per_kwh
    for row in day.schedules:
        green = day.is_green(row)
        contracts = contracts_wh(row, day.result.clearings, params, green=green)
        traded = grid = penalty = dust = short_wh = long_wh = 0
        short_allowed_wh = long_allowed_wh = row.imbalance_limit_wh
        for order, clearing, energy_wh, contract_wh in zip(
            row.orders, day.result.clearings, day.profiles[row.device_id], contracts, strict=True
        ):
            traded -= contract_wh * clearing.price_per_kwh
            if order.side is Side.BID:
                grid -= contract_wh * fee_per_kwh
                long_allowed_wh += contract_wh
                dust += is_rounded(book_order(order, params, green=green), clearing) * clearing.price_per_kwh
            else:
                grid -= contract_wh * premium_per_kwh * green
                short_allowed_wh -= contract_wh
            deviation_wh = energy_wh - contract_wh
            short_wh, long_wh = short_wh + max(0, deviation_wh), long_wh + max(0, -deviation_wh)
            broken_wh = min(abs(deviation_wh), abs(contract_wh))
            tolerated_wh = abs(contract_wh) * params.tolerance_bps // 10_000
            penalty -= max(0, broken_wh - tolerated_wh) * params.penalty_per_kwh
        paid_wh, got_wh = min(short_wh, short_allowed_wh), min(long_wh, long_allowed_wh)
        imbalance = got_wh * params.long_price_per_kwh - paid_wh * params.short_price_per_kwh
        settlement = day.result.settlements[row.device_id]
        assert cash_of(settlement) == tuple(
            floor(Fraction(milli, 1000)) for milli in (traded, grid, imbalance, penalty)
        )
        assert (settlement.residual_short_wh, settlement.residual_long_wh) == (short_wh - paid_wh, long_wh - got_wh)
        assert settlement.metered_wh - settlement.contracted_wh == short_wh - long_wh
        from_counterparties = floor(Fraction(traded, 1000)) - ceil(Fraction(dust, 1000))
        assert day.result.sources[row.device_id].from_counterparties == from_counterparties


@st.composite
def filled_schedules(draw: st.DrawFn) -> tuple[ZoneParams, bool, Schedule, list[Clearing | None]]:
    """A schedule of any orders that a zone takes, each filled to any part at any price it allows."""
    params, green = draw(zones()), draw(st.booleans())
    drawn = draw(st.dictionaries(st.integers(0, 95), st.builds(Order, sides, ticks, energies_wh), max_size=6))
    orders = {slot: fitting([order], [green], params)[0] for slot, order in drawn.items()}
    clearings: list[Clearing | None] = [None] * SLOTS_PER_DAY
    for slot, order in orders.items():
        _, tick, energy_wh = book_order(order, params, green=green)
        if energy_wh:
            allowed = st.integers(0, tick) if order.side is Side.BID else st.integers(tick, params.cap_tick)
            total_wh = energy_wh + draw(st.integers(0, 100))
            served_wh = draw(st.integers(0, total_wh))
            margin = (tick, tick, served_wh, total_wh, served_wh, total_wh)
            clearings[slot] = Clearing(0, params.price_of(draw(allowed)), 0, 0, *margin)
    return params, green, schedule_of(orders, imbalance_limit_wh=draw(limits_wh)), clearings


@thorough
@given(
    filled_schedules().filter(lambda filled: any(order.energy_wh for order in filled[2].orders)),
    st.dictionaries(st.integers(0, 95), flows_wh, max_size=6),
)
def test_reserve__any_fill_at_any_allowed_price_metered_anything__bounds_cash_and_backstop(
    filled: tuple[ZoneParams, bool, Schedule, list[Clearing | None]], flows: dict[int, int]
) -> None:
    params, green, schedule, clearings = filled
    contracts = contracts_wh(schedule, clearings, params, green=green)
    dust = dust_cash(schedule, clearings, params)
    for energies in (
        metered(flows),
        metered({}),
        [-contract_wh for contract_wh in contracts],
        [max(0, contract_wh) * 2 for contract_wh in contracts],
    ):
        settlement = settle(schedule, clearings, energies, params, green=green)
        assert net_cash(settlement) >= -reserve(schedule, params)
        assert sources_of(settlement, dust).from_backstop <= exposure(schedule, params, green=green)
