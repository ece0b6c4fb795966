"""Day profiles follow from attested readings alone."""

from __future__ import annotations

import pytest

from gridwitness.domain.slots import SLOTS_PER_DAY, day_of, slot_end, slots_of_day
from gridwitness.encoding.leaves import profile_leaf
from gridwitness.encoding.merkle import StandardMerkleTree, tree_root
from gridwitness.errors import InputError
from gridwitness.scoring import profile_score
from gridwitness.service.batching import ProfileKeys, decode_keys, encode_keys
from tests.oracle.service.oracle_parts import RULES, Parts
from tests.oracle.signers import FIRST_SLOT, net_energy

DAY = day_of(FIRST_SLOT) + 1
DAY_END = slot_end(slots_of_day(DAY)[-1])


def _attest_day(oracle: Parts, *, without: tuple[int, int] | None = None) -> None:
    """Attest a day's readings; `without` (device index, slot index) leaves one out."""
    for index, slot in enumerate(slots_of_day(DAY)):
        readings = [
            net_energy(key, slot, slot, 100 * device + index)
            for device, key in enumerate(oracle.keys)
            if (device, index) != without
        ]
        oracle.append(readings, slot_end(slot))
        keys = oracle.reading_batches.due(slot_end(slot) + RULES.grace_s)
        assert keys is not None
        oracle.attest(oracle.reading_batches, keys)


# INV-O11
def test_due__day_complete_for_all__holds_every_device_with_its_96_values(oracle: Parts) -> None:
    _attest_day(oracle)
    keys = oracle.profile_batches.due(DAY_END)
    assert keys is not None
    assert decode_keys(keys, ProfileKeys) == ProfileKeys(DAY, SLOTS_PER_DAY)
    prepared = oracle.attest(oracle.profile_batches, keys)
    profiles = {profile.device_id: profile for profile in prepared.profiles}
    assert set(profiles) == {key.device_id for key in oracle.keys}
    for device, key in enumerate(oracle.keys):
        profile = profiles[key.device_id]
        assert profile.energy_wh == tuple(100 * device + index for index in range(SLOTS_PER_DAY))
        stored = oracle.readings.of_device(key.device_id, 0, 1 << 62, -1, 1_000)
        assert profile.score_bps == profile_score([one.scored.score.score_bps for one in stored])
    assert oracle.profile_batches.due(DAY_END) is None


# INV-O11
def test_due__a_device_lacks_a_reading__others_go_after_the_grace_and_it_follows_when_complete(oracle: Parts) -> None:
    _attest_day(oracle, without=(0, 40))
    assert oracle.profile_batches.due(DAY_END + RULES.profile_grace_s - 1) is None
    keys = oracle.profile_batches.due(DAY_END + RULES.profile_grace_s)
    assert keys is not None
    assert len(oracle.attest(oracle.profile_batches, keys).profiles) == 2
    assert oracle.profile_batches.due(DAY_END + 100_000) is None
    slot = slots_of_day(DAY)[40]
    oracle.append([net_energy(oracle.keys[0], slot, slot, 40)], DAY_END)
    assert oracle.profile_batches.due(DAY_END + 100_000) is None  # not before it is attested
    late = oracle.reading_batches.due(DAY_END + RULES.max_wait_s)
    assert late is not None
    oracle.attest(oracle.reading_batches, late)
    keys = oracle.profile_batches.due(DAY_END + RULES.profile_grace_s)
    assert keys is not None
    (profile,) = oracle.attest(oracle.profile_batches, keys).profiles
    assert profile.device_id == oracle.keys[0].device_id


def test_prepare__peer_that_follows_further__agrees_for_the_batch_named(oracle: Parts, peer: Parts) -> None:
    _attest_day(oracle, without=(0, 40))
    _attest_day(peer, without=(0, 40))
    keys = encode_keys(ProfileKeys(DAY, SLOTS_PER_DAY))
    slot = slots_of_day(DAY)[40]
    peer.append([net_energy(peer.keys[0], slot, slot, 40)], DAY_END)
    late = peer.reading_batches.due(DAY_END + RULES.max_wait_s)
    assert late is not None
    peer.attest(peer.reading_batches, late)
    ours = oracle.profile_batches.prepare(1, keys, {})
    assert peer.profile_batches.prepare(1, keys, {}).content == ours.content
    further = encode_keys(ProfileKeys(DAY, SLOTS_PER_DAY + 1))
    assert oracle.profile_batches.behind(further) == "readings are followed up to batch 96; the profiles need 97"
    assert peer.profile_batches.behind(further) == ""


def test_prepare__day_and_batch_far_beyond_any__is_refused_and_no_trouble_for_the_log(oracle: Parts) -> None:
    """A peer's vote may name them: what the log cannot look for would end every step (OverflowError of SQLite)."""
    for keys in (encode_keys(ProfileKeys((1 << 24) - 1, (1 << 32) - 1)), f'{{"day":{10**30},"readings_seq":0}}'):
        with pytest.raises(InputError):
            oracle.profile_batches.prepare(1, keys, {})


def test_rebuild__attested_batch__gives_the_profiles_under_its_root(oracle: Parts) -> None:
    _attest_day(oracle)
    keys = oracle.profile_batches.due(DAY_END) or ""
    prepared = oracle.attest(oracle.profile_batches, keys)
    rebuilt = oracle.profile_batches.rebuild(keys, 1)
    tree = StandardMerkleTree([profile_leaf(profile) for profile in rebuilt])
    assert tree.root == prepared.root
    assert tree_root(profile_leaf(rebuilt[1]), tree.proof(1)) == prepared.root


def test_roll_back__profile_batch__is_due_again(oracle: Parts) -> None:
    _attest_day(oracle)
    keys = oracle.profile_batches.due(DAY_END) or ""
    oracle.attest(oracle.profile_batches, keys)
    oracle.profile_batches.roll_back(0)
    assert oracle.profile_batches.due(DAY_END) == keys
