"""Trading agents: their orders by hand, never at an expected loss however much fills, and their worth on the bundled
weeks."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.market import MAX_ORDER_ENERGY_WH, NO_ORDER, Clearing, Order, Schedule, Side, ZoneParams
from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.errors import InputError
from gridwitness.market.agents import MAX_IMBALANCE_LIMIT_WH, Strategy, imbalance_limit_wh, make_orders
from gridwitness.market.battery import BatteryPlan
from gridwitness.market.bills import grid_only_bill, market_bill
from gridwitness.market.brute_force import best_prices
from gridwitness.market.clearing import book_order
from gridwitness.market.day import DayResult, trade_day
from gridwitness.market.forecast import LEVELS, Forecast, forecast_day
from gridwitness.market.settlement import net_cash, settle
from gridwitness.sources.community import Community, load_community

from .orders import ZONE, in_book, schedule_of

DATA = Path(__file__).parents[3] / "data" / "simbench-rural1"
# The zone of deployments/params/local.yaml.
LOCAL_ZONE = replace(
    ZONE,
    floor_price_per_kwh=70_000,
    penalty_per_kwh=10_000,
    cap_tick=125,
    network_fee_ticks=10,
    green_premium_ticks=5,
    green_kinds=1 << DeviceKind.PROSUMER | 1 << DeviceKind.GENERATION,
    min_order_wh=10,
    feeder_cap_wh=40_000,
)
NO_PENALTY = replace(ZONE, penalty_per_kwh=0)
FORECAST_ALONE = (Strategy.TRUTHFUL, Strategy.HEDGED)
# What no home may lose in the bundled weeks' 24 days, in token units.
MOST_LOST = {Strategy.TRUTHFUL: 1_500_000, Strategy.HEDGED: 250_000}

scenario_lists = st.lists(st.integers(-5000, 5000), min_size=len(LEVELS), max_size=len(LEVELS))
zones = st.builds(
    lambda penalty, tolerance, cap, fee, premium, least: replace(
        ZONE,
        penalty_per_kwh=penalty,
        tolerance_bps=tolerance,
        cap_tick=cap,
        network_fee_ticks=min(fee, cap),
        green_premium_ticks=premium,
        green_kinds=1,
        min_order_wh=least,
    ),
    st.sampled_from([0, 100, 10_000, 80_000]),
    st.sampled_from([0, 1_000, 5_000, 10_000]),
    st.one_of(st.just(127), st.integers(0, 127)),
    st.integers(0, 127),
    st.integers(0, 127),
    st.sampled_from([1, 10, 2_000]),
)


def forecast_of(scenarios_wh: list[float]) -> Forecast:
    """The same ten equally likely outcomes in every slot."""
    return Forecast(np.tile(np.sort(np.array(scenarios_wh, dtype=np.float64)), (SLOTS_PER_DAY, 1)))


def one_order(scenarios_wh: list[float], params: ZoneParams = ZONE, strategy: Strategy = Strategy.HEDGED) -> Order:
    orders = make_orders(forecast_of(scenarios_wh), params, strategy)
    assert len(orders) == SLOTS_PER_DAY
    assert set(orders) == {orders[0]}
    return orders[0]


def test_truthful__median_import__bids_it_at_the_retail_price() -> None:
    assert one_order([900] * 5 + [1100] * 5, strategy=Strategy.TRUTHFUL) == Order(Side.BID, 127, 1000)


def test_truthful__median_export__offers_it_at_the_feed_in_price() -> None:
    assert one_order([-500] * 10, strategy=Strategy.TRUTHFUL) == Order(Side.OFFER, 7, 500)


@pytest.mark.parametrize("strategy", FORECAST_ALONE)
def test_orders__nothing_expected__none(strategy: Strategy) -> None:
    assert one_order([0] * 10, strategy=strategy) == NO_ORDER


def test_hedged__certain_import__bids_all_at_the_dearest_tick_and_certain_export_at_feed_in() -> None:
    assert one_order([1000] * 10, NO_PENALTY) == Order(Side.BID, 127, 1000)
    assert one_order([-1000] * 10, NO_PENALTY) == Order(Side.OFFER, 7, 1000)


def test_hedged__energy_needed_half_the_time__limit_is_midway_between_feed_in_and_retail() -> None:
    order = one_order([0] * 5 + [1000] * 5, NO_PENALTY)
    assert order == Order(Side.BID, 67, 1000)
    assert ZONE.price_of(order.tick) == (ZONE.short_price_per_kwh + ZONE.long_price_per_kwh) // 2


def test_hedged__certain_energy_but_a_penalty_on_parts__limit_leaves_room_for_it() -> None:
    # Of half the energy, nine tenths would bear 1.5 ct: 1.35 ct per kWh.
    assert ZONE.penalty_per_kwh * (10_000 - ZONE.tolerance_bps) // 10_000 == 13_500
    assert one_order([1000] * 10) == Order(Side.BID, (320_000 - 13_500 - 66_000) // 2_000, 1000)
    assert one_order([-1000] * 10) == Order(Side.OFFER, -((80_000 + 13_500 - 66_000) // -2_000), 1000)


def test_hedged__export_beyond_what_an_order_holds__is_capped() -> None:
    assert one_order([-20e6] * 10).energy_wh == MAX_ORDER_ENERGY_WH


def test_orders__price_cap_below_what_energy_is_worth__bids_the_cap_and_offers_nothing_above() -> None:
    capped = replace(NO_PENALTY, cap_tick=40)
    assert one_order([1000] * 10, capped) == Order(Side.BID, 40, 1000)
    assert one_order([-1000] * 10, replace(capped, cap_tick=6)) == NO_ORDER


def test_orders__network_fee_above_what_energy_is_worth__no_bid() -> None:
    assert one_order([1000] * 10, replace(NO_PENALTY, cap_tick=40, network_fee_ticks=41)) == NO_ORDER


def test_orders__fee_that_leaves_no_gain__no_bid() -> None:
    """Energy worth 20 ct, sold for 8 ct at least: with 12 ct of fee on top nobody gains."""
    half = [0] * 5 + [1000] * 5
    assert one_order(half, replace(NO_PENALTY, network_fee_ticks=59)) == Order(Side.BID, 67, 1000)
    assert one_order(half, replace(NO_PENALTY, network_fee_ticks=60)) == NO_ORDER


def test_orders__green_device__asks_no_less_in_all() -> None:
    zone = replace(NO_PENALTY, green_premium_ticks=10, green_kinds=1)
    (order,) = {*make_orders(forecast_of([-1000] * 10), zone, green=True)}
    assert order == one_order([-1000] * 10, zone) == Order(Side.OFFER, 7, 1000)


@pytest.mark.parametrize("strategy", FORECAST_ALONE)
def test_orders__less_than_the_least_energy__none(strategy: Strategy) -> None:
    zone = replace(NO_PENALTY, min_order_wh=1000)
    assert one_order([1000] * 10, zone, strategy).energy_wh == 1000
    assert one_order([999] * 10, zone, strategy) == NO_ORDER


@settings(max_examples=400)
@given(scenario_lists, zones, st.booleans(), st.sampled_from(FORECAST_ALONE))
def test_orders__any_forecast_and_zone__are_what_the_market_takes(
    scenarios_wh: list[int], params: ZoneParams, green: bool, strategy: Strategy
) -> None:
    (order,) = {*make_orders(forecast_of(list(map(float, scenarios_wh))), params, strategy, green=green)}
    assert all(type(value) is int for value in (order.tick, order.energy_wh))
    book_order(order, params, green=green)  # raises for an order that the zone refuses


def filled_at_its_limit(order: Order, filled_wh: int, params: ZoneParams, *, green: bool) -> Clearing:
    """The worst result for an order that fills: nobody else's price, and only a part of it."""
    tick, energy_wh = book_order(order, params, green=green).tick, order.energy_wh
    return Clearing(tick, params.price_of(tick), filled_wh, 1 << 31, tick, tick, *(filled_wh, energy_wh) * 2)


