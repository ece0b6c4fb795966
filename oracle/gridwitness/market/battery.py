"""A battery's plan for a day: the cheapest one under its limits, for known prices and a forecast load.

A state of charge counts what the battery can still give, whole Wh at the meter. All losses fall on charging: storing x
takes ceil(x / round-trip efficiency) from the meter, giving x gives x. So a plan is its states of charge: a slot's
energy at the meter follows from the difference, and no slot both charges and discharges.

Two steps find it. A linear program (HiGHS) over real numbers gives the states roughly. Then dynamic programming over
whole Wh within `BAND_WH` of them finds the cheapest states that keep every limit: integers decide, the solver only
says where to look. Rounding all the program's states down keeps all limits, so there always is a plan in the band.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridwitness.domain.market import MAX_ORDER_ENERGY_WH, ZoneParams
from gridwitness.domain.slots import SLOT_SECONDS
from gridwitness.errors import GridwitnessError, InputError
from gridwitness.market.settlement import BPS

BAND_WH = 8
# Keeps a day's cost, 96 × (2²⁴ + 2²⁴) Wh × price, inside 63 bits.
MAX_PRICE_PER_KWH = 1_000_000_000
SLOTS_PER_HOUR = 3600 // SLOT_SECONDS

_UNREACHED = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Battery:
    """A battery and what it must hold at the day's end. Raises InputError if that or a limit cannot be."""

    capacity_wh: int
    charge_power_w: int
    discharge_power_w: int
    round_trip_bps: int
    initial_wh: int
    final_wh: int

    def __post_init__(self) -> None:
        for name, least, most in (
            ("capacity_wh", 0, MAX_ORDER_ENERGY_WH),
            ("charge_power_w", 0, MAX_ORDER_ENERGY_WH * SLOTS_PER_HOUR),
            ("discharge_power_w", 0, MAX_ORDER_ENERGY_WH * SLOTS_PER_HOUR),
            ("round_trip_bps", 1, BPS),
            ("initial_wh", 0, self.capacity_wh),
            ("final_wh", 0, self.capacity_wh),
        ):
            if not least <= getattr(self, name) <= most:
                raise InputError(f"battery: {name} {getattr(self, name)} is outside {least} to {most}")

    @property
    def max_stored_wh(self) -> int:
        """The most a slot can add to the state of charge."""
        return self.charge_power_w // SLOTS_PER_HOUR * self.round_trip_bps // BPS

    @property
    def max_given_wh(self) -> int:
        """The most a slot can take from the state of charge."""
        return self.discharge_power_w // SLOTS_PER_HOUR


@dataclass(frozen=True, slots=True)
class SlotPrices:
    """What energy costs and brings in each slot, per kWh. Raises InputError if selling brings more than buying costs:
    energy bought only to be sold would then have no limit."""

    buy_per_kwh: tuple[int, ...]
    sell_per_kwh: tuple[int, ...]

    def __post_init__(self) -> None:
        for slot, (buy, sell) in enumerate(zip(self.buy_per_kwh, self.sell_per_kwh, strict=True)):
            if not 0 <= sell <= buy <= MAX_PRICE_PER_KWH:
                raise InputError(f"slot {slot}: prices must be 0 ≤ sell ({sell}) ≤ buy ({buy}) ≤ {MAX_PRICE_PER_KWH}")

    def cost_milli(self, net_wh: Sequence[int]) -> int:
        """Cost (milli-units) of net energies, import positive."""
        slots = zip(net_wh, self.buy_per_kwh, self.sell_per_kwh, strict=True)
        return sum(energy_wh * (buy if energy_wh > 0 else sell) for energy_wh, buy, sell in slots)


@dataclass(frozen=True, slots=True)
class BatteryPlan:
    """State of charge after each slot, the battery's energy at the meter in it, charging positive, and the price at
    the meter beyond which that was better left: above it when charging, below it when giving."""

    stored_wh: tuple[int, ...]
    meter_wh: tuple[int, ...]
    limit_per_kwh: tuple[int, ...]


def tariff_prices(params: ZoneParams, slots: int) -> SlotPrices:
    """Prices of an agent that expects nothing of the market: buy at the short price, sell at the long price."""
    return SlotPrices((params.short_price_per_kwh,) * slots, (params.long_price_per_kwh,) * slots)


def market_prices(clearing_per_kwh: Sequence[int], params: ZoneParams, *, green: bool) -> SlotPrices:
    """Prices of an agent that expects the market to clear at some: buyers pay the network fee on top, green sellers
    receive the premium on top.

    The premium counts up to the fee. What it is above would pay for buying in order to sell, which no meter can do.
    """
    fee, premium = params.network_fee_per_kwh, params.green_premium_per_kwh if green else 0
    return SlotPrices(
        tuple(price + fee for price in clearing_per_kwh),
        tuple(price + min(premium, fee) for price in clearing_per_kwh),
    )


