"""The client's proofs on a real chain: whatever an API answers, only what was asked for, of whom it is, is taken."""

from __future__ import annotations

from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from gridwitness.chain.client import Chain
from gridwitness.client import DataAttestation, DeviceRegistry, Node, ProfileProof, ReadingProof
from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.readings import Profile, ScoredReading
from gridwitness.encoding.keys import DeviceKey, P256Key, Secp256k1Key
from gridwitness.encoding.leaves import PROFILE_TYPES, READING_TYPES, profile_leaf, reading_leaf, schema_of
from gridwitness.errors import InputError, ProofError
from gridwitness.service.proofs import profile_proof, reading_proof
from tests.integration.chain.parties import Committee, open_strangers_stream, register, rotate, scored_reading

METER, NEIGHBOUR, LIAR = P256Key(31), Secp256k1Key(32), P256Key(33)
TIME = 1_469_016_000
DAY = 17_002


@pytest.fixture
def committee(chain: Chain, open_stream: Any, oracles: list[LocalAccount]) -> Committee:
    return Committee(chain, open_stream("readings", schema_of(READING_TYPES)), oracles, 2)


@pytest.fixture(autouse=True)
def registered(chain: Chain, transmitter: LocalAccount) -> None:
    for key in (METER, NEIGHBOUR):
        register(chain, transmitter, transmitter.address, key, DeviceKind.CONSUMPTION, 7)


@pytest.fixture
def trusted(chain: Chain, committee: Committee) -> tuple[DataAttestation, DeviceRegistry, bytes]:
    """What an integrator has of its own, and not from an API."""
    node, address = Node(chain.node.url), chain.manifest.address
    return (
        DataAttestation(node, address("DataAttestation")),
        DeviceRegistry(node, address("DeviceRegistry")),
        committee.stream_id,
    )


def attested(committee: Committee, carrier: LocalAccount, *scored: ScoredReading) -> list[dict[str, Any]]:
    """Documents of readings, as an API gives them once their batch is attested; the committee looks at nothing."""
    batch = committee.attest(carrier, [reading_leaf(one) for one in scored], range(committee.threshold))
    manifest, root = committee.chain.manifest, committee.trees[-1][0].root
    return [
        reading_proof(manifest, one, root, committee.proof(batch.seq, index), batch.seq).document()
        for index, one in enumerate(scored)
    ]


def of_device(key: DeviceKey) -> str:
    return "0x" + key.device_id.hex()


def test_stands_in__reading_and_profile_asked_for__do_until_asked_of_another(
    chain: Chain,
    committee: Committee,
    open_stream: Any,
    oracles: list[LocalAccount],
    transmitter: LocalAccount,
    trusted: tuple[DataAttestation, DeviceRegistry, bytes],
) -> None:
    (document,) = attested(committee, transmitter, scored_reading(chain, METER, 5, TIME, 412, 77))
    for asked in ({"counter": 5}, {"time": TIME}, {"counter": 5, "time": TIME, "metric": "1-0:16.29.0"}):
        assert ReadingProof.of(document, of_device(METER), **asked).stands_in(*trusted)
    profiles = Committee(chain, open_stream("profiles", schema_of(PROFILE_TYPES)), oracles, 2)
    profile = Profile(METER.device_id, 96 * DAY, tuple(range(96)), 300)
    profiles.attest(transmitter, [profile_leaf(profile)])
    proven = profile_proof(chain.manifest, profile, profiles.trees[0][0].root, profiles.proof(1, 0), 1).document()
    proof = ProfileProof.of(proven, METER.device_id, DAY)
    assert proof.stands_in(*trusted[:2], profiles.stream_id)
    with pytest.raises(ProofError, match=f"of slots {96 * DAY} to {96 * DAY + 95}, not of those of day {DAY + 1}"):
        ProfileProof.of(proven, METER.device_id, DAY + 1)
    with pytest.raises(ProofError, match=f"of device {of_device(METER)}, not of {of_device(NEIGHBOUR)}"):
        ProfileProof.of(proven, of_device(NEIGHBOUR), DAY)


def test_check__proof_of_another_meter__is_refused(
    chain: Chain, committee: Committee, transmitter: LocalAccount
) -> None:
    document, _ = attested(
        committee,
        transmitter,
        scored_reading(chain, NEIGHBOUR, 1, TIME, 9_000, 0),
        scored_reading(chain, METER, 1, TIME, 412, 0),
    )
    with pytest.raises(ProofError, match=f"of device {of_device(NEIGHBOUR)}, not of {of_device(METER)}"):
        ReadingProof.of(document, of_device(METER), counter=1)


def test_check__proof_of_another_reading__is_refused(
    chain: Chain, committee: Committee, transmitter: LocalAccount
) -> None:
    (document,) = attested(committee, transmitter, scored_reading(chain, METER, 5, TIME, 412, 0))
    for asked, words in (
        ({"counter": 6}, "counter 5, not 6"),
        ({"time": TIME + 900}, f"time {TIME}, not {TIME + 900}"),
        ({"time": TIME, "metric": "temperature.cold.mdegC"}, "metric 1-0:16.29.0, not temperature.cold.mdegC"),
        ({"counter": 5, "time": TIME + 900}, f"time {TIME}, not {TIME + 900}"),
    ):
        with pytest.raises(ProofError, match=words):
            ReadingProof.of(document, of_device(METER), **asked)
    with pytest.raises(InputError, match="neither is given"):
        ReadingProof.of(document, of_device(METER))
    with pytest.raises(InputError, match="device '0x12' is not 0x and 64 hex digits"):
        ReadingProof.of(document, "0x12", counter=5)


