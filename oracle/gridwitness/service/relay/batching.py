"""When a relay submits, and how many rows at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gridwitness.chain.client import MAX_TRANSACTION_GAS
from gridwitness.domain.market import NO_ORDER, Schedule, ZoneParams
from gridwitness.domain.slots import SLOTS_PER_DAY, slot_start, slots_of_day
from gridwitness.service.relay.log import Waiting

# The outbox sends with a quarter more than its estimate, and that must stay within EIP-7825's limit.
TARGET_GAS = MAX_TRANSACTION_GAS * 4 // 5
_CLOSE_ENOUGH = 0.9
_AIMED_GAS = TARGET_GAS * 19 // 20
FIRST_GUESS_ROWS = 32


@dataclass(frozen=True, slots=True)
class RelayRules:
    """When to submit, and what to take.

    Rows are submitted when `enough_rows` wait, when one has waited `max_age_s` (real time), or when one closes within
    `gate_margin_s` (by the relay's clock). Of a device's day at most `max_versions` are submitted. No more than
    `max_waiting` rows wait at a time; a client may send `client_rows_per_minute`.
    """

    enough_rows: int = 100
    max_age_s: int = 60
    gate_margin_s: int = 180
    retry_s: int = 30
    max_versions: int = 16
    max_waiting: int = 50_000
    client_rows_per_minute: int = 2_000


def is_due(waiting: Waiting, rules: RelayRules, real_time: int, now: int) -> bool:
    """Whether to submit: enough rows, old enough, or closing soon. `now` is the relay's clock, both in unix seconds."""
    if not waiting.count or waiting.oldest_at is None or waiting.closes_at is None:
        return False
    return (
        waiting.count >= rules.enough_rows
        or real_time - waiting.oldest_at >= rules.max_age_s
        or waiting.closes_at - now <= rules.gate_margin_s
    )


def closes_at(schedule: Schedule, previous: Schedule | None, params: ZoneParams) -> int:
    """First second (unix) at which a schedule can no longer be submitted.

    That is after its deadline, or when the gate closes of the first slot in which it orders anything else than the
    schedule it replaces. Another imbalance limit than that one's is taken only while all gates of the day are open.
    """
    slots, before = slots_of_day(schedule.day), (NO_ORDER,) * SLOTS_PER_DAY
    changed = (
        {slots[0]} if previous is not None and previous.imbalance_limit_wh != schedule.imbalance_limit_wh else set()
    )
    orders = zip(slots, schedule.orders, before if previous is None else previous.orders, strict=True)
    changed |= {slot for slot, order, old in orders if order != old and (order.energy_wh or old.energy_wh)}
    return min([schedule.deadline + 1, *(slot_start(slot - params.gate_lead_slots) for slot in changed)])


def fitting_rows(count: int, guess: int, gas_of: Callable[[int], int | None]) -> int:
    """How many of `count` rows, from the first on, fit `TARGET_GAS`: the most, within a tenth; 0 if not even one.

    `gas_of` measures the first n rows; None if they do not fit a transaction at all. Nodes take long for it, so each
    time it is asked for as many rows as the last answer suggests, and never outside what is known to fit and known not
    to: once, where the guess is as good as the last time.
    """
    fits, too_many, rows = 0, count + 1, max(1, min(guess, count))
    while fits < too_many - 1 and fits < too_many * _CLOSE_ENOUGH:
        gas = gas_of(rows)
        if gas is None or gas > TARGET_GAS:
            too_many = rows
        elif gas >= TARGET_GAS * _CLOSE_ENOUGH:
            return rows
        else:
            fits = rows
        suggested = (fits + too_many) // 2 if gas is None else rows * _AIMED_GAS // gas
        rows = max(fits + 1, min(suggested, too_many - 1))
    return fits
