"""Trading agents: their orders by hand, never at an expected loss, and their worth on the bundled weeks."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwitness.domain.market import MAX_ORDER_ENERGY_WH, NO_ORDER, Order, Schedule, Side, ZoneParams
from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.errors import InputError
from gridwitness.market.agents import Strategy, make_orders
from gridwitness.market.battery import BatteryPlan
from gridwitness.market.bills import grid_only_bill, market_bill
from gridwitness.market.brute_force import best_prices
from gridwitness.market.day import DayResult, trade_day
from gridwitness.market.forecast import LEVELS, Forecast, forecast_day
from gridwitness.market.settlement import imbalance_milli, penalty_milli
from gridwitness.sources.community import Community, load_community

from .orders import ZONE

DATA = Path(__file__).parents[3] / "data" / "simbench-rural1"
# The zone of the demo: a penalty on every deviation beyond the contract makes most of a village's energy, which no
# neighbour can take, cost the penalty, so it must be small.
DEMO_ZONE = replace(ZONE, penalty_per_kwh=100)
FORECAST_ALONE = (Strategy.TRUTHFUL, Strategy.HEDGED)


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
    free_of_penalty = replace(ZONE, penalty_per_kwh=0)
    assert one_order([1000] * 10, free_of_penalty) == Order(Side.BID, 127, 1000)
    assert one_order([-1000] * 10, free_of_penalty) == Order(Side.OFFER, 7, 1000)


def test_hedged__energy_needed_half_the_time__limit_is_midway_between_feed_in_and_retail() -> None:
    order = one_order([0] * 5 + [1000] * 5, replace(ZONE, penalty_per_kwh=0))
    assert order == Order(Side.BID, 67, 1000)
    assert ZONE.price_of(order.tick) == (ZONE.short_price_per_kwh + ZONE.long_price_per_kwh) // 2


def test_hedged__export_beyond_what_an_order_holds__is_capped() -> None:
    assert one_order([-20e6] * 10).energy_wh == MAX_ORDER_ENERGY_WH


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(-5000, 5000), min_size=len(LEVELS), max_size=len(LEVELS)), st.sampled_from([0, 100, 10_000])
)
def test_hedged__any_forecast__never_loses_in_expectation_at_its_limit(scenarios_wh: list[int], penalty: int) -> None:
    params = replace(ZONE, penalty_per_kwh=penalty)
    order = one_order(list(map(float, scenarios_wh)), params)
    contract_wh = order.energy_wh if order.side is Side.BID else -order.energy_wh

    def expected_milli(contract_wh: int) -> Fraction:
        outcomes = (
            imbalance_milli(energy_wh - contract_wh, params)
            + penalty_milli(contract_wh, energy_wh - contract_wh, params)
            for energy_wh in scenarios_wh
        )
        return Fraction(sum(outcomes), len(scenarios_wh))

    gain = expected_milli(contract_wh) - expected_milli(0) - contract_wh * params.price_of(order.tick)
    # Settlement rounds the tolerance down to a Wh; the agent does not.
    assert gain >= -params.penalty_per_kwh


def test_battery__plan_that_serves_the_load__leaves_nothing_to_buy_and_sells_what_it_gives_beyond() -> None:
    plan = BatteryPlan((0,) * SLOTS_PER_DAY, (-1000,) * 48 + (-1500,) * 48, (0,) * SLOTS_PER_DAY)
    orders = make_orders(forecast_of([1000] * 10), replace(ZONE, penalty_per_kwh=0), Strategy.BATTERY, plan)
    assert orders == (NO_ORDER,) * 48 + (Order(Side.OFFER, 7, 500),) * 48


def test_battery__charging_and_giving__trade_at_what_the_energy_is_worth_later() -> None:
    free_of_penalty = replace(ZONE, penalty_per_kwh=0)
    own_wh = (1000,) * 40 + (-1500,) * 40 + (999,) * 16
    plan = BatteryPlan((0,) * SLOTS_PER_DAY, own_wh, (270_000,) * 40 + (300_000,) * 56)
    orders = make_orders(forecast_of([1000] * 10), free_of_penalty, Strategy.BATTERY, plan)
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


@settings(max_examples=50, deadline=None)
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

    results: list[tuple[list[Schedule], DayResult]] = field(default_factory=list)
    saved_by_week: list[int] = field(default_factory=list)
    saved_by_meter: dict[str, int] = field(default_factory=dict)
    traded_wh: int = 0


def traded_days(community: Community, strategy: Strategy) -> Iterator[tuple[int, dict[bytes, str], list[Schedule]]]:
    """Week, names and schedules of every day that has at least one day of history."""
    for week, block in enumerate(community.blocks):
        for day in block.days[1:]:
            known = range(max(block.days.start, day - 3), day)
            schedules = []
            for index, meter in enumerate(community.meters):
                orders = make_orders(forecast_day(community.days_wh(meter, known)), DEMO_ZONE, strategy)
                schedules.append(Schedule(index.to_bytes(32, "big"), "", 1, day, 1, orders))
            yield week, dict(zip((row.device_id for row in schedules), community.meters, strict=True)), schedules


@pytest.fixture(scope="module", params=FORECAST_ALONE, ids=lambda strategy: strategy.value)
def village(request: pytest.FixtureRequest) -> Village:
    community = load_community(DATA)
    village = Village(saved_by_week=[0] * len(community.blocks), saved_by_meter=dict.fromkeys(community.meters, 0))
    for week, names, schedules in traded_days(community, request.param):
        day = schedules[0].day
        metered_wh = {
            device: community.days_wh(name, range(day, day + 1))[0].tolist() for device, name in names.items()
        }
        result = trade_day(schedules, metered_wh, DEMO_ZONE)
        village.results.append((schedules, result))
        village.traded_wh += result.traded_wh
        for device, settlement in result.settlements.items():
            saved = grid_only_bill(metered_wh[device], DEMO_ZONE) - market_bill(settlement)
            village.saved_by_week[week] += saved
            village.saved_by_meter[names[device]] += saved
    return village


def test_village__each_week__saves_as_a_whole(village: Village) -> None:
    print("saved per week, EUR:", [saved / 1e6 for saved in village.saved_by_week], "traded Wh:", village.traded_wh)
    assert len(village.results) == 24
    assert min(village.saved_by_week) > 0


def test_village__worst_home__loses_less_than_a_euro_in_24_days(village: Village) -> None:
    worst = min(village.saved_by_meter, key=village.saved_by_meter.__getitem__)
    print("worst:", worst, village.saved_by_meter[worst] / 1e6, "EUR")
    assert village.saved_by_meter[worst] > -1_000_000


def test_village__every_slot__clears_as_brute_force_says(village: Village) -> None:
    for schedules, result in village.results:
        for index, clearing in enumerate(result.clearings):
            orders = [row.orders[index] for row in schedules if row.orders[index].energy_wh]
            optimum = best_prices(orders)
            assert clearing.volume_wh == optimum.volume_wh
            assert clearing.tick == (optimum.ticks[0] + optimum.ticks[-1]) // 2