def plan_battery(load_wh: Sequence[int], battery: Battery, prices: SlotPrices) -> BatteryPlan:
    """The cheapest plan for a load without battery (Wh a slot, import positive).

    Raises InputError if the final state cannot be reached.
    """
    reach_wh = battery.initial_wh + len(load_wh) * battery.max_stored_wh
    if reach_wh < battery.final_wh:
        raise InputError(
            f"battery: final_wh {battery.final_wh} is out of reach, charging all day gives {reach_wh}",
            hint="ask for less at the day's end, or give it more charge_power_w",
        )
    near_wh, worth_per_kwh = _relax(load_wh, battery, prices)
    stored_wh = _cheapest_in_band(load_wh, battery, prices, near_wh)
    meter_wh = _meter_wh(np.diff(stored_wh, prepend=battery.initial_wh), battery).tolist()
    net_wh = [load + own for load, own in zip(load_wh, meter_wh, strict=True)]
    if battery.initial_wh >= battery.final_wh and prices.cost_milli(load_wh) <= prices.cost_milli(net_wh):
        stored_wh, meter_wh = [battery.initial_wh] * len(load_wh), [0] * len(load_wh)
    limits = (
        round(worth * battery.round_trip_bps / BPS) if own > 0 else round(worth)
        for worth, own in zip(worth_per_kwh.tolist(), meter_wh, strict=True)
    )
    return BatteryPlan(tuple(stored_wh), tuple(meter_wh), tuple(limits))


def _relax(
    load_wh: Sequence[int], battery: Battery, prices: SlotPrices
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The linear program's states of charge, and what a kWh more in the battery would be worth in each slot.

    Per slot, columns stored, given, imported and state:

    minimise Σ sell × (load + stored / η − given) + (buy − sell) × imported, subject to
    imported ≥ 0, imported ≥ load + stored / η − given, state = state before + stored − given.
    """
    import highspy  # half a second that only who plans a battery should wait

    slots, loss = len(load_wh), BPS / battery.round_trip_bps
    buy, sell = (np.array(side, np.float64) / 1000 for side in (prices.buy_per_kwh, prices.sell_per_kwh))
    least, most = np.zeros((4, slots)), np.empty((4, slots))
    most[:] = np.array([battery.max_stored_wh, battery.max_given_wh, np.inf, battery.capacity_wh])[:, None]
    least[3, -1] = battery.final_wh
    solver = highspy.Highs()  # type: ignore[no-untyped-call]
    for option, value in (("output_flag", False), ("threads", 1), ("solver", "simplex")):
        solver.setOptionValue(option, value)
    solver.addVars(4 * slots, least.ravel(), most.ravel())
    cost = np.concatenate([sell * loss, -sell, buy - sell, np.zeros(slots)])
    solver.changeColsCost(4 * slots, np.arange(4 * slots, dtype=np.int32), cost)
    for slot in range(slots):
        stored, given, imported, state = (column * slots + slot for column in range(4))
        solver.addRow(load_wh[slot], np.inf, 3, [imported, stored, given], [1.0, -loss, 1.0])
        if slot:
            solver.addRow(0, 0, 4, [state, state - 1, stored, given], [1.0, -1.0, -1.0, 1.0])
        else:
            solver.addRow(battery.initial_wh, battery.initial_wh, 3, [state, stored, given], [1.0, -1.0, 1.0])
    solver.run()
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise GridwitnessError(f"battery: the solver ended with {solver.getModelStatus()}; the program has an optimum")
    solution = solver.getSolution()
    # A state's row comes second in its slot; more in the battery lowers the cost.
    worth_per_kwh: NDArray[np.float64] = -1000 * np.array(solution.row_dual[1::2], np.float64)
    return np.array(solution.col_value[3 * slots :], np.float64), worth_per_kwh


def _cheapest_in_band(
    load_wh: Sequence[int], battery: Battery, prices: SlotPrices, near_wh: NDArray[np.float64]
) -> list[int]:
    """The cheapest states of charge in whole Wh within `BAND_WH` of those given."""
    states_wh = np.array([battery.initial_wh])
    costs = np.zeros(1, np.int64)
    bands_wh, parents = [], []
    for slot, load in enumerate(load_wh):
        least_wh = battery.final_wh if slot == len(load_wh) - 1 else 0
        middle_wh = min(max(int(np.floor(near_wh[slot])), least_wh), battery.capacity_wh)
        band_wh = np.arange(max(least_wh, middle_wh - BAND_WH), min(battery.capacity_wh, middle_wh + BAND_WH) + 1)
        changes_wh = band_wh[:, None] - states_wh[None, :]
        net_wh = load + _meter_wh(changes_wh, battery)
        price = np.where(net_wh > 0, prices.buy_per_kwh[slot], prices.sell_per_kwh[slot])
        allowed = (changes_wh <= battery.max_stored_wh) & (-changes_wh <= battery.max_given_wh)
        allowed &= (costs != _UNREACHED)[None, :]
        totals = np.where(allowed, net_wh * price + np.where(allowed, costs[None, :], 0), _UNREACHED)
        best = np.argmin(totals, axis=1)
        states_wh, costs = band_wh, totals[np.arange(len(band_wh)), best]
        bands_wh.append(band_wh)
        parents.append(best)
    place, stored_wh = int(np.argmin(costs)), []
    for band_wh, best in zip(reversed(bands_wh), reversed(parents), strict=True):
        stored_wh.append(int(band_wh[place]))
        place = int(best[place])
    return stored_wh[::-1]


def _meter_wh(changes_wh: NDArray[np.int64], battery: Battery) -> NDArray[np.int64]:
    """Energy at the meter that changes the state of charge by that much."""
    energy_wh: NDArray[np.int64] = np.where(changes_wh > 0, -(-changes_wh * BPS // battery.round_trip_bps), changes_wh)
    return energy_wh
