"""An asset's events up to one block, as entries in chain order: the node's words checked against each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_utils.address import to_checksum_address

from gridwitness.chain.abi import abi_of, canonical_type
from gridwitness.chain.assets import rules_of
from gridwitness.chain.client import Chain
from gridwitness.chain.events import Event, decode_log, topic_of
from gridwitness.chain.followers import BLOCK_RANGE
from gridwitness.chain.node import Block
from gridwitness.domain.assets import (
    NOBODY,
    Claim,
    Dividend,
    Entry,
    Freezing,
    Moment,
    Movement,
    MovementKind,
    Passport,
    PassportChange,
    RedemptionFunding,
    RulesChange,
    WalletChange,
)
from gridwitness.encoding.hashing import keccak
from gridwitness.errors import ChainError, GridwitnessError, InputError, NodeUnavailable

_ASSET_EVENTS = (
    "Transfer",
    "ForcedTransfer",
    "Recovered",
    "Retired",
    "Redeemed",
    "Funded",
    "RevenueFunded",
    "Claimed",
    "Frozen",
    "RedemptionFunded",
    "RulesSet",
)
_PASSPORT_EVENTS = ("PassportGiven", "PassportRevoked", "WalletAdded", "WalletRetired")
# Of a movement of shares: they say more of the Transfer before them.
_QUALIFIERS = {
    "ForcedTransfer": MovementKind.FORCED,
    "Recovered": MovementKind.RECOVERY,
    "Retired": MovementKind.RETIREMENT,
    "Redeemed": MovementKind.REDEMPTION,
}
_CHUNK = 100
_SCHEDULE_DEVICE, _SCHEDULE_DAY, _ASK_CASH = 0, 3, 3  # positions in the structs


@dataclass(frozen=True, slots=True)
class Logs:
    """Where to look for events: a contract, its ABI's name, the events, further topics, the first block."""

    address: str
    abi: str
    events: Sequence[str]
    first_block: int
    topics: Sequence[str | None] = ()


@dataclass(frozen=True, slots=True)
class _Facts:
    """Of the blocks and transactions that events stand in: time by block number, input by transaction."""

    times: Mapping[int, int]
    inputs: Mapping[bytes, bytes]

    def moment(self, event: Event) -> Moment:
        return Moment(event.block_number, event.log_index, self.times[event.block_number], event.transaction)


def created_block(chain: Chain, asset: str, until: Block) -> int:
    """Block in which the manifest's factory made an asset. Raises InputError if it did not, up to a block."""
    factory = Logs(
        chain.manifest.address("AssetFactory"),
        "AssetFactory",
        ("AssetCreated",),
        chain.manifest.block("AssetFactory"),
        (_address_topic(asset),),
    )
    events = read_logs(chain, factory, until.number, BLOCK_RANGE)
    if not events:
        raise InputError(
            f"{asset} is no asset of the factory at {factory.address}, up to block {until.number}",
            hint="`gridwitness asset create` makes one; is the manifest that of this chain?",
        )
    return events[0].block_number


def read_entries(
    chain: Chain, asset: str, first_block: int, until: Block, *, block_range: int = BLOCK_RANGE
) -> list[Entry]:
    """Everything that happened to an asset's shares and its holders' passports up to a block, in chain order.

    Requests are of `block_range` blocks, halved where a node refuses so many. Raises ChainError if what the node says
    does not fit together, or if the chain was reorganised meanwhile.
    """
    manifest = chain.manifest
    passports = Logs(manifest.address("Passports"), "Passports", _PASSPORT_EVENTS, manifest.block("Passports"))
    trades = Logs(
        manifest.address("ShareMarket"),
        "ShareMarket",
        ("AskFilled",),
        first_block,
        (None, None, _address_topic(asset)),
    )
    sources = (Logs(asset, "AssetShares", _ASSET_EVENTS, first_block), passports, trades)
    events = [event for logs in sources for event in read_logs(chain, logs, until.number, block_range)]
    events.sort(key=lambda event: (event.block_number, event.log_index))
    times = _block_times(chain, events)
    inputs = inputs_of(chain, events, {"RevenueFunded": asset, "AskFilled": trades.address})
    again = chain.node.block(until.number)
    if again is None or again.hash != until.hash:
        raise ChainError(
            f"block {until.number} was replaced while events were read", hint="read again, or with more confirmations"
        )
    return entries_of(events, times, inputs)


