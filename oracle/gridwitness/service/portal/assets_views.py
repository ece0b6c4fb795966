"""Documents of an asset, made of its ledger, its issuer's acts and the days of its plants; all of one block."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from gridwitness.api.portal.asset_views import (
    AssetBriefView,
    AssetPlantView,
    AssetReserveView,
    AssetRulesView,
    AssetView,
    DividendView,
    HolderGroupView,
    NamedDocumentView,
    ProductionDayView,
    RatingPartView,
    RatingView,
    ShareValueView,
    ShareYieldView,
)
from gridwitness.api.portal.countries import country_name
from gridwitness.api.portal.protocols import MIN_HOMES_IN_AGGREGATE
from gridwitness.domain.assets import BPS, INDEX_FRACTION_BITS, NOBODY, AssetRules, Movement, WalletChange
from gridwitness.domain.slots import SECONDS_PER_DAY
from gridwitness.service.assets.ledger import Ledger
from gridwitness.service.assets.rating import LEAST_WEIGHT, WINDOW_DAYS, Rating
from gridwitness.service.assets.words import clean
from gridwitness.service.portal.assets_events import IssuerActs, Plant
from gridwitness.service.portal.assets_facts import PlantDay, earns_here
from gridwitness.service.portal.sources import Site, hexed

DAYS_OF_YEAR = 365
# A yield of a few days, times what makes them a year, would say nothing.
LEAST_DAYS_OF_YIELD = 30
_MILLIONTHS = 1_000_000
_MOST_URI_CHARACTERS = 300
_DIVIDENDS_SHOWN = 100
_DOCUMENTS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Feed:
    """Name and decimals of a reserve's feed, as it has them."""

    description: str
    decimals: int


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of an asset at one block. Without a `ledger` `problem` says why."""

    acts: IssuerActs
    ledger: Ledger | None = None
    rating: Rating | None = None
    plants: Sequence[Plant] = ()
    days: Sequence[PlantDay] = ()
    feed: Feed | None = None
    problem: str = ""


def brief_of(known: Known) -> AssetBriefView:
    """An asset in short."""
    ledger = known.ledger
    value = value_of(ledger) if ledger is not None else _NO_VALUE
    return AssetBriefView(
        address=known.acts.address,
        name=clean(ledger.terms.name) if ledger else "",
        symbol=clean(ledger.terms.symbol) if ledger else "",
        decimals=ledger.terms.decimals if ledger else 0,
        supply=ledger.proof.supply if ledger else 0,
        holders=ledger.proof.holders if ledger else 0,
        cash=ledger.cash.address if ledger else "",
        cash_symbol=clean(ledger.cash.symbol) if ledger else "",
        cash_decimals=ledger.cash.decimals if ledger else 0,
        value=value,
        dividend_yield=yield_of(ledger, known.acts.created_at, value) if ledger else None,
        rating=rating_view(known.rating),
        problem=known.problem,
    )


def asset_view(site: Site, known: Known, ledger: Ledger, *, tells_all: bool) -> AssetView:
    """An asset; small groups of holders are told apart only if `tells_all`."""
    proof, terms = ledger.proof, ledger.terms
    return AssetView(
        block_number=ledger.block.number,
        block_hash=hexed(ledger.block.hash),
        block_time=ledger.block.time,
        brief=brief_of(known),
        created_at=known.acts.created_at,
        matures_at=terms.matures_at or None,
        redemption_cash=ledger.redemption_cash,
        unclaimed_cash=ledger.dividend_cash,
        market=terms.market if earns_here(site, ledger) else "",
        sold_wh=proof.sold_wh,
        attested_wh=proof.attested_wh,
        revenue=proof.revenue,
        reserve=reserve_of(ledger, known.feed),
        plants=[_plant_view(site, one) for one in known.plants],
        days=production_days(known.days),
        dividends=dividends_of(ledger),
        holder_groups=holder_groups(ledger, tells_all=tells_all),
        rules=rules_view(ledger.rules, is_paused=ledger.is_paused, now=ledger.block.time),
        documents=_documents(known.acts),
    )


_NO_VALUE = ShareValueView(net_asset_value=None, last_price=None, last_price_at=None, per_share=None, basis="")


def value_of(ledger: Ledger) -> ShareValueView:
    """What a share is worth: what the terms redeem it for, else what one was last bought for in the asset's cash."""
    whole = 10**ledger.terms.decimals
    redemption = (ledger.terms.redemption_per_share * whole if ledger.terms.matures_at else 0) or None
    trade = _last_priced(ledger)
    price = None if trade is None else trade.cash * whole // trade.shares
    return ShareValueView(
        net_asset_value=redemption,
        last_price=price,
        last_price_at=None if trade is None else trade.at.time,
        per_share=price if redemption is None else redemption,
        basis="redemption" if redemption is not None else "last price" if price is not None else "",
    )


