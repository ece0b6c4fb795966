"""Views of the market: zones, books, clearings, schedules and their settlements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from gridwitness.api.portal.protocols import MIN_HOMES_IN_AGGREGATE, Viewer
from gridwitness.api.portal.views import BookView, ClearingView, Page, ScheduleView, SettlementView, ZoneView
from gridwitness.domain.market import TICKS, Order, ZoneParams
from gridwitness.domain.slots import SLOTS_PER_DAY, day_of, slot_of, slot_start
from gridwitness.service.portal.books import book_of
from gridwitness.service.portal.schedules import ScheduleState, schedule_state, submission
from gridwitness.service.portal.sources import Site, hexed
from gridwitness.service.portal.zone_rules import rules_of, zones_of
from gridwitness.store.site_index import ChainLog

_END_OF_DAYS = 1 << 32
_SETTLED = ("held", "provisional", "disputed", "final", "missing")
_MAX_DAYS_LISTED = 3_660


class Trading:
    """The market of the site's zone, and of the others on its chain as far as they are public."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.backstops: dict[int, int] = {}

    def zones(self) -> list[ZoneView]:
        """Zones with their rules of today, and the days they have clearings."""
        return [view for zone in zones_of(self._site) if (view := self.zone(zone)) is not None]

    def zone(self, zone: int) -> ZoneView | None:
        """One zone."""
        rules = rules_of(self._site, zone, day_of(slot_of(self._site.head.time)))
        if rules is None:
            return None
        return ZoneView(zone=zone, params=_params(rules), days=self._days(zone), backstop=self.backstops.get(zone))

    def _days(self, zone: int) -> list[int]:
        """UTC days with clearings, from day to day by the index of slots."""
        days: list[int] = []
        slot = -1
        while len(days) < _MAX_DAYS_LISTED:
            query = "SELECT MIN(slot) FROM logs WHERE name = 'SlotCleared' AND zone = ? AND slot > ?"
            ((found,),) = self._site.index.rows(query, (zone, slot))
            if found is None:
                break
            days.append(day_of(found))
            slot = (days[-1] + 1) * SLOTS_PER_DAY - 1
        return days

    def next_gate(self, now: int) -> tuple[int, int] | None:
        """(when the next gate closes, start of its slot), unix seconds; None without rules for the zone."""
        zone, slot = self._site.options.zone, slot_of(now)
        rules = rules_of(self._site, zone, day_of(slot))
        return None if rules is None else (slot_start(slot + 1), slot_start(slot + 1 + rules.gate_lead_slots))

    def book(self, zone: int, slot: int) -> BookView | None:
        """Order book of a slot; None if nobody ordered in it."""
        book, rules = book_of(self._site, zone, slot), rules_of(self._site, zone, day_of(slot))
        if book is None or rules is None:
            return None
        clearing = self._site.index.logs(f"{_CLEARED} AND slot = ?", (zone, slot))
        return BookView(
            zone=zone,
            slot_start=slot_start(slot),
            gate_closes_at=slot_start(slot - rules.gate_lead_slots),
            price_per_kwh=[rules.price_of(tick) for tick in range(TICKS)],
            bids_wh=list(book[0]),
            offers_wh=list(book[1]),
            clearing=self._clearings(clearing)[0] if clearing else None,
        )

    def clearings(self, zone: int, *, day: int | None, cursor: str, limit: int) -> Page[ClearingView]:
        """Clearings of a zone by slot."""
        site, listing = self._site, ("clearings", zone, day)
        place = site.cursors.open(listing, cursor)
        first, stop = (0, _END_OF_DAYS) if day is None else (day * SLOTS_PER_DAY, (day + 1) * SLOTS_PER_DAY)
        after = int(place[0]) if place else first - 1
        logs = site.index.logs(
            f"{_CLEARED} AND slot > ? AND slot < ? ORDER BY slot LIMIT ?", (zone, after, stop, limit + 1)
        )
        more = site.cursors.make(listing, (logs[limit - 1].slot or 0,)) if len(logs) > limit else ""
        return Page(self._clearings(logs[:limit]), more)

    def last_clearing(self) -> ClearingView | None:
        """The newest slot of the site's zone that was cleared."""
        logs = self._site.index.logs(f"{_CLEARED} ORDER BY slot DESC LIMIT 1", (self._site.options.zone,))
        return self._clearings(logs)[0] if logs else None

    def _clearings(self, logs: Sequence[ChainLog]) -> list[ClearingView]:
        return [self._clearing(log) for log in logs]

    def _clearing(self, log: ChainLog) -> ClearingView:
        zone, slot = log.zone or 0, log.slot or 0
        book = book_of(self._site, zone, slot) or ((), ())
        return ClearingView(
            zone=zone,
            slot_start=slot_start(slot),
            tick=log.args["tick"],
            price_per_kwh=log.args["pricePerKwh"],
            volume_wh=log.args["volumeWh"],
            cap_wh=_cap_wh(log.args["result"]),
            bids_wh=sum(book[0]),
            offers_wh=sum(book[1]),
            imbalance_wh=self._imbalance_wh(zone, slot),
            transaction=hexed(log.transaction),
            block_number=log.block_number,
        )

    def _imbalance_wh(self, zone: int, slot: int) -> int | None:
        """What all homes together took (> 0) or gave beside their contracts, which add up to nothing."""
        if zone != self._site.options.zone:
            return None
        rows = self._site.index.rows("SELECT import_wh - export_wh, homes FROM slot_energy WHERE slot = ?", (slot,))
        is_told = bool(rows) and (self._site.options.is_open_data or rows[0][1] >= MIN_HOMES_IN_AGGREGATE)
        return rows[0][0] if is_told else None

    def schedules(
        self, viewer: Viewer, *, device_id: bytes | None, day: int | None, cursor: str, limit: int
    ) -> Page[ScheduleView]:
        """Schedules that stand, newest day first."""
        listing = ("schedules", device_id, day, *_whose(viewer))
        states, more = self._page(viewer, listing, device_id, day, cursor, limit, _STANDING)
        return Page([self._schedule(state) for state in states], more)

    def settlements(
        self, viewer: Viewer, *, device_id: bytes | None, day: int | None, cursor: str, limit: int
    ) -> Page[SettlementView]:
        """Schedules with a run, or held, newest day first."""
        listing = ("settlements", device_id, day, *_whose(viewer))
        states, more = self._page(viewer, listing, device_id, day, cursor, limit, _SETTLED)
        return Page([self.settlement(state) for state in states], more)

    def held(self, viewer: Viewer, day: int | None, most: int) -> list[SettlementView]:
        """Schedules that are held, newest day first, at most some."""
        query, values = "SELECT day, device FROM home_days WHERE status = 'held'", list[object]()
        if day is not None:
            query, values = f"{query} AND day = ?", [day]
        if not self._site.sees_all(viewer):
            marks = ", ".join("?" * len(viewer.accounts))
            query, values = f"{query} AND account IN ({marks})", [*values, *(one.lower() for one in viewer.accounts)]
        keys = self._site.index.rows(f"{query} ORDER BY day DESC, device DESC LIMIT ?", (*values, most))
        states = [schedule_state(self._site.index, device_id, day) for day, device_id in keys]
        return [self.settlement(state) for state in states if state is not None]

    def _page(
        self,
        viewer: Viewer,
        listing: tuple[object, ...],
        device_id: bytes | None,
        day: int | None,
        cursor: str,
        limit: int,
        wanted: Sequence[str],
    ) -> tuple[list[ScheduleState], str]:
        place = self._site.cursors.open(listing, cursor)
        before = (int(place[0]), bytes.fromhex(str(place[1]))) if place else (_END_OF_DAYS, b"")
        found: list[ScheduleState] = []
        while len(found) <= limit:
            keys = self._home_days(viewer, device_id, day, before, limit + 1)
            for key in keys:
                state = schedule_state(self._site.index, key[1], key[0])
                if state is not None and state.status in wanted and self._site.may_see(viewer, state.account):
                    found.append(state)
            if len(keys) <= limit:
                break
            before = keys[-1]
        if len(found) <= limit:
            return found, ""
        last = found[limit - 1].submitted
        return found[:limit], self._site.cursors.make(listing, (last.day or 0, (last.device or b"").hex()))

    def _home_days(
        self, viewer: Viewer, device_id: bytes | None, day: int | None, before: tuple[int, bytes], limit: int
    ) -> list[tuple[int, bytes]]:
        """(day, device) with schedules below a place, newest first; only under accounts of the viewer's."""
        clauses, values = ["name = 'ScheduleSubmitted'", "(day, device) < (?, ?)"], [*before]
        if device_id is not None:
            clauses, values = [*clauses, "device = ?"], [*values, device_id]
        if day is not None:
            clauses, values = [*clauses, "day = ?"], [*values, day]
        found: set[tuple[int, bytes]] = set()
        accounts = [None] if self._site.sees_all(viewer) else [*viewer.accounts]
        for account in accounts:
            extra = [] if account is None else ["account = ?"]
            query = f"SELECT DISTINCT day, device FROM logs WHERE {' AND '.join([*clauses, *extra])}"  # noqa: S608
            query += " ORDER BY day DESC, device DESC LIMIT ?"
            own = [] if account is None else [account.lower()]
            found.update(self._site.index.rows(query, (*values, *own, limit)))
        return sorted(found, reverse=True)[:limit]

    def _schedule(self, state: ScheduleState) -> ScheduleView:
        said = submission(self._site.index, state.schedule_hash)
        log = state.submitted
        return ScheduleView(
            device_id=hexed(log.device or b""),
            device_name=self._site.name_of(log.device or b""),
            account=state.account,
            zone=self._zone(state),
            day=log.day or 0,
            version=log.args["version"],
            imbalance_limit_wh=None if said is None else said.imbalance_limit_wh,
            orders=[None] * SLOTS_PER_DAY if said is None else [_order(order) for order in said.orders],
            contracted_wh=None if state.settlement is None else state.settlement.contracted_wh,
            transaction=hexed(log.transaction),
            block_number=log.block_number,
        )

    def _zone(self, state: ScheduleState) -> int:
        device = self._site.registry.device(state.submitted.device or b"")
        return 0 if device is None else device.zone

    def settlement(self, state: ScheduleState) -> SettlementView:
        """A run as a document."""
        run, log = state.settlement, state.submitted
        return SettlementView(
            device_id=hexed(log.device or b""),
            device_name=self._site.name_of(log.device or b""),
            account=state.account,
            zone=self._zone(state),
            day=log.day or 0,
            status=state.status,
            reason=state.reason,
            contracted_wh=None if run is None else run.contracted_wh,
            metered_wh=None if run is None else run.metered_wh,
            traded_cash=None if run is None else run.traded_cash,
            grid_cash=None if run is None else run.grid_cash,
            imbalance_cash=None if run is None else run.imbalance_cash,
            penalty_cash=None if run is None else run.penalty_cash,
            residual_short_wh=None if run is None else run.residual_short_wh,
            residual_long_wh=None if run is None else run.residual_long_wh,
            transaction=hexed(state.log.transaction),
            block_number=state.log.block_number,
        )


_CLEARED = "WHERE name = 'SlotCleared' AND zone = ?"
_STANDING = ("open", *_SETTLED)


def _whose(viewer: Viewer) -> tuple[object, ...]:
    return (viewer.sees_all, *sorted(viewer.accounts))


def _order(order: Order) -> list[Any] | None:
    return [order.side.name.lower(), order.tick, order.energy_wh] if order.energy_wh else None


def _cap_wh(result: str) -> int:
    """Most that could be matched, out of the packed result (IEnergyMarket.SlotCleared)."""
    packed = bytes.fromhex(result[2:])
    return int.from_bytes(packed[12:16], "big")


def _params(rules: ZoneParams) -> dict[str, Any]:
    """Rules under the names of IMarketZones.ZoneParams."""
    values = {**asdict(rules), "profile_stream": hexed(rules.profile_stream)}
    return {_camel_case(name): value for name, value in values.items()}


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)
