"""Settlement by hand, its conservation, and reserves against the worst that can happen."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwitness.domain.market import NO_ORDER, Clearing, Order, Schedule, Side
from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.errors import InputError
from gridwitness.market.day import DayResult, trade_day
from gridwitness.market.settlement import contracted_wh, net_cash, reserve, settle, settle_missing

from .orders import ZONE, energies_wh, order_lists, schedule_of, sides, ticks

thorough = settings(max_examples=200, deadline=None)
# Tick 67 of the zone is 66,000 + 67 × 2,000: exactly 20 ct; everybody on the better side is served whole.
AT_20_CT = Clearing(67, 200_000, 10_000, 0, 0, 0, 0)


def metered(values: dict[int, int]) -> list[int]:
    """Net energies of a day, zero where not given."""
    return [values.get(index, 0) for index in range(SLOTS_PER_DAY)]


def test_settle__buyer_short_and_long__pays_price_then_imbalance_then_penalty() -> None:
    schedule = schedule_of({0: Order(Side.BID, 100, 1000), 1: Order(Side.BID, 100, 1000)})
    result = settle(schedule, [AT_20_CT] * SLOTS_PER_DAY, metered({0: 1500, 1: 950}), ZONE)
    # 2 kWh at 20 ct; 0.5 kWh short at 32 ct; 0.05 kWh long at 8 ct; penalty 1 ct on 500 − 100 Wh, none on 50 ≤ 100 Wh.
    assert (result.traded_cash, result.imbalance_cash, result.penalty_cash) == (-400_000, -160_000 + 4_000, -4_000)
    assert (result.contracted_wh, result.metered_wh, result.uncollected) == (2000, 2450, 0)


def test_settle__seller_delivering_too_little__buys_the_rest_at_the_short_price() -> None:
    schedule = schedule_of({5: Order(Side.OFFER, 20, 2000)})
    result = settle(schedule, [AT_20_CT] * SLOTS_PER_DAY, metered({5: -500}), ZONE)
    # 2 kWh sold at 20 ct; 1.5 kWh short at 32 ct; penalty 1 ct on 1,500 − 200 Wh.
    assert (result.traded_cash, result.imbalance_cash, result.penalty_cash) == (400_000, -480_000, -13_000)
    assert (result.contracted_wh, result.metered_wh) == (-2000, -500)


def test_settle__deviation_within_tolerance__bears_no_penalty_but_pays_its_energy() -> None:
    schedule = schedule_of({0: Order(Side.BID, 100, 999)})
    # The tolerance of 99.9 Wh is rounded down to 99 Wh.
    inside = settle(schedule, [AT_20_CT] * SLOTS_PER_DAY, metered({0: 999 + 99}), ZONE)
    outside = settle(schedule, [AT_20_CT] * SLOTS_PER_DAY, metered({0: 999 + 100}), ZONE)
    assert (inside.imbalance_cash, inside.penalty_cash) == (-31_680, 0)
    assert (outside.imbalance_cash, outside.penalty_cash) == (-32_000, -10)


def test_settle__fractions_of_a_unit__rounded_once_against_the_account() -> None:
    odd = replace(ZONE, short_price_per_kwh=320, long_price_per_kwh=80, penalty_per_kwh=0)
    clearings = [AT_20_CT] * SLOTS_PER_DAY
    # Slot by slot 2 × −0.32 would round down to −2, and 13 × 0.08 to 0.
    paid = settle(schedule_of({}), clearings, metered({0: 1, 1: 1}), odd)
    received = settle(schedule_of({}), clearings, [-1 if index < 13 else 0 for index in range(SLOTS_PER_DAY)], odd)
    assert (paid.imbalance_cash, received.imbalance_cash) == (-1, 1)


def test_settle__slot_without_result__nothing_contracted() -> None:
    schedule = schedule_of({3: Order(Side.BID, 127, 700)})
    result = settle(schedule, [None] * SLOTS_PER_DAY, metered({3: 700}), ZONE)
    assert (result.traded_cash, result.contracted_wh, result.imbalance_cash) == (0, 0, -224_000)


def test_settle__account_owes_more_than_it_has__rest_is_uncollected() -> None:
    schedule = schedule_of({0: Order(Side.BID, 100, 1000)})
    result = settle(schedule, [AT_20_CT] * SLOTS_PER_DAY, metered({0: 1000}), ZONE, available=150_000)
    assert result.uncollected == 50_000
    assert net_cash(result) == -150_000


def test_settle__creditor_account__nothing_uncollected() -> None:
    schedule = schedule_of({0: Order(Side.OFFER, 10, 1000)})
    result = settle(schedule, [AT_20_CT] * SLOTS_PER_DAY, metered({0: -1000}), ZONE, available=0)
    assert (result.uncollected, net_cash(result)) == (0, 200_000)


def test_settle_missing__buyer_and_seller_slots__bought_is_taken_sold_is_not_delivered() -> None:
    schedule = schedule_of({0: Order(Side.BID, 100, 1000), 1: Order(Side.OFFER, 10, 1000)})
    result = settle_missing(schedule, [AT_20_CT] * SLOTS_PER_DAY, ZONE)
    # −20 ct + 20 ct traded; 1 kWh short at 32 ct; penalty 1 ct on 900 Wh.
    assert (result.traded_cash, result.imbalance_cash, result.penalty_cash) == (0, -320_000, -9_000)
    assert (result.contracted_wh, result.metered_wh) == (0, 1000)


@pytest.mark.parametrize(("clearings", "energies", "what"), [(95, 96, "95 clearings"), (96, 97, "97 metered energies")])
def test_settle__day_of_wrong_length__error_names_count_and_limit(clearings: int, energies: int, what: str) -> None:
    with pytest.raises(InputError, match=f"a day has {what}; it must have 96"):
        settle(schedule_of({}), [AT_20_CT] * clearings, [0] * energies, ZONE)


def test_reserve__bids_and_offers__limit_for_buyers_non_delivery_for_sellers() -> None:
    # At tick 0 (66,000): 1 Wh × 66,000 + 1 Wh × (320,000 + 10,000 − 66,000) milli-units.
    schedule = schedule_of({0: Order(Side.BID, 0, 1), 1: Order(Side.OFFER, 0, 1)})
    assert reserve(schedule, ZONE) == 330
    assert reserve(schedule_of({0: Order(Side.BID, 0, 1)}), replace(ZONE, floor_price_per_kwh=1)) == 1
    assert reserve(schedule_of({}), ZONE) == 0
    cheap_to_miss = replace(ZONE, short_price_per_kwh=50_000, penalty_per_kwh=0)
    assert reserve(schedule_of({0: Order(Side.OFFER, 0, 1_000)}), cheap_to_miss) == 0


@st.composite
def trading_days(draw: st.DrawFn) -> tuple[list[Schedule], dict[bytes, list[int]], DayResult]:
    """Several devices trading in a few slots of a day, metered anything."""
    slots = draw(st.lists(st.integers(0, SLOTS_PER_DAY - 1), min_size=1, max_size=3, unique=True))
    books = {slot: draw(order_lists) for slot in slots}
    count = max(1, *(len(orders) for orders in books.values()))
    schedules = [
        schedule_of({slot: orders[device] for slot, orders in books.items() if device < len(orders)}, device + 1)
        for device in range(count)
    ]
    energy = st.one_of(st.integers(-50, 50), st.integers(-(1 << 31), (1 << 31) - 1))
    profiles = {
        schedule.device_id: metered(draw(st.dictionaries(st.sampled_from(slots), energy))) for schedule in schedules
    }
    return schedules, profiles, trade_day(schedules, profiles, ZONE)


@thorough
@given(trading_days())
def test_trade_day__any_day__backstop_is_the_exact_counterparty_but_for_rounding(
    day: tuple[list[Schedule], dict[bytes, list[int]], DayResult],
) -> None:
    schedules, profiles, result = day
    due = Fraction(0)
    for schedule in schedules:
        for order, clearing, energy_wh in zip(
            schedule.orders, result.clearings, profiles[schedule.device_id], strict=True
        ):
            contract_wh = contracted_wh(order, clearing)
            short_wh, long_wh = max(0, energy_wh - contract_wh), max(0, contract_wh - energy_wh)
            beyond_wh = max(
                0, min(short_wh + long_wh, abs(contract_wh)) - abs(contract_wh) * ZONE.tolerance_bps // 10_000
            )
            due += Fraction(contract_wh * clearing.price_per_kwh + short_wh * ZONE.short_price_per_kwh, 1000)
            due += Fraction(beyond_wh * ZONE.penalty_per_kwh - long_wh * ZONE.long_price_per_kwh, 1000)
    assert 0 <= result.backstop_cash - due < 3 * len(schedules)


@thorough
@given(trading_days())
def test_trade_day__any_day__energy_bought_and_sold_differs_by_dust_only(
    day: tuple[list[Schedule], dict[bytes, list[int]], DayResult],
) -> None:
    schedules, profiles, result = day
    assert sum(settlement.metered_wh for settlement in result.settlements.values()) == sum(map(sum, profiles.values()))
    contracted = sum(settlement.contracted_wh for settlement in result.settlements.values())
    orders = sum(order != NO_ORDER for schedule in schedules for order in schedule.orders)
    assert abs(contracted) <= orders


@thorough
@given(st.dictionaries(st.integers(0, 95), st.builds(Order, sides, ticks, energies_wh), max_size=6), st.data())
def test_reserve__any_fill_at_any_allowed_price__covers_delivering_nothing(
    orders: dict[int, Order], data: st.DataObject
) -> None:
    schedule = schedule_of(orders)
    clearings: list[Clearing | None] = [None] * SLOTS_PER_DAY
    for index, order in orders.items():
        worst, best = (order.tick, 0) if order.side is Side.BID else (order.tick, 127)
        tick = data.draw(st.integers(min(worst, best), max(worst, best)))
        filled_wh = data.draw(st.integers(0, order.energy_wh))
        price = ZONE.price_of(tick)
        clearings[index] = Clearing(tick, price, filled_wh, filled_wh, order.energy_wh, filled_wh, order.energy_wh)
    loss = -net_cash(settle_missing(schedule, clearings, ZONE))
    # Each of three components is rounded down once, the reserve up once.
    assert loss <= reserve(schedule, ZONE) + 2
