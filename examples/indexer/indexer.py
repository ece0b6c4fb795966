"""Index streams, batches and cleared slots into SQLite, up to the chain's head: python indexer.py DATABASE [--follow]

Stop it as you like: it goes on where it was. After a reorganisation it goes back to the last block both chains have.
"""

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gridwitness_contracts import abi, deployment
from requests import ConnectionError, HTTPError
from store import Row, Store
from web3 import HTTPProvider, Web3
from web3.exceptions import BlockNotFound, Web3RPCError
from web3.middleware import ExtraDataToPOAMiddleware
from web3.types import LogReceipt

LARGEST_RANGE = 10_000  # blocks in one eth_getLogs


class Indexer:
    """Carries events from a node into a store."""

    def __init__(self, web3: Web3, store: Store) -> None:
        """The contracts are those the package knows on the node's chain."""
        known = deployment(web3.eth.chain_id)
        self._contracts = [known.contracts["DataAttestation"], known.contracts["EnergyMarket"]]
        attestation = web3.eth.contract(self._contracts[0].address, abi=abi("DataAttestation")).events
        market = web3.eth.contract(self._contracts[1].address, abi=abi("EnergyMarket")).events
        events = [attestation.StreamOpened, attestation.BatchAttested, attestation.BatchSuperseded, market.SlotCleared]
        self._events = {event.topic: event() for event in events}
        self._before = min(contract.block for contract in self._contracts) - 1
        self._web3, self._store = web3, store
        self._range = LARGEST_RANGE

    def catch_up(self) -> int:
        """Index up to the head, whatever happened since; returns the number of the last block indexed."""
        while (last := self._common_ancestor()) < (head := self._web3.eth.block_number):
            self._index(last, min(head, last + self._range))
        return last

    def _common_ancestor(self) -> int:
        """Last checkpoint that the chain still has. What was read after it is forgotten."""
        newest = next(self._store.checkpoints(), None)
        if newest is None or self._has(*newest):
            return newest[0] if newest else self._before
        found = next((block for block, block_hash in self._store.checkpoints() if self._has(block, block_hash)), None)
        self._store.roll_back(self._before if found is None else found)
        return self._before if found is None else found

    def _index(self, last: int, to: int) -> None:
        """Index the blocks after `last`, up to `to` or fewer if the node finds that too many."""
        to_hash = self._hash(to)
        try:
            logs = self._web3.eth.get_logs(
                {
                    "fromBlock": last + 1,
                    "toBlock": to,
                    "address": [contract.address for contract in self._contracts],
                    "topics": [list(self._events)],
                }
            )
        except (Web3RPCError, HTTPError):
            # Each provider says it in words of its own, so whatever is refused is tried with half as many blocks.
            if to == last + 1 and to_hash and self._has(to, to_hash):
                raise
            self._range = max(1, (to - last) // 2)
            return
        # Slowly, or every second request would be refused.
        self._range = min(LARGEST_RANGE, self._range + self._range // 8 + 1)
        # The logs are of this chain if it has both ends now: a hash stands for all blocks before it.
        begin = next(self._store.checkpoints(), None)
        if to_hash and self._has(to, to_hash) and (begin is None or self._has(*begin)):
            self._store.add(to, to_hash, self._rows(logs))

    def _rows(self, logs: list[LogReceipt]) -> Iterator[tuple[str, Row]]:
        for log in logs:
            event = self._events["0x" + log["topics"][0].hex()].process_log(log)
            where = {"block": log["blockNumber"], "log_index": log["logIndex"]}
            yield _row(event["event"], event["args"], where)

    def _has(self, block: int, block_hash: bytes) -> bool:
        return self._hash(block) == block_hash

    def _hash(self, block: int) -> bytes | None:
        try:
            return bytes(self._web3.eth.get_block(block)["hash"])
        except BlockNotFound:
            return None


def _row(event: str, args: dict[str, Any], where: dict[str, int]) -> tuple[str, Row]:
    """Table and row of an event."""
    if event == "SlotCleared":
        price, volume = args["pricePerKwh"], args["volumeWh"]
        return "cleared", where | {
            "zone": args["zone"],
            "slot": args["slot"],
            "price_per_kwh": price,
            "volume_wh": volume,
        }
    stream = where | {"stream_id": "0x" + args["streamId"].hex()}
    if event == "StreamOpened":
        return "stream", stream | {
            "owner": args["owner"],
            "name": args["name"].rstrip(b"\0").decode("ascii", "replace"),
        }
    if event == "BatchSuperseded":
        return "superseded", stream | {"seq": args["seq"], "superseded_by": args["supersededBy"]}
    meta = args["meta"]  # packed as contracts/types/BatchMeta.sol has it
    return "batch", stream | {
        "seq": args["seq"],
        "root": "0x" + args["root"].hex(),
        "readings": meta >> 224,
        "flagged": meta >> 192 & 0xFFFFFFFF,
        "time_to": meta >> 96 & 0xFFFFFFFFFF,
    }


def main() -> None:
    """Index once, or go on and on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("database", type=Path)
    parser.add_argument("--follow", action="store_true", help="go on with every new block")
    options = parser.parse_args()
    web3 = Web3(HTTPProvider(os.environ["RPC_URL"]))
    web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)  # blocks of Polygon's chains are longer
    indexer = Indexer(web3, Store(options.database))
    while True:
        try:
            print(f"indexed up to block {indexer.catch_up():,}", flush=True)
        except ConnectionError:
            if not options.follow:
                raise
            print("the node does not answer", flush=True)
        if not options.follow:
            break
        time.sleep(1)


if __name__ == "__main__":
    main()
