"""Proposing batches: when it is this oracle's turn, collect the committee's signatures and hand them to the outbox."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec
import structlog

from gridwitness.chain.attestation import encode_attest
from gridwitness.chain.outbox import OutboxStatus
from gridwitness.chain.outbox_store import OutboxState
from gridwitness.domain.readings import SignedReading
from gridwitness.encoding.keys import recover_signer
from gridwitness.errors import CommitteeError, InputError
from gridwitness.service.batching import Place, Prepared, Window, attach, batch_in_log, id_of_key
from gridwitness.service.following import Follower
from gridwitness.service.messages import BatchContent, Refusal, SignAnswer, SignRequest, to_hex
from gridwitness.service.peers import Peers
from gridwitness.service.signing import Proposal
from gridwitness.service.voting import Voter
from gridwitness.sources.payloads import to_payload

_log = structlog.get_logger()
# After enough have signed, how long to wait for the others: their signatures are welcome, not needed.
_STRAGGLERS_S = 0.1


@dataclass(frozen=True, slots=True)
class Submission:
    """A batch the committee signed: what goes into the outbox. `attempt` counts from 0, up when a transaction fails."""

    stream: str
    seq: int
    digest: bytes
    calldata: bytes
    attempt: int

    @property
    def intent_key(self) -> str:
        """Key under which the outbox sends it at most once."""
        return f"attest:{self.stream}:{self.seq}:{to_hex(self.digest)}:{self.attempt}"


@dataclass(frozen=True, slots=True)
class Draft:
    """What to propose: content by its keys, and when it may be attested."""

    keys: str
    window: Window


class Proposer:
    """Proposes for one stream. Members take turns: for number `seq` the member at index seq mod k comes first, the
    others after `takeover_s` each.
    """

    def __init__(
        self,
        follower: Follower,
        voter: Voter,
        peers: Peers,
        submit: Callable[[Submission], None],
        takeover_s: float,
        pause_s: float,
    ) -> None:
        """`submit` hands a signed batch to the outbox, it may block; `pause_s` separates failed attempts."""
        self.problem = ""
        self.submission: Submission | None = None
        self._follower = follower
        self._voter = voter
        self._signer = voter.signer
        self._peers = peers
        self._submit = submit
        self._takeover_s = takeover_s
        self._pause_s = pause_s
        self._seq = 0
        self._seen: tuple[OutboxState | None, str] = (None, "")
        self._due_since: float | None = None
        self._is_back = True
        self._stepped_at = float("-inf")
        self._was_bound = False
        self._attempt = 0
        self._not_before = 0.0
        self._asking: set[asyncio.Task[bytes | None]] = set()

    def observe(self, status: OutboxStatus) -> None:
        """Note what became of the transaction of the batch submitted, and allow another attempt if it failed."""
        assert self.submission is not None
        with batch_in_log(self._follower.kind.name, self.submission.seq):
            if (status.state, status.error) != self._seen:
                self._seen = status.state, status.error
                transaction = None if status.transaction is None else to_hex(status.transaction)
                _log.info("transaction", state=status.state, transaction=transaction, error=status.error)
            if status.state is OutboxState.FAILED:
                self.failed(f"transaction of batch {self.submission.seq} failed: {status.error}")

    def failed(self, reason: str) -> None:
        """Allow another attempt at the batch submitted: its transaction failed."""
        self.submission = None
        self._attempt += 1
        self._postpone(reason)

    async def step(self, now: int) -> None:
        """Propose if something is due and it is this oracle's turn. Raises StoreError."""
        if not self._follower.caught_up:
            return
        was_away = time.monotonic() >= self._stepped_at + self._takeover_s
        if was_away:
            # The chain was away from all, or this oracle from the others: if all who waited meanwhile proposed at once,
            # votes would split.
            self._due_since, self._is_back = None, True
        try:
            await self._step(now, was_away)
        finally:
            self._stepped_at = time.monotonic()

    async def _step(self, now: int, was_away: bool) -> None:
        if time.monotonic() < self._not_before:
            return
        place = self._follower.place()
        if place.seq != self._seq:
            self._is_back = was_away  # others may have begun what it has only now heard of
            self._seq, self._due_since, self._attempt, self.submission, self.problem = place.seq, None, 0, None, ""
        if self.submission is not None:
            return
        with batch_in_log(self._follower.kind.name, place.seq):
            await self._propose_if_due(place, now)

    async def _propose_if_due(self, place: Place, now: int) -> None:
        try:
            bound = await asyncio.to_thread(self._signer.bound, self._follower.kind.stream_id, place.seq)
            keys = bound.keys if bound is not None else await asyncio.to_thread(self._follower.kind.due, now)
            if keys is None or (self._was_bound and bound is None):
                # After votes ran out, turns begin anew: if all who waited proposed at once, votes would split again.
                self._due_since = None
            self._was_bound = bound is not None
            if keys is None:
                return
            if (rank := self._rank(place.seq)) is not None and self._waited(rank):
                if bound is not None:
                    # As it was, not in a fresh window: votes split among proposals must run out to be agreed after all.
                    draft = Draft(keys, Window(bound.valid_from, bound.valid_until))
                else:
                    may_be_begun = rank > 0 or self._is_back or self.problem
                    begun = await self._begun_by_peers(place) if may_be_begun else None
                    draft = begun or Draft(keys, self._signer.fresh_window())
                if not self._signer.is_late(draft.window):
                    await self._propose(place, draft)
                    self.problem = ""
        except (CommitteeError, InputError) as error:
            self._postpone(f"{self._follower.kind.name}: batch {place.seq}: {error.message}")

    def _postpone(self, problem: str) -> None:
        self.problem = problem
        self._not_before = time.monotonic() + self._pause_s
        _log.warning("proposal_failed", problem=problem)

    def _rank(self, seq: int) -> int | None:
        members = self._follower.committee.members
        if self._signer.address not in members:
            return None
        return (members.index(self._signer.address) - seq) % len(members)

    def _waited(self, rank: int) -> bool:
        if self._due_since is None:
            self._due_since = time.monotonic()
        return time.monotonic() >= self._due_since + rank * self._takeover_s

    async def _propose(self, place: Place, draft: Draft) -> None:
        follower = self._follower
        prepared = await asyncio.to_thread(follower.prepare, place, draft.keys, {})
        proposal = self._signer.propose(prepared, place, draft.window)
        # Our own vote comes first: were it given last, two proposers could each spend their vote on the other.
        async with follower.lock:
            if not follower.caught_up or follower.place() != place:
                return
            signatures = {self._signer.address: await self._voter.vote(follower, proposal)}
        signatures |= await self._collect(proposal)
        if not self._enough(signatures):
            needed = follower.committee.threshold
            raise CommitteeError(f"{len(signatures)} of {needed} signatures for {to_hex(proposal.digest)}")
        submission = self._submission(proposal, signatures)
        await asyncio.to_thread(self._submit, submission)
        self.submission, self._seen = submission, (None, "")

    async def _begun_by_peers(self, place: Place) -> Draft | None:
        """The draft most peers are bound to by a vote, its readings taken into our log; None without any.

        A proposer that comes after another finishes what that one began, or it would find everyone's vote spent. What
        does not have here the digest that the peer voted for is passed over: nobody honest will sign that.
        """
        stream = to_hex(self._follower.kind.stream_id)
        answers = await asyncio.gather(
            *(self._peers.voted_content(address, stream, place.seq) for address in self._peers.urls),
            return_exceptions=True,
        )
        voted = {
            address: answer
            for address, answer in zip(self._peers.urls, answers, strict=True)
            if isinstance(answer, BatchContent)
        }
        votes = Counter(content.digest for content in voted.values())
        for address, content in sorted(voted.items(), key=lambda one: (-votes[one[1].digest], one[1].valid_from)):
            try:
                return await self._taken_over(address, content, place)
            except (CommitteeError, InputError) as error:
                _log.warning("vote_passed_over", member=address, error=error.message)
        return None

    async def _taken_over(self, address: str, content: BatchContent, place: Place) -> Draft:
        """A peer's draft, its readings taken into our log. Raises CommitteeError or InputError if it is not right."""
        await self._follower.take_over(content)
        window = Window(content.valid_from, content.valid_until)
        prepared = await asyncio.to_thread(self._follower.prepare, place, content.keys, {})
        digest = to_hex(self._signer.propose(prepared, place, window).digest)
        if digest != content.digest:
            detail = f"batch {place.seq} is {digest} here, {content.digest[:80]} in its vote"
            raise self._peers.failed(address, "wrong_digest", detail)
        return Draft(content.keys, self._signer.fresh_window() if self._signer.objection(window) else window)

    def _enough(self, signatures: Mapping[str, bytes]) -> bool:
        return len(signatures) >= self._follower.committee.threshold

    async def _collect(self, proposal: Proposal) -> dict[str, bytes]:
        """Checked signatures of peers, by member."""
        signatures: dict[str, bytes] = {}
        members = [address for address in self._peers.urls if address in self._follower.committee.members]
        tasks = {asyncio.create_task(self._ask(address, proposal)): address for address in members}
        self._asking |= tasks.keys()
        waiting = set(tasks)
        while waiting:
            enough = len(signatures) + 1 >= self._follower.committee.threshold
            done, waiting = await asyncio.wait(
                waiting, timeout=_STRAGGLERS_S if enough else None, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                break
            signatures |= {tasks[task]: signature for task in done if (signature := task.result()) is not None}
        self._asking = {task for task in self._asking if not task.done()}
        return signatures

    async def _ask(self, address: str, proposal: Proposal) -> bytes | None:
        """A member's checked signature; None if it refused or failed us. Its behaviour is noted either way."""
        prepared, place = proposal.prepared, proposal.place
        request = SignRequest(
            stream=to_hex(prepared.stream_id),
            kind=self._follower.kind.name,
            seq=place.seq,
            previous=to_hex(place.previous),
            config=place.config,
            valid_from=proposal.window.valid_from,
            valid_until=proposal.window.valid_until,
            keys=prepared.keys,
        )
        try:
            answer = await self._peers.ask(address, request)
            if isinstance(answer, Refusal) and answer.problem == "missing":
                lacking = {id_of_key(key) for key in answer.missing}
                readings = [to_payload(one) for key, one in _attachable(prepared).items() if key in lacking]
                request = msgspec.structs.replace(request, readings=readings)
                answer = await self._peers.ask(address, request)
            if isinstance(answer, Refusal):
                raise self._peers.failed(address, answer.problem, answer.detail)
            return self._checked(address, proposal, answer)
        except (CommitteeError, InputError) as error:
            _log.warning("member_failed", member=address, error=error.message)
            return None

    def _checked(self, address: str, proposal: Proposal, answer: SignAnswer) -> bytes:
        """The signature, if it is the member's over our digest. Raises CommitteeError naming the member."""
        if answer.digest != to_hex(proposal.digest):
            raise self._peers.failed(
                address,
                "wrong_digest",
                f"batch {proposal.place.seq} is {to_hex(proposal.digest)} here, {answer.digest[:80]} there",
            )
        try:
            signature = bytes.fromhex(answer.signature.removeprefix("0x"))
        except ValueError:
            signature = b""
        signer = recover_signer(proposal.digest, signature)
        if signer is None or signer != bytes.fromhex(address.removeprefix("0x")):
            found = "nobody" if signer is None else to_hex(signer)
            raise self._peers.failed(address, "wrong_signature", f"the signature is one of {found}")
        self._peers.signed(address)
        return signature

    def _submission(self, proposal: Proposal, signatures: Mapping[str, bytes]) -> Submission:
        committee, kind = self._follower.committee, self._follower.kind
        mask = sum(1 << index for index, member in enumerate(committee.members) if member in signatures)
        ordered = [signatures[member] for member in committee.members if member in signatures]
        others = [member for member in committee.members if member not in signatures]
        batch = proposal.prepared.batch(proposal.place, proposal.window)
        calldata = encode_attest(batch, committee.threshold, mask, ordered, others)
        _log.info(
            "batch_signed",
            signatures=len(ordered),
            count=batch.meta.count,
            valid_until=batch.valid_until,
            digest=to_hex(proposal.digest),
        )
        return Submission(kind.name, batch.seq, proposal.digest, calldata, self._attempt)


def _attachable(prepared: Prepared) -> dict[bytes, SignedReading]:
    return attach([one.signed for one in prepared.scored])
