"""The chain as the oracle behind a site sees it: its transactions, its money, its nodes."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import urlsplit

from gridwitness.api.portal.chain_views import ChainView, EndpointView, TransactionView
from gridwitness.chain.outbox_reader import OutboxReader, SentTransaction
from gridwitness.chain.runway import runway
from gridwitness.service.portal.sources import Site, hexed

_TRANSACTIONS_SHOWN = 50


class ChainFacts:
    """What {refresh} last saw of the chain, and what the outbox holds. Without an outbox nothing is sent."""

    def __init__(self, site: Site, outbox: Path) -> None:
        self._site = site
        self._path = outbox
        self._outbox: OutboxReader | None = None
        self._balance_wei: int | None = None
        self._head_hash = b""
        self._head_since = time.monotonic()

    def refresh(self) -> None:
        """Ask for the account's balance when the head has moved. Raises ChainError."""
        if self._site.head.hash == self._head_hash:
            return
        self._head_hash, self._head_since = self._site.head.hash, time.monotonic()
        self._balance_wei = self._site.chain.node.balance_wei(self._site.options.account)

    def close(self) -> None:
        """Let go of the outbox."""
        if self._outbox is not None:
            self._outbox.close()

    def view(self, reorgs: int) -> ChainView:
        """All of it."""
        head, outbox, balance_wei = self._site.head, self._opened(), self._balance_wei
        next_nonce, halted = (None, "") if outbox is None else outbox.sender()
        spendings = [] if outbox is None else outbox.spendings()
        left = None if balance_wei is None or outbox is None else runway(balance_wei, spendings, time.time())
        return ChainView(
            chain_id=self._site.chain.chain_id,
            head_number=head.number,
            head_time=head.time,
            head_age_s=int(time.monotonic() - self._head_since),
            base_fee_wei=head.base_fee_wei,
            account=self._site.options.account,
            next_nonce=next_nonce,
            balance_wei=balance_wei,
            spent_wei_per_day=None if left is None else left.spent_wei_per_day,
            runway_days=None if left is None or left.days is None else round(left.days, 1),
            halted=halted,
            in_flight=0 if outbox is None else outbox.in_flight(),
            reorgs=reorgs,
            transactions=self._transactions(),
            endpoints=self._endpoints(),
        )

    def _opened(self) -> OutboxReader | None:
        """The outbox, once the oracle has made it."""
        if self._outbox is None and self._path.is_file():
            self._outbox = OutboxReader(self._path)
        return self._outbox

    def _transactions(self) -> list[TransactionView]:
        outbox = self._opened()
        if outbox is None:
            return []
        return [_transaction(sent) for sent in outbox.newest(_TRANSACTIONS_SHOWN)]

    def _endpoints(self) -> list[EndpointView]:
        """Nodes by the name of their host: a path may hold a key."""
        return [
            EndpointView(
                host=urlsplit(str(row["url"])).hostname or "",
                head=_number(row["head"]),
                lag_blocks=_number(row["lag"]),
                latency_ms=None if row["latency_ms"] is None else float(str(row["latency_ms"])),
                problem=str(row["problem"] or ""),
            )
            for row in self._site.chain.node.provider.report()
        ]


def _transaction(sent: SentTransaction) -> TransactionView:
    spent = sent.spent
    return TransactionView(
        key=sent.key,
        state=sent.state.value,
        nonce=sent.nonce,
        transaction=hexed(sent.transaction) if sent.transaction else "",
        attempts=sent.attempts,
        block_number=sent.block_number,
        max_fee_per_gas_wei=sent.max_fee_wei,
        gas_used=None if spent is None else spent.gas_used,
        fee_wei=None if spent is None else spent.gas_used * spent.price_wei,
    )


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
