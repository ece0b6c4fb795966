"""Signing what peers propose, once everything in it was recomputed here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog

from gridwitness.api.protocols import CommitteeReply
from gridwitness.errors import InputError, ReadingRejected
from gridwitness.service.admission import Admission
from gridwitness.service.batching import Place, Window, attach, batch_in_log, hex20, hex32
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
from gridwitness.service.signing import Proposal, Signer
from gridwitness.sources.payloads import to_payload

_log = structlog.get_logger()


class Voter:
    """This oracle's signature for the batches of its streams."""

    def __init__(self, signer: Signer, followers: Mapping[bytes, Follower], admission: Admission, fleet: Fleet) -> None:
        self.signer = signer
        self._followers = followers
        self._admission = admission
        self._fleet = fleet

    async def sign(self, body: bytes) -> CommitteeReply:
        """Answer a peer's proposal. Raises InputError if the body is malformed or of a stream not served here."""
        request = decode_message(body, SignRequest)
        stream = hex32(request.stream)
        follower = self._followers.get(stream)
        if follower is None:
            raise InputError(f"stream {request.stream} is not one this oracle serves")
        with batch_in_log(follower.kind.name, request.seq):
            return await self._answer(follower, request)

    async def _answer(self, follower: Follower, request: SignRequest) -> CommitteeReply:
        async with follower.lock:
            try:
                answer = await self._consider(follower, request)
            except ReadingRejected as rejected:
                answer = Refusal("invalid", f"an attached reading is refused, {rejected.reason}: {rejected.message}")
            except InputError as error:
                answer = Refusal("invalid", error.message)
        if isinstance(answer, Refusal):
            _log.info("proposal_refused", problem=answer.problem, detail=answer.detail)
        else:
            _log.info("proposal_signed", digest=answer.digest)
        return CommitteeReply(isinstance(answer, SignAnswer), encode_message(answer))

    async def vote(self, follower: Follower, proposal: Proposal) -> bytes:
        """Sign a proposal. The caller holds the stream's lock. Raises CommitteeError if another vote binds us."""
        follower.remember(proposal.prepared)
        return await asyncio.to_thread(self.signer.sign, proposal)

    async def voted_content(self, stream: bytes, seq: int) -> BatchContent | None:
        """The content this oracle is bound to by a vote; None if it is not, or no longer has the readings."""
        follower = self._followers.get(stream)
        vote = await asyncio.to_thread(self.signer.bound, stream, seq)
        if follower is None or vote is None:
            return None
        readings = await asyncio.to_thread(follower.kind.readings_of, vote.keys)
        if readings is None:
            return None
        return BatchContent(
            stream=to_hex(stream),
            kind=follower.kind.name,
            seq=seq,
            keys=vote.keys,
            readings=[to_payload(signed) for signed in readings],
            digest=to_hex(vote.digest),
            valid_from=vote.valid_from,
            valid_until=vote.valid_until,
        )

    async def _consider(self, follower: Follower, request: SignRequest) -> SignAnswer | Refusal:
        place = Place(request.seq, hex20(request.previous), request.config)
        window = Window(request.valid_from, request.valid_until)
        refusal = self._out_of_place(follower, place) or await self._out_of_agreement(follower, request, window)
        if refusal is not None:
            return refusal
        kind = follower.kind
        attached = attach(await self._admission.admit(request.readings))
        missing = await asyncio.to_thread(kind.missing, request.keys, attached)
        if missing:
            return Refusal("missing", f"{len(missing)} readings are not here", missing)
        prepared = await asyncio.to_thread(follower.prepare, place, request.keys, attached)
        proposal = self.signer.propose(prepared, place, window)
        conflict = await asyncio.to_thread(self.signer.conflict, proposal)
        if conflict:
            _log.warning("second_proposal", detail=conflict)
            return Refusal("voted", conflict)
        await follower.adopt(list(attached.values()))
        signature = await self.vote(follower, proposal)
        return SignAnswer(self.signer.address, to_hex(proposal.digest), to_hex(signature))

    async def _out_of_agreement(self, follower: Follower, request: SignRequest, window: Window) -> Refusal | None:
        """Why this oracle will not judge the readings proposed, or not yet; None if it will."""
        kind = follower.kind
        behind = await asyncio.to_thread(kind.behind, request.keys)
        if behind:
            return Refusal("behind", behind)
        too_long = self.signer.objection(window)
        if too_long:
            return Refusal("objection", too_long)
        if await asyncio.to_thread(kind.objection, request.keys):
            await self._fleet.refresh()
            objection = await asyncio.to_thread(kind.objection, request.keys)
            if objection:
                return Refusal("objection", objection)
        return None

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