def entries_of(events: Sequence[Event], times: Mapping[int, int], inputs: Mapping[bytes, bytes]) -> list[Entry]:
    """Entries that decoded events of asset, passports and market of shares stand for.

    `events` in chain order, `times` by block number, `inputs` the data of transactions that called asset or market
    themselves, by hash.
    """
    facts, entries = _Facts(times, inputs), list[Entry]()
    fills: list[Event] = []
    for position, event in enumerate(events):
        if event.name == "AskFilled":
            fills.append(event)
        elif event.name == "Transfer":
            entries.append(_movement(event, _qualifier(events, position), fills, facts))
        elif event.name not in _QUALIFIERS:
            entries.append(_entry(event, facts))
    return entries


def _movement(event: Event, qualifier: Event | None, fills: list[Event], facts: _Facts) -> Movement:
    at, sender, receiver, shares = facts.moment(event), event.args["from"], event.args["to"], event.args["value"]
    if qualifier is not None:
        kind, args = _QUALIFIERS[qualifier.name], qualifier.args
        return Movement(at, kind, sender, receiver, shares, args.get("cash", 0), purpose=args.get("purpose", b""))
    if sender == NOBODY:
        return Movement(at, MovementKind.MINT, sender, receiver, shares)
    for fill in fills:
        same = fill.args["seller"] == sender and fill.args["buyer"] == receiver and fill.args["amount"] == shares
        if same and fill.transaction == event.transaction:
            fills.remove(fill)
            token, number = _cash_token(fill, facts), fill.args["number"]
            return Movement(at, MovementKind.TRADE, sender, receiver, shares, fill.args["cash"], token, number)
    return Movement(at, MovementKind.TRANSFER, sender, receiver, shares)


def _qualifier(events: Sequence[Event], position: int) -> Event | None:
    """The event that says more of a transfer; a recovery may freeze shares in between."""
    transfer = events[position]
    for event in events[position + 1 :]:
        if event.transaction != transfer.transaction or event.name == "Transfer":
            return None
        if event.name in _QUALIFIERS and _is_of(event.args, transfer.args):
            return event
    return None


def _is_of(args: Mapping[str, Any], moved: Mapping[str, Any]) -> bool:
    if "account" in args:
        return bool(args["account"] == moved["from"] and args["shares"] == moved["value"])
    shares = args["amount"] if "amount" in args else args["shares"]
    return bool(args["from"] == moved["from"] and args["to"] == moved["to"] and shares == moved["value"])


def _entry(event: Event, facts: _Facts) -> Entry:
    at, args = facts.moment(event), event.args
    match event.name:
        case "Funded":
            return Dividend(at, args["payer"], args["cash"], args["index"])
        case "RevenueFunded":
            figures = (args["rows"], args["soldWh"], args["attestedWh"])
            return Dividend(at, NOBODY, args["cash"], args["index"], *figures, _paid_days(event, facts))
        case "Claimed":
            return Claim(at, args["account"], args["cash"])
        case "Frozen":
            return Freezing(at, args["account"], args["amount"])
        case "RedemptionFunded":
            return RedemptionFunding(at, args["payer"], args["cash"])
        case "RulesSet":
            return RulesChange(at, rules_of(args["rules"]))
        case "PassportGiven":
            return PassportChange(at, args["investor"], Passport(*args["passport"]))
        case "PassportRevoked":
            return PassportChange(at, args["investor"], None)
    return WalletChange(at, args["investor"], args["wallet"], event.name == "WalletRetired")


def _paid_days(event: Event, facts: _Facts) -> tuple[tuple[bytes, int], ...]:
    """Devices and days of a revenue; none if another contract asked for it."""
    arguments = arguments_of("AssetShares", "fundRevenue", facts.inputs.get(event.transaction, b""))
    schedules = arguments[0] if arguments else ()
    return tuple((schedule[_SCHEDULE_DEVICE], schedule[_SCHEDULE_DAY]) for schedule in schedules)


