"""Assets of the chain's factory: what api.Assets asks, answered from what the last refresh read, all of one block."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from eth_abi.exceptions import DecodingError
from eth_utils.address import to_checksum_address

from gridwitness.api.portal.asset_views import (
    AssetListView,
    AssetView,
    DividendPaidView,
    HoldingView,
    PortfolioTotalView,
    PortfolioView,
    StatementFile,
)
from gridwitness.api.portal.protocols import Viewer
from gridwitness.chain.node import Block
from gridwitness.domain.assets import BPS, NOBODY, Claim, Dividend
from gridwitness.domain.slots import SECONDS_PER_DAY
from gridwitness.errors import ChainError, InputError, NodeUnavailable, Reverted
from gridwitness.service.assets.books import Books
from gridwitness.service.assets.ledger import Ledger, read_ledger
from gridwitness.service.assets.rating import rate
from gridwitness.service.assets.statement import Period, make_statement
from gridwitness.service.portal.assets_events import IssuerActs, plants_of, read_acts
from gridwitness.service.portal.assets_facts import earns_here, plant_days, rating_facts, without_energy
from gridwitness.service.portal.assets_views import Feed, Known, asset_view, brief_of
from gridwitness.service.portal.sources import Site, hexed

_FACTORY = "AssetFactory"
# Anyone may make assets: so many are read, the oldest first.
_MOST_ASSETS = 100
# Each look reads all events of every asset: it may take one part in so many of the time.
_PAUSES = 20
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_FEED_ABI = [
    {"type": "function", "name": name, "inputs": [], "outputs": [{"type": kind}], "stateMutability": "view"}
    for name, kind in (("description", "string"), ("decimals", "uint8"))
]


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """All assets as of one block, by address."""

    block: Block
    assets: dict[str, Known]


class SiteAssets:
    """Fulfils api.Assets. Only `refresh` asks the chain."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._has_factory = _FACTORY in site.chain.manifest.contracts
        self._snapshot = _Snapshot(site.head, {})
        self._seen = ("", "")
        self._due_at = 0.0

    def refresh(self, present: int) -> None:
        """Read every asset anew at the site's head, if that or the readings in the index moved, and it is not too soon;
        days over at `present` count.

        An asset that cannot be read, such as one with a broken token, keeps no other from being shown. Raises
        ChainError if the node does not answer, or the head was replaced meanwhile; then all stays as it was.
        """
        started, head = time.monotonic(), self._site.head
        stamp = (head.hash.hex(), self._site.index.meta("folded"))
        if not self._has_factory or stamp == self._seen or started < self._due_at:
            return
        acts = read_acts(self._site.chain, head, _MOST_ASSETS)
        found = {one.address: self._read(one, head, present) for one in acts}
        standing = self._site.chain.node.block(head.number)
        if standing is None or standing.hash != head.hash:
            raise ChainError(f"block {head.number} was replaced while assets were read", hint="they are read again")
        self._snapshot, self._seen = _Snapshot(head, found), stamp
        self._due_at = time.monotonic() + _PAUSES * (time.monotonic() - started)

    def _read(self, acts: IssuerActs, head: Block, present: int) -> Known:
        site = self._site
        try:
            ledger = read_ledger(site.chain, acts.address, block=head.number)
            is_earning = earns_here(site, ledger)
            plants = plants_of(site.chain, acts, head) if is_earning else []
            feed = self._feed(ledger)
        except NodeUnavailable:
            raise
        except Reverted as error:
            return Known(acts, problem=f"it cannot be read: {error.message}")
        except (ChainError, InputError) as error:
            return Known(acts, problem=error.message)
        except (DecodingError, ValueError):  # a token or name of a stranger's making
            return Known(acts, problem="what it, its token or its feed answers cannot be decoded")
        if ledger.block.hash != head.hash:
            raise ChainError(f"block {head.number} was replaced while assets were read", hint="they are read again")
        if not is_earning:
            ledger = without_energy(ledger)
        days = plant_days(site, ledger, plants, present)
        rating = rate(rating_facts(site, ledger, plants, days))
        return Known(acts, ledger, rating, plants, days, feed)

    def _feed(self, ledger: Ledger) -> Feed | None:
        if ledger.terms.reserve == NOBODY:
            return None
        functions = self._site.chain.web3.eth.contract(
            to_checksum_address(ledger.terms.reserve), abi=_FEED_ABI
        ).functions
        try:
            values = self._site.chain.call_many(
                [functions.description(), functions.decimals()], block_hash=ledger.block.hash
            )
        except Reverted:
            return None
        return Feed(*values)

    def assets(self) -> AssetListView:
        """All assets in short."""
        snapshot = self._snapshot
        return AssetListView(
            has_factory=self._has_factory,
            block_number=snapshot.block.number,
            block_time=snapshot.block.time,
            items=[brief_of(known) for known in snapshot.assets.values()],
        )

    def asset(self, viewer: Viewer, address: str) -> AssetView | None:
        """One asset. Raises InputError for one that cannot be read whole, saying why."""
        known = self._snapshot.assets.get(address)
        if known is None:
            return None
        return asset_view(self._site, known, _ledger(known), tells_all=self._site.sees_all(viewer))

    def portfolio(self, viewer: Viewer, account: str) -> PortfolioView | None:
        """What a wallet has of all assets."""
        if not self._site.may_see(viewer, account):
            return None
        snapshot = self._snapshot
        holdings = [_holding(known, known.ledger, account) for known in snapshot.assets.values() if known.ledger]
        kept = [one for one in holdings if one is not None]
        return PortfolioView(
            account=account,
            block_number=snapshot.block.number,
            block_time=snapshot.block.time,
            holdings=kept,
            totals=_totals(kept),
        )

    def statement(
        self, viewer: Viewer, address: str, account: str, *, file_type: str, first_day: int | None, last_day: int | None
    ) -> StatementFile | None:
        """The statement of a wallet's investor as a file. Raises InputError."""
        known = self._snapshot.assets.get(address)
        if known is None or not self._site.may_see(viewer, account):
            return None
        # Drawing a PDF needs fonts and libraries that take long to load, and nothing else of a site does.
        from gridwitness.service.assets.statement_files import csv_text, pdf_bytes

        ledger = _ledger(known)
        made = make_statement(ledger, account, _period(known, ledger, first_day, last_day))
        name = f"statement-{address[2:10]}-{made.period.first}-{made.period.last}.{file_type}"
        if file_type == "pdf":
            return StatementFile(name, "application/pdf", pdf_bytes(made))
        return StatementFile(name, "text/csv; charset=utf-8", csv_text(made).encode())


