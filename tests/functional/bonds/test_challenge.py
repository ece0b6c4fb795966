"""Doubts: which leaves can be challenged, when, and at what stake; and what silence costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ape
import pytest

from tests.actors import Feed, proof_args, refused
from tests.functional.bonds.conftest import OpenBonded
from tests.functional.bonds.doubts import (
    ANSWERED,
    BATCH_CONVICTED,
    BOND,
    CONVICTED,
    HOUR,
    OPEN,
    STAKE,
    STANDING,
    SUPERSEDED,
    UINT128_MAX,
    WINDOW,
    BondedStream,
    Evidence,
)

Readings = Callable[[int], list[Evidence]]


def test_challenge__standing_reading__takes_the_stake_and_is_open(
    attestation: Any, bonded: BondedStream, readings: Readings, watchdog: Any, euro: Any
) -> None:
    one, two = readings(2)
    seq = bonded.attest(one, two)
    bonded.fund(watchdog, STAKE)
    receipt = attestation.challenge(*bonded.challenge_args(two, seq, index=1), sender=watchdog)
    challenge_id = bonded.challenge_id(two, seq)
    deadline = receipt.timestamp + WINDOW
    kept = attestation.challengeOf(challenge_id)
    assert (kept.challenger, kept.deadline, kept.seq) == (watchdog, deadline, seq)
    assert (kept.status, kept.doublings, kept.streamId) == (OPEN, 0, bonded.stream_id)
    assert (bonded.bond.openChallenges, bonded.bond.amount) == (1, BOND)
    assert (euro.balanceOf(watchdog), euro.balanceOf(attestation)) == (0, BOND + STAKE)
    assert (
        attestation.ReadingChallenged(challenge_id, bonded.stream_id, watchdog, two.leaf, seq, deadline, STAKE)
        in receipt.events
    )


def test_challenge__stream_without_bond__is_refused(
    attestation: Any, with_terms: OpenBonded, euro: Any, readings: Readings, watchdog: Any
) -> None:
    stream = with_terms(euro)
    (reading,) = readings(1)
    args = stream.challenge_args(reading, stream.attest(reading))
    with refused(attestation.BondMissing, streamId=stream.stream_id):
        attestation.challenge(*args, sender=watchdog)


def test_challenge__stream_without_terms__is_refused(
    attestation: Any, readings_feed: Feed, readings: Readings, watchdog: Any
) -> None:
    (reading,) = readings(1)
    readings_feed.attest([reading.leaf_hash])
    with refused(attestation.BondMissing, streamId=readings_feed.stream_id):
        attestation.challenge(reading.leaf, proof_args(readings_feed.proof(1)), UINT128_MAX, sender=watchdog)


def test_challenge__leaf_not_in_the_batch__is_refused(
    attestation: Any, bonded: BondedStream, readings: Readings, watchdog: Any
) -> None:
    one, two = readings(2)
    bonded.attest(one)
    bonded.attest(two)
    bonded.fund(watchdog, STAKE)
    with refused(attestation.LeafNotAttested, streamId=bonded.stream_id, seq=2, leafHash=one.leaf_hash):
        attestation.challenge(*bonded.challenge_args(one, 2), sender=watchdog)
    leaf, proof, most = bonded.challenge_args(one, 1)
    elsewhere = (b"\x07" * 32, *proof[1:])
    with refused(attestation.BondMissing, streamId=b"\x07" * 32):
        attestation.challenge(leaf, elsewhere, most, sender=watchdog)


@pytest.mark.parametrize("why", ["superseded", "compromised"])
def test_challenge__batch_that_no_longer_counts__is_refused(
    attestation: Any, bonded: BondedStream, readings: Readings, watchdog: Any, why: str
) -> None:
    one, two = readings(2)
    bonded.attest(one)
    if why == "superseded":
        bonded.feed.attest([two.leaf_hash], supersedes=1)
    else:
        attestation.markCompromised(bonded.stream_id, 1, 1, sender=bonded.owner)
    bonded.fund(watchdog, STAKE)
    with refused(attestation.LeafNotAttested, streamId=bonded.stream_id, seq=1, leafHash=one.leaf_hash):
        attestation.challenge(*bonded.challenge_args(one, 1), sender=watchdog)


@pytest.mark.parametrize("end", [OPEN, ANSWERED, CONVICTED])
def test_challenge__same_leaf_again__is_refused(
    attestation: Any, bonded: BondedStream, readings: Readings, watchdog: Any, operator: Any, end: int
) -> None:
    (reading,) = readings(1)
    seq = bonded.attest(reading)
    challenge_id = bonded.challenge(reading, seq, watchdog)
    if end == ANSWERED:
        bonded.answer(challenge_id, reading, operator)
    if end == CONVICTED:
        bonded.convict_in_silence(challenge_id, operator)
    bonded.fund(operator, STAKE)
    with refused(attestation.ChallengeExists, challengeId=challenge_id, status=end):
        attestation.challenge(*bonded.challenge_args(reading, seq), sender=operator)


def test_challenge__every_four_open__double_the_stake(
    attestation: Any, bonded: BondedStream, readings: Readings, watchdog: Any, operator: Any
) -> None:
    items = readings(10)
    seq = bonded.attest(*items)
    bonded.fund(watchdog, 100 * STAKE)
    paid = []
    for index, item in enumerate(items[:9]):
        before = bonded.token.balanceOf(watchdog)
        attestation.challenge(*bonded.challenge_args(item, seq, index), sender=watchdog)
        paid.append((before - bonded.token.balanceOf(watchdog)) // STAKE)
    assert paid == [1, 1, 1, 1, 2, 2, 2, 2, 4]
    leaf, proof, _ = bonded.challenge_args(items[9], seq, 9)
    with refused(attestation.StakeAboveMaximum, streamId=bonded.stream_id, stake=4 * STAKE, maxStake=4 * STAKE - 1):
        attestation.challenge(leaf, proof, 4 * STAKE - 1, sender=watchdog)

    # each is paid what it cost, in whatever order they end
    for item in reversed(items[:9]):
        bonded.answer(bonded.challenge_id(item, seq), item, operator)
    assert bonded.payout(operator) == sum(paid) * STAKE
    before = bonded.token.balanceOf(watchdog)
    attestation.challenge(leaf, proof, STAKE, sender=watchdog)
    assert before - bonded.token.balanceOf(watchdog) == STAKE


def test_challenge__owner_who_fills_the_places_with_its_own__cannot_shut_others_out(
    attestation: Any, bonded: BondedStream, readings: Readings, false_reading: Evidence, watchdog: Any
) -> None:
    items = readings(16)
    seq = bonded.attest(*items, false_reading)
    for index, item in enumerate(items):
        bonded.challenge(item, seq, bonded.owner, index)
    challenge_id = bonded.challenge(false_reading, seq, watchdog, 16)
    spent_by_owner = bonded.token.balanceOf(attestation) - BOND - 16 * STAKE
    assert spent_by_owner == 4 * (1 + 2 + 4 + 8) * STAKE
    bonded.convict_in_silence(challenge_id, watchdog)
    assert bonded.payout(watchdog) == BOND + 16 * STAKE


def test_challenge__while_an_exit_runs__is_taken_until_it_is_due(
    attestation: Any, bonded: BondedStream, readings: Readings, watchdog: Any
) -> None:
    one, two = readings(2)
    seq = bonded.attest(one, two)
    bonded.fund(watchdog, 2 * STAKE)
    attestation.announceExit(bonded.stream_id, sender=bonded.owner)
    exit_at = bonded.bond.exitAt
    ape.chain.pending_timestamp = exit_at - 1
    attestation.challenge(*bonded.challenge_args(one, seq), sender=watchdog)
    ape.chain.pending_timestamp = exit_at
    with refused(attestation.ExitUnderWay, streamId=bonded.stream_id, exitAt=exit_at):
        attestation.challenge(*bonded.challenge_args(two, seq, 1), sender=watchdog)


# INV-A13, INV-B6, INV-B7
def test_convict__silence__gives_stake_and_bond_and_ends_the_batch(
    attestation: Any, bonded: BondedStream, readings: Readings, false_reading: Evidence, watchdog: Any, intruder: Any
) -> None:
    one, two = readings(2)
    bonded.attest(one)
    seq = bonded.attest(two, false_reading)
    challenge_id = bonded.challenge(false_reading, seq, watchdog, index=1)
    assert bonded.is_proven(two, seq)
    receipt = bonded.convict_in_silence(challenge_id, intruder)  # who earns nothing by it
    assert attestation.ChallengeConvicted(challenge_id, bonded.stream_id, watchdog, seq, BOND) in receipt.events
    assert (bonded.status(challenge_id), bonded.marks) == (CONVICTED, 1)
    assert (bonded.payout(watchdog), bonded.payout(intruder)) == (BOND + STAKE, 0)
    assert (bonded.bond.amount, bonded.bond.openChallenges) == (0, 0)
    assert (bonded.batch_status(1), bonded.batch_status(seq)) == (STANDING, BATCH_CONVICTED)
    assert bonded.is_proven(one, 1)
    assert not bonded.is_proven(two, seq)
    bonded.attest(*readings(3))
    assert not bonded.is_proven(two, seq)


# INV-B3
def test_convict__while_the_answer_may_come__is_refused(
    attestation: Any, bonded: BondedStream, readings: Readings, watchdog: Any
) -> None:
    (reading,) = readings(1)
    challenge_id = bonded.challenge(reading, bonded.attest(reading), watchdog)
    deadline = attestation.challengeOf(challenge_id).deadline
    ape.chain.pending_timestamp = deadline
    with refused(attestation.AnswerPeriodRunning, challengeId=challenge_id, deadline=deadline, timestamp=deadline):
        attestation.convict(challenge_id, sender=watchdog)
    ape.chain.pending_timestamp = deadline + 1
    attestation.convict(challenge_id, sender=watchdog)
    with refused(attestation.ChallengeNotOpen, challengeId=challenge_id, status=CONVICTED):
        attestation.convict(challenge_id, sender=watchdog)


def test_convict__second_leaf_of_the_batch__gives_the_stake_back_and_what_is_bonded_by_then(
    bonded: BondedStream, readings: Readings, watchdog: Any, neighbour: Any
) -> None:
    one, two = readings(2)
    seq = bonded.attest(one, two)
    first = bonded.challenge(one, seq, watchdog)
    second = bonded.challenge(two, seq, neighbour, index=1)
    bonded.convict_in_silence(first, watchdog)
    bonded.convict_in_silence(second, neighbour)
    assert (bonded.payout(watchdog), bonded.payout(neighbour)) == (BOND + STAKE, STAKE)
    assert (bonded.marks, bonded.bond.openChallenges) == (2, 0)


# INV-A14, INV-B6
def test_convict__batch_superseded_meanwhile__costs_the_bond_all_the_same(
    bonded: BondedStream, readings: Readings, false_reading: Evidence, watchdog: Any
) -> None:
    seq = bonded.attest(false_reading)
    challenge_id = bonded.challenge(false_reading, seq, watchdog)
    bonded.feed.attest([readings(1)[0].leaf_hash], supersedes=seq)
    assert bonded.batch_status(seq) == SUPERSEDED
    bonded.convict_in_silence(challenge_id, watchdog)
    assert bonded.payout(watchdog) == BOND + STAKE
    assert bonded.batch_status(seq) == BATCH_CONVICTED
    assert bonded.is_proven(readings(1)[0], seq + 1)


def test_convict__owner_who_convicts_itself__frees_neither_terms_nor_false_batches(
    attestation: Any, bonded: BondedStream, false_reading: Evidence, readings: Readings, euro: Any, watchdog: Any
) -> None:
    planted = bonded.attest(false_reading)
    seq = bonded.attest(*readings(2))  # which nobody will answer for
    bonded.answer(bonded.challenge(false_reading, planted, bonded.owner), false_reading, bonded.owner)
    assert bonded.payout(bonded.owner) == BOND + STAKE
    exit_at = ape.chain.blocks.head.timestamp + 2 * WINDOW
    assert bonded.bond.exitAt == exit_at
    for refusal in (
        lambda: attestation.setBondTerms(bonded.stream_id, euro, UINT128_MAX, HOUR, sender=bonded.owner),
        lambda: attestation.depositBond(bonded.stream_id, 1, sender=bonded.owner),
    ):
        with refused(attestation.ExitUnderWay, streamId=bonded.stream_id, exitAt=exit_at):
            refusal()
    ape.chain.pending_timestamp = exit_at - 10
    challenge_id = bonded.challenge(readings(2)[0], seq, watchdog)
    bonded.convict_in_silence(challenge_id, watchdog)
    assert bonded.payout(watchdog) == STAKE
    assert bonded.batch_status(seq) == BATCH_CONVICTED

    attestation.withdrawBond(bonded.stream_id, bonded.owner, sender=bonded.owner)
    attestation.setBondTerms(bonded.stream_id, euro, STAKE, HOUR, sender=bonded.owner)
    bonded.deposit()
    assert bonded.bond.amount == BOND


def test_convict__unknown__is_refused(attestation: Any, watchdog: Any) -> None:
    with refused(attestation.ChallengeNotOpen, challengeId=b"\x05" * 32, status=0):
        attestation.convict(b"\x05" * 32, sender=watchdog)
