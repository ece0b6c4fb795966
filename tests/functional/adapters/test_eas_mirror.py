"""EasMirror against the real Ethereum Attestation Service."""

from __future__ import annotations

from typing import Any

import ape
import pytest
from eth_abi import decode, encode
from eth_abi.packed import encode_packed

from gridwitness.encoding.hashing import keccak
from tests.actors import Committee, Feed, OpenFeed, refused
from tests.anchors.eas import NO_RESOLVER, NO_UID, register_schema, request_data

SCHEMA = "bytes32 streamId,uint32 seq,uint40 latestTime,bytes32 rangeRoot"
TYPES = [field.split(" ")[0] for field in SCHEMA.split(",")]
SCHEMA_UID = keccak(encode_packed(["string", "address", "bool"], [SCHEMA, NO_RESOLVER, False]))
DAY_SECONDS = 86_400


def next_day(seconds: int = 0) -> int:
    """Set the next block's time to `seconds` of the next UTC day; returns that day."""
    day = int(ape.chain.pending_timestamp) // DAY_SECONDS + 1
    ape.chain.pending_timestamp = day * DAY_SECONDS + seconds
    return day


def grow(feed: Feed, batches: int) -> None:
    """Attest some more batches."""
    for _ in range(batches):
        feed.attest([keccak(bytes([len(feed.batches)]))])


def mirrored_uid(mirror: Any, feed: Feed, carrier: Any) -> bytes:
    """Mirror the stream; returns the UID."""
    receipt = mirror.mirror(feed.stream_id, sender=carrier)
    seq, root = feed.attestation.rangeRoot(feed.stream_id)
    (uid,) = [event.uid for event in receipt.events.filter(mirror.StreamMirrored)]
    assert receipt.events.filter(mirror.StreamMirrored) == [mirror.StreamMirrored(feed.stream_id, seq, uid, root)]
    return bytes(uid)


def test_deploy__mirror__registers_its_schema(mirror: Any, eas: Any, schemas: Any, attestation: Any) -> None:
    assert (mirror.schemaUid(), mirror.eas(), mirror.attestation()) == (SCHEMA_UID, eas, attestation)
    assert tuple(schemas.getSchema(SCHEMA_UID)) == (SCHEMA_UID, NO_RESOLVER, False, SCHEMA)
    assert mirror.version() == "1.0.0"


@pytest.mark.parametrize("batches", [1, 2, 3, 11])
def test_mirror__stream_of_some_batches__attests_the_root_of_contract_and_twin(
    mirror: Any, eas: Any, attestation: Any, feed: Feed, intruder: Any, batches: int
) -> None:
    grow(feed, batches)
    uid = mirrored_uid(mirror, feed, intruder)
    record = eas.getAttestation(uid)
    stream_id, seq, latest_time, root = decode(TYPES, record.data)
    assert (stream_id, seq, latest_time) == (feed.stream_id, batches, feed.batches[-1].meta.time_to)
    assert root == feed.range.root() == attestation.rangeRoot(feed.stream_id).root
    assert (record.schema, record.attester, record.recipient) == (SCHEMA_UID, mirror.address, NO_RESOLVER)
    assert (record.revocable, record.expirationTime, record.revocationTime) == (False, 0, 0)
    assert record.refUID == NO_UID
    assert eas.isAttestationValid(uid)


def test_mirror__day_after_day__refers_to_the_day_before(mirror: Any, eas: Any, feed: Feed, transmitter: Any) -> None:
    before = NO_UID
    for seq in (1, 2, 3):
        grow(feed, 1)
        day = next_day()
        uid = mirrored_uid(mirror, feed, transmitter)
        assert eas.getAttestation(uid).refUID == before
        assert tuple(mirror.lastMirrored(feed.stream_id)) == (uid, seq, day)
        before = uid


def test_mirror__twice_a_day__is_refused(mirror: Any, feed: Feed, transmitter: Any) -> None:
    grow(feed, 1)
    day = next_day()
    uid = mirrored_uid(mirror, feed, transmitter)
    grow(feed, 1)
    ape.chain.pending_timestamp = day * DAY_SECONDS + DAY_SECONDS - 1
    with refused(mirror.AlreadyMirrored, streamId=feed.stream_id, day=day):
        mirror.mirror(feed.stream_id, sender=transmitter)
    assert mirror.lastMirrored(feed.stream_id).uid == uid
    ape.chain.pending_timestamp = (day + 1) * DAY_SECONDS
    mirrored_uid(mirror, feed, transmitter)
    assert tuple(mirror.lastMirrored(feed.stream_id))[1:] == (2, day + 1)


