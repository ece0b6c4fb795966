"""Which batches count: superseded ones do not, nor those of a compromised committee; both stay visible."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ape
import pytest

from gridwitness.chain.attestation import batch_tuple
from gridwitness.encoding.eip712 import batch_digest
from gridwitness.encoding.hashing import keccak
from tests.actors import Committee, Feed, proof_args, refused

UNKNOWN, STANDING, SUPERSEDED, _CONVICTED, COMPROMISED = range(5)
SUCCESSORS = Committee([0xB1, 0xB2, 0xB3], threshold=2)


def leaf_of(seq: int) -> bytes:
    """The one leaf of batch `seq`."""
    return keccak(bytes([seq]))


def attest(feed: Feed, count: int, **changes: Any) -> Any:
    """Attest `count` batches of one leaf each; returns the last receipt."""
    signers = range(feed.committee.threshold)
    for _ in range(count):
        receipt = feed.attest([leaf_of(len(feed.batches) + 1)], signers, **changes)
    return receipt


def verdicts(feed: Feed) -> list[bool]:
    """Of each batch: whether its leaf verifies. Statuses must say the same."""
    proven = [
        feed.attestation.verifyLeaf(leaf_of(seq), proof_args(feed.proof(seq)))
        for seq in range(1, len(feed.batches) + 1)
    ]
    assert proven == [status == STANDING for status in statuses(feed)]
    return proven


def statuses(feed: Feed) -> list[int]:
    """Of each batch: its status."""
    return [feed.attestation.batchStatus(feed.stream_id, seq).status for seq in range(1, len(feed.batches) + 1)]


def rotate(feed: Feed, owner: Any, committee: Committee = SUCCESSORS) -> None:
    """Put another committee in force."""
    feed.attestation.setCommittee(feed.stream_id, committee.args, sender=owner)
    feed.committee, feed.config = committee, feed.attestation.stream(feed.stream_id).config


# --- superseding ---------------------------------------------------------------------------------------------------


# INV-A13, INV-A14
def test_attest__superseding_batch__takes_the_earlier_ones_place(attestation: Any, feed: Feed) -> None:
    attest(feed, 3)
    receipt = attest(feed, 1, supersedes=2)
    assert receipt.events.filter(attestation.BatchSuperseded) == [attestation.BatchSuperseded(feed.stream_id, 2, 4)]
    assert verdicts(feed) == [True, False, True, True]
    assert statuses(feed) == [STANDING, SUPERSEDED, STANDING, STANDING]
    assert attestation.batchStatus(feed.stream_id, 2).supersededBy == 4


# INV-A18
def test_read_range__superseded_batch__stays_under_the_same_peaks(attestation: Any, feed: Feed) -> None:
    attest(feed, 3)
    attest(feed, 1, supersedes=2)
    attest(feed, 3)
    assert attestation.rangeRoot(feed.stream_id) == (7, feed.range.root())
    for height in range(3):
        assert attestation.peak(feed.stream_id, height) == feed.range.peak(height)


# INV-A13, INV-A15
@pytest.mark.parametrize("superseded", range(1, 8))
def test_verify_leaf__superseded_batch_after_many_more__never_verifies_again(feed: Feed, superseded: int) -> None:
    attest(feed, 7)
    attest(feed, 1, supersedes=superseded)
    for _ in range(9):
        attest(feed, 1)
        assert [seq for seq, proven in enumerate(verdicts(feed), start=1) if not proven] == [superseded]


# INV-A13
def test_verify_leaf__stale_peak_over_a_superseded_batch__does_not_verify(feed: Feed) -> None:
    attest(feed, 3)
    early = proof_args(feed.proof(3))
    attest(feed, 1, supersedes=3)
    assert not feed.attestation.verifyLeaf(leaf_of(3), early)


def test_attest__superseding_the_superseding_batch__is_a_chain(attestation: Any, feed: Feed) -> None:
    attest(feed, 1)
    attest(feed, 1, supersedes=1)
    attest(feed, 1, supersedes=2)
    assert verdicts(feed) == [False, False, True]
    assert [attestation.batchStatus(feed.stream_id, seq).supersededBy for seq in (1, 2, 3)] == [2, 3, 0]


@pytest.mark.parametrize(("supersedes", "status"), [(1, SUPERSEDED), (4, UNKNOWN), (5, UNKNOWN), (2**32 - 1, UNKNOWN)])
def test_attest__superseding_what_does_not_stand__is_refused(
    attestation: Any, feed: Feed, supersedes: int, status: int
) -> None:
    attest(feed, 2)
    attest(feed, 1, supersedes=1)
    with refused(attestation.BatchNotStanding, streamId=feed.stream_id, seq=supersedes, status=status):
        attest(feed, 1, supersedes=supersedes)
    assert attestation.stream(feed.stream_id).seq == 3


def test_attest__superseding_a_batch_of_the_committee_before__is_accepted(feed: Feed, deployer: Any) -> None:
    attest(feed, 2)
    rotate(feed, deployer)
    attest(feed, 1, supersedes=1)
    assert statuses(feed) == [SUPERSEDED, STANDING, STANDING]


# --- compromise ----------------------------------------------------------------------------------------------------


# INV-A7, INV-A13
def test_mark_compromised__committee_in_force__takes_no_batch_until_another_is_set(
    attestation: Any, feed: Feed, deployer: Any, committee: Committee
) -> None:
    attest(feed, 3)
    receipt = attestation.markCompromised(feed.stream_id, 1, 2, sender=deployer)
    assert receipt.events == [attestation.CommitteeCompromised(feed.stream_id, 1, 2)]
    assert statuses(feed) == [STANDING, COMPROMISED, COMPROMISED]
    assert verdicts(feed) == [True, False, False]

    vacant = attestation.term(feed.stream_id, 2)
    assert (vacant.committee, vacant.firstSeq) == (bytes(32), 4)
    for feed.config in (1, 2):  # signed as before, or for the number of the vacant term
        with ape.reverts(attestation.CommitteeMismatch, streamId=feed.stream_id, expected=bytes(32)):
            attest(feed, 1)

    rotate(feed, deployer)
    assert feed.config == 3
    attest(feed, 1)
    assert statuses(feed) == [STANDING, COMPROMISED, COMPROMISED, STANDING]
    assert verdicts(feed) == [True, False, False, True]


# INV-A7
def test_attest__empty_quorum_in_a_vacant_term__is_refused(attestation: Any, feed: Feed, deployer: Any) -> None:
    attestation.markCompromised(feed.stream_id, 1, 1, sender=deployer)
    batch = feed.draft(leaf_of(1), config=2)
    with ape.reverts(attestation.CommitteeMismatch, streamId=feed.stream_id, expected=bytes(32)):
        attestation.attest(batch_tuple(batch), (0, 0, b"", []), sender=feed.transmitter)


def test_mark_compromised__committee_of_the_past__leaves_the_others_alone(
    attestation: Any, feed: Feed, deployer: Any, committee: Committee
) -> None:
    attest(feed, 2)
    rotate(feed, deployer)
    attest(feed, 3)
    rotate(feed, deployer, committee)
    attest(feed, 2)
    attestation.markCompromised(feed.stream_id, 2, 4, sender=deployer)
    assert statuses(feed) == [STANDING] * 3 + [COMPROMISED] * 2 + [STANDING] * 2
    assert verdicts(feed) == [True] * 3 + [False] * 2 + [True] * 2
    assert attestation.stream(feed.stream_id).config == 3
    attest(feed, 1)
    assert verdicts(feed)[-1]


def test_mark_compromised__from_a_batch_after_the_term__disowns_none_of_it(
    attestation: Any, feed: Feed, deployer: Any
) -> None:
    attest(feed, 2)
    rotate(feed, deployer)
    attest(feed, 2)
    attestation.markCompromised(feed.stream_id, 1, 3, sender=deployer)
    assert verdicts(feed) == [True] * 4


# INV-A17
def test_mark_compromised__again__may_only_reach_further_back(attestation: Any, feed: Feed, deployer: Any) -> None:
    attest(feed, 4)
    rotate(feed, deployer)
    attestation.markCompromised(feed.stream_id, 1, 3, sender=deployer)
    for from_seq in (3, 4, 5):
        with refused(attestation.CompromiseInvalid, streamId=feed.stream_id, config=1, fromSeq=from_seq):
            attestation.markCompromised(feed.stream_id, 1, from_seq, sender=deployer)
    attestation.markCompromised(feed.stream_id, 1, 2, sender=deployer)
    assert verdicts(feed) == [True, False, False, False]
    assert attestation.term(feed.stream_id, 1).compromisedFrom == 2


def test_mark_compromised__before_the_terms_first_batch__is_refused(
    attestation: Any, feed: Feed, deployer: Any
) -> None:
    attest(feed, 2)
    rotate(feed, deployer)
    for config, from_seq in ((1, 0), (2, 0), (2, 2)):
        with refused(attestation.CompromiseInvalid, streamId=feed.stream_id, config=config, fromSeq=from_seq):
            attestation.markCompromised(feed.stream_id, config, from_seq, sender=deployer)


@pytest.mark.parametrize("config", [0, 2, 2**24 - 1])
def test_mark_compromised__no_such_term__is_refused(attestation: Any, feed: Feed, deployer: Any, config: int) -> None:
    with refused(attestation.TermUnknown, streamId=feed.stream_id, config=config, configs=1):
        attestation.markCompromised(feed.stream_id, config, 1, sender=deployer)


# INV-A8
def test_mark_compromised__by_anyone_else__is_refused(
    attestation: Any, feed: Feed, deployer: Any, intruder: Any
) -> None:
    with refused(attestation.NotStreamOwner, streamId=feed.stream_id, caller=intruder, owner=deployer):
        attestation.markCompromised(feed.stream_id, 1, 1, sender=intruder)


# INV-A14
def test_verify_leaf__superseded_by_a_compromised_committee__stands_again(
    attestation: Any, feed: Feed, deployer: Any
) -> None:
    attest(feed, 3)
    attest(feed, 1, supersedes=2)  # by keys that were stolen, as it turns out
    attestation.markCompromised(feed.stream_id, 1, 4, sender=deployer)
    assert statuses(feed) == [STANDING, STANDING, STANDING, COMPROMISED]
    assert attestation.batchStatus(feed.stream_id, 2).supersededBy == 4

    rotate(feed, deployer)
    attest(feed, 1, supersedes=2)
    assert statuses(feed) == [STANDING, SUPERSEDED, STANDING, COMPROMISED, STANDING]
    assert verdicts(feed) == [True, False, True, False, True]
    with refused(attestation.BatchNotStanding, streamId=feed.stream_id, seq=4, status=COMPROMISED):
        attest(feed, 1, supersedes=4)


def test_read_status__batch_not_attested__is_unknown(attestation: Any, feed: Feed) -> None:
    attest(feed, 1)
    for seq in (0, 2, 2**32 - 1):
        status = attestation.batchStatus(feed.stream_id, seq)
        assert (status.status, status.supersededBy) == (UNKNOWN, 0)
    assert attestation.batchStatus(b"\x01" * 32, 1).status == UNKNOWN


# --- validity and time ---------------------------------------------------------------------------------------------


# INV-A16
@pytest.mark.parametrize(("lead", "accepted"), [(-61, False), (-60, True), (0, True), (60, True), (61, False)])
def test_attest__expired_or_not_yet_valid__is_refused(attestation: Any, feed: Feed, lead: int, accepted: bool) -> None:
    now = ape.chain.pending_timestamp + 1_000
    batch = feed.draft(leaf_of(1), valid_from=now - 60, valid_until=now + 60)
    call = feed.call(batch)
    ape.chain.pending_timestamp = now + lead
    if accepted:
        attestation.attest(*call, sender=feed.transmitter)
        assert attestation.stream(feed.stream_id).seq == 1
        return
    window = {"validFrom": now - 60, "validUntil": now + 60}
    with refused(attestation.BatchOutsideValidity, **window, timestamp=now + lead):
        attestation.attest(*call, sender=feed.transmitter)


# INV-A4
def test_attest__newest_batch_again_after_it_expired__changes_nothing(attestation: Any, feed: Feed) -> None:
    now = ape.chain.pending_timestamp
    attest(feed, 1, valid_until=now + 60)
    ape.chain.pending_timestamp = now + 1_000
    receipt = attestation.attest(*feed.call(feed.batches[0]), sender=feed.transmitter)
    assert list(receipt.events) == []


def test_attest__newest_batch_again_after_a_rotation__is_out_of_sequence(
    attestation: Any, feed: Feed, deployer: Any
) -> None:
    attest(feed, 1)
    call = feed.call(feed.batches[0])
    rotate(feed, deployer)
    with refused(attestation.SequenceUnexpected, streamId=feed.stream_id, given=1, expected=2):
        attestation.attest(*call, sender=feed.transmitter)


@pytest.mark.parametrize("field", ["supersedes", "valid_from", "valid_until"])
def test_attest__fate_changed_after_signing__is_refused(attestation: Any, feed: Feed, field: str) -> None:
    attest(feed, 1)
    draft = feed.draft(leaf_of(2))
    _, quorum = feed.call(draft)
    forged = replace(draft, **{field: {"supersedes": 1, "valid_from": 0, "valid_until": 2**40 - 1}[field]})
    assert batch_digest(feed.domain, forged) != batch_digest(feed.domain, draft)
    with ape.reverts(attestation.CommitteeMismatch, streamId=feed.stream_id):
        attestation.attest(batch_tuple(forged), quorum, sender=feed.transmitter)


# INV-A11
def test_read_latest_time__late_and_early_batches__never_runs_back(attestation: Any, feed: Feed) -> None:
    assert attestation.latestTime(feed.stream_id) == 0
    newest = 0
    for lag in (500, 900, 100, 300):
        draft = feed.draft(leaf_of(lag % 251))
        time_to = draft.meta.time_to - lag
        batch = replace(draft, meta=replace(draft.meta, time_from=time_to - 10, time_to=time_to))
        attestation.attest(*feed.call(batch), sender=feed.transmitter)
        feed.batches.append(batch)
        newest = max(newest, time_to)
        assert attestation.latestTime(feed.stream_id) == newest == attestation.stream(feed.stream_id).latestTime
