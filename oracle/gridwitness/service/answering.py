"""Answering challenges: a bonded stream loses its bond unless somebody brings the device's signature in time.

Every oracle looks at every open challenge of its readings. One whose signature it has, and the registry finds good, it
answers through the outbox; members take turns, so that not all pay for an answer that one can give. Where it has none
it sends nothing, since a signature that does not verify loses the bond at once: it says so loudly instead.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from gridwitness.chain.challenges import encode_answer
from gridwitness.chain.outbox import OutboxStatus
from gridwitness.chain.outbox_store import OutboxState
from gridwitness.domain.challenges import Challenge, ChallengeStatus
from gridwitness.domain.readings import SignedReading
from gridwitness.encoding.leaves import signature_hash
from gridwitness.encoding.packing import metric_bytes
from gridwitness.service.following import Follower
from gridwitness.service.messages import to_hex
from gridwitness.store import ReadingLog

_log = structlog.get_logger()
_MAX_COUNTER = (1 << 63) - 1  # what the log can hold
# An answer is mined in a block or two: whoever comes next should see it before sending one too.
_TURN_PER_TAKEOVER = 3
# With less than a quarter of the window left nobody waits for others any more.
_URGENT_DIVISOR = 4
_OVER_ON_CHAIN = (OutboxState.FINAL, OutboxState.FAILED)


class Challenges(Protocol):
    """What is needed of chain.ChallengeView."""

    @property
    def address(self) -> str:
        """Contract to send answers to."""

    def sync(self, head_number: int) -> None:
        """Read the chain."""

    def challenges(self, status: ChallengeStatus) -> list[Challenge]:
        """Challenges that stand so."""

    def own_answers(self) -> int:
        """Number of challenges this oracle answered."""

    def is_signed(self, signed: SignedReading) -> bool:
        """Whether the registry finds the signature good."""


class Sender(Protocol):
    """What is needed of chain.Outbox."""

    def enqueue(self, key: str, to: str, calldata: bytes) -> None:
        """Send a call, once per key."""

    def status(self, key: str) -> OutboxStatus | None:
        """Where it is."""

    def retry(self, key: str) -> bool:
        """Send anew what failed for good."""

    def reopen(self, key: str) -> bool:
        """Send again what was final, but fell to a reorganisation."""


@dataclass(slots=True)
class _Case:
    """An open challenge: the calldata that answers it, or why this oracle has none, and what it does about it.

    `is_urgent` with less than a quarter of the window left, `is_hindered` if something keeps the answer from the chain.
    """

    challenge: Challenge
    seen_at: float
    calldata: bytes = b""
    objection: str = ""
    action: str = ""
    is_urgent: bool = False
    is_late: bool = False
    is_hindered: bool = False

    @property
    def is_alarming(self) -> bool:
        """Whether the bond is lost unless somebody else does something."""
        return self.is_late or bool(self.objection) or (self.is_urgent and self.is_hindered)


class Answerer:
    """Answers challenges of one stream's readings. `step` blocks; call it off the event loop, one at a time.

    `report` has the open challenges with what is done about each, how many ended how, and alarms, at the last step.
    """

    def __init__(
        self,
        follower: Follower,
        challenges: Challenges,
        readings: ReadingLog,
        outbox: Sender | None,
        address: str,
        takeover_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`outbox` is None in a dry run; `address` is this oracle's, checksummed."""
        self.busy = False
        self._follower = follower
        self._challenges = challenges
        self._readings = readings
        self._outbox = outbox
        self._address = address
        self._turn_s = takeover_s * _TURN_PER_TAKEOVER
        self._monotonic = monotonic
        self._cases: dict[bytes, _Case] = {}
        self._ended: dict[str, int] = {}
        self.report: dict[str, object] = {}

    def step(self, now: int, head_number: int, *, moved: bool) -> None:
        """Do what is due; `now` is the chain's time, `moved` whether its head is new. Raises ChainError, StoreError.

        `busy` then says whether an answer is under way in the outbox.
        """
        if moved:
            self._refresh(head_number)
        self.busy = False
        for case in self._cases.values():
            known, case.action = (case.action, case.is_alarming), self._advance(case, now, moved=moved)
            if (case.action, case.is_alarming) != known:
                _announce(case)
        self.report = {
            **self._ended,
            "unanswerable": sum(bool(case.objection) for case in self._cases.values()),
            "alarms": [_alarm(case) for case in self._cases.values() if case.is_alarming],
            "open": [_document(case, now) for case in self._cases.values()],
        }

    def _refresh(self, head_number: int) -> None:
        self._challenges.sync(head_number)
        seen_at = self._monotonic()
        still_open = self._challenges.challenges(ChallengeStatus.OPEN)
        self._cases = {one.challenge_id: self._cases.get(one.challenge_id) or _Case(one, seen_at) for one in still_open}
        for case in self._cases.values():
            if not case.calldata:
                self._examine(case)
        self._ended = {
            "answered": len(self._challenges.challenges(ChallengeStatus.ANSWERED)),
            "answered_here": self._challenges.own_answers(),
            "convicted": len(self._challenges.challenges(ChallengeStatus.CONVICTED)),
        }

    def _examine(self, case: _Case) -> None:
        """Find the answer, or say why there is none here. A log that lacks batches may yet get the reading."""
        signed = self._logged(case.challenge)
        if signed is None and not self._follower.caught_up:
            return
        case.calldata = b""
        if signed is None:
            case.objection = "the reading is not in this oracle's log"
            return
        case.objection = self._objection(case.challenge, signed)
        if not case.objection:
            case.calldata = encode_answer(case.challenge, signed.signature, signed.document)

    def _logged(self, challenge: Challenge) -> SignedReading | None:
        device_id, counter, *_ = challenge.leaf
        if counter > _MAX_COUNTER:
            return None
        found = self._readings.find([(device_id, counter)])[0]
        return None if found is None else found.signed

    def _objection(self, challenge: Challenge, signed: SignedReading) -> str:
        """What would make an answer with this reading lose the bond, or be refused; empty if nothing."""
        _, _, leaf_time, metric, value, _, leaf_hash = challenge.leaf
        reading = signed.reading
        if (reading.time, metric_bytes(reading.metric), reading.value) != (leaf_time, metric, value):
            return (
                f"the leaf says {value} at {leaf_time}, this oracle's log {reading.metric} = {reading.value} "
                f"at {reading.time}"
            )
        if signature_hash(signed) != leaf_hash:
            return f"the leaf is of another signature, with hash {to_hex(leaf_hash)}"
        if not self._challenges.is_signed(signed):
            return (
                "the signature is not one of the device's key for the registry: an answer would lose the bond at once"
            )
        return ""

    def _advance(self, case: _Case, now: int, *, moved: bool) -> str:
        """Send the answer if it is due; what is done about the challenge, in words."""
        left_s = case.challenge.deadline - now
        case.is_urgent, case.is_late = left_s * _URGENT_DIVISOR < case.challenge.window_s, left_s < 0
        case.is_hindered = True  # until it is known to be under way
        if case.is_late:
            return "was not answered in time"
        if case.objection:
            return f"cannot be answered here: {case.objection}"
        if not case.calldata:
            return "waits until the log has caught up with the chain"
        if self._outbox is None:
            return "dry run: another must answer"
        return self._send(case, self._outbox, moved=moved)

    def _send(self, case: _Case, outbox: Sender, *, moved: bool) -> str:
        """See that the answer is under way once it is due. At a head that moved the challenge is still open."""
        key = f"answer:{to_hex(case.challenge.challenge_id)}"
        status = outbox.status(key)
        if status is None:
            return self._begin(case, outbox, key)
        if status.state is OutboxState.FAILED and moved and outbox.retry(key):
            self.busy = True
            return f"answer failed, sent again: {status.error}"
        if status.state is OutboxState.FINAL and moved and outbox.reopen(key):
            self.busy = True
            return "answer fell to a reorganisation, sent again"
        self.busy = status.state not in _OVER_ON_CHAIN or self.busy
        case.is_hindered = bool(status.error)
        return f"answer {status.state}" + (f": {status.error}" if status.error else "")

    def _begin(self, case: _Case, outbox: Sender, key: str) -> str:
        case.is_hindered = False
        if not case.is_urgent and self._wait_s(case) > 0:
            return "waits for its turn"
        self._examine(case)  # a suspension may have come since: what the registry says now is what it will judge
        if case.objection:
            return f"cannot be answered here: {case.objection}"
        outbox.enqueue(key, self._challenges.address, case.calldata)
        self.busy = True
        return "answer queued"

    def _wait_s(self, case: _Case) -> float:
        """Seconds until it is this oracle's turn: members in an order of their own for each challenge, others last."""
        members = self._follower.committee.members
        rank = len(members)
        if self._address in members:
            rank = (members.index(self._address) - int.from_bytes(case.challenge.challenge_id, "big")) % len(members)
        return case.seen_at + rank * self._turn_s - self._monotonic()


def _announce(case: _Case) -> None:
    if case.is_alarming:
        _log.error("challenge_alarm", problem=_alarm(case))
    else:
        _log.info("challenge_open", challenge=to_hex(case.challenge.challenge_id), action=case.action)


def _alarm(case: _Case) -> str:
    device_id, counter, *_ = case.challenge.leaf
    reading = f"reading {counter} of device {to_hex(device_id)}"
    return f"challenge {to_hex(case.challenge.challenge_id)} of {reading}: {case.action}"


def _document(case: _Case, now: int) -> dict[str, object]:
    challenge = case.challenge
    device_id, counter, leaf_time, *_ = challenge.leaf
    return {
        "id": to_hex(challenge.challenge_id),
        "device_id": to_hex(device_id),
        "counter": counter,
        "time": leaf_time,
        "batch": challenge.seq,
        "challenger": challenge.challenger,
        "stake": challenge.stake,
        "deadline": challenge.deadline,
        "left_s": max(challenge.deadline - now, 0),
        "action": case.action,
    }
