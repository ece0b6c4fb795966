"""What the demo claims, checked against the chain and against independent computation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gridwitness.domain.market import Clearing, Schedule, Settlement, ZoneParams
from gridwitness.domain.slots import SLOTS_PER_DAY, day_of
from gridwitness.market.brute_force import best_prices
from gridwitness.market.clearing import book_of, clear, fill_wh
from gridwitness.market.settlement import contracted_wh, settle
from gridwitness.service.demo.meters import FEEDER, MeterBank


def clearing_errors(
    clearings: Mapping[int, Clearing], schedules: Mapping[int, Sequence[Schedule]], params: ZoneParams
) -> list[int]:
    """Slots whose clearing on chain is not the brute-force optimum, or not the reference clearing to the bit."""
    wrong = []
    for slot, clearing in clearings.items():
        orders = [schedule.orders[slot % SLOTS_PER_DAY] for schedule in schedules[day_of(slot)]]
        live = [order for order in orders if order.energy_wh]
        optimum = best_prices(live)
        if (
            clearing.volume_wh != optimum.volume_wh
            or clearing.tick not in optimum.ticks
            or clearing != clear(book_of(live), params)
        ):
            wrong.append(slot)
    return wrong


def settlement_errors(
    settlements: Mapping[tuple[bytes, int], Settlement],
    schedules: Mapping[int, Sequence[Schedule]],
    clearings: Mapping[int, Clearing],
    profiles_wh: Mapping[tuple[bytes, int], Sequence[int]],
    params: ZoneParams,
) -> list[tuple[bytes, int]]:
    """Settlements on chain that differ, in any unit, from the reference settlement of the same profile."""
    wrong = []
    for day, rows in schedules.items():
        results = [clearings[day * SLOTS_PER_DAY + index] for index in range(SLOTS_PER_DAY)]
        for schedule in rows:
            key = (schedule.device_id, day)
            if key in settlements and settle(schedule, results, profiles_wh[key], params) != settlements[key]:
                wrong.append(key)
    return wrong


def contracts_balance(schedules: Mapping[int, Sequence[Schedule]], clearings: Mapping[int, Clearing]) -> bool:
    """Whether contracted energy adds up in every slot.

    The fills of each side reach the volume but for less than a Wh per marginal order, which the backstop takes.
    """
    for slot, clearing in clearings.items():
        orders = [schedule.orders[slot % SLOTS_PER_DAY] for schedule in schedules[day_of(slot)]]
        for side in {order.side for order in orders if order.energy_wh}:
            fills = [fill_wh(order, clearing) for order in orders if order.side is side]
            marginal = sum(order.side is side and order.tick == clearing.tick for order in orders)
            if not 0 <= clearing.volume_wh - sum(fills) <= marginal:
                return False
    return True


def settled_energy_adds_up(
    settlements: Mapping[tuple[bytes, int], Settlement],
    schedules: Mapping[int, Sequence[Schedule]],
    clearings: Mapping[int, Clearing],
    profiles_wh: Mapping[tuple[bytes, int], Sequence[int]],
) -> bool:
    """Whether each settlement has exactly the energy its meter's profile attests and its orders contracted."""
    for day, rows in schedules.items():
        for schedule in rows:
            key = (schedule.device_id, day)
            if key not in settlements:
                continue
            contracted = sum(
                contracted_wh(order, clearings[day * SLOTS_PER_DAY + index])
                for index, order in enumerate(schedule.orders)
            )
            settled = settlements[key]
            if (settled.contracted_wh, settled.metered_wh) != (contracted, sum(profiles_wh[key])):
                return False
    return True


def attested_flows_balance(attested_wh: Mapping[tuple[str, int], int], bank: MeterBank, meters: Sequence[str]) -> bool:
    """Whether what is attested is what was reported, and the feeder's is the true flow behind it plus losses.

    `attested_wh` maps (meter, slot) to the attested net energy (Wh) of every meter and of the feeder.
    """
    for (name, slot), energy_wh in attested_wh.items():
        if energy_wh != bank.reported_wh(name, slot):
            return False
        if name == FEEDER:
            flows = sum(bank.true_wh(meter, slot) for meter in meters)
            if energy_wh != flows + int(bank.losses_wh[slot - bank.first_slot]):
                return False
    return True
