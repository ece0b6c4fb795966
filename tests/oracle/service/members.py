"""Committee members without a chain: real logs, real votes, and a stream as a chain would show it."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
from eth_account import Account
from eth_account.signers.local import LocalAccount

from gridwitness.chain.attestation import CommitteeState, StreamState
from gridwitness.chain.signing_key import LocalKey
from gridwitness.domain.batches import AttestedBatch
from gridwitness.domain.readings import SignedReading
from gridwitness.domain.slots import slot_end
from gridwitness.service.batching import ReadingKeys, encode_keys, key_of
from gridwitness.service.following import Follower
from gridwitness.service.messages import Refusal, SignAnswer, SignRequest, decode_message, encode_message, to_hex
from gridwitness.service.peers import Peers
from gridwitness.service.signing import Signer
from gridwitness.service.voting import Voter
from gridwitness.sources.payloads import to_payload
from gridwitness.store import Vote
from tests.oracle.service.oracle_parts import ATTESTATION, READINGS_STREAM, Parts
from tests.oracle.signers import FIRST_SLOT, net_energy

VALIDITY_S = 120
START = slot_end(FIRST_SLOT)
ACCOUNT: LocalAccount = Account.from_key(b"\x07" * 32)


@dataclass
class ChainStream:
    """A stream as a chain would show it."""

    threshold: int = 1
    members: tuple[str, ...] = (ACCOUNT.address,)
    batches: list[AttestedBatch] = field(default_factory=list)

    def state(self) -> StreamState:
        head = self.batches[-1] if self.batches else None
        return StreamState(0, bytes(20), 1, 0, 0) if head is None else StreamState(head.seq, head.digest[:20], 1, 0, 0)

    def committee(self) -> CommitteeState:
        return CommitteeState(self.threshold, self.members)

    def attested(self, since_seq: int) -> list[AttestedBatch]:
        return self.batches[since_seq:]


@dataclass
class Member:
    """An oracle with its voter."""

    parts: Parts
    stream: ChainStream
    follower: Follower
    voter: Voter

    async def answer(self, request: SignRequest) -> SignAnswer | Refusal:
        reply = await self.voter.sign(encode_message(request))
        return decode_message(reply.body, SignAnswer if reply.signed else Refusal)


def make_member(
    parts: Parts,
    peers: Peers | None = None,
    account: LocalAccount = ACCOUNT,
    stream: ChainStream | None = None,
) -> Member:
    stream = stream or ChainStream()
    peers = peers or Peers({}, 1)
    follower = Follower(
        parts.reading_batches, stream, parts.batches, parts.readings, parts.admission, peers, parts.clock
    )
    signer = Signer(LocalKey(account), ATTESTATION, parts.batches, parts.chain_time, VALIDITY_S)
    voter = Voter(signer, {READINGS_STREAM: follower}, parts.admission, parts.fleet)
    return Member(parts, stream, follower, voter)


def all_votes(parts: Parts) -> list[Vote]:
    """Every vote for the first batch of readings, the one whose validity ends last in front."""
    with parts.database.read() as connection:
        rows = connection.execute(
            "SELECT stream, seq, digest, content, valid_from, valid_until, keys, signature FROM votes"
            " WHERE stream = ? AND seq = 1 ORDER BY valid_until DESC, digest",
            (READINGS_STREAM,),
        )
        return [Vote(*row) for row in rows]


def make_readings(parts: Parts, energy_wh: int = 400) -> list[SignedReading]:
    return [net_energy(key, 1, FIRST_SLOT, energy_wh) for key in parts.keys]


def make_request(readings: list[SignedReading], *, attached: bool = False, **changes: object) -> SignRequest:
    keys = encode_keys(ReadingKeys([], [key_of(one) for one in readings]))
    payloads = [to_payload(one) for one in readings] if attached else []
    request = SignRequest(
        stream=to_hex(READINGS_STREAM),
        kind="readings",
        seq=1,
        previous=to_hex(bytes(20)),
        config=1,
        valid_from=START,
        valid_until=START + VALIDITY_S,
        keys=keys,
        readings=payloads,
    )
    return msgspec.structs.replace(request, **changes)
