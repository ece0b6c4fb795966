"""The zone these tests trade in, and order lists that try to break a clearing."""

from hypothesis import strategies as st

from gridwitness.domain.market import MAX_ORDER_ENERGY_WH, NO_ORDER, TICKS, Order, Schedule, Side, ZoneParams
from gridwitness.domain.slots import SLOTS_PER_DAY

# Tick 7 is the feed-in price (8 ct), tick 127 the retail price (32 ct).
ZONE = ZoneParams(
    profile_stream=bytes(32),
    floor_price_per_kwh=66_000,
    tick_size_per_kwh=2_000,
    short_price_per_kwh=320_000,
    long_price_per_kwh=80_000,
    penalty_per_kwh=10_000,
    tolerance_bps=1_000,
    hold_score_bps=9_900,
    gate_lead_slots=4,
    final_after_seconds=86_400,
)

sides = st.sampled_from(Side)
ticks = st.integers(0, TICKS - 1)
energies_wh = st.one_of(
    st.integers(1, 20), st.integers(1, MAX_ORDER_ENERGY_WH), st.sampled_from([1, 1000, MAX_ORDER_ENERGY_WH])
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
    matched = [Order(Side.OFFER, low, energy_wh) for energy_wh in parts_wh] + [Order(Side.BID, high, sum(parts_wh))]
    idle_bids = draw(st.lists(st.builds(Order, st.just(Side.BID), st.integers(0, low), energies_wh), max_size=2))
    idle_offers = draw(st.lists(st.builds(Order, st.just(Side.OFFER), st.integers(high, 127), energies_wh), max_size=2))
    return matched + idle_bids + idle_offers


order_lists = st.one_of(any_orders, crowded_orders, single_tick_orders(), one_sided_orders(), balanced_orders())


def schedule_of(orders: dict[int, Order], device: int = 1, day: int = 17_026) -> Schedule:
    """A schedule with orders in some of its 96 slots."""
    padded = tuple(orders.get(index, NO_ORDER) for index in range(SLOTS_PER_DAY))
    return Schedule(device.to_bytes(32, "big"), f"0x{device:040x}", 1, day, 1, padded)
