"""Events of a contract over all blocks since it stands, in ranges that public nodes answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from requests.exceptions import HTTPError
from web3 import Web3
from web3.contract.contract import ContractEvent
from web3.exceptions import Web3RPCError
from web3.types import EventData

from scripts._node import asks_to_wait, may_pass

# Public nodes answer eth_getLogs for a few thousand blocks at a time.
BLOCK_RANGE = 5_000


def events_of(
    web3: Web3, event: ContractEvent, start: int | None, filters: Mapping[str, Any] | None = None
) -> Iterator[EventData]:
    """Events from block `start` (the first, if unknown) to the newest, oldest first; `filters` on indexed arguments.

    A range that the node refuses is halved. Raises Web3RPCError or HTTPError if it refuses a single block.
    """
    first, newest, blocks = start or 0, web3.eth.block_number, BLOCK_RANGE
    while first <= newest:
        last = min(first + blocks - 1, newest)
        try:
            found = list(event.get_logs(from_block=first, to_block=last, argument_filters=dict(filters or {})))
        except (Web3RPCError, HTTPError) as error:
            # Each provider says it in words of its own, so whatever is refused is tried with half as many blocks.
            if last == first or _is_passing(error):
                raise
            blocks = (last - first + 1) // 2
            continue
        yield from found
        first = last + 1
        # Slowly, or every second request would be refused.
        blocks = min(BLOCK_RANGE, blocks + blocks // 8 + 1)


def _is_passing(error: Web3RPCError | HTTPError) -> bool:
    """Whether it is no matter of the range; a minute has been waited then."""
    if isinstance(error, Web3RPCError):
        return asks_to_wait("eth_getLogs", error.rpc_response)
    return may_pass(error)
