"""What an oracle signs for its peers, and what it refuses to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from gridwitness.domain.batches import AttestedBatch
from gridwitness.domain.readings import SignedReading
from gridwitness.domain.slots import slot_end
from gridwitness.encoding.keys import recover_signer
from gridwitness.errors import InputError
from gridwitness.service.batching import ReadingKeys, encode_keys, key_of
from gridwitness.service.messages import (
    BatchContent,
    Refusal,
    SignAnswer,
    SignRequest,
    encode_message,
    to_hex,
)
from gridwitness.service.peers import Peers
from gridwitness.sources.payloads import to_payload
from gridwitness.store import StoredBatch
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
from tests.oracle.service.oracle_parts import READINGS_STREAM, Parts, as_attested
from tests.oracle.signers import FIRST_SLOT, home_key, net_energy


@pytest.fixture
async def member(oracle: Parts) -> Member:
    oracle.clock.time = slot_end(FIRST_SLOT)
    made = make_member(oracle)
    await made.follower.step(0)
    return made


# INV-O5
async def test_sign__content_in_the_log__is_signed_and_the_vote_is_on_disk(member: Member) -> None:
    readings = make_readings(member.parts)
    member.parts.append(readings, 0)
    answer = await member.answer(make_request(readings))
    assert isinstance(answer, SignAnswer)
    digest = bytes.fromhex(answer.digest[2:])
    assert recover_signer(digest, bytes.fromhex(answer.signature[2:])) == bytes.fromhex(ACCOUNT.address[2:])
    (vote,) = all_votes(member.parts)
    assert (vote.digest, to_hex(vote.signature)) == (digest, answer.signature)
    assert (vote.valid_from, vote.valid_until) == (START, START + VALIDITY_S)


async def test_sign__same_proposal_again__gives_the_same_answer_and_one_vote(member: Member) -> None:
    readings = make_readings(member.parts)
    member.parts.append(readings, 0)
    first = await member.answer(make_request(readings))
    assert await member.answer(make_request(readings)) == first
    assert len(all_votes(member.parts)) == 1


def _one_less(oracle: Parts) -> str:
    """Keys of other content: as `make_request` of all readings, without the first device."""
    rest = make_readings(oracle)[1:]
    return encode_keys(ReadingKeys([to_hex(oracle.keys[0].device_id)], [key_of(one) for one in rest]))


# INV-O5
async def test_sign__other_content_while_the_first_may_be_attested__is_refused_even_after_a_restart(
    member: Member, oracle: Parts
) -> None:
    readings = make_readings(oracle)
    oracle.append(readings, 0)
    first = await member.answer(make_request(readings))
    assert isinstance(first, SignAnswer)
    oracle.chain_time.observe(START + VALIDITY_S)
    second = make_request(
        readings, keys=_one_less(oracle), valid_from=START + VALIDITY_S, valid_until=START + 2 * VALIDITY_S
    )
    refusal = await member.answer(second)
    assert isinstance(refusal, Refusal)
    assert refusal.problem == "voted"
    assert f"voted for {first.digest}, valid until {START + VALIDITY_S}" in refusal.detail
    restarted = make_member(oracle)
    await restarted.follower.step(0)
    assert await restarted.answer(second) == refusal


async def test_sign__other_content_once_the_first_has_expired__is_signed_and_binds_in_turn(
    member: Member, oracle: Parts
) -> None:
    readings = make_readings(oracle)
    oracle.append(readings, 0)
    assert isinstance(await member.answer(make_request(readings)), SignAnswer)
    oracle.chain_time.observe(START + VALIDITY_S + 1)
    later = {"valid_from": START + VALIDITY_S + 1, "valid_until": START + 2 * VALIDITY_S}
    other = make_request(readings, keys=_one_less(oracle), **later)
    assert isinstance(await member.answer(other), SignAnswer)
    refusal = await member.answer(make_request(readings, **later))
    assert isinstance(refusal, Refusal)
    assert refusal.problem == "voted"


@pytest.mark.parametrize("shift_s", [1, VALIDITY_S, VALIDITY_S + 1])
async def test_sign__same_content_in_another_window__is_signed(member: Member, oracle: Parts, shift_s: int) -> None:
    readings = make_readings(oracle)
    oracle.append(readings, 0)
    first = await member.answer(make_request(readings))
    oracle.chain_time.observe(START + shift_s)
    moved = {"valid_from": START + shift_s, "valid_until": START + shift_s + VALIDITY_S}
    second = await member.answer(make_request(readings, **moved))
    assert isinstance(first, SignAnswer)
    assert isinstance(second, SignAnswer)
    assert first.digest != second.digest


WINDOWS: list[tuple[int, int, str]] = [
    (START, START + 3_601, "would be valid for 3601 s; 0 to 3600 are accepted"),
    (START + 1, START, "would be valid for -1 s; 0 to 3600 are accepted"),
    (START - 9, START - 1, f"was valid until {START - 1}; the chain's time here is {START}"),
    (START + 61, START + 100, "valid 61 s after the chain's time here; 60 are accepted"),
]


@pytest.mark.parametrize(("valid_from", "valid_until", "words"), WINDOWS)
async def test_sign__window_too_long_ahead_or_over__is_an_objection(
    member: Member, oracle: Parts, valid_from: int, valid_until: int, words: str
) -> None:
    oracle.chain_time.observe(START)
    readings = make_readings(oracle)
    oracle.append(readings, 0)
    refusal = await member.answer(make_request(readings, valid_from=valid_from, valid_until=valid_until))
    assert isinstance(refusal, Refusal)
    assert refusal.problem == "objection"
    assert words in refusal.detail
    assert all_votes(oracle) == []


# INV-O4
async def test_sign__readings_not_here__are_named_and_taken_when_attached(member: Member, oracle: Parts) -> None:
    readings = make_readings(oracle)
    oracle.append(readings[:1], 0)
    refusal = await member.answer(make_request(readings))
    assert isinstance(refusal, Refusal)
    assert refusal.problem == "missing"
    assert refusal.missing == [key_of(one) for one in readings[1:]]
    assert isinstance(await member.answer(make_request(readings, attached=True)), SignAnswer)
    assert oracle.readings.counts()["stored"] == 3


# INV-O4
async def test_sign__attached_reading_nobody_signed__is_refused_and_not_logged(member: Member, oracle: Parts) -> None:
    good, *others = make_readings(oracle)
    forged = SignedReading(good.reading, others[0].signature)
    refusal = await member.answer(make_request([forged, *others], attached=True))
    assert isinstance(refusal, Refusal)
    assert refusal.problem == "invalid"
    assert "wrong_signature" in refusal.detail
    assert oracle.readings.counts()["stored"] == 0
    assert all_votes(oracle) == []


async def test_sign__device_signed_twice__the_proposed_version_replaces_ours(member: Member, oracle: Parts) -> None:
    readings = make_readings(oracle)
    oracle.append([net_energy(home_key(), 1, FIRST_SLOT, 9), *readings[1:]], 0)
    assert isinstance(await member.answer(make_request(readings, attached=True)), SignAnswer)
    stored = oracle.readings.find([(home_key().device_id, 1)])[0]
    assert stored is not None
    assert stored.signed == readings[0]


OUT_OF_PLACE: list[tuple[dict[str, object], str, str]] = [
    ({"seq": 0}, "stale", "batch 0 stands on chain; the next is 1"),
    ({"seq": 2}, "behind", "batch 2 is proposed; this oracle has seen 0 attested"),
    ({"previous": to_hex(b"\x05" * 20)}, "stale", "this oracle sees 0x0000"),
    ({"config": 2}, "stale", "under committee 2"),
    ({"keys": "nonsense"}, "invalid", "keys are malformed"),
]


@pytest.mark.parametrize(("changes", "problem", "words"), OUT_OF_PLACE)
async def test_sign__proposal_out_of_place__is_refused_saying_why(
    member: Member, oracle: Parts, changes: dict[str, object], problem: str, words: str
) -> None:
    readings = make_readings(oracle)
    oracle.append(readings, 0)
    refusal = await member.answer(make_request(readings, **changes))
    assert isinstance(refusal, Refusal)
    assert refusal.problem == problem
    assert words in refusal.detail
    assert all_votes(oracle) == []


async def test_sign__not_caught_up__is_behind(oracle: Parts) -> None:
    refusal = await make_member(oracle).answer(make_request(make_readings(oracle)))
    assert isinstance(refusal, Refusal)
    assert refusal.problem == "behind"


async def test_sign__stream_of_somebody_else__is_an_input_error(member: Member) -> None:
    with pytest.raises(InputError, match="is not one this oracle serves"):
        await member.voter.sign(encode_message(make_request(make_readings(member.parts), stream=to_hex(b"\x03" * 32))))


async def test_sign__same_content_in_window_after_window__is_named_by_the_last_vote_alone(
    member: Member, oracle: Parts
) -> None:
    readings = make_readings(oracle)
    oracle.append(readings, 0)
    keys = make_request(readings).keys
    answers = []
    for number in range(3):
        start = START + number * (VALIDITY_S + 1)
        oracle.chain_time.observe(start)
        request = make_request(readings, valid_from=start, valid_until=start + VALIDITY_S)
        answers.append(await member.answer(request))
        assert await member.answer(request) == answers[-1]
    votes = all_votes(oracle)
    assert [vote.keys for vote in votes] == [keys, "", ""]
    assert [to_hex(vote.digest) for vote in reversed(votes)] == [
        answer.digest for answer in answers if isinstance(answer, SignAnswer)
    ]
    # What was promised stands, with the keys or without.
    again = make_request(readings, valid_from=START, valid_until=START + VALIDITY_S)
    oracle.chain_time.observe(START)
    assert await member.answer(again) == answers[0]
    refusal = await member.answer(make_request(readings, keys=_one_less(oracle)))
    assert isinstance(refusal, Refusal)
    assert f"voted for {to_hex(votes[0].digest)}" in refusal.detail


async def test_vote__another_for_the_content_ends_sooner__binds_as_long_as_the_first(
    member: Member, oracle: Parts
) -> None:
    readings = make_readings(oracle)
    oracle.append(readings, 0)
    first = await member.answer(make_request(readings))
    assert isinstance(first, SignAnswer)
    assert isinstance(await member.answer(make_request(readings, valid_until=START + 9)), SignAnswer)
    content = await member.voter.voted_content(READINGS_STREAM, 1)
    assert content is not None
    assert (content.digest, content.valid_until) == (first.digest, START + VALIDITY_S)
    assert content.readings == [to_payload(one) for one in readings]


async def test_sign__asked_again_by_one_who_gave_up__does_not_score_again(
    member: Member, oracle: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = make_readings(oracle)
    oracle.append(readings, 0)
    first = await member.answer(make_request(readings))
    monkeypatch.setattr(oracle.reading_batches, "prepare", None)
    assert await member.answer(make_request(readings)) == first


async def test_vote__content_asked_for__is_given_while_it_binds(member: Member, oracle: Parts) -> None:
    readings = make_readings(oracle)
    oracle.append(readings, 0)
    assert await member.voter.voted_content(READINGS_STREAM, 1) is None
    answer = await member.answer(make_request(readings))
    content = await member.voter.voted_content(READINGS_STREAM, 1)
    assert content is not None
    assert isinstance(answer, SignAnswer)
    assert content.digest == answer.digest
    assert (content.valid_from, content.valid_until) == (START, START + VALIDITY_S)
    assert content.readings == [to_payload(one) for one in readings]
    oracle.chain_time.observe(START + VALIDITY_S + 1)
    assert await member.voter.voted_content(READINGS_STREAM, 1) is None


async def _attest(member: Member, prepare: Callable[[], SignRequest], voter: Member) -> AttestedBatch:
    answer = await voter.answer(prepare())
    assert isinstance(answer, SignAnswer)
    prepared = next(iter(voter.follower._prepared.values()))
    item = as_attested(prepared, block_number=5)
    member.stream.batches.append(item)
    return item


async def test_follow__batch_voted_for__is_committed_and_final_later(member: Member, oracle: Parts) -> None:
    readings = make_readings(oracle)
    oracle.append(readings, 0)
    await _attest(member, lambda: make_request(readings), member)
    await member.follower.step(4)
    head = oracle.batches.head(READINGS_STREAM)
    assert head is not None
    assert head.status == "attested"
    assert oracle.readings.counts()["attested"] == 3
    await member.follower.step(5)
    final = oracle.batches.head(READINGS_STREAM)
    assert final is not None
    assert final.status == "final"


async def test_follow__voted_for_in_two_windows_before_a_restart__is_computed_from_the_votes(
    member: Member, oracle: Parts
) -> None:
    readings = make_readings(oracle)
    oracle.append(readings, 0)
    await _attest(member, lambda: make_request(readings), member)
    assert isinstance(await member.answer(make_request(readings, valid_until=START + 9)), SignAnswer)
    restarted = make_member(oracle, stream=member.stream)
    await restarted.follower.step(4)
    assert restarted.follower.caught_up
    assert oracle.readings.counts()["attested"] == 3


async def test_follow__chain_takes_the_batch_back__readings_wait_again(member: Member, oracle: Parts) -> None:
    readings = make_readings(oracle)
    oracle.append(readings, 0)
    item = await _attest(member, lambda: make_request(readings), member)
    await member.follower.step(4)
    member.stream.batches.clear()
    await member.follower.step(4)
    assert not member.follower.caught_up
    assert oracle.readings.counts()["attested"] == 0
    await member.follower.step(4)
    assert member.follower.caught_up
    member.stream.batches.append(item)
    await member.follower.step(4)
    assert oracle.readings.counts()["attested"] == 3


# INV-O8
async def test_follow__batch_made_by_hand_takes_anothers_place__is_recorded_and_the_next_is_scored_on(
    member: Member, oracle: Parts
) -> None:
    readings = make_readings(oracle)
    oracle.append(readings, 0)
    await _attest(member, lambda: make_request(readings), member)
    await member.follower.step(4)
    state = oracle.batches.checkpoint(1)
    by_hand = replace(member.stream.batches[0], seq=2, root=b"\x0a" * 32, digest=b"\x0b" * 32, supersedes=1)
    member.stream.batches.append(replace(by_hand, supersedes=0))
    await member.follower.step(4)
    assert "no member's content gives its root" in member.follower.problem
    member.stream.batches[-1] = by_hand
    await member.follower.step(4)
    assert member.follower.caught_up
    assert oracle.batches.superseding(READINGS_STREAM, 1) == 2
    assert oracle.batches.checkpoint(2) == state
    later = [net_energy(key, 2, FIRST_SLOT + 1, 300) for key in oracle.keys]
    oracle.append(later, 0)
    head = to_hex((b"\x0b" * 32)[:20])
    assert isinstance(await member.answer(make_request(later, seq=3, previous=head)), SignAnswer)


def _content(item: AttestedBatch, readings: list[SignedReading], keys: str) -> bytes:
    payloads = [to_payload(one) for one in readings]
    content = BatchContent(to_hex(READINGS_STREAM), "readings", item.seq, keys, payloads, to_hex(item.digest))
    return encode_message(content)


# INV-O8
async def test_follow__content_unknown__is_fetched_and_only_what_gives_the_root_is_taken(
    oracle: Parts, peer: Parts
) -> None:
    oracle.clock.time = peer.clock.time = slot_end(FIRST_SLOT)
    served: list[bytes] = []

    def serve(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=served[-1]) if served else httpx.Response(404)

    url = "http://peer"
    peers = Peers({ACCOUNT.address: url}, 1, httpx.AsyncClient(transport=httpx.MockTransport(serve)))
    member, other = make_member(oracle, peers=peers), make_member(peer)
    await other.follower.step(0)
    readings = make_readings(peer)
    peer.append(readings, 0)
    request = make_request(readings)
    item = await _attest(member, lambda: request, other)
    await member.follower.step(4)
    assert member.follower.problem.startswith("readings: batch 1: no member's content gives its root: member 0x")
    wrong = [net_energy(key, 1, FIRST_SLOT, 1) for key in oracle.keys]
    served.append(_content(item, wrong, make_request(wrong).keys))
    await member.follower.step(4)
    assert "wrong_content" in member.follower.problem
    assert peers.behaviour[ACCOUNT.address].failures["wrong_content"] == 1
    assert oracle.readings.counts()["stored"] == 0
    served.append(_content(item, readings, request.keys))
    await member.follower.step(4)
    assert member.follower.caught_up
    assert oracle.batches.head(READINGS_STREAM) == _stored(item, request.keys)


def _stored(item: AttestedBatch, keys: str) -> StoredBatch:
    return StoredBatch(item, "attested", keys)
