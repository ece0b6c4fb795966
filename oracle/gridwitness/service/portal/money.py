"""What days cost: each home's figures kept in the index as they change, and bills and community days made of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from gridwitness.api.portal.protocols import MIN_HOMES_IN_AGGREGATE, Viewer
from gridwitness.api.portal.views import BillLineView, BillView, CommunityDayView, HomeDayView
from gridwitness.domain.devices import Device
from gridwitness.domain.market import Settlement, ZoneParams
from gridwitness.domain.slots import SECONDS_PER_DAY, slot_of, slot_start, slots_of_day
from gridwitness.market.bills import grid_only_bill, market_bill
from gridwitness.market.settlement import BPS
from gridwitness.service.portal.schedules import ScheduleState, schedule_state
from gridwitness.service.portal.sources import Site, hexed
from gridwitness.service.portal.zone_rules import rules_of

_RECKONED_AT_ONCE = 2_000
# A quarter of a year of pages; older days are in the clearings and settlements.
_DAYS_SHOWN = 92
_NO_ORDERS = "no orders"
_END_OF_DAYS = 1 << 32
# In one statement: how many homes are held, and what was shared without them, must be of one moment.
_SUMS = """
SELECT ?1, COUNT(*), SUM(import_wh), SUM(export_wh), SUM(status = 'held'), COUNT(bill + grid_only),
    COALESCE(SUM(bill) FILTER (WHERE grid_only IS NOT NULL), 0),
    COALESCE(SUM(grid_only) FILTER (WHERE bill IS NOT NULL), 0),
    COALESCE((SELECT shared_wh FROM shared_days WHERE day = ?1), 0),
    COALESCE((SELECT import_wh FROM shared_days WHERE day = ?1), 0)
FROM home_days WHERE day = ?1
"""


class HomeDay(NamedTuple):
    """A home's day as the index keeps it. `account` (lower case) is its schedule's, or the owner's without one."""

    day: int
    device: bytes
    account: str
    kind: str
    status: str
    import_wh: int
    export_wh: int
    traded_wh: int | None
    bill: int | None
    grid_only: int | None


class _Sums(NamedTuple):
    """A day's homes together. `billed` have a bill and the grid's beside it; held ones are not in what was shared."""

    day: int
    homes: int
    import_wh: int
    export_wh: int
    held: int
    billed: int
    bills: int
    grid_only: int
    shared_wh: int
    shared_import_wh: int


