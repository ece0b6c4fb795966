"""An oracle that lies: `python -m tests.chaos.lying_oracle run --config oracle.toml`.

It is the real program, but for three lies. It signs another root than its readings give, under its own good signature.
Every second batch that it proposes holds a reading of one before: who signs that attests a reading twice. And to who
asks for an attested batch it tells one value that is off by one. It follows the chain as the others do, so that it is
always there to lie.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec

from gridwitness.cli import main
from gridwitness.encoding.hashing import keccak
from gridwitness.service.batching import (
    Place,
    Prepared,
    ReadingKeyJson,
    ReadingKeys,
    Window,
    decode_keys,
    encode_keys,
)
from gridwitness.service.messages import Refusal, SignAnswer, SignRequest
from gridwitness.service.node import OracleNode
from gridwitness.service.peers import Peers
from gridwitness.service.reading_batches import ReadingBatches
from gridwitness.service.signing import Proposal, Signer

_propose, _batch, _ask = Signer.propose, OracleNode.batch, Peers.ask
_proposed: dict[str, tuple[int, ReadingKeyJson]] = {}  # by stream: number of a batch, and a reading in it


def _sign_another_root(signer: Signer, prepared: Prepared, place: Place, window: Window) -> Proposal:
    return _propose(signer, replace(prepared, root=keccak(prepared.root)), place, window)


async def _tell_another_value(node: OracleNode, stream: bytes, seq: int) -> bytes | None:
    told = await _batch(node, stream, seq)
    if told is None:
        return None
    content: dict[str, Any] = json.loads(told)
    for reading in content.get("readings", ())[:1]:
        reading["value"] += 1
    return json.dumps(content).encode()


async def _propose_it_twice(peers: Peers, address: str, request: SignRequest) -> SignAnswer | Refusal:
    if request.kind != ReadingBatches.name:
        return await _ask(peers, address, request)
    keys = decode_keys(request.keys, ReadingKeys)
    seq, before = _proposed.setdefault(request.stream, (request.seq, keys.readings[0]))
    if request.seq > seq and request.seq % 2:
        both = ReadingKeys(keys.absent, [*keys.readings, before])
        request = msgspec.structs.replace(request, keys=encode_keys(both))
    return await _ask(peers, address, request)


def lie() -> None:
    """From now on the program of this process lies."""
    Signer.propose = _sign_another_root  # type: ignore[method-assign]
    OracleNode.batch = _tell_another_value  # type: ignore[method-assign]
    Peers.ask = _propose_it_twice  # type: ignore[method-assign]


if __name__ == "__main__":
    lie()
    main()
