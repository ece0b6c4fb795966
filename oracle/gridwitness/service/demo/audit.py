"""What the demo claims, checked against the chain and against independent computation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gridwitness.chain.market import Backstop
from gridwitness.domain.market import Schedule, Side
from gridwitness.market.brute_force import best_prices
from gridwitness.market.clearing import book_of, clear, fill_wh
from gridwitness.market.settlement import CashSources, contracts_wh, dust_cash, exposure, reserve, settle, sources_of
from gridwitness.service.demo.meters import FEEDER, MeterBank
from gridwitness.service.demo.trades import Key, Trades


def clearing_errors(trades: Trades) -> list[int]:
    """Slots whose clearing on chain is not the brute-force optimum, or not the reference clearing to the bit."""
    wrong = []
    for slot, clearing in trades.clearings.items():
        orders = trades.book_orders(slot)
        book = book_of(orders)
        optimum = best_prices(orders, clearing.cap_wh)
        if (
            trades.books[slot] != book
            or clearing != clear(book, trades.params)
            or clearing.volume_wh != optimum.volume_wh
            or clearing.tick not in optimum.ticks
        ):
            wrong.append(slot)
    return wrong


def settlement_errors(trades: Trades) -> list[Key]:
    """Schedules that did not end as the reference settles them on their profile, in every unit.

    Whatever is not held must have ended, with the settlement, with what came from counterparties and what from the
    backstop, and with the sum of both paid out.
    """
    wrong = []
    for key, schedule in trades.all_schedules():
        if key in trades.held:
            continue
        clearings, params = trades.clearings_of(key.day), trades.params
        expected = settle(schedule, clearings, trades.profiles_wh[key], params, green=trades.is_green(schedule))
        sources = sources_of(expected, dust_cash(schedule, clearings, params))
        made = trades.runs.get(key)
        if (
            made is None
            or made.settlement != expected
            or CashSources(made.run.from_counterparties, made.run.from_backstop) != sources
            or trades.final_cash.get(key) != sum(sources)
        ):
            wrong.append(key)
    return wrong


def contracts_balance(trades: Trades) -> bool:
    """Whether contracted energy adds up in every slot.

    The fills of each side reach the volume but for less than a Wh per marginal order, which the backstop takes.
    """
    for slot, clearing in trades.clearings.items():
        orders = trades.book_orders(slot)
        for side, marginal_tick in ((Side.BID, clearing.bid_tick), (Side.OFFER, clearing.offer_tick)):
            filled_wh = sum(fill_wh(order, clearing) for order in orders if order.side is side)
            marginal = sum(order.side is side and order.tick == marginal_tick for order in orders)
            if not 0 <= clearing.volume_wh - filled_wh <= marginal:
                return False
    return True


def settled_energy_adds_up(trades: Trades) -> bool:
    """Whether each settlement has exactly the energy its meter's profile attests and its orders contracted."""
    for key, schedule in trades.all_schedules():
        if key not in trades.runs:
            continue
        contracts = contracts_wh(schedule, trades.clearings_of(key.day), trades.params, green=trades.is_green(schedule))
        settled = trades.runs[key].settlement
        if (settled.contracted_wh, settled.metered_wh) != (sum(contracts), sum(trades.profiles_wh[key])):
            return False
    return True


def backstop_covers(trades: Trades, reserved: Mapping[str, int], backstop: Backstop) -> bool:
    """Whether the backstop could always pay what it may have come to owe, and what is locked is what must be.

    `reserved` maps every account to its locked token units, which must be the reserves of its held schedules, as the
    exposure of `backstop`, the zone's money at the end, must be that of all held schedules.
    """
    held = [schedule for key, schedule in trades.all_schedules() if key in trades.held]
    exposed = sum(exposure(schedule, trades.params, green=trades.is_green(schedule)) for schedule in held)
    return (
        all(0 <= money.exposure <= money.balance for money in trades.backstops)
        and backstop.exposure == exposed
        and all(amount == _reserved(held, account, trades) for account, amount in reserved.items())
    )


def _reserved(held: Sequence[Schedule], account: str, trades: Trades) -> int:
    return sum(reserve(schedule, trades.params) for schedule in held if schedule.account == account)


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
