"""The zones these tests trade in, and order lists that try to break a clearing."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import repeat

from hypothesis import strategies as st

from gridwitness.domain.market import MAX_TICK_SUM_WH, NO_ORDER, TICKS, Order, Schedule, Side, ZoneParams
from gridwitness.domain.slots import SLOTS_PER_DAY
from gridwitness.market.clearing import BookOrder, book_order

# Tick 7 is the feed-in price (8 ct), tick 127 the retail price (32 ct).
ZONE = ZoneParams(
    profile_stream=bytes(32),
    floor_price_per_kwh=66_000,
    tick_size_per_kwh=2_000,
    short_price_per_kwh=320_000,
    long_price_per_kwh=80_000,
    penalty_per_kwh=15_000,
    tolerance_bps=1_000,
    hold_score_bps=9_900,
    cap_tick=127,
    network_fee_ticks=0,
    green_premium_ticks=0,
    green_kinds=0,
    min_order_wh=1,
    gate_lead_slots=4,
    feeder_cap_wh=(1 << 32) - 1,
    provisional_after_seconds=43_200,
    final_after_seconds=86_400,
    dispute_seconds=3_600,
    dispute_bond=1_000_000,
)
# Buyers pay 1 ct per kWh for the network, sellers of kind 2 receive 2 ct for being green.
FEE_ZONE = replace(ZONE, network_fee_ticks=5, green_premium_ticks=10, green_kinds=1 << 2)

sides = st.sampled_from(Side)
ticks = st.integers(0, TICKS - 1)
energies_wh = st.one_of(
    st.integers(1, 20), st.integers(1, MAX_TICK_SUM_WH), st.sampled_from([1, 1000, MAX_TICK_SUM_WH])
)
any_orders = st.lists(st.builds(Order, sides, ticks, energies_wh), max_size=12)
crowded_orders = st.lists(st.builds(Order, sides, st.sampled_from([0, 1, 63, 126, 127]), energies_wh), max_size=12)


@st.composite
def single_tick_orders(draw: st.DrawFn) -> list[Order]:
    """Everybody at one price."""
    tick = draw(ticks)
    return [Order(side, tick, energy_wh) for side, energy_wh in draw(st.lists(st.tuples(sides, energies_wh)))]


@st.composite
def one_sided_orders(draw: st.DrawFn) -> list[Order]:
    """Only buyers, or only sellers."""
    side = draw(sides)
    return draw(st.lists(st.builds(Order, st.just(side), ticks, energies_wh), max_size=8))


@st.composite
def balanced_orders(draw: st.DrawFn) -> list[Order]:
    """Supply meets demand exactly, with an empty range of ticks between and idle orders beyond."""
    low, high = sorted(draw(st.tuples(ticks, ticks)))
    parts_wh = draw(st.lists(energies_wh, min_size=1, max_size=4))
    matched = [Order(side, tick, wh) for wh in parts_wh for side, tick in ((Side.OFFER, low), (Side.BID, high))]
    idle_bids = draw(st.lists(st.builds(Order, st.just(Side.BID), st.integers(0, low), energies_wh), max_size=2))
    idle_offers = draw(st.lists(st.builds(Order, st.just(Side.OFFER), st.integers(high, 127), energies_wh), max_size=2))
    return matched + idle_bids + idle_offers


def in_book(orders: Iterable[Order], params: ZoneParams = ZONE, *, green: bool = False) -> list[BookOrder]:
    """Orders at their book ticks."""
    return [book_order(order, params, green=green) for order in orders]


def fitting(orders: Sequence[Order], greens: Iterable[bool] = repeat(False), params: ZoneParams = ZONE) -> list[Order]:
    """The orders as the market takes them one after the other: none in place of one against the rules, or one too many
    for its tick's sum."""
    taken: list[Order] = []
    sums_wh: Counter[tuple[Side, int]] = Counter()
    for order, green in zip(orders, greens, strict=False):
        refused = order.tick > params.cap_tick or (order.side is Side.BID and order.tick < params.network_fee_ticks)
        placed = book_order(NO_ORDER if refused else order, params, green=green)
        if sums_wh[placed[:2]] + placed.energy_wh > MAX_TICK_SUM_WH:
            refused = True
        else:
            sums_wh[placed[:2]] += placed.energy_wh
        taken.append(NO_ORDER if refused else order)
    return taken


raw_order_lists = st.one_of(any_orders, crowded_orders, single_tick_orders(), one_sided_orders(), balanced_orders())
order_lists = raw_order_lists.map(fitting)


def schedule_of(
    orders: dict[int, Order], device: int = 1, day: int = 17_026, imbalance_limit_wh: int = 1_000_000
) -> Schedule:
    """A schedule with orders in some of its 96 slots."""
    padded = tuple(orders.get(index, NO_ORDER) for index in range(SLOTS_PER_DAY))
    account = f"0x{device:040x}"
    return Schedule(device.to_bytes(32, "big"), account, 1, day, 1, 0, imbalance_limit_wh, padded)
