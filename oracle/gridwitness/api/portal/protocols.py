"""What the pages and the API need to know of a site, and who may see it.

Every method of {Portal} that answers with personal data takes the {Viewer}, and answers as if what the viewer may not
see did not exist: no route has to think of it, and no cursor or ETag can tell it. A household's data is what its
devices measured and traded; aggregates over at least `MIN_HOMES_IN_AGGREGATE` homes, prices, batches and chain facts
are public.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from gridwitness.api.portal.asset_views import AssetListView, AssetView, PortfolioView, StatementFile
from gridwitness.api.portal.chain_views import ChainView, EventView
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

# Fewer homes than that, and one that knows its own share can work out its neighbour's.
MIN_HOMES_IN_AGGREGATE = 4


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks: one who may see all households, or the owner of some accounts (addresses, lower case), or anybody."""

    sees_all: bool = False
    accounts: frozenset[str] = frozenset()

    def may_see(self, account: str) -> bool:
        """Whether data of the household with this account is for this viewer."""
        return self.sees_all or account.lower() in self.accounts


ANYBODY = Viewer()
EVERYTHING = Viewer(sees_all=True)


class Assets(Protocol):
    """Everything there is to see of assets whose shares are contracts. Methods block (memory, never the chain);
    addresses are checksummed."""

    def assets(self) -> AssetListView:
        """All assets in short."""
        ...

    def asset(self, viewer: Viewer, address: str) -> AssetView | None:
        """One asset; None if there is none. Small groups of holders are told apart only for who may see everything."""
        ...

    def portfolio(self, viewer: Viewer, account: str) -> PortfolioView | None:
        """What a wallet has; None if that is not for this viewer."""
        ...

    def statement(
        self, viewer: Viewer, address: str, account: str, *, file_type: str, first_day: int | None, last_day: int | None
    ) -> StatementFile | None:
        """The statement of a wallet's investor as `csv` or `pdf` over UTC days, by default all whole days
        of the asset. None if there is no such asset, or the wallet is not for this viewer.

        Raises InputError for days that are none, and a wallet that was never registered.
        """
        ...


