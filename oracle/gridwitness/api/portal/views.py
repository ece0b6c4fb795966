"""Documents of the API, which the pages show too: JSON objects of these fields.

Ids, hashes, addresses and signatures are 0x-hex strings. Times are unix seconds (UTC), energy Wh (import > 0), money
1e-6 EUR (received > 0 for settlements, owed > 0 for bills), prices 1e-6 EUR per kWh. None stands for what is not known
or has not happened.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")


class View(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A document."""


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Items, and the cursor with which the next page begins; empty on the last."""

    items: list[T]
    next_cursor: str = ""


class SiteView(View, frozen=True, gc=False, kw_only=True):
    """The site behind this API. `open_data`: everything is for everybody, as in the demo with its public data."""

    name: str
    time_zone: str  # IANA name; local days of pages follow it, with its daylight saving
    currency: str
    chain_id: int
    explorer_url: str  # base URL of a block explorer, "" if there is none
    rpc_url: str  # where a browser may read roots by itself, "" if not told
    contracts: dict[str, str]  # name to address
    is_open_data: bool
    oracle: str


class NowView(View, frozen=True, gc=False, kw_only=True):
    """Figures of the moment. Rates are over the last minute that the oracle saw."""

    time: int  # chain time
    accepted_per_s: float
    rejected_per_s: float
    stored: int
    attested: int
    unattested: int
    oldest_unattested_age_s: int | None
    oldest_unattested_time: int | None
    devices_active: int
    devices_silent: int
    next_gate_closure: int | None
    next_gate_slot_start: int | None
    last_clearing: ClearingView | None
    not_ready: list[str]


class HealthView(View, frozen=True, gc=False, kw_only=True):
    """Health of a device and its parts, each 0 to 10,000 (gridwitness.scoring.health)."""

    score_bps: int
    freshness_bps: int
    completeness_bps: int
    behaviour_bps: int
    clock_bps: int
    weakest: str


class KeyView(View, frozen=True, gc=False, kw_only=True):
    """A key of a device, and from when until when it speaks for it."""

    curve: str
    public_key: str
    key_id: str
    valid_from: int
    valid_until: int | None


class DeviceView(View, frozen=True, gc=False, kw_only=True):
    """A device. `name` is the site's own for it; the household's data is None where the viewer may not see it."""

    device_id: str
    name: str
    kind: str
    zone: int
    status: str
    owner: str
    did: str
    registered_at: int
    last_seen: int | None
    gaps_last_day: int | None
    clock_skew_s: int | None
    readings: int | None
    flagged_last_day: int | None
    health: HealthView | None
    keys: list[KeyView]


class ReadingView(View, frozen=True, gc=False, kw_only=True):
    """A reading with what became of it; the score is None until attested. `channels` are what each channel of the
    scorer said, where it is known, for the picture."""

    device_id: str
    device_name: str
    counter: int
    time: int
    metric: str
    value: int
    received_at: int
    batch_seq: int | None
    score_bps: int | None
    channel: str | None
    reason: str | None
    is_flagged: bool
    signature: str
    channels: dict[str, int]


class ScoreSummaryView(View, frozen=True, gc=False, kw_only=True):
    """Distribution of scores: `counts[i]` readings had i × 500 ≤ score < (i + 1) × 500, the last with 10,000."""

    day: int | None
    counts: list[int]
    flagged: int
    by_channel: dict[str, int]
    held: list[SettlementView]


class RejectionView(View, frozen=True, gc=False, kw_only=True):
    """Readings refused for a reason."""

    reason: str
    count: int
    latest: list[str]


class StreamView(View, frozen=True, gc=False, kw_only=True):
    """A stream of batches and its committee."""

    stream_id: str
    name: str
    seq: int
    final_seq: int
    latest_time: int | None
    threshold: int
    members: list[str]
    problem: str


class BatchView(View, frozen=True, gc=False, kw_only=True):
    """A batch as it stands on chain. `signers` are the addresses whose signatures it carries."""

    stream_id: str
    seq: int
    digest: str
    root: str
    count: int
    time_from: int
    time_to: int
    flagged: int
    model_hash: str
    signers: list[str]
    threshold: int
    members: int
    transaction: str
    block_number: int
    block_time: int | None
    status: str


class TrailStepView(View, frozen=True, gc=False, kw_only=True):
    """One step of a reading's way: signed, accepted, scored, batched, co-signed, mined, final. `at` is None while it
    has not happened; `detail` says more in words, `transaction` and `block_number` where there are some."""

    name: str
    at: int | None
    detail: str
    transaction: str
    block_number: int | None


class TrailView(View, frozen=True, gc=False, kw_only=True):
    """A reading's way."""

    reading: ReadingView
    batch: BatchView | None
    steps: list[TrailStepView]


