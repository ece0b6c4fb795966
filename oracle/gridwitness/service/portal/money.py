"""What days cost: each home's figures kept in the index as they change, and bills and community days made of them."""

from __future__ import annotations

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


class Money:
    """Bills of the site's homes, each in token units (1e-6 EUR), owed > 0."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def refresh(self) -> set[int]:
        """Reckon anew what has changed, some thousand home days at once; the days that had changes."""
        changed = self._site.index.rows("SELECT day, device FROM dirty ORDER BY day DESC LIMIT ?", (_RECKONED_AT_ONCE,))
        if not changed:
            return set()
        homes = self._site.homes()
        reckoned = [self._reckon(day, device) if device in homes else None for day, device in changed]
        with self._site.index.write() as connection:
            connection.executemany("DELETE FROM home_days WHERE day = ? AND device = ?", changed)
            rows = [row for row in reckoned if row is not None]
            connection.executemany("INSERT INTO home_days VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
            connection.executemany("DELETE FROM dirty WHERE day = ? AND device = ?", changed)
        days = {day for day, _ in changed}
        shares = [(day, *self._share(day)) for day in days]
        with self._site.index.write() as connection:
            connection.executemany("INSERT OR REPLACE INTO shared_days VALUES (?, ?, ?)", shares)
        return days

    def _share(self, day: int) -> tuple[int, int]:
        """(energy exported while others imported, all imports) of a day, slot by slot, Wh; without homes that are held:
        what they say of themselves is in doubt."""
        slots = slots_of_day(day)
        query = "SELECT slot, import_wh, export_wh FROM slot_energy WHERE slot >= ? AND slot < ?"
        energy = {
            slot: [taken, given] for slot, taken, given in self._site.index.rows(query, (slots[0], slots[-1] + 1))
        }
        query = "SELECT device FROM home_days WHERE day = ? AND status = 'held'"
        for (device_id,) in self._site.index.rows(query, (day,)):
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
            grid_only=home.grid_only or 0,
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

    def community_days(self, viewer: Viewer) -> list[CommunityDayView]:
        """The newest days, newest first."""
        query = "SELECT DISTINCT day FROM home_days ORDER BY day DESC LIMIT ?"
        return [self._community_day(viewer, day) for (day,) in self._site.index.rows(query, (_DAYS_SHOWN,))]

    def _community_day(self, viewer: Viewer, day: int) -> CommunityDayView:
        homes = [HomeDay(*row) for row in self._site.index.rows("SELECT * FROM home_days WHERE day = ?", (day,))]
        billed = [home for home in homes if home.bill is not None and home.grid_only is not None]
        # Money and energy of the same few are never told, nor the difference between two sums that only few make.
        is_told = self._is_told(viewer, len(homes))
        is_billed = self._is_told(viewer, len(billed)) and self._is_told(viewer, len(homes) - len(billed), or_none=True)
        shared_wh, imported_wh = self._shared(day)
        return CommunityDayView(
            day=day,
            homes_count=len(homes),
            import_wh=sum(home.import_wh for home in homes) if is_told else None,
            export_wh=sum(home.export_wh for home in homes) if is_told else None,
            shared_wh=shared_wh if is_told else None,
            self_sufficiency_bps=(shared_wh * BPS // imported_wh if imported_wh else BPS) if is_told else None,
            bills=sum(home.bill or 0 for home in billed) if is_billed else None,
            grid_only=sum(home.grid_only or 0 for home in billed) if is_billed else None,
            held=sum(home.status == "held" for home in homes),
            homes=[view for home in homes if (view := self._home_view(viewer, home)) is not None],
        )

    def _is_told(self, viewer: Viewer, homes: int, *, or_none: bool = False) -> bool:
        return self._site.sees_all(viewer) or homes >= MIN_HOMES_IN_AGGREGATE or (or_none and homes == 0)

    def _shared(self, day: int) -> tuple[int, int]:
        rows = self._site.index.rows("SELECT shared_wh, import_wh FROM shared_days WHERE day = ?", (day,))
        return (rows[0][0], rows[0][1]) if rows else (0, 0)

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
