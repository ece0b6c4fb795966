"""Follows the events of all contracts into a site's index, in bounded requests and through reorganisations."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gridwitness.chain.client import Chain
from gridwitness.chain.events import Event, decode_log, topic_of
from gridwitness.chain.followers import BLOCK_RANGE, REORG_DEPTH
from gridwitness.chain.node import Block
from gridwitness.encoding.eip712 import schedule_struct_hash
from gridwitness.encoding.packing import pack_orders
from gridwitness.errors import ChainError, GridwitnessError, NodeUnavailable
from gridwitness.service.portal.calls import batch_valid_from, submitted_schedules
from gridwitness.store.site_index import ChainLog, SiteIndex, insert_logs, mark_dirty, put_meta, record_happenings

_EVENTS: Mapping[str, Sequence[str]] = {
    "DataAttestation": ("StreamOpened", "CommitteeSet", "CommitteeCompromised", "BatchAttested", "BatchSuperseded"),
    "EnergyMarket": (
        "ScheduleSubmitted",
        "SlotCleared",
        "RunMade",
        "RunDisputed",
        "RunRevoked",
        "DisputeEnded",
        "ScheduleFinal",
        "SettlementHeld",
        "ZoneOpened",
        "ZoneParamsAnnounced",
    ),
}
_SETTLING = ("RunMade", "RunDisputed", "ScheduleFinal", "SettlementHeld")
_REQUESTS_AT_ONCE = 100


class ChainIndexer:
    """Keeps the index as the node's chain has it.

    As {LogFollower} does, it reads the last `reorg_depth` blocks again whenever the head moves, and everything if the
    block below them is another; what it has read it keeps on disk.
    """

    def __init__(self, chain: Chain, index: SiteIndex, *, reorg_depth: int = REORG_DEPTH) -> None:
        self._chain = chain
        self._index = index
        self._reorg_depth = reorg_depth
        contracts = [name for name in _EVENTS if name in chain.manifest.contracts]
        self._contracts = {chain.manifest.address(name).lower(): name for name in contracts}
        self._topics = ["0x" + topic_of(name, event).hex() for name in contracts for event in _EVENTS[name]]
        self._first_block = min(chain.manifest.block(name) for name in contracts)
        self._head_hash = b""

    def sync(self, head: Block) -> bool:
        """Read up to a head of the node; whether there was anything to read. Raises ChainError, StoreError."""
        if head.hash == self._head_hash:
            return False
        epoch = self._chain.node.provider.epoch
        is_reorganised = self._is_reorganised()
        start = self._resume_at()
        for first in range(start, head.number + 1, BLOCK_RANGE):
            last = min(first + BLOCK_RANGE - 1, head.number)
            events = self._read(first, last)
            blocks = self._blocks(events)
            settled = self._chain.node.block(max(min(last, head.number - self._reorg_depth), 0))
            calls = self._calls(events)
            if self._chain.node.provider.epoch != epoch:  # one node's head must not stand for another's logs
                raise NodeUnavailable("another node took over while events were read", hint="they are read again")
            self._store(first, [_log(event) for event in events], blocks, calls, settled)
        self._head_hash = head.hash
        with self._index.write() as connection:
            put_meta(connection, "head", f"{head.number} {head.hash.hex()}")
            put_meta(connection, "reorgs", str(self.reorgs() + is_reorganised))
        return True

    def reorgs(self) -> int:
        """How many reorganisations were seen since the index was made."""
        return int(self._index.meta("reorgs") or 0)

    def _is_reorganised(self) -> bool:
        """Whether the head read last is not of the node's chain any more."""
        noted = self._index.meta("head")
        return bool(noted) and self._standing(noted) is None

    def _standing(self, noted: str) -> Block | None:
        """The block noted as number and hash, None if the node's chain has another there."""
        number, _, block_hash = noted.partition(" ")
        block = self._chain.node.block(int(number))
        return block if block is not None and block.hash.hex() == block_hash else None

    def _resume_at(self) -> int:
        noted = self._index.meta("settled")
        block = self._standing(noted) if noted else None
        return self._first_block if block is None else max(block.number + 1, self._first_block)

    def _read(self, first: int, last: int) -> list[Event]:
        query = {
            "address": list(self._contracts),
            "topics": [self._topics],
            "fromBlock": hex(first),
            "toBlock": hex(last),
        }
        logs = self._chain.node.rpc("eth_getLogs", query)
        if not isinstance(logs, list):
            raise ChainError(f"eth_getLogs for blocks {first} to {last} answered no list")
        decoded = (decode_log(self._contracts[log["address"].lower()], log) for log in logs)
        return [event for event in decoded if event is not None]

    def _blocks(self, events: Iterable[Event]) -> dict[int, Block]:
        """The blocks that hold events. Raises ChainError if one is another by now: it is read again."""
        hashes = {event.block_number: event.block_hash for event in events}
        blocks = {}
        for number, raw in self._ask("eth_getBlockByNumber", [(hex(number), False) for number in hashes]).items():
            block_hash = bytes.fromhex(raw["hash"][2:]) if raw is not None else b""
            if block_hash != hashes[int(number[0], 16)]:
                raise ChainError(f"block {int(number[0], 16)} changed while its events were read")
            blocks[int(raw["number"], 16)] = Block(int(raw["number"], 16), block_hash, int(raw["timestamp"], 16), 0, 0)
        return blocks

    def _calls(self, events: Sequence[Event]) -> dict[bytes, bytes]:
        """Calldata of the transactions whose events leave out what the site shows."""
        wanted = {event.transaction for event in events if event.name in ("ScheduleSubmitted", "BatchAttested")}
        answers = self._ask("eth_getTransactionByHash", [("0x" + one.hex(),) for one in wanted])
        return {bytes.fromhex(asked[0][2:]): bytes.fromhex(raw["input"][2:]) for asked, raw in answers.items() if raw}

    def _ask(self, method: str, parameters: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], Any]:
        answers: dict[tuple[Any, ...], Any] = {}
        for start in range(0, len(parameters), _REQUESTS_AT_ONCE):
            chunk = parameters[start : start + _REQUESTS_AT_ONCE]
            for asked, answer in zip(chunk, self._chain.node.rpc_batch([(method, one) for one in chunk]), strict=True):
                if isinstance(answer, GridwitnessError):
                    raise answer
                answers[asked] = answer
        return answers

    def _store(
        self,
        first: int,
        logs: list[ChainLog],
        blocks: Mapping[int, Block],
        calls: Mapping[bytes, bytes],
        settled: Block | None,
    ) -> None:
        old = {_identity(log): log for log in self._index.logs("WHERE block >= ?", (first,))}
        new = {_identity(log): log for log in logs}
        fresh = [log for identity, log in new.items() if identity not in old]
        changed = [*fresh, *(log for identity, log in old.items() if identity not in new)]
        with self._index.write() as connection:
            connection.execute("DELETE FROM logs WHERE block >= ?", (first,))
            connection.execute("DELETE FROM blocks WHERE number >= ?", (first,))
            insert_logs(connection, logs)
            rows = [(block.number, block.hash, block.time) for block in blocks.values()]
            connection.executemany("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?)", rows)
            connection.executemany("INSERT OR IGNORE INTO schedules VALUES (?, ?, ?, ?)", _schedules(calls))
            connection.executemany("INSERT OR REPLACE INTO proposals VALUES (?, ?, ?)", _proposals(logs, calls))
            mark_dirty(connection, {(log.day, log.device) for log in changed if log.day and log.device})
            if len(changed) > len(fresh):  # some were taken back: what was final after them may be so at another time
                connection.execute("DELETE FROM meta WHERE key = 'final_block'")
            if settled is not None:
                put_meta(connection, "settled", f"{settled.number} {settled.hash.hex()}")
            _tell(connection, fresh, blocks)


