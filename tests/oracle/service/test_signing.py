"""The promise behind every signature: no two contents of one number are ever signed to be valid at one time."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gridwitness.encoding.keys import recover_signer
from gridwitness.service.batching import ReadingKeys, encode_keys, key_of
from gridwitness.service.messages import SignAnswer, SignRequest
from gridwitness.service.proposing import Proposer, Submission
from tests.oracle.service.members import (
    ACCOUNT,
    START,
    VALIDITY_S,
    Member,
    all_votes,
    make_member,
    make_readings,
    make_request,
)
from tests.oracle.service.oracle_parts import Parts

# Contents a proposer may come with for the same number: all readings, or all but one.
CONTENTS = 4
# Windows begin and end on a grid, so that they often just meet.
GRID_S = VALIDITY_S // 4


def grid(low: int, high: int) -> st.SearchStrategy[int]:
    return st.integers(low, high).map(lambda steps: steps * GRID_S)


class SigningSchedule(RuleBasedStateMachine):
    """One member under any schedule of its own and others' proposals, crashes and clocks that go either way."""

    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.loop = asyncio.new_event_loop()
        self.signed: dict[bytes, tuple[bytes, int, int]] = {}
        self.now = START
        self._open()

    def _open(self) -> None:
        self.parts = Parts(Path(self.folder.name) / "oracle.sqlite")
        self.parts.clock.time = self.now
        self.parts.chain_time.observe(self.now)
        self.submissions: list[Submission] = []
        self.member: Member = make_member(self.parts)
        self.loop.run_until_complete(self.member.follower.step(0))
        peers = self.member.follower._peers
        self.proposer = Proposer(self.member.follower, self.member.voter, peers, self.submissions.append, 0.0, 0.0)
        if self.parts.readings.counts()["stored"] == 0:
            self.parts.append(make_readings(self.parts), START)

    @rule(content=st.integers(0, CONTENTS - 1), offset=grid(-4, 2), length=grid(0, 6))
    def peer_proposes(self, content: int, offset: int, length: int) -> None:
        answer = self.loop.run_until_complete(self.member.answer(self._request(content, self.now + offset, length)))
        if isinstance(answer, SignAnswer):
            digest = bytes.fromhex(answer.digest[2:])
            signer = recover_signer(digest, bytes.fromhex(answer.signature[2:]))
            assert signer == bytes.fromhex(ACCOUNT.address[2:])
            self._note(digest)

    @rule()
    def proposes_itself(self) -> None:
        self.loop.run_until_complete(self.proposer.step(self.now))
        if self.submissions:
            self._note(self.submissions.pop().digest)
            self.proposer.failed("BatchOutsideValidity")

    @rule(step_s=grid(-4, 8))
    def clock_moves(self, step_s: int) -> None:
        self.now += step_s
        self.parts.clock.time = self.now
        self.parts.chain_time.observe(self.now)

    @rule()
    def crash(self) -> None:
        self.parts.close()
        self._open()

    @invariant()
    def no_two_contents_are_valid_at_one_time(self) -> None:
        votes = list(self.signed.values())
        for content, valid_from, valid_until in votes:
            for other, from_, until in votes:
                assert content == other or valid_until < from_ or until < valid_from

    def teardown(self) -> None:
        if hasattr(self, "parts"):
            self.parts.close()
            self.loop.close()
            self.folder.cleanup()

    def _request(self, content: int, valid_from: int, length: int) -> SignRequest:
        readings = make_readings(self.parts)
        left_out = readings[content : content + 1]  # nothing for the last
        named = [key_of(one) for one in readings if one not in left_out]
        absent = ["0x" + one.reading.device_id.hex() for one in left_out]
        window = {"valid_from": valid_from, "valid_until": valid_from + length}
        return make_request(readings, keys=encode_keys(ReadingKeys(absent, named)), **window)

    def _note(self, digest: bytes) -> None:
        """What left the member, with content and window as its own log has them: a signature must be in there."""
        (vote,) = [vote for vote in all_votes(self.parts) if vote.digest == digest]
        self.signed[digest] = (vote.content, vote.valid_from, vote.valid_until)


TestSigningSchedule = SigningSchedule.TestCase
TestSigningSchedule.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)


def test_schedule__peers_and_crashes__really_gets_signatures_and_refusals(tmp_path: Path) -> None:
    """The machine above would hold for a member that signs nothing, or only ever one content."""
    machine = SigningSchedule()
    machine.start()
    machine.peer_proposes(0, 0, 50)
    machine.peer_proposes(1, 0, 50)
    machine.clock_moves(60)
    machine.crash()
    machine.peer_proposes(1, 0, 50)
    machine.clock_moves(60)
    machine.proposes_itself()
    machine.no_two_contents_are_valid_at_one_time()
    assert [valid_from - START for _, valid_from, _ in machine.signed.values()] == [0, 60, 120]
    assert len({content for content, _, _ in machine.signed.values()}) == 3
    machine.teardown()
