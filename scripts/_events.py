"""Events of a contract over all blocks since it stands, in ranges that public nodes answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from web3 import Web3
from web3.contract.contract import ContractEvent
from web3.types import EventData

# Public nodes answer eth_getLogs for a few thousand blocks at a time.
BLOCK_RANGE = 5_000


def events_of(
    web3: Web3, event: ContractEvent, start: int | None, filters: Mapping[str, Any] | None = None
) -> Iterator[EventData]:
    """Events from block `start` (the first, if unknown) to the newest, oldest first; `filters` on indexed arguments."""
    newest = web3.eth.block_number
    for first in range(start or 0, newest + 1, BLOCK_RANGE):
        last = min(first + BLOCK_RANGE - 1, newest)
        yield from event.get_logs(from_block=first, to_block=last, argument_filters=dict(filters or {}))
