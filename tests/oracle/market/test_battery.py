"""Battery plans: limits in whole Wh for any prices, loads and batteries, and the cost against all other plans."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.errors import InputError
from gridwitness.market.battery import (
    BAND_WH,
    Battery,
    BatteryPlan,
    SlotPrices,
    market_prices,
    plan_battery,
    tariff_prices,
)
from gridwitness.market.bills import grid_only_bill
from gridwitness.market.forecast import forecast_day
from gridwitness.sources.community import load_community

from .orders import FEE_ZONE, ZONE

DATA = Path(__file__).parents[3] / "data" / "simbench-rural1"
HOME = Battery(
    capacity_wh=10_000,
    charge_power_w=5_000,
    discharge_power_w=5_000,
    round_trip_bps=9_000,
    initial_wh=2_000,
    final_wh=2_000,
)


@st.composite
def batteries(draw: st.DrawFn, capacity_wh: int, power_w: int, bps: st.SearchStrategy[int]) -> Battery:
    capacity = draw(st.integers(0, capacity_wh))
    powers = [draw(st.integers(0, power_w)) for _ in range(2)]
    initial = draw(st.integers(0, capacity))
    battery = Battery(capacity, *powers, draw(bps), initial, initial)
    reach = min(capacity, initial + SLOTS_PER_DAY * battery.max_stored_wh)
    return replace(battery, final_wh=draw(st.integers(0, reach)))


@st.composite
def slot_prices(draw: st.DrawFn, slots: int) -> SlotPrices:
    """Any prices, cheap ones and equal ones often."""
    price = st.one_of(st.sampled_from([0, 1, 80_000, 320_000]), st.integers(0, 10**9))
    pairs = [sorted(draw(st.tuples(price, price))) for _ in range(slots)]
    return SlotPrices(tuple(buy for _, buy in pairs), tuple(sell for sell, _ in pairs))


def days(most_wh: int, slots: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(-most_wh, most_wh), min_size=slots, max_size=slots)


def with_battery(load_wh: list[int], plan: BatteryPlan) -> list[int]:
    return [load + own for load, own in zip(load_wh, plan.meter_wh, strict=True)]


def assert_within_limits(battery: Battery, plan: BatteryPlan) -> None:
    """From the plan's energies at the meter alone: what a real battery would hold."""
    stored = battery.initial_wh
    for energy_wh, told in zip(plan.meter_wh, plan.stored_wh, strict=True):
        assert -battery.discharge_power_w <= 4 * energy_wh <= battery.charge_power_w
        stored += energy_wh * battery.round_trip_bps // 10_000 if energy_wh > 0 else energy_wh
        assert 0 <= stored <= battery.capacity_wh
        assert stored == told
    assert stored >= battery.final_wh


@settings(max_examples=150)
@given(batteries(20_000, 15_000, st.integers(1, 10_000)), days(5_000, SLOTS_PER_DAY), slot_prices(SLOTS_PER_DAY))
def test_plan__any_day__keeps_capacity_power_and_final_state(
    battery: Battery, load_wh: list[int], prices: SlotPrices
) -> None:
    plan = plan_battery(load_wh, battery, prices)
    assert_within_limits(battery, plan)
    assert len(plan.limit_per_kwh) == SLOTS_PER_DAY
    if battery.final_wh <= battery.initial_wh:
        assert prices.cost_milli(with_battery(load_wh, plan)) <= prices.cost_milli(load_wh)


