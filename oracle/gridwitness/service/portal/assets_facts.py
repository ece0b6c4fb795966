"""What is attested of an asset's plants, from the site's index and its oracle's log: the facts of its rating."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gridwitness.domain.assets import NOBODY, Dividend
from gridwitness.domain.market import Side
from gridwitness.domain.slots import SECONDS_PER_DAY, SLOTS_PER_DAY, slot_start, slots_of_day
from gridwitness.service.assets.ledger import Ledger
from gridwitness.service.assets.rating import WINDOW_DAYS, DueDay, MeteredDay, RatingFacts, ReserveState
from gridwitness.service.portal.assets_events import Plant
from gridwitness.service.portal.schedules import ScheduleState, schedule_state, submission
from gridwitness.service.portal.sources import Site


@dataclass(frozen=True, slots=True)
class PlantDay:
    """A plant's UTC day: what was read (Wh fed in, None without an attested reading), the state of its schedule on
    the asset's account, since when (unix seconds) that is final, and when the shares were paid for it."""

    plant: Plant
    day: int
    read_wh: int | None
    metered: MeteredDay
    schedule: ScheduleState | None
    final_at: int | None = None
    paid_at: int | None = None

    @property
    def key(self) -> tuple[bytes, int]:
        """Device and day, as payments name them."""
        return self.plant.device_id, self.day

    @property
    def is_paid(self) -> bool:
        """Whether the shares were paid for it."""
        return self.paid_at is not None


def earns_here(site: Site, ledger: Ledger) -> bool:
    """Whether an asset's terms name the manifest's energy market.

    Anyone makes assets, and with a market of their own that says of any device that the asset is its payee. Only the
    manifest's market asks the registry, where a device's owner alone names its payee.
    """
    market = site.chain.manifest.contracts.get("EnergyMarket")
    return market is not None and ledger.terms.market == market.address


def without_energy(ledger: Ledger) -> Ledger:
    """The ledger of an asset with another market, without what that says of energy: nobody attested any of it."""
    proof = replace(ledger.proof, plants=0, sold_wh=0, attested_wh=0, revenue=0, funded_through=0)
    history = tuple(
        replace(one, rows=0, sold_wh=0, attested_wh=0, paid_days=()) if isinstance(one, Dividend) else one
        for one in ledger.history
    )
    return replace(ledger, proof=proof, history=history)


def plant_days(site: Site, ledger: Ledger, plants: Sequence[Plant], present: int) -> list[PlantDay]:
    """Days of the plants in the rating's window, oldest first: those that are over at `present` (unix seconds)."""
    over = present // SECONDS_PER_DAY
    found = []
    for plant in plants:
        last = over - 1 if plant.last_day is None else min(over - 1, plant.last_day)
        for day in range(max(plant.from_day, over - WINDOW_DAYS), last + 1):
            found.append(_plant_day(site, ledger.asset, plant, day))
    found.sort(key=lambda one: (one.day, one.plant.device_id))
    paid = paid_times(ledger.dividends, found)
    return [replace(one, paid_at=paid.get(one.key)) for one in found]


def paid_times(dividends: Sequence[Dividend], days: Sequence[PlantDay]) -> dict[tuple[bytes, int], int]:
    """When (unix seconds) days were paid, by device and day: when the payment came that names them.

    A payment that does not say its days pays as many as it has rows, of those up to the plant's `funded_through` that
    were final and not paid: the oldest of `days`, which are in order. That a later day was paid says nothing of an
    earlier one, since the contract lets days go that are more than two weeks old.
    """
    paid: dict[tuple[bytes, int], int] = {}
    for one in dividends:
        paid |= dict.fromkeys(one.paid_days, one.at.time)
    for one in dividends:
        if one.is_attested and not one.paid_days:
            due = [day for day in days if day.key not in paid and _may_be_of(day, one.at.time)]
            paid |= {day.key: one.at.time for day in due[: one.rows]}
    return paid


def _may_be_of(day: PlantDay, time: int) -> bool:
    """Whether a payment at a time could be for a day."""
    through = day.plant.funded_through
    return day.final_at is not None and day.final_at <= time and through is not None and day.day <= through


def rating_facts(site: Site, ledger: Ledger, plants: Sequence[Plant], days: Sequence[PlantDay]) -> RatingFacts:
    """Facts of an asset's rating, all as of the ledger's block."""
    is_metered = all(_is_followed(site, plant) for plant in plants)
    return RatingFacts(
        metered=tuple(one.metered for one in days) if is_metered else None,
        due=tuple(_due_day(one, one.final_at, ledger.block.time) for one in days if one.final_at is not None),
        reserve=_reserve(ledger),
    )


def _is_followed(site: Site, plant: Plant) -> bool:
    """Whether the oracle behind this site takes readings of the plant: those of its own zone."""
    device = site.registry.device(plant.device_id)
    return device is not None and device.zone == site.options.zone


def _plant_day(site: Site, asset: str, plant: Plant, day: int) -> PlantDay:
    query = "SELECT export_wh, slots, readings, flagged FROM device_days WHERE device = ? AND day = ?"
    rows = site.index.rows(query, (plant.device_id, day))
    export_wh, slots, readings, flagged = rows[0] if rows else (None, 0, 0, 0)
    state = schedule_state(site.index, plant.device_id, day)
    if state is not None and state.account != asset:  # what the device sold for somebody else is none of the asset's
        state = None
    compared = _compared(site, plant.device_id, day, state) if rows and state is not None else (0, 0, 0)
    # The log may be a batch ahead of the index.
    verified = min(max(slots, compared[0]), SLOTS_PER_DAY)
    final_at = None
    if state is not None and state.status == "final":
        (final_at,) = site.index.block_times([state.log.block_number]).values()
    return PlantDay(plant, day, export_wh, MeteredDay(verified, readings, flagged, *compared), state, final_at)


def _compared(site: Site, device_id: bytes, day: int, state: ScheduleState) -> tuple[int, int, int]:
    """(quarter hours compared, Wh delivered, Wh by which schedule and meter differed); zeros if the content of the
    schedule is not known."""
    said = submission(site.index, state.schedule_hash)
    if said is None:
        return 0, 0, 0
    slots = slots_of_day(day)
    values = site.log.values_of_day(device_id, [slot_start(slot) for slot in slots])
    delivered_wh = deviation_wh = compared = 0
    for slot, order in zip(slots, said.orders, strict=True):
        net_wh = values.get(slot_start(slot))
        if net_wh is None:
            continue
        offered_wh, fed_in_wh = (order.energy_wh if order.side is Side.OFFER else 0), max(-net_wh, 0)
        compared += 1
        delivered_wh += fed_in_wh
        deviation_wh += abs(offered_wh - fed_in_wh)
    return compared, delivered_wh, deviation_wh


def _due_day(one: PlantDay, final_at: int, now: int) -> DueDay:
    until = now if one.paid_at is None else one.paid_at
    return DueDay(one.is_paid, max(until - final_at, 0) // SECONDS_PER_DAY)


def _reserve(ledger: Ledger) -> ReserveState | None:
    proof, terms = ledger.proof, ledger.terms
    if terms.reserve == NOBODY or not proof.reserve_at:
        return None
    age = max(ledger.block.time - proof.reserve_at, 0)
    return ReserveState(age, terms.max_reserve_age_seconds, proof.reserve >= proof.needed)