@settings(max_examples=300)
@given(scenario_lists, zones, st.booleans(), st.fractions(0, 1))
def test_hedged__any_forecast__never_loses_in_expectation_however_much_fills_at_its_limit(
    scenarios_wh: list[int], params: ZoneParams, green: bool, share: Fraction
) -> None:
    (order,) = {*make_orders(forecast_of(list(map(float, scenarios_wh))), params, green=green)}
    assume(order != NO_ORDER)
    filled_wh = int(order.energy_wh * share)
    clearing = filled_at_its_limit(order, filled_wh, params, green=green)

    def expected_cash(order: Order) -> Fraction:
        schedule = schedule_of({0: order})
        days = ([energy_wh] + [0] * (SLOTS_PER_DAY - 1) for energy_wh in scenarios_wh)
        cash = (net_cash(settle(schedule, [clearing] * SLOTS_PER_DAY, day, params, green=green)) for day in days)
        return Fraction(sum(cash), len(scenarios_wh))

    gain = expected_cash(order) - expected_cash(NO_ORDER)
    # Four components are rounded down to a unit; the tolerance, to a Wh, which the agent's is not.
    assert gain >= -4 - Fraction(params.penalty_per_kwh, 1000)


@st.composite
def days_and_fills(draw: st.DrawFn) -> tuple[Forecast, list[int], list[float], BatteryPlan | None]:
    """A forecast, a day that takes any course within its scenarios, shares that fill, and perhaps a battery's plan."""
    noise = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    centres_wh = noise.integers(-3000, 3000, (SLOTS_PER_DAY, 1))
    spread_wh = draw(st.integers(0, 2000))
    scenarios_wh = np.sort(centres_wh + noise.integers(-spread_wh, spread_wh + 1, (SLOTS_PER_DAY, len(LEVELS))), axis=1)
    own_wh = noise.integers(-1500, 1500, SLOTS_PER_DAY).tolist()
    plan = draw(st.sampled_from([None, BatteryPlan((0,) * SLOTS_PER_DAY, tuple(own_wh), (200_000,) * SLOTS_PER_DAY)]))
    courses_wh = noise.integers(scenarios_wh[:, 0], scenarios_wh[:, -1] + 1)
    if plan is not None and draw(st.booleans()):
        courses_wh = courses_wh + np.array(own_wh)
    return Forecast(scenarios_wh.astype(np.float64)), courses_wh.tolist(), noise.random(SLOTS_PER_DAY).tolist(), plan


