"""This oracle's signatures under batches, and the promise they keep.

No two batches of one number that differ in content are ever signed to be valid at one time: both could be attested, and
whoever shows the two takes the stream's bond (IStreamBonds.proveEquivocation). Windows are compared with windows, never
with a clock, so no clock can break the promise; a vote is on disk before its signature leaves, so no crash can.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridwitness.chain.signing_key import SigningKey
from gridwitness.encoding.eip712 import Domain, batch_digest, batch_preimage
from gridwitness.errors import CommitteeError
from gridwitness.service.batching import Place, Prepared, Window
from gridwitness.service.clock import ChainTime
from gridwitness.store import BatchLog, Vote

MAX_VALIDITY_S = 3_600
# How far the newest blocks that members see may lie apart.
_HEAD_TOLERANCE_S = 60


@dataclass(frozen=True, slots=True)
class Proposal:
    """Content in its place and window: what members sign."""

    prepared: Prepared
    place: Place
    window: Window
    digest: bytes


class Signer:
    """Signs, and remembers what it signed. Methods block; calls for one stream must not overlap."""

    def __init__(
        self, key: SigningKey, domain: Domain, batches: BatchLog, chain_time: ChainTime, batch_validity_s: int
    ) -> None:
        """`domain` is DataAttestation's; `batch_validity_s` is how long batches proposed here are valid."""
        self.address = key.address
        self._key = key
        self._domain = domain
        self._batches = batches
        self._chain_time = chain_time
        self._batch_validity_s = batch_validity_s

    def propose(self, prepared: Prepared, place: Place, window: Window) -> Proposal:
        """The proposal of content in a place and window."""
        return Proposal(prepared, place, window, batch_digest(self._domain, prepared.batch(place, window)))

    def fresh_window(self) -> Window:
        """The window of a batch proposed now."""
        now = self._chain_time.now()
        return Window(now, now + self._batch_validity_s)

    def objection(self, window: Window) -> str:
        """Why this oracle would be bound too long by a window, too far ahead, or in vain; empty if it would not."""
        length_s = window.valid_until - window.valid_from
        if not 0 <= length_s <= MAX_VALIDITY_S:
            return f"the batch would be valid for {length_s} s; 0 to {MAX_VALIDITY_S} are accepted"
        now = self._chain_time.now()
        if window.valid_from > now + _HEAD_TOLERANCE_S:
            ahead_s = window.valid_from - now
            return f"the batch is valid {ahead_s} s after the chain's time here; {_HEAD_TOLERANCE_S} are accepted"
        if window.valid_until < now:
            return f"the batch was valid until {window.valid_until}; the chain's time here is {now}"
        return ""

    def is_late(self, window: Window) -> bool:
        """Whether less than a quarter of a window is left: too little to bring a batch to the chain."""
        left_s = window.valid_until - self._chain_time.now()
        return left_s < (window.valid_until - window.valid_from) // 4

    def bound(self, stream: bytes, seq: int) -> Vote | None:
        """The vote this oracle is bound by for a number: the one that stays valid longest, if it still is."""
        return self._batches.standing_vote(stream, seq, self._chain_time.now())

    def conflict(self, proposal: Proposal) -> str:
        """Why signing would break the promise; empty if it would not."""
        prepared, valid_from = proposal.prepared, proposal.window.valid_from
        other = self._batches.vote_against(prepared.stream_id, prepared.seq, prepared.content, valid_from)
        if other is None:
            return ""
        digest, valid_until = other
        return (
            f"voted for 0x{digest.hex()}, valid until {valid_until}; this would be 0x{proposal.digest.hex()}, valid "
            f"from {valid_from}"
        )

    def sign(self, proposal: Proposal) -> bytes:
        """Record a vote and return the signature.

        Raises CommitteeError if an earlier vote stands against it, ChainError if the key's signer does not answer.
        """
        prepared, window = proposal.prepared, proposal.window
        known = self._batches.vote_signature(prepared.stream_id, prepared.seq, proposal.digest)
        if known is not None:
            return known
        conflict = self.conflict(proposal)
        if conflict:
            raise CommitteeError(conflict)
        signature = self._key.sign(batch_preimage(self._domain, prepared.batch(proposal.place, window)))
        vote = Vote(
            stream=prepared.stream_id,
            seq=prepared.seq,
            digest=proposal.digest,
            content=prepared.content,
            valid_from=window.valid_from,
            valid_until=window.valid_until,
            keys=prepared.keys,
            signature=signature,
        )
        self._batches.vote(vote)
        return signature