class Money:
    """Bills of the site's homes, each in token units (1e-6 EUR), owed > 0.

    Sums of the newest days are kept here, made anew by `refresh` alone: no page goes through homes that are not the
    viewer's, and those who see all are shown what was made for the first of them.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._sums: Mapping[int, _Sums] = {}  # by day, newest first
        self._open: dict[int, tuple[_Sums, CommunityDayView]] = {}
        self._sum_up(())

    def refresh(self) -> set[int]:
        """Reckon anew what has changed, some thousand home days at once; the days that had changes."""
        changed = self._site.index.rows("SELECT day, device FROM dirty ORDER BY day DESC LIMIT ?", (_RECKONED_AT_ONCE,))
        if not changed:
            return set()
        homes = self._site.homes()
        reckoned = [self._reckon(day, device) if device in homes else None for day, device in changed]
        days = {day for day, _ in changed}
        with self._site.index.write() as connection:
            connection.executemany("DELETE FROM home_days WHERE day = ? AND device = ?", changed)
            rows = [row for row in reckoned if row is not None]
            connection.executemany("INSERT INTO home_days VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            connection.executemany("DELETE FROM dirty WHERE day = ? AND device = ?", changed)
            shares = [(day, *self._share(connection, day)) for day in days]
            connection.executemany("INSERT OR REPLACE INTO shared_days VALUES (?, ?, ?)", shares)
        self._sum_up(days)
        return days

    def _sum_up(self, changed: Collection[int]) -> None:
        """Make the sums of the newest days anew where they have changed."""
        days: list[int] = []
        while len(days) < _DAYS_SHOWN:  # from day to day: a list of distinct days would go through all their homes
            query = "SELECT MAX(day) FROM home_days WHERE day < ?"
            ((day,),) = self._site.index.rows(query, (days[-1] if days else _END_OF_DAYS,))
            if day is None:
                break
            days.append(day)
        kept = {day: sums for day, sums in self._sums.items() if day not in changed}
        fresh = {day: _Sums(*self._site.index.rows(_SUMS, (day,))[0]) for day in days if day not in kept}
        # Readers see either the old or the new sums, never something in between.
        self._sums = {day: kept[day] if day in kept else fresh[day] for day in days}
        self._open = {day: view for day, view in self._open.copy().items() if day in self._sums}

    def _share(self, connection: sqlite3.Connection, day: int) -> tuple[int, int]:
        """(energy exported while others imported, all imports) of a day, slot by slot, Wh; without homes that are held:
        what they say of themselves is in doubt."""
        slots = slots_of_day(day)
        query = "SELECT slot, import_wh, export_wh FROM slot_energy WHERE slot >= ? AND slot < ?"
        energy = {slot: [taken, given] for slot, taken, given in connection.execute(query, (slots[0], slots[-1] + 1))}
        query = "SELECT device FROM home_days WHERE day = ? AND status = 'held'"
        for (device_id,) in connection.execute(query, (day,)):
            values = self._site.log.values_of_day(device_id, [slot_start(slot) for slot in slots])
            for start, net_wh in values.items():
                if (slot := slot_of(start)) in energy:  # else its batch is yet to be added up, and this day made anew
                    energy[slot][net_wh < 0] -= abs(net_wh)
        return sum(max(min(both), 0) for both in energy.values()), sum(taken for taken, _ in energy.values())

    def _reckon(self, day: int, device_id: bytes) -> HomeDay | None:
        device, rules = self._site.registry.device(device_id), rules_of(self._site, self._site.options.zone, day)
        state = schedule_state(self._site.index, device_id, day)
        energy = self._energy(device_id, day)
        if device is None or (state is None and energy is None):
            return None
        import_wh, export_wh, slots = energy or (0, 0, 0)
        grid_only = None if rules is None or not slots else grid_only_bill((import_wh, -export_wh), rules)
        run = None if state is None else state.settlement
        bill = grid_only if state is None else None
        if run is not None and rules is not None:
            bill = market_bill(run, rules)
        return HomeDay(
            day=day,
            device=device_id,
            account=(device.owner if state is None else state.account).lower(),
            kind=device.kind.name.lower(),
            status=_NO_ORDERS if state is None else state.status,
            import_wh=import_wh,
            export_wh=export_wh,
            traded_wh=None if run is None else run.contracted_wh,
            bill=bill,
            grid_only=grid_only,
        )

    def _energy(self, device_id: bytes, day: int) -> tuple[int, int, int] | None:
        query = "SELECT import_wh, export_wh, slots FROM device_days WHERE device = ? AND day = ?"
        rows = self._site.index.rows(query, (device_id, day))
        return rows[0] if rows else None

    def bill(self, viewer: Viewer, device_id: bytes, day: int) -> BillView | None:
        """What a day costs a home, line by line."""
        query = "SELECT * FROM home_days WHERE day = ? AND device = ?"
        rows = self._site.index.rows(query, (day, device_id))
        device = self._site.registry.device(device_id)
        rules = rules_of(self._site, self._site.options.zone, day)
        if not rows or device is None or rules is None or not self._may_see(viewer, HomeDay(*rows[0]), device):
            return None
        home = HomeDay(*rows[0])
        state = schedule_state(self._site.index, device_id, day)
        return BillView(
            device_id=hexed(device_id),
            device_name=self._site.name_of(device_id),
            day=day,
            status=home.status,
            lines=_lines(home, state, rules),
            total=home.bill,
            grid_only=home.grid_only,
            import_wh=home.import_wh,
            export_wh=home.export_wh,
        )

    def _may_see(self, viewer: Viewer, home: HomeDay, device: Device) -> bool:
        """By the account of the day's schedule; a day without one is its owner's, as far as it was theirs."""
        if not self._site.may_see(viewer, home.account):
            return False
        if home.status != _NO_ORDERS:
            return True
        visible = self._site.visible_device(viewer, device.device_id)
        return visible is not None and home.day * SECONDS_PER_DAY >= visible[1]

    def days(self) -> list[int]:
        """The newest days with homes, newest first."""
        return list(self._sums)

    def community_days(self, viewer: Viewer) -> list[CommunityDayView]:
        """The newest days, newest first."""
        return self._views(viewer, self._sums.values())

    def community_day(self, viewer: Viewer, day: int) -> CommunityDayView | None:
        """One of the newest days."""
        sums = self._sums.get(day)
        return None if sums is None else self._views(viewer, [sums])[0]

    def _views(self, viewer: Viewer, days: Collection[_Sums]) -> list[CommunityDayView]:
        if self._site.sees_all(viewer):
            return [self._open_day(viewer, sums) for sums in days]
        homes = self._own_homes(viewer, [sums.day for sums in days])
        return [self._community_day(viewer, sums, homes.get(sums.day, ())) for sums in days]

    def _open_day(self, viewer: Viewer, sums: _Sums) -> CommunityDayView:
        """A day as all see it who see everything."""
        kept = self._open.get(sums.day)
        if kept is None or kept[0] is not sums:
            rows = self._site.index.rows("SELECT * FROM home_days WHERE day = ?", (sums.day,))
            view = self._community_day(viewer, sums, [HomeDay(*row) for row in rows])
            kept = self._open[sums.day] = sums, view
        return kept[1]

    def _own_homes(self, viewer: Viewer, days: Sequence[int]) -> Mapping[int, list[HomeDay]]:
        """By day, what may be a viewer's: days of devices they own, or that traded on an account of theirs."""
        accounts = sorted(one.lower() for one in viewer.accounts)
        if not accounts or not days:
            return {}
        devices = self._site.registry.devices(self._site.options.zone)
        own = {device.device_id for device in devices if viewer.may_see(device.owner)}
        query = "SELECT DISTINCT device FROM logs WHERE account = ? AND day >= ? AND day <= ?"
        for account in accounts:
            own.update(device for (device,) in self._site.index.rows(query, (account, min(days), max(days))))
        found: dict[int, list[HomeDay]] = {}
        query = f"SELECT * FROM home_days WHERE day IN ({', '.join('?' * len(days))}) AND device = ?"  # noqa: S608 (marks)
        for device_id in sorted(own):
            for row in self._site.index.rows(query, (*days, device_id)):
                found.setdefault(row[0], []).append(HomeDay(*row))
        return found

    def _community_day(self, viewer: Viewer, sums: _Sums, homes: Iterable[HomeDay]) -> CommunityDayView:
        # Money and energy of the same few are never told, nor the difference between two sums that only few make:
        # those who have no bill, or are held and left out of what was shared.
        is_told = self._is_told(viewer, sums.homes)
        is_shared_told = self._are_told(viewer, sums.homes - sums.held, sums.held)
        is_billed = self._are_told(viewer, sums.billed, sums.homes - sums.billed)
        sufficiency_bps = sums.shared_wh * BPS // sums.shared_import_wh if sums.shared_import_wh else BPS
        return CommunityDayView(
            day=sums.day,
            homes_count=sums.homes,
            import_wh=sums.import_wh if is_told else None,
            export_wh=sums.export_wh if is_told else None,
            shared_wh=sums.shared_wh if is_shared_told else None,
            self_sufficiency_bps=sufficiency_bps if is_shared_told else None,
            bills=sums.bills if is_billed else None,
            grid_only=sums.grid_only if is_billed else None,
            held=sums.held,
            homes=[view for home in homes if (view := self._home_view(viewer, home)) is not None],
        )

    def _are_told(self, viewer: Viewer, homes: int, others: int) -> bool:
        """Whether a sum over some homes may be told beside one over these and others."""
        return self._is_told(viewer, homes) and (not others or self._is_told(viewer, others))

    def _is_told(self, viewer: Viewer, homes: int) -> bool:
        return self._site.sees_all(viewer) or homes >= MIN_HOMES_IN_AGGREGATE

    def _home_view(self, viewer: Viewer, home: HomeDay) -> HomeDayView | None:
        device = self._site.registry.device(home.device)
        if device is None or not self._may_see(viewer, home, device):
            return None
        return HomeDayView(
            device_id=hexed(home.device),
            device_name=self._site.name_of(home.device),
            kind=home.kind,
            import_wh=home.import_wh,
            export_wh=home.export_wh,
            traded_wh=home.traded_wh,
            bill=home.bill,
            grid_only=home.grid_only,
            status=home.status,
        )


