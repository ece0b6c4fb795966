"""Batches signed twice over: what is a fault, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import ape
import pytest

from gridwitness.chain.attestation import batch_tuple
from gridwitness.domain.batches import Batch
from gridwitness.encoding.eip712 import batch_digest
from gridwitness.encoding.hashing import keccak
from tests.actors import HOUR_SECONDS, Committee, Feed, refused
from tests.functional.bonds.doubts import BOND, COMPROMISED, STANDING, WINDOW, BondedStream, Evidence

Readings = Callable[[int], list[Evidence]]
ROOT = keccak(b"a root")
OTHER = keccak(b"another root")
SUCCESSORS = Committee([0xB1, 0xB2, 0xB3], threshold=2)


def co_signed(feed: Feed, batch: Batch, signers: Sequence[int] = (0, 1, 2)) -> tuple[Any, Any]:
    """A batch with its signatures, as the contract takes it."""
    return (batch_tuple(batch), feed.committee.sign(batch_digest(feed.domain, batch), signers))


def prove(stream: BondedStream, a: Batch, b: Batch, prover: Any) -> Any:
    """Prove that the committee signed both; returns the receipt."""
    return stream.contract.proveEquivocation(
        a.config, co_signed(stream.feed, a), co_signed(stream.feed, b, (2, 3, 4)), sender=prover
    )


def refuse_pair(stream: BondedStream, a: Batch, b: Batch, prover: Any) -> None:
    """Expect that the two are no fault."""
    domain = stream.feed.domain
    with refused(stream.contract.NotEquivocation, digestA=batch_digest(domain, a), digestB=batch_digest(domain, b)):
        prove(stream, a, b, prover)


# INV-A7, INV-B4, INV-B7
def test_prove__two_contents_for_the_next_number__costs_the_bond_and_the_committee(
    attestation: Any, bonded: BondedStream, readings: Readings, watchdog: Any
) -> None:
    (reading,) = readings(1)
    bonded.attest(reading)
    a, b = bonded.feed.draft(ROOT), bonded.feed.draft(OTHER)
    receipt = prove(bonded, a, b, watchdog)
    digests = [batch_digest(bonded.feed.domain, batch) for batch in (a, b)]
    proven = attestation.EquivocationProven(bonded.stream_id, 2, watchdog, 1, *digests, BOND)
    assert proven in receipt.events
    assert attestation.CommitteeCompromised(bonded.stream_id, 1, 2) in receipt.events
    assert (bonded.payout(watchdog), bonded.bond.amount, bonded.marks) == (BOND, 0, 1)
    assert bonded.bond.exitAt == receipt.timestamp + 2 * WINDOW
    assert attestation.term(bonded.stream_id, 1).compromisedFrom == 2
    assert attestation.stream(bonded.stream_id).config == 2  # which nobody can sign for
    assert bonded.batch_status(1) == STANDING
    assert bonded.is_proven(reading, 1)
    call = bonded.feed.call(a)
    with ape.reverts(attestation.CommitteeMismatch):
        attestation.attest(*call, sender=watchdog)


# INV-A14
def test_prove__batch_attested_and_another__disowns_it_and_what_came_after(
    bonded: BondedStream, readings: Readings, watchdog: Any
) -> None:
    one, two, three = readings(3)
    for reading in (one, two, three):
        bonded.attest(reading)
    attested = bonded.feed.batches[1]
    prove(bonded, attested, replace(attested, root=OTHER), watchdog)
    assert [bonded.batch_status(seq) for seq in (1, 2, 3)] == [STANDING, COMPROMISED, COMPROMISED]
    assert bonded.is_proven(one, 1)
    assert not bonded.is_proven(two, 2)


@pytest.mark.parametrize("field", ["root", "meta", "supersedes"])
def test_prove__any_part_of_the_content__is_enough(bonded: BondedStream, watchdog: Any, field: str) -> None:
    a = bonded.feed.draft(ROOT)
    other = {"root": OTHER, "meta": replace(a.meta, flagged_count=1), "supersedes": 7}[field]
    prove(bonded, a, replace(a, **{field: other}), watchdog)
    assert bonded.payout(watchdog) == BOND


# INV-A8
def test_prove__same_content_signed_again__is_no_fault(bonded: BondedStream, watchdog: Any) -> None:
    a = bonded.feed.draft(ROOT)
    later = {"valid_from": a.valid_from + 60, "valid_until": a.valid_until + 60}
    for b in (a, replace(a, previous=b"\x01" * 20), replace(a, **later)):
        refuse_pair(bonded, a, b, watchdog)


def test_prove__valid_after_one_another__is_no_fault(bonded: BondedStream, watchdog: Any) -> None:
    a = bonded.feed.draft(ROOT)
    end = a.valid_until
    b = replace(a, root=OTHER, valid_from=end + 1, valid_until=end + HOUR_SECONDS)
    refuse_pair(bonded, a, b, watchdog)
    refuse_pair(bonded, b, a, watchdog)
    never = replace(a, root=OTHER, valid_from=a.valid_from + 10, valid_until=a.valid_from + 9)
    refuse_pair(bonded, a, never, watchdog)
    prove(bonded, a, replace(b, valid_from=end), watchdog)  # one second in common
    assert bonded.payout(watchdog) == BOND


# INV-A8
def test_prove__of_two_numbers_or_streams__is_no_fault(bonded: BondedStream, watchdog: Any) -> None:
    a = bonded.feed.draft(ROOT)
    refuse_pair(bonded, a, replace(a, root=OTHER, seq=a.seq + 1), watchdog)
    refuse_pair(bonded, a, replace(a, root=OTHER, stream_id=b"\x01" * 32), watchdog)


# INV-A8
def test_prove__one_of_them_below_the_threshold__is_refused(
    attestation: Any, bonded: BondedStream, watchdog: Any
) -> None:
    feed = bonded.feed
    a, b = feed.draft(ROOT), feed.draft(OTHER)
    good = co_signed(feed, a), co_signed(feed, b)
    weak = co_signed(feed, a, (0, 1)), co_signed(feed, b, (3, 4))
    for pair in ((weak[0], good[1]), (good[0], weak[1])):
        with refused(attestation.ThresholdNotMet, signatures=2, threshold=3):
            attestation.proveEquivocation(1, *pair, sender=watchdog)


def test_prove__signed_by_others__is_refused(attestation: Any, bonded: BondedStream, watchdog: Any) -> None:
    feed = bonded.feed
    a, b = feed.draft(ROOT), feed.draft(OTHER)
    genuine = co_signed(feed, a)
    feed.committee = Committee([0xC1, 0xC2, 0xC3, 0xC4, 0xC5], threshold=3)
    forged = co_signed(feed, b)
    with ape.reverts(attestation.CommitteeMismatch, streamId=bonded.stream_id):
        attestation.proveEquivocation(1, genuine, forged, sender=watchdog)


@pytest.mark.parametrize("config", [0, 2, 2**24 - 1])
def test_prove__of_a_committee_there_never_was__is_refused(
    attestation: Any, bonded: BondedStream, watchdog: Any, config: int
) -> None:
    a = replace(bonded.feed.draft(ROOT), config=config)
    with ape.reverts(attestation.CommitteeMismatch, streamId=bonded.stream_id):
        prove(bonded, a, replace(a, root=OTHER), watchdog)


def test_prove__signed_under_two_numbers_of_committee__is_refused(
    attestation: Any, bonded: BondedStream, committee: Committee, watchdog: Any
) -> None:
    """A committee that stays in force under a new number may sign anew what the old one failed to bring."""
    a = bonded.feed.draft(ROOT)
    attestation.setCommittee(bonded.stream_id, committee.args, sender=bonded.owner)
    pair = co_signed(bonded.feed, a), co_signed(bonded.feed, replace(a, root=OTHER, config=2))
    for config in (1, 2):
        with ape.reverts(attestation.CommitteeMismatch, streamId=bonded.stream_id):
            attestation.proveEquivocation(config, *pair, sender=watchdog)


def test_prove__unknown_stream__is_refused(attestation: Any, bonded: BondedStream, watchdog: Any) -> None:
    a = replace(bonded.feed.draft(ROOT), stream_id=b"\x09" * 32)
    with refused(attestation.StreamUnknown, streamId=b"\x09" * 32):
        prove(bonded, a, replace(a, root=OTHER), watchdog)


# INV-A17, INV-B4
def test_prove__again__only_moves_the_mark_and_costs_no_second_bond(
    attestation: Any, bonded: BondedStream, readings: Readings, euro: Any, watchdog: Any, operator: Any
) -> None:
    bonded.attest(*readings(1))
    a, b = bonded.feed.draft(ROOT, seq=5), bonded.feed.draft(OTHER, seq=5)
    prove(bonded, a, b, watchdog)
    ape.chain.mine(timestamp=bonded.bond.exitAt)
    attestation.withdrawBond(bonded.stream_id, bonded.owner, sender=bonded.owner)
    attestation.setBondTerms(bonded.stream_id, euro, 1, WINDOW, sender=bonded.owner)
    bonded.deposit()
    for seq in (5, 6):
        with refused(attestation.EquivocationAlreadyProven, streamId=bonded.stream_id, config=1, seq=seq):
            prove(bonded, replace(a, seq=seq), replace(b, seq=seq), operator)
    prove(bonded, replace(a, seq=1), replace(b, seq=1), operator)
    assert attestation.term(bonded.stream_id, 1).compromisedFrom == 1
    assert (bonded.payout(operator), bonded.bond.amount, bonded.marks) == (0, BOND, 2)


def test_prove__of_a_committee_that_was_disowned_already__costs_the_bond(
    attestation: Any, bonded: BondedStream, watchdog: Any
) -> None:
    """Or an owner would save its bond by disowning its committee just before a proof."""
    a, b = bonded.feed.draft(ROOT), bonded.feed.draft(OTHER)
    attestation.markCompromised(bonded.stream_id, 1, 1, sender=bonded.owner)
    prove(bonded, a, b, watchdog)
    assert (bonded.payout(watchdog), bonded.marks) == (BOND, 1)
    assert attestation.term(bonded.stream_id, 1).compromisedFrom == 1


def test_prove__of_a_former_committee__leaves_its_successor_in_force(
    attestation: Any, bonded: BondedStream, readings: Readings, watchdog: Any
) -> None:
    one, two = readings(2)
    bonded.attest(one)
    attested, former = bonded.feed.batches[0], bonded.feed.committee
    attestation.setCommittee(bonded.stream_id, SUCCESSORS.args, sender=bonded.owner)
    bonded.feed.committee, bonded.feed.config = SUCCESSORS, 2
    bonded.feed.attest([two.leaf_hash], signers=(0, 1))
    bonded.feed.committee = former
    prove(bonded, attested, replace(attested, root=OTHER), watchdog)
    assert attestation.stream(bonded.stream_id).config == 2
    assert [bonded.batch_status(seq) for seq in (1, 2)] == [COMPROMISED, STANDING]
    assert bonded.is_proven(two, 2)


@pytest.mark.parametrize("seq", [0, 1])
def test_prove__of_a_number_before_the_term__marks_the_whole_term(
    attestation: Any, bonded: BondedStream, readings: Readings, watchdog: Any, seq: int
) -> None:
    one, two = readings(2)
    bonded.attest(one)
    attestation.setCommittee(bonded.stream_id, SUCCESSORS.args, sender=bonded.owner)
    bonded.feed.committee, bonded.feed.config = SUCCESSORS, 2
    bonded.feed.attest([two.leaf_hash], signers=(0, 1))
    a = replace(bonded.feed.draft(ROOT), seq=seq)
    b = replace(a, root=OTHER)
    pair = co_signed(bonded.feed, a, (0, 1)), co_signed(bonded.feed, b, (0, 1, 2))
    attestation.proveEquivocation(2, *pair, sender=watchdog)
    assert attestation.term(bonded.stream_id, 2).compromisedFrom == 2
    assert [bonded.batch_status(number) for number in (1, 2)] == [STANDING, COMPROMISED]


def test_prove__stream_without_terms__marks_it_all_the_same(
    attestation: Any, readings_feed: Feed, euro: Any, deployer: Any, watchdog: Any
) -> None:
    stream = BondedStream(readings_feed, euro, deployer)
    prove(stream, readings_feed.draft(ROOT), readings_feed.draft(OTHER), watchdog)
    assert (stream.marks, stream.payout(watchdog)) == (1, 0)
    assert stream.bond == attestation.bond(b"\x01" * 32)  # as of no stream at all


# INV-B4
def test_prove__while_a_challenge_is_open__leaves_it_its_verdict(
    bonded: BondedStream, false_reading: Evidence, watchdog: Any, intruder: Any
) -> None:
    challenge_id = bonded.challenge(false_reading, bonded.attest(false_reading), watchdog)
    prove(bonded, bonded.feed.draft(ROOT), bonded.feed.draft(OTHER), intruder)
    stake = bonded.bond.stake
    bonded.convict_in_silence(challenge_id, watchdog)
    assert (bonded.payout(intruder), bonded.payout(watchdog)) == (BOND, stake)
    assert bonded.marks == 2
