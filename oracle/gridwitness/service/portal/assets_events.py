"""What an asset's issuer did beside its shares, up to one block: assets made, plants added, documents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_abi.exceptions import DecodingError

from gridwitness.chain.abi import abi_of
from gridwitness.chain.client import Chain
from gridwitness.chain.events import Event, decode_log, topic_of
from gridwitness.chain.followers import BLOCK_RANGE
from gridwitness.chain.node import Block
from gridwitness.errors import ChainError, GridwitnessError

_EVENTS = ("PlantAdded", "DocumentSet")
_ADDRESSES_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class NamedDocument:
    """A document by its hash (32 bytes), and when (unix seconds) it was set."""

    name: str
    uri: str
    document_hash: bytes
    set_at: int


@dataclass(frozen=True, slots=True)
class Plant:
    """A device that earns for an asset, from a UTC day on and up to one if it was removed; `funded_through` is the last
    day that was paid for, None if none was."""

    device_id: bytes
    from_day: int
    last_day: int | None
    funded_through: int | None


@dataclass(slots=True)
class IssuerActs:
    """Of one asset: when it was made, its devices with the day each last began, its documents."""

    address: str
    created_at: int
    from_days: dict[bytes, int] = field(default_factory=dict)
    documents: dict[bytes, NamedDocument] = field(default_factory=dict)


def read_acts(chain: Chain, until: Block, most: int) -> list[IssuerActs]:
    """Of the first `most` assets of the manifest's factory, in the order they were made, up to a block.

    What issuers wrote is not trusted: an event that cannot be decoded, such as one with a name that is no UTF-8, is
    left out. Raises ChainError if the node does not answer, or has other blocks than the events say.
    """
    factory, first = chain.manifest.address("AssetFactory"), chain.manifest.block("AssetFactory")
    made = _made(chain, factory, range(first, until.number + 1))[:most]
    addresses = [event.args["asset"] for event in made]
    events: list[Event] = []
    if made:
        span = range(made[0].block_number, until.number + 1)
        for start in range(0, len(addresses), _ADDRESSES_AT_ONCE):
            events += _read(chain, "AssetShares", addresses[start : start + _ADDRESSES_AT_ONCE], _EVENTS, span)
    times = _block_times(chain, [*made, *events])
    acts = {
        address: IssuerActs(address, times[event.block_number]) for address, event in zip(addresses, made, strict=True)
    }
    for event in events:
        _apply(acts[event.args["asset"]], event, times[event.block_number])
    return list(acts.values())


def _apply(acts: IssuerActs, event: Event, time: int) -> None:
    args = event.args
    if event.name == "PlantAdded":
        acts.from_days[args["deviceId"]] = args["fromDay"]
    elif event.name == "DocumentSet":
        name = args["name"].rstrip(b"\0").decode("utf-8", "replace")
        acts.documents[args["name"]] = NamedDocument(name, args["uri"], args["documentHash"], time)


def plants_of(chain: Chain, acts: IssuerActs, until: Block) -> list[Plant]:
    """The asset's plants as it has them at a block, removed ones included. Raises ChainError."""
    contract = chain.web3.eth.contract(address=chain.web3.to_checksum_address(acts.address), abi=abi_of("AssetShares"))
    devices = list(acts.from_days)
    answers = chain.call_many([contract.functions.plantOf(one) for one in devices], block_hash=until.hash)
    plants = []
    for device_id, (funded_through, last_day) in zip(devices, answers, strict=True):
        from_day = acts.from_days[device_id]
        # Until a day is paid for the contract notes the day the plant was added on, the day before its first.
        paid = funded_through if funded_through >= from_day else None
        plants.append(Plant(device_id, from_day, last_day or None, paid))
    return plants


def _made(chain: Chain, factory: str, blocks: range) -> list[Event]:
    """AssetCreated events in chain order, with the address alone: the terms are the asset's own to tell."""
    found = []
    for log in _logs(chain, "AssetFactory", [factory], ("AssetCreated",), blocks):
        asset = chain.web3.to_checksum_address("0x" + log["topics"][1][-40:])
        place = (int(log["blockNumber"], 16), bytes.fromhex(log["blockHash"][2:]), int(log["logIndex"], 16))
        found.append(Event("AssetCreated", {"asset": asset}, *place, bytes.fromhex(log["transactionHash"][2:])))
    return sorted(found, key=lambda event: (event.block_number, event.log_index))


def _read(chain: Chain, abi: str, addresses: Sequence[str], names: Sequence[str], blocks: range) -> list[Event]:
    """Events in chain order, each with its `asset` among its args."""
    events = []
    for log in _logs(chain, abi, addresses, names, blocks):
        try:
            event = decode_log(abi, log)
        except (DecodingError, ValueError):
            continue
        if event is not None:
            events.append(_with_asset(event, chain.web3.to_checksum_address(log["address"])))
    return sorted(events, key=lambda event: (event.block_number, event.log_index))


def _logs(chain: Chain, abi: str, addresses: Sequence[str], names: Sequence[str], blocks: range) -> list[Any]:
    topics = ["0x" + topic_of(abi, name).hex() for name in names]
    found: list[Any] = []
    for first in range(blocks.start, blocks.stop, BLOCK_RANGE):
        last = min(first + BLOCK_RANGE, blocks.stop) - 1
        query: dict[str, Any] = {
            "address": list(addresses),
            "topics": [topics],
            "fromBlock": hex(first),
            "toBlock": hex(last),
        }
        logs = chain.node.rpc("eth_getLogs", query)
        if not isinstance(logs, list):
            raise ChainError(f"eth_getLogs for blocks {first} to {last} answered no list")
        found += logs
    return found


def _with_asset(event: Event, emitter: str) -> Event:
    args = {"asset": emitter, **event.args}
    return Event(event.name, args, event.block_number, event.block_hash, event.log_index, event.transaction)


def _block_times(chain: Chain, events: Sequence[Event]) -> dict[int, int]:
    """Times of the blocks that hold events. Raises ChainError if one is another block by now."""
    hashes = {event.block_number: event.block_hash for event in events}
    numbers = list(hashes)
    times = {}
    for start in range(0, len(numbers), _ADDRESSES_AT_ONCE):
        chunk = numbers[start : start + _ADDRESSES_AT_ONCE]
        blocks = chain.node.rpc_batch([("eth_getBlockByNumber", (hex(number), False)) for number in chunk])
        for number, block in zip(chunk, blocks, strict=True):
            if isinstance(block, GridwitnessError):
                raise block
            if block is None or bytes.fromhex(block["hash"][2:]) != hashes[number]:
                raise ChainError(f"block {number} changed while its events were read", hint="they are read again")
            times[number] = int(block["timestamp"], 16)
    return times
