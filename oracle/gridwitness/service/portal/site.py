"""A site's portal: what api.Portal asks, answered from its index, its oracle's log and what the last refresh saw.

Whose data a viewer may see is decided here and in the views this is made of, nowhere else.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence

import msgspec
import structlog

from gridwitness.api.portal.chain_views import ChainView, EventView
from gridwitness.api.portal.protocols import Viewer
from gridwitness.api.portal.views import (
    BatchView,
    BillView,
    BookView,
    ClearingView,
    CommunityDayView,
    DeviceView,
    ForecastView,
    NowView,
    Page,
    ReadingView,
    RejectionView,
    ScheduleView,
    ScoreSummaryView,
    SettlementView,
    SiteView,
    StreamView,
    TrailView,
    ZoneView,
)
from gridwitness.chain.market import Market
from gridwitness.domain.slots import SECONDS_PER_DAY
from gridwitness.errors import GridwitnessError
from gridwitness.service.batching import BatchRules
from gridwitness.service.fleet import Fleet
from gridwitness.service.portal.assets import SiteAssets
from gridwitness.service.portal.books import Books
from gridwitness.service.portal.chain_facts import ChainFacts
from gridwitness.service.portal.chain_index import ChainIndexer
from gridwitness.service.portal.devices import Devices
from gridwitness.service.portal.folding import Folding
from gridwitness.service.portal.money import Money
from gridwitness.service.portal.noticing import Finality, tell_refusals
from gridwitness.service.portal.outlook import Outlook
from gridwitness.service.portal.readings import Readings
from gridwitness.service.portal.sources import Site, SiteOptions, Sources
from gridwitness.service.portal.streams import Streams
from gridwitness.service.portal.trading import Trading
from gridwitness.service.portal.zone_rules import zones_of
from gridwitness.service.profile_batches import ProfileBatches
from gridwitness.service.proving import Prover
from gridwitness.sources.quantities import unit_of
from gridwitness.store import BatchLog, ProfileLog, ReadingLog

_RATE_SPAN_S = 60
_HELD_SHOWN = 100
_log = structlog.get_logger()

__all__ = ["SiteOptions", "SitePortal", "Sources"]


class SitePortal:
    """Fulfils api.Portal. `refresh` asks the chain and brings the index up to date; nothing else does."""

    def __init__(self, options: SiteOptions, sources: Sources) -> None:
        """Raises ChainError, ConfigError if the chain cannot be asked or the manifest has no such streams."""
        self._not_ready = sources.not_ready
        self._site = site = Site(options, sources, sources.chain.head())
        self._indexer = ChainIndexer(sources.chain, sources.index)
        self._folding = Folding(site)
        self._finality = Finality(site)
        self._devices = Devices(site)
        self._readings = Readings(site)
        self._streams = Streams(site)
        self._books = Books(site)
        self._trading = Trading(site)
        self._money = Money(site)
        self._outlook = Outlook(site)
        self._chain_facts = ChainFacts(site, sources.outbox)
        self._assets = SiteAssets(site)
        self._market = Market(sources.chain)
        self._problem = "the site's index is being made"
        readings, profiles, batches = ReadingLog(sources.log), ProfileLog(sources.log), BatchLog(sources.log)
        made = ProfileBatches(
            site.profiles_stream,
            site.readings_stream,
            profiles,
            batches,
            Fleet(site.registry, options.zone),
            BatchRules(),
        )
        self._prover = Prover(sources.chain.manifest, site.readings_stream, made, readings, profiles, batches)
        self._prover_lock = threading.Lock()

    def refresh(self, is_stopping: Callable[[], bool] = lambda: False) -> None:
        """One round; for the first look at a long past as many as it takes. Raises ChainError, StoreError."""
        while self._step():
            if is_stopping():
                return
        self._problem = ""

    def _step(self) -> bool:
        """Bring everything a step further; whether more is waiting."""
        site = self._site
        head = site.chain.head()
        site.registry.sync()
        moved = self._indexer.sync(head)
        site.head = head
        more = self._folding.refresh() or self._finality.refresh(head)
        tell_refusals(site)
        days = self._money.refresh()
        self._books.refresh(days)
        self._devices.refresh()
        self._chain_facts.refresh()
        if moved:
            self._trading.backstops = {zone: self._market.backstop(zone).balance for zone in zones_of(site)}
        if more or days:
            return True
        self._assets.refresh(self._devices.present)  # once the index has all that its ratings are made of
        return False

    async def run(self, interval_s: float, stopping: asyncio.Event) -> None:
        """Refresh again and again until it is to stop; trouble is logged once, shown, and tried again."""
        while not stopping.is_set():
            try:
                await asyncio.to_thread(self.refresh, stopping.is_set)
            except GridwitnessError as error:
                if error.message != self._problem:
                    _log.warning("site_not_refreshed", error=error.message)
                self._problem = error.message
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), interval_s)

    def problems(self) -> list[str]:
        """What keeps the site from being up to date; empty when it is."""
        return [self._problem] if self._problem else []

    def close(self) -> None:
        """Close the files that are this portal's: log, outbox and index."""
        self._chain_facts.close()
        self._site.log.close()
        self._site.index.close()

    def site(self) -> SiteView:
        """Name, time zone, currency and what data is open."""
        options, manifest = self._site.options, self._site.chain.manifest
        return SiteView(
            name=options.name,
            time_zone=options.time_zone,
            currency=options.currency,
            chain_id=manifest.chain_id,
            explorer_url=options.explorer_url,
            rpc_url=options.rpc_url,
            contracts={name: entry.address for name, entry in manifest.contracts.items()},
            is_open_data=options.is_open_data,
            oracle=options.oracle,
        )

    def now(self) -> NowView:
        """The figures of the first page."""
        site, gate = self._site, self._trading.next_gate(self._site.head.time)
        accepted, rejected = site.log.received_within(_RATE_SPAN_S)
        readings = ReadingLog(site.log)
        counts, (_, oldest, _) = readings.counts(), readings.waiting()
        return NowView(
            time=site.head.time,
            accepted_per_s=accepted / _RATE_SPAN_S,
            rejected_per_s=rejected / _RATE_SPAN_S,
            stored=counts["stored"],
            attested=counts["attested"],
            unattested=counts["unattested"],
            oldest_unattested_age_s=None if oldest is None else max(site.head.time - oldest, 0),
            oldest_unattested_time=oldest,
            devices_active=self._devices.active,
            devices_silent=self._devices.silent,
            next_gate_closure=None if gate is None else gate[0],
            next_gate_slot_start=None if gate is None else gate[1],
            last_clearing=self._trading.last_clearing(),
            not_ready=[*self._not_ready(), *self.problems()],
        )

    def devices(
        self, viewer: Viewer, *, cursor: str, limit: int, kind: str = "", status: str = "", zone: int | None = None
    ) -> Page[DeviceView]:
        """Devices by id."""
        return self._devices.page(viewer, cursor=cursor, limit=limit, kind=kind, status=status, zone=zone)

    def device(self, viewer: Viewer, device_id: bytes) -> DeviceView | None:
        """One device."""
        return self._devices.device(viewer, device_id)

    def readings(
        self, viewer: Viewer, device_id: bytes, *, time_from: int, time_to: int, flagged: bool, cursor: str, limit: int
    ) -> Page[ReadingView]:
        """Readings of a device by time."""
        return self._readings.page(
            viewer, device_id, time_from=time_from, time_to=time_to, flagged=flagged, cursor=cursor, limit=limit
        )

    def reading(self, viewer: Viewer, device_id: bytes, counter: int) -> ReadingView | None:
        """One reading."""
        row = self._readings.reading(viewer, device_id, counter)
        return None if row is None else self._readings.view(row)

    def flagged(self, viewer: Viewer, *, cursor: str, limit: int) -> Page[ReadingView]:
        """Flagged readings, newest first."""
        return self._readings.flagged(viewer, cursor=cursor, limit=limit)

    def scores(self, viewer: Viewer, *, day: int | None = None) -> ScoreSummaryView:
        """How scores are distributed, and settlements held on them."""
        counts, channels = self._readings.distribution(viewer, day)
        held = self._trading.held(viewer, day, _HELD_SHOWN)
        return ScoreSummaryView(day=day, counts=counts, flagged=sum(channels.values()), by_channel=channels, held=held)

    def rejections(self) -> Sequence[RejectionView]:
        """What was refused and why."""
        return self._readings.rejections()

    def streams(self) -> Sequence[StreamView]:
        """Streams with committee and newest batch."""
        return self._streams.views(self._problem)

    def batches(self, stream_id: bytes, *, cursor: str, limit: int) -> Page[BatchView]:
        """Batches of a stream, newest first."""
        return self._streams.page(stream_id, cursor=cursor, limit=limit)

    def batch(self, stream_id: bytes, seq: int) -> BatchView | None:
        """One batch."""
        return self._streams.batch(stream_id, seq)

    def trail(self, viewer: Viewer, device_id: bytes, counter: int) -> TrailView | None:
        """A reading's way."""
        reading = self.reading(viewer, device_id, counter)
        return None if reading is None else self._streams.trail(reading)

    def reading_proof(self, viewer: Viewer, device_id: bytes, counter: int) -> bytes | None:
        """Proof document of a reading. Raises ProofError."""
        if self._readings.reading(viewer, device_id, counter) is None:
            return None
        with self._prover_lock:
            return msgspec.json.encode(self._prover.reading(device_id, counter).document())

    def profile_proof(self, viewer: Viewer, device_id: bytes, day: int) -> bytes | None:
        """Proof document of a device's profile of a day. Raises ProofError."""
        visible = self._site.visible_device(viewer, device_id)
        if visible is None or day * SECONDS_PER_DAY < visible[1]:
            return None
        with self._prover_lock:
            return msgspec.json.encode(self._prover.profile(device_id, day).document())

    def zones(self) -> Sequence[ZoneView]:
        """Zones with their rules."""
        return self._trading.zones()

    def zone(self, zone: int) -> ZoneView | None:
        """One zone."""
        return self._trading.zone(zone)

    def book(self, zone: int, slot: int) -> BookView | None:
        """Order book of a slot."""
        return self._trading.book(zone, slot)

    def clearings(self, zone: int, *, day: int | None, cursor: str, limit: int) -> Page[ClearingView]:
        """Clearings of a zone by slot."""
        return self._trading.clearings(zone, day=day, cursor=cursor, limit=limit)

    def schedules(
        self, viewer: Viewer, *, device_id: bytes | None, day: int | None, cursor: str, limit: int
    ) -> Page[ScheduleView]:
        """Schedules that stand."""
        return self._trading.schedules(viewer, device_id=device_id, day=day, cursor=cursor, limit=limit)

    def settlements(
        self, viewer: Viewer, *, device_id: bytes | None, day: int | None, cursor: str, limit: int
    ) -> Page[SettlementView]:
        """Settlement runs."""
        return self._trading.settlements(viewer, device_id=device_id, day=day, cursor=cursor, limit=limit)

    def bill(self, viewer: Viewer, device_id: bytes, day: int) -> BillView | None:
        """What a day costs a home."""
        return self._money.bill(viewer, device_id, day)

    def days(self) -> Sequence[int]:
        """Days of the community."""
        return self._money.days()

    def community_day(self, viewer: Viewer, day: int) -> CommunityDayView | None:
        """One of them."""
        return self._money.community_day(viewer, day)

    def community_days(self, viewer: Viewer) -> Sequence[CommunityDayView]:
        """Energy and money of the community by day."""
        return self._money.community_days(viewer)

    def forecast(self, viewer: Viewer, device_id: bytes) -> ForecastView | None:
        """The next day of a meter."""
        return self._outlook.forecast(viewer, device_id)

    def unit_of(self, metric: str) -> str:
        """Unit of a metric's values."""
        return unit_of(metric)

    def chain(self) -> ChainView:
        """The chain as the oracle sees it."""
        return self._chain_facts.view(self._indexer.reorgs())

    def assets(self) -> SiteAssets:
        """Assets whose shares are contracts."""
        return self._assets

    def events_since(self, viewer: Viewer, position: int, limit: int) -> Sequence[EventView]:
        """What happened after a position. It is the same for all: public figures only."""
        if position < 0:
            return []
        return [
            EventView(position=one.position, kind=one.kind, at=one.at, document=one.document)
            for one in self._site.index.happenings(position, limit)
        ]

    def latest_position(self) -> int:
        """Position of the newest event."""
        return self._site.index.latest_position()
