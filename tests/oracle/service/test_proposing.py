"""Three members agree: in turn, with readings missing here and there, after one of them died, with one that lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec
import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from gridwitness.domain.slots import slot_end
from gridwitness.service.messages import BatchContent, SignAnswer, decode_message, encode_message, to_hex
from gridwitness.service.peers import Peers
from gridwitness.service.proposing import Proposer, Submission
from tests.nesting import DEEP_JSON, usual_recursion_limit
from tests.oracle.service.members import (
    VALIDITY_S,
    ChainStream,
    Member,
    all_votes,
    make_member,
    make_readings,
    make_request,
)
from tests.oracle.service.oracle_parts import READINGS_STREAM, Parts
from tests.oracle.signers import FIRST_SLOT, home_key, net_energy

NOW = slot_end(FIRST_SLOT)
GRACE_OVER = NOW + 300
ACCOUNTS: list[LocalAccount] = sorted(
    (Account.from_key(bytes([number]) * 32) for number in (1, 2, 3)), key=lambda account: int(account.address, 16)
)
ADDRESSES = tuple(account.address for account in ACCOUNTS)


@dataclass
class Committee:
    """Members that reach each other by name; `down` do not answer, `twist` may change what one answers."""

    members: list[Member] = field(default_factory=list)
    proposers: list[Proposer] = field(default_factory=list)
    submissions: list[Submission] = field(default_factory=list)
    peers: list[Peers] = field(default_factory=list)
    down: set[int] = field(default_factory=set)
    twist: Callable[[int, bytes], bytes] = lambda _, body: body
    twist_vote: Callable[[int, BatchContent], BatchContent] = lambda _, content: content

    async def serve(self, request: httpx.Request) -> httpx.Response:
        index = int(request.url.host.removeprefix("member"))
        if index in self.down:
            raise httpx.ConnectError("connection refused")
        voter = self.members[index].voter
        if request.method == "POST":
            reply = await voter.sign(request.content)
            return httpx.Response(200 if reply.signed else 409, content=self.twist(index, reply.body))
        seq = int(request.url.path.rpartition("/")[2])
        content = await voter.voted_content(READINGS_STREAM, seq)
        if content is None:
            return httpx.Response(404)
        return httpx.Response(200, content=encode_message(self.twist_vote(index, content)))


@pytest.fixture
async def committee(tmp_path: Path) -> Iterator[Committee]:
    made = Committee()
    for index, account in enumerate(ACCOUNTS):
        parts = Parts(tmp_path / f"member{index}.sqlite")
        parts.clock.time = NOW
        urls = {address: f"http://member{i}" for i, address in enumerate(ADDRESSES) if i != index}
        peers = Peers(urls, 30, httpx.AsyncClient(transport=httpx.MockTransport(made.serve)))
        member = make_member(parts, peers=peers, account=account, stream=ChainStream(2, ADDRESSES))
        await member.follower.step(0)
        made.members.append(member)
        made.peers.append(peers)
        made.proposers.append(Proposer(member.follower, member.voter, peers, made.submissions.append, 0.0, 0.0))
    yield made
    for member in made.members:
        member.parts.close()


def _post(committee: Committee, *indices: int) -> None:
    for index in indices:
        parts = committee.members[index].parts
        parts.append(make_readings(parts), NOW)


def _observe(committee: Committee, head_time: int) -> None:
    for member in committee.members:
        member.parts.chain_time.observe(head_time)


async def test_propose__all_have_the_readings__collects_every_signature(committee: Committee) -> None:
    _post(committee, 0, 1, 2)
    await committee.proposers[1].step(NOW)
    (submission,) = committee.submissions
    (vote,) = all_votes(committee.members[0].parts)
    assert submission.digest == vote.digest
    assert all(one.behaviour[ADDRESSES[1]].signed == 0 for one in (committee.peers[0], committee.peers[2]))
    assert [committee.peers[1].behaviour[address].signed for address in (ADDRESSES[0], ADDRESSES[2])] == [1, 1]


async def test_propose__submitted_already__does_nothing_until_the_chain_moves(committee: Committee) -> None:
    _post(committee, 0, 1, 2)
    await committee.proposers[1].step(NOW)
    await committee.proposers[1].step(NOW)
    assert len(committee.submissions) == 1


async def test_propose__transaction_failed__is_tried_again_under_another_key(committee: Committee) -> None:
    _post(committee, 0, 1, 2)
    await committee.proposers[1].step(NOW)
    committee.proposers[1].failed("out of gas")
    await committee.proposers[1].step(NOW)
    first, second = committee.submissions
    assert first.digest == second.digest
    assert first.intent_key != second.intent_key


async def test_propose__batch_expired_before_it_landed__is_proposed_again_in_a_new_window(committee: Committee) -> None:
    _post(committee, 0, 1, 2)
    await committee.proposers[1].step(NOW)
    committee.proposers[1].failed("BatchOutsideValidity")
    _observe(committee, NOW + 2 * VALIDITY_S)
    await committee.proposers[1].step(NOW)
    first, second = committee.submissions
    votes = all_votes(committee.members[2].parts)
    assert [vote.digest for vote in votes] == [second.digest, first.digest]
    assert votes[0].content == votes[1].content
    assert votes[0].valid_from == NOW + 2 * VALIDITY_S > votes[1].valid_until


async def test_propose__other_content_after_the_expiry__is_signed_by_everyone(committee: Committee) -> None:
    _post(committee, 0, 1, 2)
    await committee.proposers[1].step(NOW)
    committee.proposers[1].failed("BatchOutsideValidity")
    _observe(committee, NOW + 2 * VALIDITY_S)
    for member in committee.members:
        key = member.parts.keys[0]
        member.parts.append([net_energy(key, 2, FIRST_SLOT + 1, 9)], NOW)
    await committee.proposers[1].step(slot_end(FIRST_SLOT + 1) + 300)
    votes = all_votes(committee.members[2].parts)
    assert len({vote.content for vote in votes}) == len(committee.submissions) == 2


async def test_propose__window_nearly_over__waits_for_its_end(committee: Committee) -> None:
    _post(committee, 0, 1, 2)
    await committee.proposers[1].step(NOW)
    committee.proposers[1].failed("out of gas")
    (vote,) = all_votes(committee.members[1].parts)
    quarter = (vote.valid_until - vote.valid_from) // 4
    _observe(committee, vote.valid_until - quarter + 1)
    await committee.proposers[1].step(NOW)
    assert len(committee.submissions) == 1
    _observe(committee, vote.valid_until + 1)
    await committee.proposers[1].step(NOW)
    assert len(committee.submissions) == 2


async def test_propose__a_peer_lacks_readings__gets_them_attached_and_signs(committee: Committee) -> None:
    _post(committee, 1)
    await committee.proposers[1].step(NOW)
    assert len(committee.submissions) == 1
    assert [member.parts.readings.counts()["stored"] for member in committee.members] == [3, 3, 3]


async def test_propose__too_few_answer__submits_nothing_and_says_who_failed(committee: Committee) -> None:
    _post(committee, 0, 1, 2)
    committee.down = {0, 2}
    await committee.proposers[1].step(NOW)
    assert committee.submissions == []
    assert "1 of 2 signatures" in committee.proposers[1].problem
    # Asked for what it voted for, as whoever begins does, and for its signature.
    assert committee.peers[1].behaviour[ADDRESSES[0]].failures["no_answer"] == 2
    committee.down = {0}
    await committee.proposers[1].step(NOW)
    assert len(committee.submissions) == 1
    assert committee.proposers[1].problem == ""


async def test_propose__earlier_proposer_died_after_collecting__its_content_is_taken_over(
    committee: Committee,
) -> None:
    dead, voted, next_in_turn = committee.members[1], committee.members[2], committee.proposers[0]
    committee.down = {1}
    forked = [net_energy(home_key(), 1, FIRST_SLOT, 7), *make_readings(dead.parts)[1:]]
    answer = await voted.answer(make_request(forked, attached=True))
    assert isinstance(answer, SignAnswer)
    _post(committee, 0)
    await next_in_turn.step(GRACE_OVER)
    (submission,) = committee.submissions
    assert to_hex(submission.digest) == answer.digest
    stored = committee.members[0].parts.readings.find([(home_key().device_id, 1)])[0]
    assert stored is not None
    assert stored.signed == forked[0]


async def test_propose__bound_by_an_own_vote__proposes_that_content_again(committee: Committee) -> None:
    _post(committee, 0, 1, 2)
    answer = await committee.members[1].answer(make_request(make_readings(committee.members[0].parts)))
    assert isinstance(answer, SignAnswer)
    await committee.proposers[1].step(0)
    assert [to_hex(one.digest) for one in committee.submissions] == [answer.digest]


async def test_collect__member_answers_another_digest__is_named_with_both(committee: Committee) -> None:
    _post(committee, 0, 1, 2)
    made_up = to_hex(b"\xee" * 32)

    def lie(index: int, body: bytes) -> bytes:
        if index != 0:
            return body
        return encode_message(msgspec.structs.replace(decode_message(body, SignAnswer), digest=made_up))

    committee.twist = lie
    await committee.proposers[1].step(NOW)
    (submission,) = committee.submissions
    behaviour = committee.peers[1].behaviour[ADDRESSES[0]]
    assert behaviour.failures == {"wrong_digest": 1}
    assert behaviour.last_failure == f"wrong_digest: batch 1 is {to_hex(submission.digest)} here, {made_up} there"


async def test_collect__signature_of_somebody_else__is_not_counted(committee: Committee) -> None:
    _post(committee, 0, 1, 2)

    def borrow(index: int, body: bytes) -> bytes:
        answer = decode_message(body, SignAnswer)
        signature = ACCOUNTS[1].unsafe_sign_hash(bytes.fromhex(answer.digest[2:])).signature
        return encode_message(msgspec.structs.replace(answer, signature=to_hex(bytes(signature))))

    committee.twist = borrow
    await committee.proposers[1].step(NOW)
    assert committee.submissions == []
    assert committee.peers[1].behaviour[ADDRESSES[0]].failures == {"wrong_signature": 1}
    assert ADDRESSES[1][2:].lower() in committee.peers[1].behaviour[ADDRESSES[0]].last_failure


@pytest.mark.parametrize("words", [b"<html>", DEEP_JSON], ids=["html", "deep"])
async def test_collect__answer_in_other_words__is_malformed(committee: Committee, words: bytes) -> None:
    _post(committee, 0, 1, 2)
    committee.twist = lambda index, body: words if index == 0 else body
    with usual_recursion_limit():
        await committee.proposers[1].step(NOW)
    assert len(committee.submissions) == 1
    assert committee.peers[1].behaviour[ADDRESSES[0]].failures == {"malformed": 1}


async def test_propose__somebody_elses_turn__waits_for_the_takeover(committee: Committee) -> None:
    _post(committee, 0, 1, 2)
    patient = [
        Proposer(member.follower, member.voter, peers, committee.submissions.append, 3_600.0, 0.0)
        for member, peers in zip(committee.members, committee.peers, strict=True)
    ]
    for index in (0, 2):
        await patient[index].step(NOW)
        assert committee.submissions == []
    await patient[1].step(NOW)
    assert [one.seq for one in committee.submissions] == [1]


async def test_propose__votes_split_and_ran_out__turns_begin_anew(committee: Committee) -> None:
    committee.down = {0, 1, 2}
    for index, (member, proposer) in enumerate(zip(committee.members, committee.proposers, strict=True)):
        member.parts.append(make_readings(member.parts, 400 + index), NOW)
        await proposer.step(NOW)  # each votes for its own
        proposer._takeover_s = 1_000
    assert not committee.submissions
    committee.down = set()
    for proposer in committee.proposers:
        await proposer.step(NOW)
        proposer._due_since -= 10_000  # everybody has waited long
    assert not committee.submissions
    _observe(committee, NOW + 2 * VALIDITY_S)
    await committee.proposers[0].step(NOW)
    await committee.proposers[2].step(NOW)
    assert not committee.submissions  # it is the second member's turn, however long the others waited
    await committee.proposers[1].step(NOW)
    assert len(committee.submissions) == 1


async def test_propose__the_chain_was_away_from_all__takes_turns_anew(committee: Committee) -> None:
    _post(committee, 0, 1, 2)
    for proposer in committee.proposers:
        proposer._takeover_s = 1_000
    for index in (0, 2):
        await committee.proposers[index].step(NOW)  # from now on they wait
    for proposer in committee.proposers:
        proposer._stepped_at -= 10_000
        if proposer._due_since is not None:
            proposer._due_since -= 10_000
    for index in (0, 2):
        await committee.proposers[index].step(NOW)
    assert not committee.submissions  # it is the second member's turn, however long the others waited
    await committee.proposers[1].step(NOW)
    assert len(committee.submissions) == 1


@pytest.mark.parametrize("heard_of", [0, 7])
async def test_propose__comes_back_after_another_began__finishes_what_that_one_began(
    committee: Committee, heard_of: int
) -> None:
    committee.proposers[1]._seq = heard_of  # batches, before it was away
    _post(committee, 0, 2)
    committee.members[1].parts.append(make_readings(committee.members[1].parts, 401), NOW)
    committee.down = {0, 1}
    await committee.proposers[2].step(NOW)  # votes, and finds nobody
    committee.down = {0}
    await committee.proposers[1].step(NOW)  # its turn, and its first step
    assert len(committee.submissions) == 1
    assert committee.proposers[1].problem == ""


# SECURITY.md: hostile oracle
async def test_propose__a_liar_votes_for_what_its_readings_do_not_give__is_passed_over(committee: Committee) -> None:
    _post(committee, 0, 1, 2)
    committee.down = {0, 1}
    await committee.proposers[2].step(NOW)
    committee.down = {2}
    liar = committee.members[0]
    assert isinstance(await liar.answer(make_request(make_readings(liar.parts))), SignAnswer)

    def lie(index: int, content: BatchContent) -> BatchContent:
        return msgspec.structs.replace(content, digest=to_hex(bytes(32)), valid_from=0) if index == 0 else content

    committee.twist_vote, committee.down = lie, set()
    await committee.proposers[1].step(NOW)
    assert committee.peers[1].behaviour[ADDRESSES[0]].failures["wrong_digest"] == 1
    assert len(committee.submissions) == 1