def test_check__leaf_that_no_contract_could_take__is_refused(
    chain: Chain, committee: Committee, transmitter: LocalAccount
) -> None:
    (document,) = attested(committee, transmitter, scored_reading(chain, METER, 5, TIME, 412, 0))
    for place, key, value, words in (
        (document["leaf"]["fields"], 2, str(1 << 64), "is not uint64"),
        (document["leaf"]["fields"], 4, str(1 << 255), "is not int256"),
        (document["contracts"], "DeviceRegistry", "0xzz", "is not hexadecimal"),
        (document["contracts"], "DeviceRegistry", "0x12", "is not 20 bytes"),
        (document["batch"], "seq", 1 << 32, "batch.seq"),
        (document, "chain_id", -1, "chain_id"),
    ):
        before = place[key]
        place[key] = value
        with pytest.raises(ProofError, match=words):
            ReadingProof.of(document, of_device(METER), counter=5)
        place[key] = before


def test_stands_in__stream_of_another_committee__is_refused(
    chain: Chain, outsider: LocalAccount, trusted: tuple[DataAttestation, DeviceRegistry, bytes]
) -> None:
    """The lie of an API: a stream of its own, in which it attests for the victim's device what its own key signed."""
    stream = open_strangers_stream(chain, outsider, schema_of(READING_TYPES))
    made_up = scored_reading(chain, LIAR, 5, TIME, 9_000, 0, METER.device_id)
    (document,) = attested(stream, outsider, made_up)
    proof = ReadingProof.of(document, of_device(METER), counter=5)
    assert trusted[0].verify_reading(proof.leaf, proof.path)
    with pytest.raises(ProofError, match=f"of stream 0x{stream.stream_id.hex()}, not of 0x{trusted[2].hex()}"):
        proof.stands_in(*trusted)


def test_stands_in__key_that_is_not_the_devices__is_refused(
    chain: Chain,
    committee: Committee,
    transmitter: LocalAccount,
    trusted: tuple[DataAttestation, DeviceRegistry, bytes],
) -> None:
    """The trusted committee itself attests what no device signed: for that it is asked nobody but the registry."""
    document, unknown = attested(
        committee,
        transmitter,
        scored_reading(chain, LIAR, 5, TIME, 9_000, 0, METER.device_id),
        scored_reading(chain, LIAR, 1, TIME, 9_000, 0),
    )
    with pytest.raises(ProofError, match=f"key {of_device(LIAR)} signed the reading, but {of_device(METER)} spoke"):
        ReadingProof.of(document, of_device(METER), counter=5).stands_in(*trusted)
    with pytest.raises(ProofError, match=f"device {of_device(LIAR)} was never registered"):
        ReadingProof.of(unknown, of_device(LIAR), counter=1).stands_in(*trusted)


def test_stands_in__key_rotated__each_key_proves_readings_of_its_own_time(
    chain: Chain,
    committee: Committee,
    transmitter: LocalAccount,
    trusted: tuple[DataAttestation, DeviceRegistry, bytes],
) -> None:
    start = chain.head_time() // 900 * 900 + 1_800
    rotate(chain, transmitter, METER.device_id, LIAR, start, 0)
    signed = [(start - 900, METER), (start, METER), (start, LIAR)]
    documents = attested(
        committee,
        transmitter,
        *(scored_reading(chain, key, n, time, 40, 0, METER.device_id) for n, (time, key) in enumerate(signed)),
    )
    before, too_late, after = (
        ReadingProof.of(document, of_device(METER), counter=n) for n, document in enumerate(documents)
    )
    assert before.stands_in(*trusted)
    assert after.stands_in(*trusted)
    with pytest.raises(ProofError, match=f"but {of_device(LIAR)} spoke for the device then"):
        too_late.stands_in(*trusted)


def test_stands_in__signed_for_another_registry_or_chain__is_refused(
    chain: Chain,
    committee: Committee,
    transmitter: LocalAccount,
    trusted: tuple[DataAttestation, DeviceRegistry, bytes],
) -> None:
    attestation, registry, stream = trusted
    (document,) = attested(committee, transmitter, scored_reading(chain, METER, 5, TIME, 412, 0))
    proof = ReadingProof.of(document, of_device(METER), counter=5)
    with pytest.raises(ProofError, match=f"of DeviceRegistry {registry.address.lower()}, not of 0x"):
        proof.stands_in(attestation, DeviceRegistry(registry.node, attestation.address), stream)
    proof.chain_id = 1
    with pytest.raises(ProofError, match="the proof is of chain 1, the node of chain 31337"):
        proof.stands_in(*trusted)


def test_stands_in__batch_superseded__does_not(
    chain: Chain,
    committee: Committee,
    transmitter: LocalAccount,
    trusted: tuple[DataAttestation, DeviceRegistry, bytes],
) -> None:
    (document,) = attested(committee, transmitter, scored_reading(chain, METER, 5, TIME, 412, 0))
    proof = ReadingProof.of(document, of_device(METER), counter=5)
    assert proof.stands_in(*trusted)
    committee.attest(transmitter, [bytes(32)], supersedes=1)
    proof.path = proof.path._replace(range_proof=list(committee.proof(1, 0).range_proof))
    assert not proof.stands_in(*trusted)
