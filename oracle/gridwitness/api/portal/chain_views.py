"""Documents of the API about the chain and what happens; fields as in {views}."""

from __future__ import annotations

from typing import Any

from gridwitness.api.portal.views import View


class TransactionView(View, frozen=True, gc=False, kw_only=True):
    """A transaction of the oracle's outbox."""

    key: str
    state: str
    nonce: int | None
    transaction: str
    attempts: int
    block_number: int | None
    max_fee_per_gas_wei: int | None
    gas_used: int | None
    fee_wei: int | None


class EndpointView(View, frozen=True, gc=False, kw_only=True):
    """A node the oracle speaks to. `host` is its name without credentials or path."""

    host: str
    head: int | None
    lag_blocks: int | None
    latency_ms: float | None
    problem: str


class ChainView(View, frozen=True, gc=False, kw_only=True):
    """The chain as the oracle sees it."""

    chain_id: int
    head_number: int
    head_time: int
    head_age_s: int
    base_fee_wei: int | None
    account: str
    next_nonce: int | None
    balance_wei: int | None
    spent_wei_per_day: int | None
    runway_days: float | None
    halted: str
    in_flight: int
    reorgs: int
    transactions: list[TransactionView]
    endpoints: list[EndpointView]


class EventView(View, frozen=True, gc=False, kw_only=True):
    """Something that happened: `kind` is readings, batch, clearing, settlement or rejection; public figures only."""

    position: int
    kind: str
    at: int
    document: dict[str, Any]