def _cash_token(fill: Event, facts: _Facts) -> str:
    """Token that a trade was paid in; "" if another contract filled the ask."""
    arguments = arguments_of("ShareMarket", "fill", facts.inputs.get(fill.transaction, b""))
    return str(to_checksum_address(arguments[0][_ASK_CASH])) if arguments else ""


def arguments_of(contract: str, function: str, data: bytes) -> tuple[Any, ...]:
    """Arguments of a call of a contract's function by its data; none if it is a call of another."""
    (entry,) = (one for one in abi_of(contract) if one["type"] == "function" and one["name"] == function)
    types = [canonical_type(part) for part in entry["inputs"]]
    if data[:4] != keccak(f"{function}({','.join(types)})".encode())[:4]:
        return ()
    try:
        return decode(types, data[4:])
    except (DecodingError, ValueError):  # the call went through, so this is the node's doing
        return ()


def read_logs(chain: Chain, logs: Logs, last_block: int, block_range: int = BLOCK_RANGE) -> list[Event]:
    """Events of a contract from its first block up to another, in requests of at most `block_range` blocks.

    Raises ChainError, also for logs that were not asked for.
    """
    topics = [["0x" + topic_of(logs.abi, event).hex() for event in logs.events], *logs.topics]
    events: list[Event] = []
    first = logs.first_block
    while first <= last_block:
        last = min(first + block_range - 1, last_block)
        query = {"address": logs.address, "topics": topics, "fromBlock": hex(first), "toBlock": hex(last)}
        try:
            raw = chain.node.rpc("eth_getLogs", query)
        except NodeUnavailable:
            raise
        except ChainError:
            # Providers refuse by blocks, by results or by size, each in words of its own.
            if block_range == 1:
                raise
            block_range //= 2
            continue
        events += _checked(raw, logs, first, last)
        first = last + 1
    return events


def _checked(raw: Any, logs: Logs, first: int, last: int) -> list[Event]:
    """Decoded logs of a request. Raises ChainError for one that was not asked for, or is not there any more."""
    if not isinstance(raw, list):
        raise ChainError(f"eth_getLogs for blocks {first} to {last} answered no list")
    events = []
    for log in raw:
        event = decode_log(logs.abi, log)
        asked = event is not None and first <= event.block_number <= last and not log.get("removed")
        if event is None or not asked or str(log["address"]).lower() != logs.address.lower():
            raise ChainError(f"eth_getLogs for blocks {first} to {last} of {logs.address} answered another log: {log}")
        events.append(event)
    return events


def _block_times(chain: Chain, events: Iterable[Event]) -> dict[int, int]:
    """Times of the blocks that events stand in. Raises ChainError if one is not the block that the event names."""
    hashes = {event.block_number: event.block_hash for event in events}
    requests = [("eth_getBlockByNumber", (hex(number), False)) for number in hashes]
    times = {}
    for (number, block_hash), block in zip(hashes.items(), _ask(chain, requests), strict=True):
        if not block or bytes.fromhex(block["hash"][2:]) != block_hash:
            raise ChainError(
                f"events of block {number} are of another block than the node has there",
                hint="the chain was reorganised: read again",
            )
        times[number] = int(block["timestamp"], 16)
    return times


def inputs_of(chain: Chain, events: Iterable[Event], called: Mapping[str, str]) -> dict[bytes, bytes]:
    """Data by hash of the transactions behind events, if they called the contract that `called` has for the event."""
    wanted = {event.transaction: called[event.name].lower() for event in events if event.name in called}
    requests = [("eth_getTransactionByHash", ("0x" + transaction.hex(),)) for transaction in wanted]
    found = zip(wanted.items(), _ask(chain, requests), strict=True)
    return {
        transaction: bytes.fromhex(raw["input"][2:])
        for (transaction, address), raw in found
        if raw and str(raw["to"]).lower() == address
    }


def _ask(chain: Chain, requests: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
    answers: list[Any] = []
    for start in range(0, len(requests), _CHUNK):
        answers += chain.node.rpc_batch(requests[start : start + _CHUNK])
    for answer in answers:
        if isinstance(answer, GridwitnessError):
            raise answer
    return answers


def _address_topic(address: str) -> str:
    return "0x" + address.removeprefix("0x").lower().rjust(64, "0")
