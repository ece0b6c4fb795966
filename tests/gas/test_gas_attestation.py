"""Gas of attestation, whole transactions on anvil (osaka), against gas.json.

`execution`: a verification's own steps in a call to it alone. `added`: what one more verification adds to a transaction
that already works with the stream, with leaf and proof in calldata, the mean of ten. `added,cold`: what the first adds
to a transaction that has the leaf but did not touch the stream before. `marked`: once a batch under the same peak was
superseded. `mean-256`: of batches 257 to 512, `mean-first-256` of those before.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from gridwitness.domain.readings import NET_ENERGY_METRIC, Profile, Reading, Score, ScoredReading, SignedReading
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.leaves import READING_TYPES, profile_fields, profile_leaf, reading_fields, reading_leaf
from tests.actors import Committee, Feed, OpenFeed, proof_args
from tests.gas.conftest import Spending, execution_gas

TREE_DEPTH = 10
RANGE_DEPTH = 8
BATCHES = 2**RANGE_DEPTH
GROUP = 16  # readings under one multiproof
MORE = 10
WORK = 500  # words the consumer overwrites besides


def reading_at(index: int) -> ScoredReading:
    """A scored reading with values of usual size."""
    reading = Reading(keccak(b"a meter"), 1_000 + index, 1_700_000_000 + 900 * index, NET_ENERGY_METRIC, -250 - index)
    return ScoredReading(SignedReading(reading, index.to_bytes(65, "big")), Score(1_234, "level", "as usual"))


def profile_at(index: int) -> Profile:
    """A day's profile of one device."""
    return Profile(keccak(index.to_bytes(2, "big")), 19_700 * 96, (index,) * 96, 120)


READINGS = [reading_at(index) for index in range(2**TREE_DEPTH)]
PROFILES = [profile_at(index) for index in range(2**TREE_DEPTH)]


def attest_many(feed: Feed, signers: int, count: int = BATCHES) -> list[Any]:
    """Attest small batches, each signed by other members than the one before; returns the receipts."""
    draw = random.Random(3)
    members = range(len(feed.committee.members))
    return [feed.attest([keccak(bytes(2))], sorted(draw.sample(members, signers))) for _ in range(count)]


def test_spend__attest__as_recorded(gas_record: Any, open_feed: OpenFeed, committee: Committee) -> None:
    small = open_feed("gas", committee, READING_TYPES)
    first = attest_many(small, 3)
    steady = attest_many(small, 3)
    large = open_feed("gas-large", Committee(range(1, 32), threshold=11), READING_TYPES)
    large_first = attest_many(large, 11)
    large_steady = attest_many(large, 11)
    superseding = small.attest([keccak(b"instead")], supersedes=200)
    gas_record.compare(
        "DataAttestation",
        {
            "attest/3-of-5,first": gas_record.of(first[0]),
            "attest/3-of-5,mean-first-256": gas_record.mean(first),
            "attest/3-of-5,mean-256": gas_record.mean(steady),
            "attest/3-of-5,superseding": gas_record.of(superseding),
            "attest/11-of-31,first": gas_record.of(large_first[0]),
            "attest/11-of-31,mean-first-256": gas_record.mean(large_first),
            "attest/11-of-31,mean-256": gas_record.mean(large_steady),
        },
    )


def stream_of_256(open_feed: OpenFeed, committee: Committee) -> Feed:
    """A stream of 256 batches; the first has 1,024 readings, the second as many profiles."""
    feed = open_feed("gas", committee, READING_TYPES)
    feed.attest([reading_leaf(scored) for scored in READINGS])
    feed.attest([profile_leaf(profile) for profile in PROFILES])
    attest_many(feed, 3, BATCHES - 2)
    assert (len(feed.proof(1).tree_proof), len(feed.proof(2).range_proof)) == (TREE_DEPTH, RANGE_DEPTH)
    return feed