class Portal(Protocol):
    """Everything there is to see of one site. Methods block (SQLite and memory, never the chain): call them off the
    event loop. Ids are bytes; days are UTC days since the epoch, slots unix time / 900, as everywhere.

    Methods that take `cursor` answer a {Page} of at most `limit`, from the start for an empty one, and raise
    InputError for a cursor they did not make. None or an empty page stands for what is not there, or not for this
    viewer. StoreError and ChainError are raised for what cannot be told now.
    """

    def site(self) -> SiteView:
        """Name, time zone, currency and what data is open."""
        ...

    def now(self) -> NowView:
        """The figures of the first page."""
        ...

    def devices(
        self, viewer: Viewer, *, cursor: str, limit: int, kind: str = "", status: str = "", zone: int | None = None
    ) -> Page[DeviceView]:
        """Devices by id, with their health."""
        ...

    def device(self, viewer: Viewer, device_id: bytes) -> DeviceView | None:
        """One device with keys, rotations and DID."""
        ...

    def readings(
        self, viewer: Viewer, device_id: bytes, *, time_from: int, time_to: int, flagged: bool, cursor: str, limit: int
    ) -> Page[ReadingView]:
        """Readings of a device with scores and explanations, by time; only flagged ones if asked."""
        ...

    def reading(self, viewer: Viewer, device_id: bytes, counter: int) -> ReadingView | None:
        """One reading."""
        ...

    def flagged(self, viewer: Viewer, *, cursor: str, limit: int) -> Page[ReadingView]:
        """Flagged readings of all devices, newest first."""
        ...

    def scores(self, viewer: Viewer, *, day: int | None = None) -> ScoreSummaryView:
        """How scores are distributed, and the settlements held on them."""
        ...

    def rejections(self) -> Sequence[RejectionView]:
        """What was refused and why, by reason; no contents."""
        ...

    def streams(self) -> Sequence[StreamView]:
        """Streams with committee and newest batch."""
        ...

    def batches(self, stream_id: bytes, *, cursor: str, limit: int) -> Page[BatchView]:
        """Batches of a stream, newest first."""
        ...

    def batch(self, stream_id: bytes, seq: int) -> BatchView | None:
        """One batch as it stands on chain."""
        ...

    def trail(self, viewer: Viewer, device_id: bytes, counter: int) -> TrailView | None:
        """A reading's way from the device to finality."""
        ...

    def reading_proof(self, viewer: Viewer, device_id: bytes, counter: int) -> bytes | None:
        """Proof document (JSON, as {Oracle.prove_reading} answers it); never changes once made for a stream length.

        Raises ProofError for a reading that cannot be proven yet.
        """
        ...

    def profile_proof(self, viewer: Viewer, device_id: bytes, day: int) -> bytes | None:
        """Proof document of a device's profile of a day."""
        ...

    def zones(self) -> Sequence[ZoneView]:
        """Zones with their rules, and the days that have clearings."""
        ...

    def zone(self, zone: int) -> ZoneView | None:
        """One zone."""
        ...

    def book(self, zone: int, slot: int) -> BookView | None:
        """Order book of a slot: sums per tick, never whose."""
        ...

    def clearings(self, zone: int, *, day: int | None, cursor: str, limit: int) -> Page[ClearingView]:
        """Clearings of a zone by slot."""
        ...

    def schedules(
        self, viewer: Viewer, *, device_id: bytes | None, day: int | None, cursor: str, limit: int
    ) -> Page[ScheduleView]:
        """Schedules that stand on chain, newest day first."""
        ...

    def settlements(
        self, viewer: Viewer, *, device_id: bytes | None, day: int | None, cursor: str, limit: int
    ) -> Page[SettlementView]:
        """Settlement runs with their state, newest day first."""
        ...

    def bill(self, viewer: Viewer, device_id: bytes, day: int) -> BillView | None:
        """What a day costs a home, line by line, beside the grid's tariff."""
        ...

    def days(self) -> Sequence[int]:
        """The days of the community that are shown, newest first."""
        ...

    def community_day(self, viewer: Viewer, day: int) -> CommunityDayView | None:
        """One of these days."""
        ...

    def community_days(self, viewer: Viewer) -> Sequence[CommunityDayView]:
        """Energy and money of the community, by UTC day, newest first; `homes` holds those the viewer may see."""
        ...

    def forecast(self, viewer: Viewer, device_id: bytes) -> ForecastView | None:
        """The next day of a meter with quantiles; None if its history is too short."""
        ...

    def unit_of(self, metric: str) -> str:
        """Unit of a metric's values, empty if it is not known."""
        ...

    def chain(self) -> ChainView:
        """Transactions, fees, nonces, runway, lag and reorganisations, as the oracle behind this page sees them."""
        ...

    def assets(self) -> Assets:
        """Assets whose shares are contracts, and what wallets have of them."""
        ...

    def events_since(self, viewer: Viewer, position: int, limit: int) -> Sequence[EventView]:
        """What happened after a position, oldest first, for those who watch: positions only grow, also over restarts.

        `position` −1 stands for now: an empty answer whose next position is `latest_position`.
        """
        ...

    def latest_position(self) -> int:
        """Position of the newest event."""
        ...


Scope = Literal["read", "ingest", "trade", "operate"]
SCOPES: tuple[Scope, ...] = ("read", "ingest", "trade", "operate")


@dataclass(frozen=True, slots=True)
class Grant:
    """What a key or session opens: scopes, and the account whose household it is bound to, "" for all households."""

    name: str
    scopes: frozenset[Scope]
    account: str = ""

    @property
    def viewer(self) -> Viewer:
        """What the holder may see."""
        if "read" not in self.scopes:
            return ANYBODY
        return Viewer(accounts=frozenset({self.account})) if self.account else EVERYTHING


class Keys(Protocol):
    """API keys and the sessions of wallets. Only hashes are kept. Methods block."""

    def grant_of_key(self, key: str) -> Grant | None:
        """What an API key opens; None if there is no such key, or not any more."""
        ...

    def issue_nonce(self) -> str:
        """A nonce for one sign-in (EIP-4361), good for some minutes and once."""
        ...

    def sign_in(self, message: str, signature: bytes, domain: str, chain_id: int) -> tuple[str, Grant]:
        """Check an EIP-4361 message and begin a session. Returns its token. Raises InputError naming what is wrong."""
        ...

    def grant_of_session(self, token: str) -> Grant | None:
        """What a session opens; None if it ended."""
        ...

    def end_session(self, token: str) -> None:
        """Sign out."""
        ...
