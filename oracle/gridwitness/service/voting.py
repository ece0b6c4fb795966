"""Signing what peers propose: recompute everything, vote at most once at a time, write the vote down first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import structlog
from eth_account.signers.local import LocalAccount
from eth_typing import Hash32

from gridwitness.api.protocols import CommitteeReply
from gridwitness.errors import InputError, ReadingRejected
from gridwitness.service.admission import Admission
from gridwitness.service.batching import Place, Prepared, attach, hex32
from gridwitness.service.fleet import Fleet
from gridwitness.service.following import Follower
from gridwitness.service.messages import (
    BatchContent,
    Refusal,
    SignAnswer,
    SignRequest,
    decode_message,
    encode_message,
    to_hex,
)
from gridwitness.sources.payloads import to_payload
from gridwitness.store import BatchLog, Vote

_log = structlog.get_logger()


class Voter:
    """This oracle's signature for the batches of its streams."""

    def __init__(
        self,
        account: LocalAccount,
        followers: Mapping[bytes, Follower],
        batches: BatchLog,
        admission: Admission,
        fleet: Fleet,
        vote_lock_s: float,
    ) -> None:
        self.address = str(account.address)
        self._account = account
        self._followers = followers
        self._batches = batches
        self._admission = admission
        self._fleet = fleet
        self._vote_lock_s = vote_lock_s

    async def sign(self, body: bytes) -> CommitteeReply:
        """Answer a peer's proposal. Raises InputError if the body is malformed or of a stream not served here."""
        request = decode_message(body, SignRequest)
        stream = hex32(request.stream)
        follower = self._followers.get(stream)
        if follower is None:
            raise InputError(f"stream {request.stream} is not one this oracle serves")
        async with follower.lock:
            try:
                answer = await self._consider(follower, request)
            except ReadingRejected as rejected:
                answer = Refusal("invalid", f"an attached reading is refused, {rejected.reason}: {rejected.message}")
            except InputError as error:
                answer = Refusal("invalid", error.message)
        if isinstance(answer, Refusal):
            _log.info(
                "proposal_refused",
                stream=follower.kind.name,
                seq=request.seq,
                problem=answer.problem,
                detail=answer.detail,
            )
        return CommitteeReply(isinstance(answer, SignAnswer), encode_message(answer))

    def locked_vote(self, stream: bytes, seq: int) -> Vote | None:
        """The vote this oracle is bound by for a number, until the lock is over or the number is attested."""
        vote = self._batches.last_vote(stream, seq)
        return vote if vote is not None and time.time() < vote.voted_at + self._vote_lock_s else None

    async def vote(self, follower: Follower, prepared: Prepared) -> bytes:
        """Record a vote and return the signature. The caller holds the stream's lock and has checked `locked_vote`."""
        batch = prepared.batch
        follower.remember(prepared)
        bound = await asyncio.to_thread(self.locked_vote, batch.stream_id, batch.seq)
        if bound is not None and bound.digest == prepared.digest:
            # Not renewed: votes that were split among proposals must run out for the committee to agree after all.
            return bound.signature
        signature = bytes(self._account.unsafe_sign_hash(Hash32(prepared.digest)).signature)
        vote = Vote(batch.stream_id, batch.seq, prepared.digest, prepared.keys, signature, time.time())
        await asyncio.to_thread(self._batches.vote, vote)
        return signature

    async def voted_content(self, stream: bytes, seq: int) -> BatchContent | None:
        """The content this oracle is bound to by a vote; None if it is not, or no longer has the readings."""
        follower = self._followers.get(stream)
        vote = await asyncio.to_thread(self.locked_vote, stream, seq)
        if follower is None or vote is None:
            return None
        readings = await asyncio.to_thread(follower.kind.readings_of, vote.keys)
        if readings is None:
            return None
        payloads = [to_payload(signed) for signed in readings]
        return BatchContent(to_hex(stream), follower.kind.name, seq, vote.keys, payloads, to_hex(vote.digest))

    async def _consider(self, follower: Follower, request: SignRequest) -> SignAnswer | Refusal:
        place = Place(request.seq, hex32(request.previous), request.config)
        out_of_place = self._out_of_place(follower, place)
        if out_of_place is not None:
            return out_of_place
        kind = follower.kind
        behind = await asyncio.to_thread(kind.behind, request.keys)
        if behind:
            return Refusal("behind", behind)
        attached = attach(await self._admission.admit(request.readings))
        missing = await asyncio.to_thread(kind.missing, request.keys, attached)
        if missing:
            return Refusal("missing", f"{len(missing)} readings are not here", missing)
        if await asyncio.to_thread(kind.objection, request.keys):
            await self._fleet.refresh()
            objection = await asyncio.to_thread(kind.objection, request.keys)
            if objection:
                return Refusal("objection", objection)
        prepared = await asyncio.to_thread(kind.prepare, place, request.keys, attached)
        bound = await asyncio.to_thread(self.locked_vote, kind.stream_id, request.seq)
        if bound is not None and bound.digest != prepared.digest:
            _log.warning(
                "second_proposal",
                stream=kind.name,
                seq=request.seq,
                voted=to_hex(bound.digest),
                proposed=to_hex(prepared.digest),
            )
            return Refusal("voted", f"voted for {to_hex(bound.digest)}, this would be {to_hex(prepared.digest)}")
        await follower.adopt(list(attached.values()))
        signature = await self.vote(follower, prepared)
        return SignAnswer(self.address, to_hex(prepared.digest), to_hex(signature))

    @staticmethod
    def _out_of_place(follower: Follower, place: Place) -> Refusal | None:
        if not follower.caught_up:
            return Refusal("behind", follower.problem)
        expected = follower.place()
        if place == expected:
            return None
        if place.seq < expected.seq:
            return Refusal("stale", f"batch {place.seq} stands on chain; the next is {expected.seq}")
        if place.seq > expected.seq:
            return Refusal("behind", f"batch {place.seq} is proposed; this oracle has seen {expected.seq - 1} attested")
        return Refusal(
            "stale",
            f"batch {place.seq} is proposed after {to_hex(place.previous)} under committee {place.config}; this oracle "
            f"sees {to_hex(expected.previous)} and committee {expected.config}",
        )
