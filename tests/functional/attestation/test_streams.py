"""Streams and their committees."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import Any

import ape
import pytest
from eth_abi import encode

from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.leaves import PROFILE_TYPES, schema_of
from tests.actors import Committee, Feed, refused

NAME = b"profiles".ljust(32, b"\0")
SCHEMA = schema_of(PROFILE_TYPES)


def stream_id_of(owner: Any, name: bytes = NAME) -> bytes:
    """Id of a stream, as the interface defines it."""
    return keccak(encode(["address", "bytes32"], [owner.address, name]))


def test_open_stream__anyone__is_recorded(attestation: Any, committee: Committee, prosumer: Any) -> None:
    attestation.openStream(NAME, SCHEMA, committee.args, sender=prosumer)
    stream = attestation.stream(stream_id_of(prosumer))
    assert (stream.owner, stream.seq, stream.latestTime, stream.config) == (prosumer, 0, 0, 1)
    assert (stream.schema, stream.head, stream.marks) == (SCHEMA, bytes(20), 0)


def test_open_stream__anyone__is_announced_with_its_committee(
    attestation: Any, committee: Committee, prosumer: Any
) -> None:
    receipt = attestation.openStream(NAME, SCHEMA, committee.args, sender=prosumer)
    stream_id = stream_id_of(prosumer)
    assert receipt.events == [
        attestation.StreamOpened(stream_id, prosumer, SCHEMA, NAME),
        attestation.CommitteeSet(stream_id, 1, committee.threshold, committee.members),
    ]


# INV-A8
def test_open_stream__same_name_by_two_owners__are_two_streams(
    attestation: Any, committee: Committee, prosumer: Any, neighbour: Any
) -> None:
    attestation.openStream(NAME, SCHEMA, committee.args, sender=prosumer)
    attestation.openStream(NAME, SCHEMA, committee.args, sender=neighbour)
    assert attestation.stream(stream_id_of(prosumer)).owner == prosumer
    assert attestation.stream(stream_id_of(neighbour)).owner == neighbour


# INV-A8
def test_open_stream__same_name_again__is_refused(attestation: Any, committee: Committee, prosumer: Any) -> None:
    attestation.openStream(NAME, SCHEMA, committee.args, sender=prosumer)
    with refused(attestation.StreamAlreadyOpen, streamId=stream_id_of(prosumer)):
        attestation.openStream(NAME, SCHEMA, committee.args, sender=prosumer)


@pytest.mark.parametrize(("members", "threshold"), [(0, 0), (0, 1), (5, 0), (5, 6), (32, 3)])
def test_open_stream__committee_of_impossible_size__is_refused(
    attestation: Any, prosumer: Any, members: int, threshold: int
) -> None:
    committee = Committee(range(1, members + 1), threshold)
    with refused(attestation.CommitteeSizeInvalid, members=members, threshold=threshold):
        attestation.openStream(NAME, SCHEMA, committee.args, sender=prosumer)


@pytest.mark.parametrize("fault", ["doubled", "descending"])
def test_open_stream__committee_not_ascending__is_refused(
    attestation: Any, committee: Committee, prosumer: Any, fault: str
) -> None:
    first, second, *others = committee.members
    members = {"doubled": [first, first, *others], "descending": [second, first, *others]}[fault]
    with refused(attestation.CommitteeNotAscending, index=1, member=members[1], before=members[0]):
        attestation.openStream(NAME, SCHEMA, (3, members), sender=prosumer)


def test_open_stream__zero_member__is_refused(attestation: Any, committee: Committee, prosumer: Any) -> None:
    zero = "0x" + "00" * 20
    with refused(attestation.CommitteeNotAscending, index=0, member=zero, before=zero):
        attestation.openStream(NAME, SCHEMA, (3, [zero, *committee.members]), sender=prosumer)


def test_set_committee__by_owner__replaces_digest_and_number(attestation: Any, feed: Feed, deployer: Any) -> None:
    successors = Committee([0xB1, 0xB2, 0xB3], threshold=2)
    receipt = attestation.setCommittee(feed.stream_id, successors.args, sender=deployer)
    stream = attestation.stream(feed.stream_id)
    assert stream.config == 2
    assert attestation.term(feed.stream_id, 2).committee == attestation.committeeDigest(
        feed.stream_id, 2, successors.args
    )
    assert receipt.events == [attestation.CommitteeSet(feed.stream_id, 2, 2, successors.members)]


# INV-A17
def test_read_term__each_committee_that_served__is_kept_with_its_time(
    attestation: Any, feed: Feed, deployer: Any, committee: Committee
) -> None:
    opened_at = ape.chain.blocks.head.timestamp
    feed.attest([SCHEMA])
    feed.attest([SCHEMA])
    successors = Committee([0xB1, 0xB2, 0xB3], threshold=2)
    replaced_at = ape.chain.pending_timestamp = opened_at + 1_000
    attestation.setCommittee(feed.stream_id, successors.args, sender=deployer)

    first, second = (attestation.term(feed.stream_id, config) for config in (1, 2))
    digests = [
        attestation.committeeDigest(feed.stream_id, config, members.args)
        for config, members in ((1, committee), (2, successors))
    ]
    assert (first.committee, first.firstSeq, first.since, first.compromisedFrom) == (digests[0], 1, opened_at, 0)
    assert (second.committee, second.firstSeq, second.since, second.compromisedFrom) == (digests[1], 3, replaced_at, 0)
    assert [attestation.configAt(feed.stream_id, seq) for seq in range(5)] == [0, 1, 1, 2, 2]


def test_read_term__committee_replaced_before_it_signed__served_no_batch(
    attestation: Any, feed: Feed, deployer: Any, committee: Committee
) -> None:
    attestation.setCommittee(feed.stream_id, committee.args, sender=deployer)
    assert [attestation.term(feed.stream_id, config).firstSeq for config in (1, 2, 3)] == [1, 1, 0]
    assert attestation.configAt(feed.stream_id, 1) == 2
    assert attestation.configAt(b"\x01" * 32, 1) == 0


# INV-A8
def test_set_committee__by_anyone_else__is_refused(
    attestation: Any, feed: Feed, deployer: Any, intruder: Any, committee: Committee
) -> None:
    with refused(attestation.NotStreamOwner, streamId=feed.stream_id, caller=intruder, owner=deployer):
        attestation.setCommittee(feed.stream_id, committee.args, sender=intruder)


def test_set_committee__unknown_stream__is_refused(attestation: Any, committee: Committee, deployer: Any) -> None:
    with refused(attestation.StreamUnknown, streamId=b"\x01" * 32):
        attestation.setCommittee(b"\x01" * 32, committee.args, sender=deployer)


def test_hash_committee__any_part__is_bound(attestation: Any, feed: Feed, committee: Committee) -> None:
    types = ["uint256", "address", "bytes32", "uint24", "uint8", "address[]"]
    values = [ape.chain.chain_id, attestation.address, feed.stream_id, 1, committee.threshold, committee.members]
    digest = attestation.committeeDigest(feed.stream_id, 1, committee.args)
    assert digest == keccak(encode(types, values)) == attestation.term(feed.stream_id, 1).committee


def test_describe_domain__erc5267__names_chain_and_contract(attestation: Any) -> None:
    domain = attestation.eip712Domain()
    assert (domain.name, domain.version) == ("Gridwitness DataAttestation", "1")
    assert (domain.chainId, domain.verifyingContract) == (ape.chain.chain_id, attestation.address)


def selectors_of(contract_type: Any) -> list[bytes]:
    """Selectors of a contract's functions."""
    methods = [*contract_type.view_methods, *contract_type.mutable_methods]
    return [keccak(method.selector.encode())[:4] for method in methods]


def xored(selectors: Iterable[bytes]) -> bytes:
    """ERC-165 id of an interface with these selectors."""
    return reduce(lambda a, b: bytes(x ^ y for x, y in zip(a, b, strict=True)), selectors)


def test_support_interface__erc165__is_the_interfaces_and_no_more(attestation: Any, project: Any) -> None:
    own = {*selectors_of(attestation.contract_type)}
    erc165, erc5267 = bytes.fromhex("01ffc9a7"), bytes.fromhex("84b0196e")
    versioned = project.IVersioned.contract_type
    interfaces = [project.IDataAttestation.contract_type, project.IStreamBonds.contract_type]
    assert own == {erc165, erc5267}.union(*map(selectors_of, interfaces))
    # what an interface inherits has an id of its own (ERC-165)
    ids = [xored(set(selectors_of(interface)) - set(selectors_of(versioned))) for interface in interfaces]
    for supported in (erc165, erc5267, xored(selectors_of(versioned)), *ids):
        assert attestation.supportsInterface(supported)
    assert not attestation.supportsInterface(bytes.fromhex("ffffffff"))
