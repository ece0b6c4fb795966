"""What is found once everything has stopped: in the files of the oracles, and on chain."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from gridwitness.chain.attestation import StreamView
from gridwitness.encoding.leaves import reading_leaves
from gridwitness.encoding.merkle import StandardMerkleTree
from gridwitness.store.rows import COLUMNS, StoredReading, stored_reading
from tests.chaos.judge import ChainBatch, Evidence, Log, LoggedBatch, Said, Transactions
from tests.chaos.ledger import Key, Ledger
from tests.chaos.struck_anvil import check_whole
from tests.chaos.world import Member, World

_BLOCKS_AT_ONCE = 200


def gather(world: World, ledger: Ledger) -> Evidence:
    """All evidence. The oracles must have stopped, the chain must run."""
    honest = world.honest
    mined = _mined(world)
    batches = StreamView(world.chain, world.readings_stream).attested(0)
    acknowledged = {
        key: ((key[0], key[1], one.reading.time, one.reading.metric, one.reading.value), frozenset(one.oracles))
        for key, one in ledger.acknowledged.items()
    }
    return Evidence(
        acknowledged=acknowledged,
        followed=ledger.followed,
        answered=ledger.answered,
        attempted=ledger.attempted,
        open_ended=frozenset(ledger.open_ended),
        chain=[ChainBatch(batch.seq, batch.root, batch.meta.count) for batch in batches],
        logs=[_log(world, member) for member in honest],
        transactions=[_transactions(world, member, mined.get(member.account.address.lower(), {})) for member in honest],
    )


def data_folder(world: World, member: Member) -> Path:
    """Where a member keeps its files."""
    return world.disk.folder if world.disk.folder.parent == member.folder else member.folder


def _open(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)


def _log(world: World, member: Member) -> Log:
    with closing(_open(data_folder(world, member) / "oracle.sqlite")) as database:
        rows = database.execute(f"SELECT {COLUMNS} FROM signed_readings").fetchall()
        kept = database.execute(
            "SELECT seq, keys FROM batches WHERE stream = ? ORDER BY seq", (world.readings_stream,)
        ).fetchall()
        counted = dict(database.execute("SELECT reason, count FROM rejections").fetchall())
    stored = {(one.signed.reading.device_id, one.signed.reading.counter): one for one in map(stored_reading, rows)}
    readings: dict[Key, Said] = {
        key: (*key, one.signed.reading.time, one.signed.reading.metric, one.signed.reading.value)
        for key, one in stored.items()
    }
    return Log(member.index, readings, [_batch(seq, keys, stored) for seq, keys in kept], counted)


def _batch(seq: int, keys: str, stored: dict[Key, StoredReading]) -> LoggedBatch:
    named = tuple((bytes.fromhex(key[0][2:]), int(key[1])) for key in json.loads(keys)["readings"])
    found = [stored[key] for key in named if key in stored and stored[key].score is not None]
    root = StandardMerkleTree(reading_leaves([one.scored for one in found])).root if len(found) == len(named) else b""
    return LoggedBatch(seq, named, root)


def _mined(world: World) -> dict[str, dict[bytes, int]]:
    """Transactions on chain since the oracles began: by sender, hash and nonce."""
    mined: defaultdict[str, dict[bytes, int]] = defaultdict(dict)
    head = world.chain.head_number()
    for first in range(world.first_block, head + 1, _BLOCKS_AT_ONCE):
        numbers = range(first, min(first + _BLOCKS_AT_ONCE, head + 1))
        blocks = world.chain.node.rpc_batch([("eth_getBlockByNumber", (hex(one), True)) for one in numbers])
        check_whole([one for one, block in zip(numbers, blocks, strict=True) if block is not None], "the chain")
        for block in blocks:
            for transaction in block["transactions"]:
                digest, nonce = bytes.fromhex(transaction["hash"][2:]), int(transaction["nonce"], 16)
                mined[transaction["from"].lower()][digest] = nonce
    return mined


def _transactions(world: World, member: Member, mined: dict[bytes, int]) -> Transactions:
    signed: defaultdict[str, dict[bytes, int]] = defaultdict(dict)
    with closing(_open(data_folder(world, member) / "outbox.sqlite")) as database:
        for key, nonce, digest in database.execute(
            "SELECT i.key, i.nonce, a.hash FROM attempts a JOIN intents i ON i.id = a.intent"
        ):
            signed[key][digest] = nonce
        (unsettled,) = database.execute("SELECT COUNT(*) FROM intents WHERE settled = 0").fetchone()
    return Transactions(member.index, signed, mined, unsettled)


def sample_of(keys: Sequence[Key], size: int) -> list[Key]:
    """Some of the keys, evenly over the run."""
    return list(keys[:: max(len(keys) // size, 1)])[:size]
