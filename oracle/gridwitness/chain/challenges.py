"""Challenges of one stream's readings: who doubts what, until when, and how the registry judges a signature."""

from __future__ import annotations

import threading
from functools import cache

from web3 import Web3
from web3.contract import Contract

from gridwitness.chain.abi import abi_of
from gridwitness.chain.client import Chain
from gridwitness.chain.events import Event
from gridwitness.chain.followers import BLOCK_RANGE, REORG_DEPTH, LogFollower
from gridwitness.domain.challenges import Bond, Challenge, ChallengeStatus
from gridwitness.domain.readings import SignedReading
from gridwitness.encoding.eip712 import registry_domain, signed_digest
from gridwitness.errors import NodeUnavailable

_ABI = "StreamBonds"  # a part of DataAttestation, with an interface of its own
_CONTRACT = "DataAttestation"
_MAX_TIME = (1 << 40) - 1
# A key that spoke for the device this long before a reading counts as well (IStreamBonds).
_KEY_GRACE_S = 900


class ChallengeView:
    """Challenges of a stream as the node's chain has them; may be used from several threads."""

    def __init__(
        self,
        chain: Chain,
        stream_id: bytes,
        answerer: str,
        *,
        block_range: int = BLOCK_RANGE,
        reorg_depth: int = REORG_DEPTH,
    ) -> None:
        """`answerer` is the account whose answers are counted; see LogFollower for the ranges."""
        self.address = chain.manifest.address(_CONTRACT)
        self._chain = chain
        self._contract = _contract(chain)
        self._registry = chain.contract("DeviceRegistry")
        self._domain = registry_domain(chain.chain_id, chain.manifest.address("DeviceRegistry"))
        self._reorg_depth = reorg_depth

        def follow(event: str, topics: list[str | None]) -> LogFollower:
            ranges = {"block_range": block_range, "reorg_depth": reorg_depth}
            return LogFollower(chain, _CONTRACT, [event], topics=topics, abi=_ABI, **ranges)

        self._asked = follow("ReadingChallenged", [None, "0x" + stream_id.hex()])
        # Answers name no stream, and those of strangers carry documents: only one's own are read.
        self._own_answers = follow(
            "ChallengeAnswered", [None, "0x" + bytes.fromhex(answerer[2:]).rjust(32, b"\0").hex()]
        )
        self._challenges: dict[bytes, Challenge] = {}
        self._folded = 0  # number of events that these stand for
        self._statuses: dict[bytes, ChallengeStatus] = {}
        self._ended_at: dict[bytes, int] = {}  # block at which a challenge was first seen ended
        self._lock = threading.Lock()

    def sync(self, head_number: int) -> None:
        """Read challenges and where they stand, at block `head_number` or a later one. Raises ChainError."""
        with self._lock:
            if self._asked.sync() < self._folded:  # reorganised
                self._challenges, self._folded = {}, 0
            fresh = self._asked.events[self._folded :]
            challenges = [self._challenge(event) for event in fresh]
            self._challenges |= {one.challenge_id: one for one in challenges}
            self._folded += len(fresh)
            self._own_answers.sync()
            self._ask_statuses(head_number)

    def _ask_statuses(self, head_number: int) -> None:
        """Ask where challenges stand, but for those that ended too long ago for a reorganisation to matter."""
        ids = [
            one for one in self._challenges if self._ended_at.get(one, head_number) > head_number - self._reorg_depth
        ]
        answers = self._chain.call_many([self._contract.functions.challengeOf(one) for one in ids])
        for challenge_id, (_, _, _, status, _, _) in zip(ids, answers, strict=True):
            self._statuses[challenge_id] = ChallengeStatus(status)
            if status in (ChallengeStatus.ANSWERED, ChallengeStatus.CONVICTED):
                self._ended_at.setdefault(challenge_id, head_number)
            else:
                self._ended_at.pop(challenge_id, None)

    def challenges(self, status: ChallengeStatus) -> list[Challenge]:
        """Challenges that stood so at the last {sync}, oldest first."""
        with self._lock:
            return [one for key, one in self._challenges.items() if self._statuses.get(key) is status]

    def own_answers(self) -> int:
        """How many challenges of this stream the answerer had ended at the last {sync}."""
        with self._lock:
            return sum(event.args["challengeId"] in self._challenges for event in self._own_answers.events)

    def is_signed(self, signed: SignedReading) -> bool:
        """Whether the registry, which decides challenges, finds the signature that of the device, at the head."""
        reading = signed.reading
        digest, time = signed_digest(self._domain, signed), min(reading.time, _MAX_TIME)
        judged = self._registry.functions.isDeviceSignature
        times = (time, max(time - _KEY_GRACE_S, 0))
        return any(self._chain.call_many([judged(reading.device_id, digest, signed.signature, at) for at in times]))

    def _challenge(self, event: Event) -> Challenge:
        args = event.args
        block = self._chain.node.block(event.block_number)
        if block is None:  # asked of another node than the event, one that is behind
            raise NodeUnavailable(f"the node has no block {event.block_number}, in which a challenge was made")
        return Challenge(
            challenge_id=args["challengeId"],
            leaf=tuple(args["leaf"]),
            seq=args["seq"],
            deadline=args["deadline"],
            window_s=args["deadline"] - block.time,
            stake=args["stake"],
            challenger=args["challenger"],
        )


def read_bond(chain: Chain, stream_id: bytes) -> Bond | None:
    """What a stream has put up, at the head; None without terms."""
    values = chain.call(_contract(chain).functions.bond(stream_id))
    token, window_s, exit_at, open_challenges, amount, stake = values
    return Bond(token, window_s, exit_at, open_challenges, amount, stake) if window_s else None


def encode_answer(challenge: Challenge, signature: bytes, document: bytes = b"") -> bytes:
    """Calldata of IStreamBonds.answer; `document` is what was signed if that was a document."""
    args = [challenge.challenge_id, challenge.leaf, signature, document]
    return bytes.fromhex(_codec().encode_abi("answer", args=args)[2:])


def _contract(chain: Chain) -> Contract:
    address = chain.web3.to_checksum_address(chain.manifest.address(_CONTRACT))
    return chain.web3.eth.contract(address=address, abi=abi_of(_ABI))


@cache
def _codec() -> type[Contract]:
    return Web3().eth.contract(abi=abi_of(_ABI))