@settings(max_examples=60)
@given(days_and_fills(), st.booleans())
def test_imbalance_limit__day_within_the_scenarios__has_no_residual_whatever_fills(
    drawn: tuple[Forecast, list[int], list[float], BatteryPlan | None], green: bool
) -> None:
    forecast, metered_wh, shares, plan = drawn
    strategy = Strategy.HEDGED if plan is None else Strategy.BATTERY
    orders = make_orders(forecast, LOCAL_ZONE, strategy, plan, green=green)
    limit_wh = imbalance_limit_wh(forecast, plan)
    clearings = [
        filled_at_its_limit(order, int(order.energy_wh * share), LOCAL_ZONE, green=green)
        for order, share in zip(orders, shares, strict=True)
    ]
    schedule = replace(schedule_of({}, imbalance_limit_wh=limit_wh), orders=orders)
    settled = settle(schedule, clearings, metered_wh, LOCAL_ZONE, green=green)
    assert (settled.residual_short_wh, settled.residual_long_wh) == (0, 0)


def test_imbalance_limit__by_hand__is_a_quarter_above_the_larger_sum_of_the_extremes() -> None:
    buys = forecast_of([100] * 9 + [400])
    assert imbalance_limit_wh(buys) == SLOTS_PER_DAY * 500
    sells = forecast_of([-800] + [100] * 9)
    assert imbalance_limit_wh(sells) == SLOTS_PER_DAY * 1000
    gives = BatteryPlan((0,) * SLOTS_PER_DAY, (-1000,) * SLOTS_PER_DAY, (0,) * SLOTS_PER_DAY)
    assert imbalance_limit_wh(buys, gives) == SLOTS_PER_DAY * 1125
    assert imbalance_limit_wh(forecast_of([0] * 10)) == 0
    assert imbalance_limit_wh(forecast_of([60e6] * 10)) == MAX_IMBALANCE_LIMIT_WH == (1 << 32) - 1