def measure(function: Any, consume: Any, claims: Sequence[tuple[Any, Any]], sender: Any) -> dict[str, Spending]:
    """What verifying costs, of eleven claims (leaf or leaves, and proof): alone, and in a larger transaction."""
    assert function(*claims[0])
    calldata = bytes(function.encode_input(*claims[0]))

    def in_larger(leaves: int, proofs: int) -> Spending:
        what = [(leaf,) if isinstance(leaf, list) else leaf for leaf, _ in claims[:leaves]]
        arguments = (what, [proof for _, proof in claims[:proofs]])
        receipt = consume(WORK, *arguments, sender=sender)
        tokens = len(receipt.data) + 3 * sum(byte != 0 for byte in bytes(receipt.data))
        assert receipt.gas_used > 21_000 + 10 * tokens, "EIP-7623's floor would hide what verifying adds"
        return Spending(receipt.gas_used, len(receipt.data))

    none, one, many = in_larger(1, 0), in_larger(1, 1), in_larger(1 + MORE, 1 + MORE)
    return {
        "execution": Spending(execution_gas(function.contract, calldata), len(calldata)),
        "added": Spending((many.gas - one.gas) // MORE, (many.calldata_bytes - one.calldata_bytes) // MORE),
        "added,cold": Spending(one.gas - none.gas, one.calldata_bytes - none.calldata_bytes),
    }


def per_reading(spending: Spending) -> Spending:
    """A group's spending by its readings, rounded up."""
    return Spending(-(-spending.gas // GROUP), -(-spending.calldata_bytes // GROUP))


def test_spend__verify__as_recorded(
    gas_record: Any,
    project: Any,
    attestation: Any,
    open_feed: OpenFeed,
    committee: Committee,
    deployer: Any,
    transmitter: Any,
) -> None:
    feed = stream_of_256(open_feed, committee)
    consumer = deployer.deploy(project.ProofConsumer, attestation)
    consumer.useReadings(WORK, [], [], sender=transmitter)  # from here on it overwrites, and costs the same each time
    indices = range(1 + MORE)
    readings = [(reading_fields(READINGS[index]), proof_args(feed.proof(1, index))) for index in indices]
    profiles = [(profile_fields(PROFILES[index]), proof_args(feed.proof(2, index))) for index in indices]
    groups = []
    for index in indices:
        path = feed.trees[0].multiproof(range(index * GROUP, (index + 1) * GROUP))
        stream_id, seq, meta, _, range_proof = proof_args(feed.proof(1))
        leaves = [reading_fields(READINGS[leaf]) for leaf in path.order]
        groups.append((leaves, (stream_id, seq, meta, list(path.siblings), list(path.flags), range_proof)))

    of_reading = measure(attestation.verifyReading, consumer.useReadings, readings, transmitter)
    of_profile = measure(attestation.verifyProfile, consumer.useProfiles, profiles, transmitter)
    of_group = measure(attestation.verifyReadings, consumer.useMany, groups, transmitter)
    feed.attest([keccak(b"instead")], supersedes=200)
    marked = measure(attestation.verifyReading, consumer.useReadings, readings, transmitter)
    gas_record.compare(
        "DataAttestation",
        {f"verifyReading/10+8,{how}": spending for how, spending in of_reading.items()}
        | {f"verifyReading/10+8,marked,{how}": spending for how, spending in marked.items()}
        | {f"verifyProfile/10+8,{how}": spending for how, spending in of_profile.items()}
        | {f"verifyReadings/16-of-1024+8,{how},per-reading": per_reading(part) for how, part in of_group.items()},
    )


def test_spend__govern_stream__as_recorded(
    gas_record: Any, attestation: Any, open_feed: OpenFeed, committee: Committee, deployer: Any
) -> None:
    stream_id = open_feed("governed", committee, READING_TYPES).stream_id
    opening = attestation.openStream(b"another".ljust(32, b"\0"), bytes(32), committee.args, sender=deployer)
    rotation = attestation.setCommittee(stream_id, committee.args, sender=deployer)
    marking = attestation.markCompromised(stream_id, 2, 1, sender=deployer)
    gas_record.compare(
        "DataAttestation",
        {
            "openStream/3-of-5": gas_record.of(opening),
            "setCommittee/3-of-5": gas_record.of(rotation),
            "markCompromised/in-force": gas_record.of(marking),
        },
    )
