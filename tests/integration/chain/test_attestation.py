"""A stream seen through the client: history, committee, proofs, reorganisations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from eth_account.signers.local import LocalAccount

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.attestation import StreamView
from gridwitness.chain.client import Chain
from gridwitness.domain.batches import AttestedBatch, Batch, BatchStatus
from gridwitness.domain.readings import Profile
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import P256Key, Secp256k1Key
from gridwitness.encoding.leaves import (
    PROFILE_TYPES,
    READING_TYPES,
    profile_fields,
    profile_leaf,
    reading_fields,
    reading_leaf,
    schema_of,
)
from gridwitness.encoding.packing import pack_meta
from gridwitness.errors import ChainError, Reverted
from tests.integration.chain.parties import Committee, scored_reading

METERS = [P256Key(21), Secp256k1Key(22), P256Key(23)]
OpenStream = Callable[[str, bytes], bytes]


@pytest.fixture
def committee(chain: Chain, open_stream: OpenStream, oracles: list[LocalAccount]) -> Committee:
    return Committee(chain, open_stream("readings", schema_of(READING_TYPES)), oracles, 2)


def some_leaves(seq: int, count: int = 3) -> list[bytes]:
    return [keccak(f"leaf {seq} {index}".encode()) for index in range(count)]


def test_view_stream__fresh__is_empty_with_its_committee(
    chain: Chain, committee: Committee, oracles: list[LocalAccount]
) -> None:
    view = StreamView(chain, committee.stream_id)
    assert view.state() == (0, bytes(20), 1, 0, 0)
    assert view.committee() == (2, tuple(oracle.address for oracle in oracles))
    assert view.attested(0) == []


def test_view_stream__never_opened__is_said(chain: Chain) -> None:
    view = StreamView(chain, b"\x01" * 32)
    with pytest.raises(ChainError, match="is not open"):
        view.state()
    with pytest.raises(ChainError, match="is not open"):
        view.committee()


def test_view_stream__batches_attested__come_back_as_they_were_signed(
    chain: Chain, committee: Committee, transmitter: LocalAccount
) -> None:
    view = StreamView(chain, committee.stream_id)
    batches = [committee.attest(transmitter, some_leaves(seq)) for seq in range(1, 4)]
    attested = view.attested(0)
    assert [_signed_part(entry) for entry in attested] == [_signed_part(batch) for batch in batches]
    assert [entry.signer_mask for entry in attested] == [0b011] * 3
    assert attested[-1].digest == committee.newest
    assert attested[-1].block_number == chain.head_number()
    assert view.state() == (3, committee.newest[:20], 1, batches[-1].meta.time_to, 0)
    fourth = committee.attest(transmitter, some_leaves(4), signers=(0, 2))
    (entry,) = view.attested(3)
    assert (_signed_part(entry), entry.signer_mask) == (_signed_part(fourth), 0b101)


def _signed_part(batch: Batch | AttestedBatch) -> tuple[object, ...]:
    return batch.stream_id, batch.seq, batch.root, batch.meta, batch.supersedes, batch.config


# INV-A13
def test_view_stream__batch_superseded__both_stay_visible_and_only_the_second_counts(
    chain: Chain, committee: Committee, transmitter: LocalAccount
) -> None:
    view = StreamView(chain, committee.stream_id)
    committee.attest(transmitter, some_leaves(1))
    committee.attest(transmitter, some_leaves(2))
    assert view.standing(1) == (BatchStatus.STANDING, 0)
    committee.attest(transmitter, some_leaves(3), supersedes=1)
    assert [entry.supersedes for entry in view.attested(0)] == [0, 0, 1]
    assert view.standing(1) == (BatchStatus.SUPERSEDED, 3)
    assert [view.standing(seq).status for seq in (2, 3, 4)] == [
        BatchStatus.STANDING,
        BatchStatus.STANDING,
        BatchStatus.UNKNOWN,
    ]


def test_view_stream__committee_compromised__leaves_nobody_until_another_is_set(
    chain: Chain, committee: Committee, deployer: LocalAccount, transmitter: LocalAccount, oracles: list[LocalAccount]
) -> None:
    view = StreamView(chain, committee.stream_id)
    committee.attest(transmitter, some_leaves(1))
    functions = chain.contract("DataAttestation").functions
    chain.transact(deployer, functions.markCompromised(committee.stream_id, 1, 1))
    assert view.committee() == (0, ())
    assert view.state().config == 2
    assert view.standing(1) == (BatchStatus.COMPROMISED, 0)
    members = [member.address for member in oracles]
    chain.transact(deployer, functions.setCommittee(committee.stream_id, (2, members)))
    committee.config = 3
    committee.attest(transmitter, some_leaves(2))
    assert [entry.config for entry in view.attested(0)] == [1, 3]
    assert view.committee() == (2, tuple(members))


def test_attest__window_over__is_refused_with_the_times(
    chain: Chain, anvil: Anvil, committee: Committee, transmitter: LocalAccount
) -> None:
    batch = committee.draft(some_leaves(1))
    anvil.set_next_time(batch.valid_until + 1)
    with pytest.raises(Reverted, match=r"BatchOutsideValidity\(validFrom=") as refused:
        committee.send(transmitter, batch)
    assert refused.value.arguments["timestamp"] == batch.valid_until + 1


def test_view_stream__committee_changed__gives_later_batches_its_number(
    chain: Chain, committee: Committee, deployer: LocalAccount, transmitter: LocalAccount, oracles: list[LocalAccount]
) -> None:
    view = StreamView(chain, committee.stream_id)
    committee.attest(transmitter, some_leaves(1))
    members = oracles[:2]
    function = chain.contract("DataAttestation").functions.setCommittee(
        committee.stream_id, (1, [member.address for member in members])
    )
    chain.transact(deployer, function)
    committee.members, committee.threshold, committee.config = members, 1, 2
    committee.attest(transmitter, some_leaves(2), signers=(1,))
    assert [entry.config for entry in view.attested(0)] == [1, 2]
    assert view.committee() == (1, tuple(member.address for member in members))


@pytest.mark.parametrize("reorg_depth", [1, 12])
def test_view_stream__reorganised__follows_the_new_history(
    chain: Chain, anvil: Anvil, committee: Committee, transmitter: LocalAccount, reorg_depth: int
) -> None:
    view = StreamView(chain, committee.stream_id, reorg_depth=reorg_depth)
    committee.attest(transmitter, some_leaves(1))
    newest = committee.newest
    committee.attest(transmitter, some_leaves(2))
    committee.attest(transmitter, some_leaves(3))
    assert len(view.attested(0)) == 3
    anvil.node.rpc("anvil_reorg", 2, [])
    assert [entry.seq for entry in view.attested(0)] == [1]
    del committee.trees[1:]
    committee.newest = newest
    other = committee.attest(transmitter, some_leaves(99))
    assert [_signed_part(entry) for entry in view.attested(1)] == [_signed_part(other)]


def test_rebuild_range__from_events__has_the_chains_peaks(
    chain: Chain, committee: Committee, transmitter: LocalAccount
) -> None:
    view = StreamView(chain, committee.stream_id)
    for seq in range(1, 12):
        committee.attest(transmitter, some_leaves(seq))
        mountains = view.mountain_range()
        for height in range(4):
            if seq >> height & 1:
                assert mountains.peak(height) == view.peak(height)
        on_chain = chain.call(chain.contract("DataAttestation").functions.rangeRoot(committee.stream_id))
        assert tuple(on_chain) == (seq, mountains.root())


def test_verify_readings__every_one_of_200__is_found_and_no_changed_one(
    chain: Chain, committee: Committee, transmitter: LocalAccount
) -> None:
    batches = [
        [scored_reading(chain, key, seq, 900 * seq, (-1) ** seq * (40 * seq + index), 100 * index)
         for index, key in enumerate(METERS * 6)]
        for seq in range(1, 13)
    ]  # fmt: skip
    for scored in batches:
        committee.attest(transmitter, [reading_leaf(reading) for reading in scored])
    view = StreamView(chain, committee.stream_id)
    questions = [
        (reading_fields(reading), committee.proof(seq, index))
        for seq, scored in enumerate(batches, start=1)
        for index, reading in enumerate(scored)
    ]
    assert len(questions) == 216
    assert view.verify_readings(questions) == [True] * 216
    changed = [((*fields[:4], fields[4] + 1, *fields[5:]), proof) for fields, proof in questions]
    assert view.verify_readings(changed) == [False] * 216
    fields, proof = questions[0]
    assert view.verify_reading(fields, proof)
    assert not view.verify_reading(fields, replace(proof, seq=proof.seq + 1))
    assert not view.verify_profile((fields[0], 1, 96, fields[3], 0), proof)


def test_verify_many_at_once__any_subset__is_found_and_no_changed_one(
    chain: Chain, committee: Committee, transmitter: LocalAccount
) -> None:
    scored = [scored_reading(chain, key, seq, 900 * seq, 40 * seq, 100) for seq in range(1, 5) for key in METERS]
    committee.attest(transmitter, [reading_leaf(reading) for reading in scored])
    tree, meta = committee.trees[0]
    verify = chain.contract("DataAttestation").functions.verifyReadings
    for indices in ([3], [0, 11], list(range(12)), [7, 2, 5]):
        path = tree.multiproof(indices)
        proof = (committee.stream_id, 1, pack_meta(meta), path.siblings, path.flags, [])
        fields = [reading_fields(scored[index]) for index in path.order]
        assert chain.call(verify(fields, proof))
        fields[0] = (*fields[0][:4], fields[0][4] + 1, *fields[0][5:])
        assert not chain.call(verify(fields, proof))


def test_verify_profile__attested__is_found(
    chain: Chain, open_stream: OpenStream, oracles: list[LocalAccount], transmitter: LocalAccount
) -> None:
    committee = Committee(chain, open_stream("profiles", schema_of(PROFILE_TYPES)), oracles, 2)
    profiles = [Profile(key.device_id, 96 * 17_000, tuple(range(-48, 48)), 300) for key in METERS]
    committee.attest(transmitter, [profile_leaf(profile) for profile in profiles])
    view = StreamView(chain, committee.stream_id)
    assert (
        view.verify_profiles(
            [(profile_fields(profile), committee.proof(1, index)) for index, profile in enumerate(profiles)]
        )
        == [True] * 3
    )
    assert not view.verify_profile(profile_fields(replace(profiles[0], score_bps=0)), committee.proof(1, 0))


def test_attest__too_few_signatures__names_count_and_threshold(
    chain: Chain, committee: Committee, transmitter: LocalAccount
) -> None:
    with pytest.raises(Reverted, match=r"ThresholdNotMet\(signatures=1, threshold=2\)"):
        committee.attest(transmitter, some_leaves(1), signers=(1,))