def test_battery__plan_that_serves_the_load__leaves_nothing_to_buy_and_sells_what_it_gives_beyond() -> None:
    plan = BatteryPlan((0,) * SLOTS_PER_DAY, (-1000,) * 48 + (-1500,) * 48, (0,) * SLOTS_PER_DAY)
    orders = make_orders(forecast_of([1000] * 10), NO_PENALTY, Strategy.BATTERY, plan)
    assert orders == (NO_ORDER,) * 48 + (Order(Side.OFFER, 7, 500),) * 48


def test_battery__charging_and_giving__trade_at_what_the_energy_is_worth_later() -> None:
    own_wh = (1000,) * 40 + (-1500,) * 40 + (999,) * 16
    plan = BatteryPlan((0,) * SLOTS_PER_DAY, own_wh, (270_000,) * 40 + (300_000,) * 56)
    orders = make_orders(forecast_of([1000] * 10), NO_PENALTY, Strategy.BATTERY, plan)
    charging, giving, mostly_load = Order(Side.BID, 102, 2000), Order(Side.OFFER, 117, 500), Order(Side.BID, 127, 1999)
    assert orders == (charging,) * 40 + (giving,) * 40 + (mostly_load,) * 16


def test_battery__limit_beyond_the_ticks__is_no_order() -> None:
    plan = BatteryPlan((0,) * SLOTS_PER_DAY, (1000,) * SLOTS_PER_DAY, (65_999,) * SLOTS_PER_DAY)
    assert set(make_orders(forecast_of([1000] * 10), ZONE, Strategy.BATTERY, plan)) == {NO_ORDER}


def test_orders__plan_missing_or_for_another_strategy__is_refused() -> None:
    plan = BatteryPlan((0,) * SLOTS_PER_DAY, (0,) * SLOTS_PER_DAY, (0,) * SLOTS_PER_DAY)
    with pytest.raises(InputError, match="strategy battery needs a battery plan"):
        make_orders(forecast_of([1000] * 10), ZONE, Strategy.BATTERY)
    with pytest.raises(InputError, match="strategy truthful takes no battery plan"):
        make_orders(forecast_of([1000] * 10), ZONE, Strategy.TRUTHFUL, plan)


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(0, 3000), st.sampled_from([0, 10_000]))
def test_hedged__slots_of_a_day__are_priced_as_if_each_were_alone(seed: int, spread_wh: int, penalty: int) -> None:
    params = replace(ZONE, penalty_per_kwh=penalty)
    draw = np.random.default_rng(seed)
    centres_wh = draw.integers(-2000, 2000, (SLOTS_PER_DAY, 1))
    scenarios_wh = np.sort(centres_wh + draw.integers(-spread_wh, spread_wh + 1, (SLOTS_PER_DAY, len(LEVELS))), axis=1)
    orders = make_orders(Forecast(scenarios_wh.astype(np.float64)), params)
    assert orders[::8] == tuple(one_order(list(map(float, row)), params) for row in scenarios_wh[::8])