def _lines(home: HomeDay, state: ScheduleState | None, rules: ZoneParams) -> list[BillLineView]:
    """Lines that add up to the bill; of one that is held or not settled there are none."""
    if home.bill is None:
        return []
    if state is None or state.settlement is None:
        words = "all energy from and to the grid: no orders stood for this day"
        net_wh = home.import_wh - home.export_wh
        return [BillLineView(name="grid only", words=words, energy_wh=net_wh, amount=home.bill)]
    return _settled_lines(state.settlement, home.bill, rules)


def _settled_lines(run: Settlement, bill: int, rules: ZoneParams) -> list[BillLineView]:
    cash = run.traded_cash + run.grid_cash + run.imbalance_cash + run.penalty_cash
    residual_wh = run.residual_short_wh - run.residual_long_wh
    deviation_wh = run.metered_wh - run.contracted_wh - residual_wh
    fee, premium = rules.network_fee_per_kwh / 10_000, rules.green_premium_per_kwh / 10_000
    rows = [
        ("traded", "energy traded with neighbours at the clearing price", run.contracted_wh, -run.traded_cash),
        ("grid", f"network fee of {fee:g} ct/kWh less green premium of {premium:g} ct/kWh", None, -run.grid_cash),
        ("imbalance", "energy beside what was contracted, balanced by the market", deviation_wh, -run.imbalance_cash),
        ("penalty", "contracts not kept, beyond the tolerance", None, -run.penalty_cash),
        ("residual", "energy beyond the imbalance limit, at the grid's tariff", residual_wh, bill + cash),
    ]
    return [BillLineView(name=name, words=words, energy_wh=wh, amount=amount) for name, words, wh, amount in rows]
