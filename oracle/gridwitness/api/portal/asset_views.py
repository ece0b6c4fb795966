"""Documents of assets whose shares are contracts: JSON objects of these fields, as in {gridwitness.api.portal.views}.

Every figure of an asset is of one block, which the document names. Shares are in units of their `decimals`, cash in
units of the asset's cash token (`cash_decimals`); "per share" is per whole share. Rates are in basis points, times unix
seconds, days UTC days since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridwitness.api.portal.views import View


class RatingPartView(View, frozen=True, gc=False, kw_only=True):
    """A part of a rating: 0 to 100, null if it is not known; its weight of 100, and the facts it is made of."""

    part: str
    points: int | None
    weight: int
    facts: str


class RatingView(View, frozen=True, gc=False, kw_only=True):
    """A rating of attested facts of the last `window_days` UTC days (docs/how-to/rating.md): 0 to 100 with its letter.

    Without `points` it is withheld: the known parts weigh `known_weight`, less than `least_weight`.
    """

    points: int | None
    band: str
    known_weight: int
    least_weight: int
    window_days: int
    parts: list[RatingPartView]


class ShareValueView(View, frozen=True, gc=False, kw_only=True):
    """What a share is worth. `net_asset_value` is what the asset's terms redeem a share for, null if they do not;
    `last_price` what one was last bought for on the market of shares in the asset's own cash. `per_share` is the first
    of both that is known, and `basis` says which: "redemption", "last price" or "" for none.
    """

    net_asset_value: int | None
    last_price: int | None
    last_price_at: int | None
    per_share: int | None
    basis: str


class ShareYieldView(View, frozen=True, gc=False, kw_only=True):
    """Dividends of one share over the last `days`, a year at most: `per_share` in cash, `of_value_bps` as a part of its
    value, and `annual_bps` that times 365 / `days`, null before there are 30 days. Null where no value is known.
    """

    days: int
    per_share: int
    of_value_bps: int | None
    annual_bps: int | None


class AssetReserveView(View, frozen=True, gc=False, kw_only=True):
    """What stands behind the shares, by an attested feed: reading, decimals and name as the feed has them; `needed` for
    all shares by the terms. Without `read_at` nothing was attested yet.
    """

    feed: str
    description: str
    decimals: int
    reading: int
    needed: int
    read_at: int | None
    age_s: int | None
    max_age_s: int
    is_fresh: bool
    is_covered: bool


class DividendView(View, frozen=True, gc=False, kw_only=True):
    """Cash paid to all shares; `per_share_millionths` in millionths of a unit of cash. If it is attested revenue, with
    energy sold and attested (Wh), and the first and last day paid for where the transaction says it."""

    at: int
    block_number: int
    transaction: str
    cash: int
    per_share_millionths: int
    is_attested: bool
    sold_wh: int
    attested_wh: int
    first_day: int | None
    last_day: int | None


class ProductionDayView(View, frozen=True, gc=False, kw_only=True):
    """A UTC day of all plants: energy fed in by attested readings, energy sold and metered by final schedules (Wh), and
    whether the shares were paid for it. Null where nothing is attested, or not by the oracle behind this page."""

    day: int
    read_wh: int | None
    sold_wh: int | None
    metered_wh: int | None
    is_paid: bool


class AssetPlantView(View, frozen=True, gc=False, kw_only=True):
    """A device that earns for the asset, from a day on and, if it was removed, up to one."""

    device_id: str
    name: str
    from_day: int
    last_day: int | None
    funded_through: int | None


class HolderGroupView(View, frozen=True, gc=False, kw_only=True):
    """Investors whose passports are of one country (ISO 3166-1 numeric) and their shares; null is all other countries,
    where each has too few investors to be told by itself."""

    country: int | None
    investors: int
    shares: int
    share_bps: int


class AssetRulesView(View, frozen=True, gc=False, kw_only=True):
    """Who may hold how much, and the same in words."""

    countries: list[int]
    classes: list[int]
    holder_cap: int
    max_holding_bps: int
    lock_until: int
    verdict_seconds: int
    is_paused: bool
    words: list[str]


class NamedDocumentView(View, frozen=True, gc=False, kw_only=True):
    """A document that the issuer named by its hash."""

    name: str
    uri: str
    document_hash: str
    set_at: int


class AssetBriefView(View, frozen=True, gc=False, kw_only=True):
    """An asset in a list. `problem` is "" or why it cannot be shown whole, such as terms that name a broken token."""

    address: str
    name: str
    symbol: str
    decimals: int
    supply: int
    holders: int
    cash: str
    cash_symbol: str
    cash_decimals: int
    value: ShareValueView
    dividend_yield: ShareYieldView | None
    rating: RatingView
    problem: str


class AssetView(View, frozen=True, gc=False, kw_only=True):
    """All that is known of an asset at one block."""

    block_number: int
    block_hash: str
    block_time: int
    brief: AssetBriefView
    created_at: int
    matures_at: int | None
    redemption_cash: int
    unclaimed_cash: int
    market: str
    sold_wh: int
    attested_wh: int
    revenue: int
    reserve: AssetReserveView | None
    plants: list[AssetPlantView]
    days: list[ProductionDayView]
    dividends: list[DividendView]
    holder_groups: list[HolderGroupView]
    rules: AssetRulesView
    documents: list[NamedDocumentView]


class AssetListView(View, frozen=True, gc=False, kw_only=True):
    """Assets of this chain's factory at one block, oldest first; `has_factory` is false where none is deployed."""

    has_factory: bool
    block_number: int
    block_time: int
    items: list[AssetBriefView]


class DividendPaidView(View, frozen=True, gc=False, kw_only=True):
    """What a dividend brought a wallet."""

    at: int
    transaction: str
    cash: int


class HoldingView(View, frozen=True, gc=False, kw_only=True):
    """A wallet's part of an asset; `value` is its shares at `asset.value.per_share`. `withheld` says why it cannot
    claim now, "" if it can."""

    asset: AssetBriefView
    shares: int
    frozen: int
    share_bps: int
    value: int | None
    claimable: int
    withheld: str
    claimed: int
    dividends: list[DividendPaidView]


class PortfolioTotalView(View, frozen=True, gc=False, kw_only=True):
    """Sums over holdings that pay in one token; `value` is null if that of any is not known."""

    cash: str
    cash_symbol: str
    cash_decimals: int
    value: int | None
    claimable: int
    claimed: int


class PortfolioView(View, frozen=True, gc=False, kw_only=True):
    """All assets that a wallet has shares in, ever had dividends of, or can claim from, at one block."""

    account: str
    block_number: int
    block_time: int
    holdings: list[HoldingView]
    totals: list[PortfolioTotalView]


@dataclass(frozen=True, slots=True)
class StatementFile:
    """An investor's statement as a file."""

    name: str
    media_type: str
    body: bytes