@dataclass
class Village:
    """What trading did to the bundled community: savings (token units) per week and per meter."""

    strategy: Strategy
    results: list[tuple[list[Schedule], DayResult]] = field(default_factory=list)
    saved_by_week: list[int] = field(default_factory=list)
    saved_by_meter: dict[str, int] = field(default_factory=dict)
    traded_wh: int = 0


def traded_days(community: Community, strategy: Strategy) -> Iterator[tuple[int, dict[bytes, str], list[Schedule]]]:
    """Week, names and schedules of every day that has at least one day of history; every home is green."""
    for week, block in enumerate(community.blocks):
        for day in block.days[1:]:
            known = range(max(block.days.start, day - 3), day)
            schedules = []
            for index, meter in enumerate(community.meters):
                forecast = forecast_day(community.days_wh(meter, known))
                orders = make_orders(forecast, LOCAL_ZONE, strategy, green=True)
                device = index.to_bytes(32, "big")
                schedules.append(Schedule(device, "", 1, day, 1, 0, imbalance_limit_wh(forecast), orders))
            yield week, dict(zip((row.device_id for row in schedules), community.meters, strict=True)), schedules


@pytest.fixture(scope="module", params=FORECAST_ALONE, ids=lambda strategy: strategy.value)
def traded_village(request: pytest.FixtureRequest) -> Village:
    community = load_community(DATA)
    traded_village = Village(request.param)
    traded_village.saved_by_week, traded_village.saved_by_meter = (
        [0] * len(community.blocks),
        dict.fromkeys(community.meters, 0),
    )
    for week, names, schedules in traded_days(community, request.param):
        day = schedules[0].day
        metered_wh = {
            device: community.days_wh(name, range(day, day + 1))[0].tolist() for device, name in names.items()
        }
        result = trade_day(schedules, metered_wh, LOCAL_ZONE, green=names.keys())
        traded_village.results.append((schedules, result))
        traded_village.traded_wh += result.traded_wh
        for device, settlement in result.settlements.items():
            saved = grid_only_bill(metered_wh[device], LOCAL_ZONE) - market_bill(settlement, LOCAL_ZONE)
            traded_village.saved_by_week[week] += saved
            traded_village.saved_by_meter[names[device]] += saved
    return traded_village


def test_village__each_week__saves_as_a_whole_though_buyers_pay_the_fee(traded_village: Village) -> None:
    print(
        "saved per week, EUR:",
        [saved / 1e6 for saved in traded_village.saved_by_week],
        "traded Wh:",
        traded_village.traded_wh,
    )
    assert len(traded_village.results) == 24
    assert min(traded_village.saved_by_week) > 0


def test_village__worst_home__loses_little_and_less_if_it_hedges(traded_village: Village) -> None:
    worst = min(traded_village.saved_by_meter, key=traded_village.saved_by_meter.__getitem__)
    print("worst:", worst, traded_village.saved_by_meter[worst] / 1e6, "EUR")
    assert traded_village.saved_by_meter[worst] > -MOST_LOST[traded_village.strategy]


def test_village__days_of_its_homes__residual_on_one_of_a_hundred_at_most(traded_village: Village) -> None:
    settlements = [settlement for _, result in traded_village.results for settlement in result.settlements.values()]
    residual = [one for one in settlements if one.residual_short_wh or one.residual_long_wh]
    print(len(residual), "of", len(settlements), "days with a residual")
    assert len(residual) * 100 <= len(settlements)


def test_village__every_slot__clears_as_brute_force_says(traded_village: Village) -> None:
    for schedules, result in traded_village.results:
        for index, clearing in enumerate(result.clearings):
            orders = in_book(
                [row.orders[index] for row in schedules if row.orders[index].energy_wh], LOCAL_ZONE, green=True
            )
            optimum = best_prices(orders, LOCAL_ZONE.feeder_cap_wh)
            assert clearing.volume_wh == optimum.volume_wh
            assert clearing.tick == (optimum.ticks[0] + optimum.ticks[-1]) // 2