def _last_priced(ledger: Ledger) -> Movement | None:
    """The newest trade that says what a share is worth: in the asset's cash, and between two investors.

    Who buys from itself pays nothing, or pays itself, and might name any price.
    """
    investors = {one.wallet: one.investor for one in ledger.history if isinstance(one, WalletChange)}
    for one in reversed(ledger.trades):
        seller, buyer = (investors.get(wallet, wallet) for wallet in (one.sender, one.receiver))
        if one.cash_token == ledger.cash.address and one.shares and seller != buyer:
            return one
    return None


def yield_of(ledger: Ledger, created_at: int, value: ShareValueView) -> ShareYieldView:
    """Dividends of one share over the last year, or since the asset was made."""
    now = ledger.block.time
    days = min(max(-(-(now - created_at) // SECONDS_PER_DAY), 1), DAYS_OF_YEAR)
    since = now - days * SECONDS_PER_DAY
    before = max((one.index for one in ledger.dividends if one.at.time <= since), default=0)
    earned = (ledger.proof.dividend_index - before) * 10**ledger.terms.decimals
    worth = value.per_share
    return ShareYieldView(
        days=days,
        per_share=earned >> INDEX_FRACTION_BITS,
        of_value_bps=(earned * BPS // worth) >> INDEX_FRACTION_BITS if worth else None,
        annual_bps=(earned * BPS * DAYS_OF_YEAR // (worth * days)) >> INDEX_FRACTION_BITS
        if worth and days >= LEAST_DAYS_OF_YIELD
        else None,
    )


def dividends_of(ledger: Ledger) -> list[DividendView]:
    """The newest dividends, newest first."""
    whole, views, index = 10**ledger.terms.decimals, [], 0
    for one in ledger.dividends:
        earned, index = (one.index - index) * whole, one.index
        views.append(
            DividendView(
                at=one.at.time,
                block_number=one.at.block_number,
                transaction=hexed(one.at.transaction),
                cash=one.cash,
                per_share_millionths=earned * _MILLIONTHS >> INDEX_FRACTION_BITS,
                is_attested=one.is_attested,
                sold_wh=one.sold_wh,
                attested_wh=one.attested_wh,
                first_day=one.first_day,
                last_day=one.last_day,
            )
        )
    return views[::-1][:_DIVIDENDS_SHOWN]


def production_days(days: Sequence[PlantDay]) -> list[ProductionDayView]:
    """Sums over all plants by UTC day, oldest first."""
    by_day: dict[int, list[PlantDay]] = defaultdict(list)
    for one in days:
        by_day[one.day].append(one)
    return [_production_day(day, plants) for day, plants in sorted(by_day.items())]


def _production_day(day: int, plants: Sequence[PlantDay]) -> ProductionDayView:
    read = [one.read_wh for one in plants if one.read_wh is not None]
    final = [one.schedule for one in plants if one.schedule is not None and one.schedule.status == "final"]
    runs = [one.settlement for one in final if one.settlement is not None]
    scheduled = [one for one in plants if one.schedule is not None]
    return ProductionDayView(
        day=day,
        read_wh=sum(read) if read else None,
        sold_wh=-sum(run.contracted_wh for run in runs) if runs else None,
        metered_wh=-sum(run.metered_wh for run in runs) if runs else None,
        is_paid=bool(scheduled) and all(one.is_paid for one in scheduled),
    )


def holder_groups(ledger: Ledger, *, tells_all: bool) -> list[HolderGroupView]:
    """Holders by country, the largest group first.

    Countries with fewer than `MIN_HOMES_IN_AGGREGATE` investors are put together, and so many more that what is left
    over does not tell of fewer either: supply less the groups told would give it away.
    """
    investors: dict[int | None, set[str]] = defaultdict(set)
    shares: dict[int | None, int] = defaultdict(int)
    for holder in ledger.holders:
        if holder.shares:
            country = holder.passport.country if holder.passport is not None else None
            investors[country].add(holder.investor)
            shares[country] += holder.shares
    order = sorted(shares, key=lambda one: (len(investors[one]), shares[one], one or 0))
    least = 0 if tells_all else MIN_HOMES_IN_AGGREGATE
    pooled = [one for one in order if one is None or len(investors[one]) < least]
    told = [one for one in order if one not in pooled]
    while pooled and told and sum(len(investors[one]) for one in pooled) < least:
        pooled.append(told.pop(0))
    groups = [(one, len(investors[one]), shares[one]) for one in told]
    if pooled:
        groups.append((None, sum(len(investors[one]) for one in pooled), sum(shares[one] for one in pooled)))
    supply = sum(shares.values())
    views = [
        HolderGroupView(country=country, investors=number, shares=held, share_bps=held * BPS // supply)
        for country, number, held in groups
    ]
    return sorted(views, key=lambda one: (one.country is None, -one.shares, one.country or 0))


def rules_view(rules: AssetRules, *, is_paused: bool, now: int) -> AssetRulesView:
    """The rules, and the same in words."""
    countries, classes = sorted(rules.countries), sorted(rules.classes)
    names = ", ".join(country_name(code) for code in countries) or "none"
    numbers = ", ".join(map(str, classes)) or "none"
    most = rules.max_holding_bps
    words = [
        f"Holders have a passport of one of these countries: {names}.",
        f"Their class, as the registrar's rule book numbers them, is one of: {numbers}.",
        f"At most {rules.holder_cap:,} investors hold shares at a time.",
        "One investor may hold any part of the shares."
        if most >= BPS
        else f"One investor may hold {most // 100}.{most % 100:02} % of the shares at most.",
        "Holders may transfer shares."
        if rules.lock_until <= now
        else f"Holders may not transfer shares before second {rules.lock_until} of Unix time.",
        f"A passport found good is asked for again after {rules.verdict_seconds:,} seconds at the latest.",
    ]
    if is_paused:
        words.insert(0, "Transfers are stopped for now; claims go on.")
    return AssetRulesView(
        countries=countries,
        classes=classes,
        holder_cap=rules.holder_cap,
        max_holding_bps=most,
        lock_until=rules.lock_until,
        verdict_seconds=rules.verdict_seconds,
        is_paused=is_paused,
        words=words,
    )


def reserve_of(ledger: Ledger, feed: Feed | None) -> AssetReserveView | None:
    """What stands behind the shares; None if the terms name nothing."""
    proof, terms = ledger.proof, ledger.terms
    if terms.reserve == NOBODY:
        return None
    age = max(ledger.block.time - proof.reserve_at, 0) if proof.reserve_at else None
    return AssetReserveView(
        feed=terms.reserve,
        description=clean(feed.description) if feed else "",
        decimals=feed.decimals if feed else 0,
        reading=proof.reserve,
        needed=proof.needed,
        read_at=proof.reserve_at or None,
        age_s=age,
        max_age_s=terms.max_reserve_age_seconds,
        is_fresh=age is not None and age <= terms.max_reserve_age_seconds,
        is_covered=age is not None and proof.reserve >= proof.needed,
    )


def rating_view(rating: Rating | None) -> RatingView:
    """A rating; one without parts stands for an asset that could not be read."""
    parts = rating.parts if rating else ()
    return RatingView(
        points=rating.points if rating else None,
        band=rating.band if rating else "",
        known_weight=rating.known_weight if rating else 0,
        least_weight=LEAST_WEIGHT,
        window_days=WINDOW_DAYS,
        parts=[RatingPartView(part=str(p.part), points=p.points, weight=p.weight, facts=p.facts) for p in parts],
    )


def _plant_view(site: Site, plant: Plant) -> AssetPlantView:
    return AssetPlantView(
        device_id=hexed(plant.device_id),
        name=site.name_of(plant.device_id),
        from_day=plant.from_day,
        last_day=plant.last_day,
        funded_through=plant.funded_through,
    )


def _documents(acts: IssuerActs) -> list[NamedDocumentView]:
    """Documents that stand: one set with no hash was taken back."""
    return [
        NamedDocumentView(
            name=clean(one.name),
            uri=one.uri[:_MOST_URI_CHARACTERS] if one.uri.isprintable() else "",
            document_hash=hexed(one.document_hash),
            set_at=one.set_at,
        )
        for one in acts.documents.values()
        if any(one.document_hash)
    ][:_DOCUMENTS_SHOWN]