def _schedules(calls: Mapping[bytes, bytes]) -> list[tuple[bytes, int, int, bytes]]:
    """Schedules submitted, as rows of the index by their hash."""
    rows = []
    for calldata in calls.values():
        for schedule in submitted_schedules(calldata):
            packed = b"".join(word.to_bytes(32, "big") for word in pack_orders(schedule.orders))
            rows.append((schedule_struct_hash(schedule), schedule.zone, schedule.imbalance_limit_wh, packed))
    return rows


def _proposals(logs: Iterable[ChainLog], calls: Mapping[bytes, bytes]) -> list[tuple[bytes, int, int]]:
    """When batches were proposed to be signed, as rows of the index."""
    attested = [log for log in logs if log.name == "BatchAttested" and log.stream and log.seq]
    found = [(log, batch_valid_from(calls.get(log.transaction, b""))) for log in attested]
    return [(log.stream or b"", log.seq or 0, valid_from) for log, valid_from in found if valid_from is not None]


def _tell(connection: sqlite3.Connection, fresh: Iterable[ChainLog], blocks: Mapping[int, Block]) -> None:
    """Note what is new for those who watch. Whose settlement it is, is nobody's business."""
    happenings: list[tuple[str, int, dict[str, Any]]] = []
    for log in fresh:
        at = blocks[log.block_number].time
        if log.name == "SlotCleared":
            happenings.append(
                (
                    "clearing",
                    at,
                    {
                        "zone": log.zone,
                        "slot": log.slot,
                        "price_per_kwh": log.args["pricePerKwh"],
                        "volume_wh": log.args["volumeWh"],
                    },
                )
            )
        elif log.name == "BatchAttested" and log.stream is not None:
            document = {"stream_id": "0x" + log.stream.hex(), "seq": log.seq, "block_number": log.block_number}
            happenings.append(("batch", at, document))
        elif log.name in _SETTLING:
            happenings.append(("settlement", at, {"day": log.day, "event": log.name}))
    record_happenings(connection, happenings)


def _identity(log: ChainLog) -> tuple[bytes, int]:
    return log.block_hash, log.log_index


def _log(event: Event) -> ChainLog:
    args = event.args
    return ChainLog(
        block_number=event.block_number,
        log_index=event.log_index,
        block_hash=event.block_hash,
        transaction=event.transaction,
        name=event.name,
        device=args.get("deviceId"),
        day=args.get("day"),
        account=args["account"].lower() if event.name == "ScheduleSubmitted" else None,
        zone=args.get("zone"),
        slot=args.get("slot"),
        stream=args.get("streamId"),
        seq=args.get("seq", args.get("config")),
        args=json.loads(json.dumps(dict(args), default=lambda value: "0x" + bytes(value).hex())),
    )