def test_mirror__no_new_batch__is_refused(mirror: Any, feed: Feed, transmitter: Any) -> None:
    grow(feed, 2)
    mirrored_uid(mirror, feed, transmitter)
    next_day()
    with refused(mirror.NoNewBatch, streamId=feed.stream_id, seq=2, mirroredSeq=2):
        mirror.mirror(feed.stream_id, sender=transmitter)


def test_mirror__empty_or_unknown_stream__is_refused(mirror: Any, feed: Feed, transmitter: Any) -> None:
    for stream_id in (feed.stream_id, keccak(b"no stream")):
        with refused(mirror.NoNewBatch, streamId=stream_id, seq=0, mirroredSeq=0):
            mirror.mirror(stream_id, sender=transmitter)
        assert tuple(mirror.lastMirrored(stream_id)) == (NO_UID, 0, 0)


def test_mirror__two_streams_a_day__are_apart(
    mirror: Any, eas: Any, open_feed: OpenFeed, committee: Committee, transmitter: Any
) -> None:
    uids = []
    for name in ("north", "south"):
        feed = open_feed(name, committee)
        grow(feed, 1)
        uids.append(mirrored_uid(mirror, feed, transmitter))
        assert eas.getAttestation(uids[-1]).refUID == NO_UID
    assert uids[0] != uids[1]


def test_mirror__superseded_batch__is_under_the_root_still(mirror: Any, eas: Any, feed: Feed, transmitter: Any) -> None:
    grow(feed, 2)
    feed.attest([keccak(b"correction")], supersedes=2)
    uid = mirrored_uid(mirror, feed, transmitter)
    assert decode(TYPES, eas.getAttestation(uid).data)[1:] == (3, feed.batches[-1].meta.time_to, feed.range.root())


def test_deploy__schema_registered_by_a_stranger__is_used(
    project: Any, attestation: Any, schemas: Any, eas: Any, feed: Feed, deployer: Any, intruder: Any
) -> None:
    assert register_schema(schemas, SCHEMA, intruder) == SCHEMA_UID
    mirror = deployer.deploy(project.EasMirror, attestation, eas)
    assert mirror.schemaUid() == SCHEMA_UID
    grow(feed, 1)
    assert eas.getAttestation(mirrored_uid(mirror, feed, intruder)).attester == mirror.address


def test_deploy__revocable_twin_of_the_schema__is_not_taken(
    project: Any, attestation: Any, schemas: Any, eas: Any, deployer: Any, intruder: Any
) -> None:
    twin = register_schema(schemas, SCHEMA, intruder, revocable=True)
    mirror = deployer.deploy(project.EasMirror, attestation, eas)
    assert mirror.schemaUid() == SCHEMA_UID != twin
    assert not schemas.getSchema(mirror.schemaUid()).revocable


def test_attest__same_schema_by_a_stranger__is_told_by_its_attester(
    mirror: Any, eas: Any, feed: Feed, intruder: Any
) -> None:
    grow(feed, 1)
    ours = mirrored_uid(mirror, feed, intruder)
    forged = encode(TYPES, [feed.stream_id, 9, 9, keccak(b"forged")])
    uid = eas.attest((SCHEMA_UID, request_data(forged, ref_uid=ours)), sender=intruder).return_value
    assert eas.getAttestation(uid).attester == intruder
    assert mirror.lastMirrored(feed.stream_id).uid == ours


def test_revoke__mirrored_root__is_refused_by_eas(
    mirror: Any, eas: Any, feed: Feed, deployer: Any, intruder: Any
) -> None:
    grow(feed, 1)
    uid = mirrored_uid(mirror, feed, deployer)
    for account in (deployer, intruder):
        with refused(eas.AccessDenied):
            eas.revoke((SCHEMA_UID, (uid, 0)), sender=account)
    mirror.balance = "1 ether"
    with refused(eas.Irrevocable):  # not even in the mirror's own name
        eas.revoke((SCHEMA_UID, (uid, 0)), sender=ape.accounts[mirror.address])