class ZoneView(View, frozen=True, gc=False, kw_only=True):
    """A market zone with its rules (IMarketZones.ZoneParams, camel case as there) and the UTC days it has clearings."""

    zone: int
    params: dict[str, Any]
    days: list[int]
    backstop: int | None


class BookView(View, frozen=True, gc=False, kw_only=True):
    """Order book of a slot per tick. Bids stand in it less the network fee, green offers less their premium."""

    zone: int
    slot_start: int
    gate_closes_at: int
    price_per_kwh: list[int]
    bids_wh: list[int]
    offers_wh: list[int]
    clearing: ClearingView | None


class ClearingView(View, frozen=True, gc=False, kw_only=True):
    """Result of a slot. `bids_wh` and `offers_wh` are all there was, whatever its price."""

    zone: int
    slot_start: int
    tick: int
    price_per_kwh: int
    volume_wh: int
    cap_wh: int
    bids_wh: int
    offers_wh: int
    imbalance_wh: int | None
    transaction: str
    block_number: int


class ScheduleView(View, frozen=True, gc=False, kw_only=True):
    """A device's orders of a day: `orders[slot]` is [side, tick, energy_wh], None where it has none.

    Where the transaction that brought it does not show them, `imbalance_limit_wh` is None, and so is every order.
    """

    device_id: str
    device_name: str
    account: str
    zone: int
    day: int
    version: int
    imbalance_limit_wh: int | None
    orders: list[list[Any] | None]
    contracted_wh: int | None
    transaction: str
    block_number: int


class SettlementView(View, frozen=True, gc=False, kw_only=True):
    """A settlement run; money received > 0. `status`: held, provisional, disputed, final, missing."""

    device_id: str
    device_name: str
    account: str
    zone: int
    day: int
    status: str
    reason: str
    contracted_wh: int | None
    metered_wh: int | None
    traded_cash: int | None
    grid_cash: int | None
    imbalance_cash: int | None
    penalty_cash: int | None
    residual_short_wh: int | None
    residual_long_wh: int | None
    transaction: str
    block_number: int


class BillLineView(View, frozen=True, gc=False, kw_only=True):
    """A line of a bill, owed > 0."""

    name: str
    words: str
    energy_wh: int | None
    amount: int


class BillView(View, frozen=True, gc=False, kw_only=True):
    """A day's bill, owed > 0; `total` is None while held, `grid_only` without attested readings."""

    device_id: str
    device_name: str
    day: int
    status: str
    lines: list[BillLineView]
    total: int | None
    grid_only: int | None
    import_wh: int
    export_wh: int


class HomeDayView(View, frozen=True, gc=False, kw_only=True):
    """A home in the community's day."""

    device_id: str
    device_name: str
    kind: str
    import_wh: int
    export_wh: int
    traded_wh: int | None
    bill: int | None
    grid_only: int | None
    status: str


class CommunityDayView(View, frozen=True, gc=False, kw_only=True):
    """The community's UTC day. Sums are None where too few homes stand behind them."""

    day: int
    homes_count: int
    import_wh: int | None
    export_wh: int | None
    shared_wh: int | None
    self_sufficiency_bps: int | None
    bills: int | None
    grid_only: int | None
    held: int
    homes: list[HomeDayView]


class ForecastView(View, frozen=True, gc=False, kw_only=True):
    """A day ahead of a meter, per hour from `time_from`, Wh: quantiles .1, .5, .9 (gridwitness.scoring.forecasting)."""

    device_id: str
    time_from: int
    interval_s: int
    model: str
    low_wh: list[int]
    median_wh: list[int]
    high_wh: list[int]
