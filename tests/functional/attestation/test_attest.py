"""Batches: who must sign them, in which order they come, and what they must say."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import ape
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridwitness.chain.attestation import batch_tuple
from gridwitness.domain.batches import Batch, BatchMeta
from gridwitness.encoding.eip712 import Domain, batch_digest
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import SECP256K1_ORDER, Secp256k1Key
from gridwitness.encoding.packing import pack_meta
from tests.actors import MODEL_HASH, Committee, Feed, OpenFeed, refused

ROOT = keccak(b"a root")
WORD = st.binary(min_size=32, max_size=32)
U32 = st.integers(0, 2**32 - 1)
U40 = st.integers(0, 2**40 - 1)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(
    seq=U32,
    root=WORD,
    previous=WORD,
    count=U32,
    model=WORD,
    supersedes=U32,
    valid_from=U40,
    valid_until=U40,
    config=st.integers(0, 2**24 - 1),
)
def test_hash_batch__any_fields__python_equals_solidity(
    feed: Feed, attestation_domain_712: Domain, count: int, model: bytes, previous: bytes, **fields: Any
) -> None:
    meta = BatchMeta(count, count // 2, 9_999, 2**40 - 2, 2**40 - 1, model[:12])
    batch = Batch(feed.stream_id, previous=previous[:20], meta=meta, **fields)
    assert feed.attestation.batchDigest(batch_tuple(batch), batch.config) == batch_digest(attestation_domain_712, batch)


# INV-A1, INV-A2
def test_attest__three_batches__move_the_stream_and_link(attestation: Any, feed: Feed) -> None:
    for seq in range(1, 4):
        receipt = feed.attest([keccak(bytes([seq]))])
        batch = feed.batches[-1]
        digest = batch_digest(feed.domain, batch)
        assert feed.head == digest[:20]
        stream = attestation.stream(feed.stream_id)
        assert (stream.seq, stream.latestTime, stream.head) == (seq, batch.meta.time_to, feed.head)
        assert receipt.events == [
            attestation.BatchAttested(feed.stream_id, seq, batch.root, pack_meta(batch.meta), digest, 0b111)
        ]


# INV-A12
def test_attest__each_batch__takes_a_new_slot_only_when_the_length_grows_by_a_bit(feed: Feed) -> None:
    written: set[str] = set()
    for seq in range(1, 18):
        receipt = feed.attest([keccak(bytes([seq]))])
        trace = receipt.provider.make_request("debug_traceTransaction", [receipt.txn_hash, {}])
        slots = {step["stack"][-1] for step in trace["structLogs"] if step["op"] == "SSTORE"}
        if seq > 1:  # the first writes the head too, which openStream made
            assert len(slots - written) == (seq.bit_count() == 1)
        assert len(slots) == 2  # the head and one peak
        written |= slots


@pytest.mark.parametrize("signers", [*combinations(range(5), 3), (0, 1, 3, 4), (0, 1, 2, 3, 4)])
def test_attest__any_quorum__is_enough(attestation: Any, feed: Feed, signers: tuple[int, ...]) -> None:
    feed.attest([ROOT], signers)
    assert attestation.stream(feed.stream_id).seq == 1


def test_attest__committee_of_31__is_enough_with_11(attestation: Any, open_feed: OpenFeed) -> None:
    feed = open_feed("large", Committee(range(1, 32), threshold=11))
    feed.attest([ROOT], signers=range(10, 21))
    assert attestation.stream(feed.stream_id).seq == 1


def test_attest__carried_by_a_stranger__is_accepted(attestation: Any, feed: Feed, intruder: Any) -> None:
    attestation.attest(*feed.call(feed.draft(ROOT)), sender=intruder)
    assert attestation.stream(feed.stream_id).seq == 1


# INV-A4
def test_attest__newest_batch_again__changes_and_announces_nothing(attestation: Any, feed: Feed) -> None:
    feed.attest([ROOT])
    feed.attest([ROOT])
    before = attestation.stream(feed.stream_id)
    peaks = [attestation.peak(feed.stream_id, height) for height in range(32)]
    for signers in [(0, 1, 2), (2, 3, 4), ()]:
        receipt = attestation.attest(*feed.call(feed.batches[-1], signers), sender=feed.transmitter)
        assert list(receipt.events) == []
        assert attestation.stream(feed.stream_id) == before
        assert [attestation.peak(feed.stream_id, height) for height in range(32)] == peaks


# INV-A1
@pytest.mark.parametrize("given_seq", [0, 1, 2, 4, 2**32 - 1])
def test_attest__stale_or_skipped_sequence__is_refused(attestation: Any, feed: Feed, given_seq: int) -> None:
    feed.attest([ROOT])
    feed.attest([ROOT])
    batch = feed.draft(keccak(b"another"), seq=given_seq)
    with refused(attestation.SequenceUnexpected, streamId=feed.stream_id, given=given_seq, expected=3):
        attestation.attest(*feed.call(batch), sender=feed.transmitter)


# INV-A1
def test_attest__older_batch_again__is_refused(attestation: Any, feed: Feed) -> None:
    feed.attest([ROOT])
    feed.attest([ROOT])
    with refused(attestation.SequenceUnexpected, streamId=feed.stream_id, given=1, expected=3):
        attestation.attest(*feed.call(feed.batches[0]), sender=feed.transmitter)


# INV-A2
def test_attest__wrong_previous__is_refused(attestation: Any, feed: Feed) -> None:
    feed.attest([ROOT])
    batch = feed.draft(ROOT, previous=keccak(b"a fork")[:20])
    with refused(attestation.PreviousUnexpected, streamId=feed.stream_id, given=batch.previous, expected=feed.head):
        attestation.attest(*feed.call(batch), sender=feed.transmitter)


def test_attest__unknown_stream__is_refused(attestation: Any, feed: Feed) -> None:
    batch = feed.draft(ROOT, stream_id=b"\x02" * 32)
    with refused(attestation.StreamUnknown, streamId=batch.stream_id):
        attestation.attest(*feed.call(batch), sender=feed.transmitter)


def refuse_committee(attestation: Any, feed: Feed, batch: Batch, call: tuple[Any, ...], members: list[Any]) -> None:
    """Expect CommitteeMismatch with the digest of `members`, whom the call amounts to."""
    given = attestation.committeeDigest(feed.stream_id, batch.config, (call[1][0], members))
    expected = attestation.term(feed.stream_id, 1).committee
    assert given != expected
    with refused(attestation.CommitteeMismatch, streamId=feed.stream_id, given=given, expected=expected):
        attestation.attest(*call, sender=feed.transmitter)


# INV-A3
def test_attest__below_threshold__is_refused(attestation: Any, feed: Feed) -> None:
    for signers in [(), (4,), (0, 3)]:
        with refused(attestation.ThresholdNotMet, signatures=len(signers), threshold=3):
            attestation.attest(*feed.call(feed.draft(ROOT), signers), sender=feed.transmitter)


# INV-A3
def test_attest__threshold_lowered_by_the_caller__is_refused(attestation: Any, feed: Feed) -> None:
    batch, (_, mask, signatures, others) = feed.call(feed.draft(ROOT), (0, 1))
    call = (batch, (2, mask, signatures, others))
    refuse_committee(attestation, feed, feed.draft(ROOT), call, feed.committee.members)


# INV-A3
def test_attest__duplicate_signer__is_refused(attestation: Any, feed: Feed) -> None:
    draft = feed.draft(ROOT)
    one, two = (feed.committee.keys[i].sign(feed.attestation.batchDigest(batch_tuple(draft), 1)) for i in (0, 1))
    members = feed.committee.members
    # the same oracle in a second oracle's place, with that oracle left out
    call = (batch_tuple(draft), (3, 0b111, one + one + two, members[3:]))
    refuse_committee(attestation, feed, draft, call, [members[0], members[0], members[1], *members[3:]])
    # the same oracle once more, with nobody left out: six members
    call = (batch_tuple(draft), (3, 0b111, one + one + two, members[2:]))
    refuse_committee(attestation, feed, draft, call, [members[0], members[0], *members[1:]])
    # one oracle both as signer and as non-signer
    call = (batch_tuple(draft), (3, 0b011, one + two, [members[1], *members[2:]]))
    refuse_committee(attestation, feed, draft, call, [members[0], members[1], *members[1:]])


# INV-A3
def test_attest__non_member_signer__is_refused(attestation: Any, feed: Feed) -> None:
    draft = feed.draft(ROOT)
    digest = batch_digest(feed.domain, draft)
    stranger = Secp256k1Key(0xBAD)
    members = feed.committee.members
    own = feed.committee.keys[0].sign(digest) + feed.committee.keys[1].sign(digest)
    call = (batch_tuple(draft), (3, 0b111, own + stranger.sign(digest), members[3:]))
    given = [*members[:2], "0x" + stranger.device_id[12:].hex(), *members[3:]]
    refuse_committee(attestation, feed, draft, call, given)


def test_attest__signatures_out_of_order__are_refused(attestation: Any, feed: Feed) -> None:
    draft = feed.draft(ROOT)
    batch, (threshold, mask, signatures, others) = feed.call(draft)
    swapped = signatures[65:130] + signatures[:65] + signatures[130:]
    members = feed.committee.members
    call = (batch, (threshold, mask, swapped, others))
    refuse_committee(attestation, feed, draft, call, [members[1], members[0], *members[2:]])


# INV-A3
@pytest.mark.parametrize("fault", ["zeros", "high_s", "v0"])
def test_attest__malformed_signature__counts_as_nobody(attestation: Any, feed: Feed, fault: str) -> None:
    draft = feed.draft(ROOT)
    batch, (threshold, mask, signatures, others) = feed.call(draft)
    good = signatures[:65]
    s = SECP256K1_ORDER - int.from_bytes(good[32:64], "big")
    bad = {
        "zeros": bytes(65),
        "high_s": good[:32] + s.to_bytes(32, "big") + bytes([55 - good[64]]),
        "v0": good[:64] + bytes([good[64] - 27]),
    }[fault]
    call = (batch, (threshold, mask, bad + signatures[65:], others))
    refuse_committee(attestation, feed, draft, call, ["0x" + "00" * 20, *feed.committee.members[1:]])


# INV-A3
@pytest.mark.parametrize("field", ["root", "meta"])
def test_attest__field_changed_after_signing__is_refused(attestation: Any, feed: Feed, field: str) -> None:
    draft = feed.draft(ROOT)
    _, signed = feed.call(draft)
    meta = replace(draft.meta, flagged_count=1)
    forged = replace(draft, **{field: {"root": keccak(b"forged"), "meta": meta}[field]})
    expected = attestation.term(feed.stream_id, 1).committee
    with ape.reverts(attestation.CommitteeMismatch, streamId=feed.stream_id, expected=expected):
        attestation.attest(batch_tuple(forged), signed, sender=feed.transmitter)


def test_attest__signed_for_another_stream__is_refused(
    attestation: Any, open_feed: OpenFeed, committee: Committee
) -> None:
    ours, theirs = open_feed("ours", committee), open_feed("theirs", committee)
    _, signed = ours.call(ours.draft(ROOT))
    batch = theirs.draft(ROOT)
    expected = attestation.term(theirs.stream_id, 1).committee
    with ape.reverts(attestation.CommitteeMismatch, streamId=theirs.stream_id, expected=expected):
        attestation.attest(batch_tuple(batch), signed, sender=theirs.transmitter)


def test_attest__mask_and_lists_that_do_not_fit__are_refused(attestation: Any, feed: Feed) -> None:
    batch, (threshold, mask, signatures, others) = feed.call(feed.draft(ROOT))
    misfits = [
        (mask, signatures[:-1], others),  # half a signature
        (mask, signatures[:-65], others),  # fewer signatures than bits
        (mask | 1 << 3, signatures, others),  # more bits than signatures
        (mask & ~1, signatures, others),  # fewer bits than signatures
        (mask | 1 << 5, signatures, others),  # a bit beyond the committee
        (mask & ~1 | 1 << 5, signatures, others),  # as many bits as signatures, one of them beyond
        (mask & ~1 | 1 << 31, signatures, others),
    ]
    for bad_mask, bad_signatures, bad_others in misfits:
        with refused(
            attestation.SignerMaskInvalid,
            signerMask=bad_mask,
            signaturesLength=len(bad_signatures),
            nonSigners=len(bad_others),
        ):
            attestation.attest(batch, (threshold, bad_mask, bad_signatures, bad_others), sender=feed.transmitter)


def test_attest__nobody_named__is_refused(attestation: Any, feed: Feed) -> None:
    draft = feed.draft(ROOT)
    refuse_committee(attestation, feed, draft, (batch_tuple(draft), (3, 0, b"", [])), [])


# INV-A7
def test_attest__rotated_out_committee__is_refused(
    attestation: Any, feed: Feed, deployer: Any, committee: Committee
) -> None:
    feed.attest([ROOT])
    successors = Committee([0xB1, 0xB2, 0xB3], threshold=2)
    attestation.setCommittee(feed.stream_id, successors.args, sender=deployer)
    for config in (1, 2):  # signed under the old number, or with old keys under the new one
        draft = feed.draft(ROOT, config=config)
        call = feed.call(draft)
        with ape.reverts(attestation.CommitteeMismatch, streamId=feed.stream_id):
            attestation.attest(*call, sender=feed.transmitter)

    feed.committee, feed.config = successors, 2
    feed.attest([ROOT], signers=(0, 2))
    assert attestation.stream(feed.stream_id).seq == 2


# INV-A7
def test_attest__committee_that_returns__needs_signatures_of_its_new_number(
    attestation: Any, feed: Feed, deployer: Any, committee: Committee
) -> None:
    old_call = feed.call(feed.draft(ROOT))
    attestation.setCommittee(feed.stream_id, committee.args, sender=deployer)
    with ape.reverts(attestation.CommitteeMismatch, streamId=feed.stream_id):
        attestation.attest(*old_call, sender=feed.transmitter)
    feed.config = 2
    feed.attest([ROOT])
    assert attestation.stream(feed.stream_id).seq == 1


# INV-A9
@pytest.mark.parametrize(
    "fault",
    [
        {"count": 0},
        {"count": 3, "flagged_count": 4},
        {"time_from": 1_000, "time_to": 999},
    ],
)
def test_attest__meta_that_contradicts_itself__is_refused(attestation: Any, feed: Feed, fault: dict[str, int]) -> None:
    draft = feed.draft(ROOT)
    batch = replace(draft, meta=replace(draft.meta, **fault))
    with refused(attestation.MetaInvalid, meta=pack_meta(batch.meta)):
        attestation.attest(*feed.call(batch), sender=feed.transmitter)


# INV-A9
def test_attest__score_beyond_full_scale__is_refused(attestation: Any, feed: Feed) -> None:
    batch, signed = feed.call(feed.draft(ROOT))
    stream_id, seq, root, previous, meta, *others = batch
    meta = meta & ~(0xFFFF << 176) | 10_001 << 176
    with refused(attestation.MetaInvalid, meta=meta):
        attestation.attest((stream_id, seq, root, previous, meta, *others), signed, sender=feed.transmitter)


# INV-A9
def test_attest__more_than_15_minutes_ahead__is_refused(attestation: Any, feed: Feed) -> None:
    now = ape.chain.pending_timestamp + 10
    for ahead in (901, 900):
        # Valid from ever: the clock that drafts goes on while the block's time is set back to `now`.
        draft = feed.draft(ROOT, valid_from=0)
        batch = replace(draft, meta=BatchMeta(1, 0, 10_000, now, now + ahead, MODEL_HASH))
        ape.chain.pending_timestamp = now
        if ahead == 901:
            with refused(attestation.BatchFromFuture, timeTo=now + ahead, timestamp=now):
                attestation.attest(*feed.call(batch), sender=feed.transmitter)
        else:
            attestation.attest(*feed.call(batch), sender=feed.transmitter)
    assert attestation.stream(feed.stream_id).latestTime == now + 900


# INV-A11
def test_attest__batch_of_late_readings__does_not_set_the_clock_back(attestation: Any, feed: Feed) -> None:
    feed.attest([ROOT])
    newest = feed.batches[-1].meta.time_to
    draft = feed.draft(ROOT)
    late = replace(draft, meta=replace(draft.meta, time_from=1_000, time_to=2_000))
    attestation.attest(*feed.call(late), sender=feed.transmitter)
    stream = attestation.stream(feed.stream_id)
    assert (stream.seq, stream.latestTime) == (2, newest)