def cheapest_milli(load_wh: list[int], battery: Battery, prices: SlotPrices) -> int:
    """Least cost of all plans, by trying every energy at the meter in every slot from every state."""
    costs = {battery.initial_wh: 0}
    for load, buy, sell in zip(load_wh, prices.buy_per_kwh, prices.sell_per_kwh, strict=True):
        after: dict[int, int] = {}
        for stored, cost in costs.items():
            for energy_wh in range(-(battery.discharge_power_w // 4), battery.charge_power_w // 4 + 1):
                then = stored + (energy_wh * battery.round_trip_bps // 10_000 if energy_wh > 0 else energy_wh)
                if 0 <= then <= battery.capacity_wh:
                    net_wh = load + energy_wh
                    total = cost + net_wh * (buy if net_wh > 0 else sell)
                    after[then] = min(after.get(then, total), total)
        costs = after
    return min(cost for stored, cost in costs.items() if stored >= battery.final_wh)


def reachable(battery: Battery, slots: int) -> Battery:
    return replace(battery, final_wh=min(battery.final_wh, battery.initial_wh + slots * battery.max_stored_wh))


@settings(max_examples=200)
@given(batteries(BAND_WH, 60, st.integers(1, 10_000)), days(20, 7), slot_prices(7))
def test_plan__battery_within_the_band__costs_what_the_best_of_all_plans_does(
    battery: Battery, load_wh: list[int], prices: SlotPrices
) -> None:
    battery = reachable(battery, 7)
    plan = plan_battery(load_wh, battery, prices)
    assert prices.cost_milli(with_battery(load_wh, plan)) == cheapest_milli(load_wh, battery, prices)


@settings(max_examples=100)
@given(batteries(60, 80, st.just(10_000)), days(30, 7), slot_prices(7))
def test_plan__larger_battery_without_losses__costs_what_the_best_of_all_plans_does(
    battery: Battery, load_wh: list[int], prices: SlotPrices
) -> None:
    battery = reachable(battery, 7)
    plan = plan_battery(load_wh, battery, prices)
    assert prices.cost_milli(with_battery(load_wh, plan)) == cheapest_milli(load_wh, battery, prices)


@settings(max_examples=100)
@given(batteries(60, 80, st.integers(5_000, 10_000)), days(30, 7), slot_prices(7))
def test_plan__larger_battery_with_losses__misses_the_best_by_less_than_2_wh_a_slot(
    battery: Battery, load_wh: list[int], prices: SlotPrices
) -> None:
    battery = reachable(battery, 7)
    plan = plan_battery(load_wh, battery, prices)
    missed = prices.cost_milli(with_battery(load_wh, plan)) - cheapest_milli(load_wh, battery, prices)
    assert 0 <= missed < 2 * sum(prices.buy_per_kwh) + 1


def test_plan__own_surplus_at_noon__is_kept_for_the_evening() -> None:
    load_wh = [100] * 40 + [-1_000] * 16 + [500] * 40
    prices = tariff_prices(ZONE, SLOTS_PER_DAY)
    plan = plan_battery(load_wh, HOME, prices)
    # 2,000 Wh serve the morning, at noon it fills up, the evening takes all but the 2,000 Wh to be left.
    assert plan.stored_wh[39] == 0
    assert plan.stored_wh[55] == 10_000
    assert plan.stored_wh[-1] == 2_000
    saved_wh = 2_000 + 8_000
    stored_from_wh = -(-10_000 * 10_000 // 9_000)
    saving = saved_wh * ZONE.short_price_per_kwh - stored_from_wh * ZONE.long_price_per_kwh
    spent = prices.cost_milli(load_wh) - prices.cost_milli(with_battery(load_wh, plan))
    assert saving - 16 * ZONE.long_price_per_kwh <= spent <= saving


def test_plan__cheap_night_and_dear_day__charges_up_to_the_days_price_less_the_losses() -> None:
    prices = SlotPrices((100,) * 8 + (300,) * 88, (100,) * 8 + (300,) * 88)
    plan = plan_battery([0] * SLOTS_PER_DAY, replace(HOME, initial_wh=0, final_wh=0), prices)
    assert plan.meter_wh[:8] == (1_250,) * 8
    assert set(plan.limit_per_kwh[:8]) == {270}
    assert {plan.limit_per_kwh[slot] for slot in range(8, 96) if plan.meter_wh[slot] < 0} == {300}


def test_plan__spread_smaller_than_the_losses__stays_idle() -> None:
    prices = SlotPrices((95, 100) * 48, (95, 100) * 48)
    assert set(plan_battery([0] * SLOTS_PER_DAY, HOME, prices).meter_wh) == {0}


def test_plan__final_state_above_the_initial__buys_in_the_cheapest_slots() -> None:
    battery = replace(HOME, initial_wh=0, final_wh=2_250)
    prices = SlotPrices((300,) * 50 + (100, 100) + (300,) * 44, (50,) * SLOTS_PER_DAY)
    meter_wh = plan_battery([0] * SLOTS_PER_DAY, battery, prices).meter_wh
    assert meter_wh[50:52] == (1_250, 1_250)
    assert sum(map(abs, meter_wh)) == 2_500


def test_plan__final_state_out_of_reach__names_what_charging_all_day_gives() -> None:
    weak = replace(HOME, charge_power_w=40, initial_wh=0, final_wh=2_000)
    with pytest.raises(InputError, match="final_wh 2000 is out of reach, charging all day gives 864"):
        plan_battery([0] * SLOTS_PER_DAY, weak, tariff_prices(ZONE, SLOTS_PER_DAY))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"capacity_wh": -1}, "capacity_wh -1 is outside 0 to 16777215"),
        ({"round_trip_bps": 10_001}, "round_trip_bps 10001 is outside 1 to 10000"),
        ({"round_trip_bps": 0}, "round_trip_bps 0 is outside 1 to 10000"),
        ({"charge_power_w": -4}, "charge_power_w -4 is outside 0 to 67108860"),
        ({"initial_wh": 10_001}, "initial_wh 10001 is outside 0 to 10000"),
        ({"final_wh": 10_001}, "final_wh 10001 is outside 0 to 10000"),
    ],
)
def test_battery__impossible_limits__names_value_and_range(changes: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(HOME, **changes)


def test_slot_prices__selling_above_buying__names_slot_and_prices() -> None:
    with pytest.raises(InputError, match=r"slot 1: prices must be 0 ≤ sell \(11\) ≤ buy \(10\)"):
        SlotPrices((10, 10), (10, 11))


def test_market_prices__fee_and_premium__are_paid_and_received_on_top() -> None:
    assert (FEE_ZONE.network_fee_per_kwh, FEE_ZONE.green_premium_per_kwh) == (10_000, 20_000)
    small_premium = replace(FEE_ZONE, green_premium_ticks=2)
    assert market_prices((100, 200), small_premium, green=False) == SlotPrices((10_100, 10_200), (100, 200))
    assert market_prices((100, 200), small_premium, green=True) == SlotPrices((10_100, 10_200), (4_100, 4_200))


def test_market_prices__premium_above_the_fee__does_not_pay_for_buying_in_order_to_sell() -> None:
    assert market_prices((100, 200), FEE_ZONE, green=True) == SlotPrices((10_100, 10_200), (10_100, 10_200))


def test_plan__network_fee_above_the_spread__stays_idle() -> None:
    lossless = replace(HOME, round_trip_bps=10_000)
    apart = (100_000,) * 48 + (105_000,) * 48
    for zone, is_idle in ((ZONE, False), (FEE_ZONE, True)):
        prices = market_prices(apart, zone, green=False)
        assert (set(plan_battery([0] * SLOTS_PER_DAY, lossless, prices).meter_wh) == {0}) is is_idle


def test_plan__bundled_weeks__followed_blindly_saves_half_of_what_foresight_would() -> None:
    community = load_community(DATA)
    prices = tariff_prices(ZONE, SLOTS_PER_DAY)
    saved = foreseen = 0
    for block in community.blocks:
        for meter in community.meters:
            for day in block.days[1:]:
                known_wh = community.days_wh(meter, range(max(block.days.start, day - 3), day))
                real_wh = community.days_wh(meter, range(day, day + 1))[0].tolist()
                without = grid_only_bill(real_wh, ZONE)
                plans = (
                    plan_battery(load_wh, HOME, prices) for load_wh in (forecast_day(known_wh).median_wh(), real_wh)
                )
                by_forecast, by_foresight = (grid_only_bill(with_battery(real_wh, plan), ZONE) for plan in plans)
                saved += without - by_forecast
                foreseen += without - by_foresight
    print("saved EUR:", saved / 1e6, "with foresight:", foreseen / 1e6)
    assert saved > foreseen / 2 > 0