def _period(known: Known, ledger: Ledger, first_day: int | None, last_day: int | None) -> Period:
    """Days given, or all from the asset's first to the last that is over. Raises InputError."""
    made, today = known.acts.created_at // SECONDS_PER_DAY, ledger.block.time // SECONDS_PER_DAY
    if first_day is None and last_day is None and made >= today:
        raise InputError("no whole day of this asset is over yet", hint="come back after midnight UTC")
    first, last = made if first_day is None else first_day, today - 1 if last_day is None else last_day
    if last >= today:
        raise InputError(f"day {last} is not over: statements are of whole UTC days", hint=f"give {today - 1} at most")
    try:
        return Period(date.fromordinal(_EPOCH_ORDINAL + first), date.fromordinal(_EPOCH_ORDINAL + last))
    except (ValueError, OverflowError):
        raise InputError(f"days {first} to {last} are not in the calendar") from None


def _ledger(known: Known) -> Ledger:
    if known.ledger is None:
        raise InputError(f"asset {known.acts.address} cannot be shown: {known.problem}")
    return known.ledger


def _holding(known: Known, ledger: Ledger, account: str) -> HoldingView | None:
    """A wallet's part of an asset; None if it never had any."""
    holder = next((one for one in ledger.holders if one.wallet == account), None)
    paid = _paid(ledger, account)
    claimed = sum(one.cash for one in ledger.history if isinstance(one, Claim) and one.account == account)
    if holder is None and not paid and not claimed:
        return None
    brief, shares = brief_of(known), holder.shares if holder else 0
    worth, supply = brief.value.per_share, ledger.proof.supply
    return HoldingView(
        asset=brief,
        shares=shares,
        frozen=holder.frozen if holder else 0,
        share_bps=shares * BPS // supply if supply else 0,
        value=None if worth is None else shares * worth // 10**brief.decimals,
        claimable=holder.claimable if holder else 0,
        withheld=holder.withheld if holder else "",
        claimed=claimed,
        dividends=paid,
    )


def _paid(ledger: Ledger, account: str) -> list[DividendPaidView]:
    """What each dividend brought a wallet, newest first; by the books, so that the sum is claimed and claimable."""
    books, paid = Books(), []
    for entry in ledger.history:
        due = books.due_of(account)
        books.apply(entry)
        if isinstance(entry, Dividend) and (cash := books.due_of(account) - due):
            paid.append(DividendPaidView(at=entry.at.time, transaction=hexed(entry.at.transaction), cash=cash))
    return paid[::-1]


def _totals(holdings: Sequence[HoldingView]) -> list[PortfolioTotalView]:
    """Sums by token of cash, in the order of the holdings."""
    tokens = {one.asset.cash: one.asset for one in holdings}
    totals = []
    for cash, brief in tokens.items():
        of_it = [one for one in holdings if one.asset.cash == cash]
        values = [one.value for one in of_it if one.value is not None]
        totals.append(
            PortfolioTotalView(
                cash=cash,
                cash_symbol=brief.cash_symbol,
                cash_decimals=brief.cash_decimals,
                value=sum(values) if len(values) == len(of_it) else None,
                claimable=sum(one.claimable for one in of_it),
                claimed=sum(one.claimed for one in of_it),
            )
        )
    return totals
