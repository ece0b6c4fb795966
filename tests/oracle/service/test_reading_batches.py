"""When batches of readings close, and that every oracle computes the same one."""

from __future__ import annotations

import json

import pytest

from gridwitness.domain.readings import Reading, SignedReading
from gridwitness.domain.slots import slot_end, slot_start
from gridwitness.encoding.keys import P256Key
from gridwitness.encoding.packing import pack_meta
from gridwitness.errors import InputError, StoreError
from gridwitness.service.batching import ReadingKeys, attach, decode_keys, encode_keys, key_of
from tests.oracle.service.oracle_parts import READINGS_STREAM, RULES, Parts
from tests.oracle.signers import FIRST_SLOT, home_key, net_energy, sign


def _slot(oracle: Parts, slot: int, *, without: int | None = None) -> list[SignedReading]:
    energies = (400, -150, 253)
    return [
        net_energy(key, slot, slot, energy)
        for index, (key, energy) in enumerate(zip(oracle.keys, energies, strict=True))
        if index != without
    ]


def _count(keys: str | None) -> int:
    return 0 if keys is None else len(decode_keys(keys, ReadingKeys).readings)


def test_due__all_devices_have_reported__closes_at_once(oracle: Parts) -> None:
    end = slot_end(FIRST_SLOT)
    *most, last = _slot(oracle, FIRST_SLOT)
    oracle.append(most, end)
    assert oracle.reading_batches.due(end) is None
    oracle.append([last], end)
    assert _count(oracle.reading_batches.due(end)) == 3


def test_due__a_device_is_silent__closes_when_the_grace_is_over_and_names_it(oracle: Parts) -> None:
    end = slot_end(FIRST_SLOT)
    oracle.append(_slot(oracle, FIRST_SLOT, without=1), end)
    assert oracle.reading_batches.due(end + RULES.grace_s - 1) is None
    keys = oracle.reading_batches.due(end + RULES.grace_s)
    assert keys is not None
    assert decode_keys(keys, ReadingKeys).absent == ["0x" + oracle.keys[1].device_id.hex()]


def test_due__late_reading_of_an_attested_slot__waits_for_the_next_slot(oracle: Parts) -> None:
    end = slot_end(FIRST_SLOT)
    late, *punctual = _slot(oracle, FIRST_SLOT)
    oracle.append(punctual, end)
    oracle.attest(oracle.reading_batches, oracle.reading_batches.due(end + RULES.grace_s) or "")
    oracle.append([late], end + 400)
    assert oracle.reading_batches.due(end + 899) is None
    oracle.append(_slot(oracle, FIRST_SLOT + 1), end + 900)
    assert _count(oracle.reading_batches.due(end + 900)) == 4


def test_due__reading_has_waited_too_long__goes_out_whatever_its_slot(oracle: Parts) -> None:
    end = slot_end(FIRST_SLOT)
    late, *punctual = _slot(oracle, FIRST_SLOT)
    oracle.append(punctual, end)
    oracle.attest(oracle.reading_batches, oracle.reading_batches.due(end + RULES.grace_s) or "")
    oracle.append([late], end + 400)
    assert oracle.reading_batches.due(end + 400 + RULES.max_wait_s - 1) is None
    assert _count(oracle.reading_batches.due(end + 400 + RULES.max_wait_s)) == 1


def test_due__more_readings_than_fit__the_oldest_go_first(oracle: Parts) -> None:
    readings = [one for slot in range(FIRST_SLOT, FIRST_SLOT + 200) for one in _slot(oracle, slot)]
    oracle.append(readings, 0)
    keys = oracle.reading_batches.due(slot_end(FIRST_SLOT + 199))
    assert _count(keys) == RULES.max_readings
    prepared = oracle.attest(oracle.reading_batches, keys or "")
    assert prepared.meta.time_from == slot_start(FIRST_SLOT)
    assert _count(oracle.reading_batches.due(slot_end(FIRST_SLOT + 199))) == 100


# INV-O4
def test_prepare__two_oracles_with_readings_in_other_order__agree_bit_for_bit(oracle: Parts, peer: Parts) -> None:
    for slot in range(FIRST_SLOT, FIRST_SLOT + 5):
        readings = _slot(oracle, slot)
        oracle.append(readings, slot_end(slot))
        peer.append(readings[::-1], slot_end(slot) + 7)
        keys = oracle.reading_batches.due(slot_end(slot)) or ""
        named = decode_keys(keys, ReadingKeys)
        shuffled = encode_keys(ReadingKeys(named.absent, named.readings[::-1]))
        ours = oracle.attest(oracle.reading_batches, keys)
        theirs = peer.attest(peer.reading_batches, shuffled)
        assert (ours.content, ours.checkpoint) == (theirs.content, theirs.checkpoint)
        assert pack_meta(ours.meta) == pack_meta(theirs.meta)
        assert ours.meta.count == 3
        assert (ours.meta.time_from, ours.meta.time_to) == (slot_start(slot), slot_end(slot))


def test_prepare__readings_only_attached__gives_the_same_content(oracle: Parts, peer: Parts) -> None:
    readings = _slot(oracle, FIRST_SLOT)
    oracle.append(readings, 0)
    keys = oracle.reading_batches.due(slot_end(FIRST_SLOT)) or ""
    assert len(peer.reading_batches.missing(keys, {})) == 3
    assert peer.reading_batches.missing(keys, attach(readings)) == []
    ours = oracle.reading_batches.prepare(1, keys, {})
    assert peer.reading_batches.prepare(1, keys, attach(readings)).content == ours.content


def test_prepare__another_signature_of_the_same_reading__is_another_reading(oracle: Parts, peer: Parts) -> None:
    mine, other = _slot(oracle, FIRST_SLOT)[0], net_energy(home_key(), FIRST_SLOT, FIRST_SLOT, 401)
    oracle.append([mine], 0)
    keys = encode_keys(ReadingKeys([], [key_of(other)]))
    assert oracle.reading_batches.missing(keys, {}) == [key_of(other)]


@pytest.mark.parametrize("number", [0, 2])
def test_prepare__no_reading_or_one_twice__is_refused(oracle: Parts, number: int) -> None:
    signed = _slot(oracle, FIRST_SLOT)[0]
    oracle.append([signed], 0)
    keys = encode_keys(ReadingKeys([], [key_of(signed)] * number))
    words = {0: "holds 0 readings; it must hold 1 to 500", 2: "holds a reading twice"}[number]
    with pytest.raises(InputError, match=words):
        oracle.reading_batches.prepare(oracle.next_seq(oracle.reading_batches), keys, {})


# INV-O6
def test_prepare__reading_attested_before__is_refused_naming_the_batch(oracle: Parts) -> None:
    oracle.append(_slot(oracle, FIRST_SLOT), 0)
    keys = oracle.reading_batches.due(slot_end(FIRST_SLOT)) or ""
    oracle.attest(oracle.reading_batches, keys)
    with pytest.raises(InputError, match="is attested already, in batch 1"):
        oracle.reading_batches.prepare(oracle.next_seq(oracle.reading_batches), keys, {})


def test_object__proposal_leaves_out_that_a_device_is_absent__is_refused(oracle: Parts) -> None:
    readings = _slot(oracle, FIRST_SLOT, without=2)
    oracle.append(readings, 0)
    honest = oracle.reading_batches.due(slot_end(FIRST_SLOT) + RULES.grace_s) or ""
    hiding = encode_keys(ReadingKeys([], [key_of(one) for one in readings]))
    assert oracle.reading_batches.objection(honest) == ""
    assert oracle.keys[2].device_id.hex() in oracle.reading_batches.objection(hiding)


@pytest.mark.parametrize("keys", ["", "[]", '{"absent": [], "readings": [["0x12", 1, "0x34"]]}', '{"day": 1}'])
def test_decode__malformed_keys__are_an_input_error(oracle: Parts, keys: str) -> None:
    with pytest.raises(InputError):
        oracle.reading_batches.missing(keys, {})


# INV-O7
def test_roll_back__two_batches__readings_wait_again_and_score_the_same(oracle: Parts) -> None:
    digests = []
    for slot in range(FIRST_SLOT, FIRST_SLOT + 3):
        oracle.append(_slot(oracle, slot), slot_end(slot))
        keys = oracle.reading_batches.due(slot_end(slot)) or ""
        digests.append(oracle.attest(oracle.reading_batches, keys).content)
    oracle.reading_batches.roll_back(1)
    assert oracle.readings.counts() == {"stored": 9, "attested": 3, "unattested": 6, "pruned": 0}
    for slot in (FIRST_SLOT + 1, FIRST_SLOT + 2):
        keys = encode_keys(ReadingKeys([], [key_of(one) for one in _slot(oracle, slot)]))
        assert oracle.attest(oracle.reading_batches, keys).content == digests[slot - FIRST_SLOT]


# INV-O6
def test_commit__readings_already_taken__raises_and_leaves_the_log_as_it_was(oracle: Parts) -> None:
    oracle.append(_slot(oracle, FIRST_SLOT), 0)
    keys = oracle.reading_batches.due(slot_end(FIRST_SLOT)) or ""
    prepared = oracle.attest(oracle.reading_batches, keys)
    stored = oracle.batches.get(READINGS_STREAM, 1)
    assert stored is not None
    oracle.batches.roll_back_readings(READINGS_STREAM, 0)
    oracle.readings.adopt([net_energy(home_key(), FIRST_SLOT, FIRST_SLOT, 7)], 0)
    with pytest.raises(StoreError):
        oracle.batches.commit_readings(stored, [*prepared.scored, *prepared.scored], prepared.checkpoint)
    assert oracle.batches.head(READINGS_STREAM) is None
    assert oracle.readings.counts()["attested"] == 0


def test_restore__altered_checkpoint__is_noticed(oracle: Parts) -> None:
    oracle.append(_slot(oracle, FIRST_SLOT), 0)
    oracle.attest(oracle.reading_batches, oracle.reading_batches.due(slot_end(FIRST_SLOT)) or "")
    with oracle.database.write() as connection:
        connection.execute("UPDATE checkpoints SET state = CAST(state || ' ' AS BLOB)")
    with pytest.raises(StoreError, match="checkpoint of batch 1 was altered"):
        oracle.batches.checkpoint(1)


def _leave_to_another_model(oracle: Parts, seq: int) -> None:
    """The scorer's state as a version with another model would have left it."""
    state = oracle.batches.checkpoint(seq)
    assert state is not None
    model = json.loads(state)["model"].encode()
    oracle.batches.replace_checkpoint(seq, state.replace(model, b"00" * 32))


def test_prepare__checkpoint_of_another_model__learns_from_the_log_and_scores_as_if_it_had_never_been_away(
    oracle: Parts, peer: Parts
) -> None:
    slots = range(FIRST_SLOT, FIRST_SLOT + 4)
    for one in (oracle, peer):
        for slot in slots:
            one.append(_slot(one, slot, without=slot % 3 if slot % 2 else None), slot_end(slot))
            one.attest(one.reading_batches, one.reading_batches.due(slot_end(slot) + RULES.grace_s) or "")
    _leave_to_another_model(peer, len(slots))
    for one in (oracle, peer):
        one.append(_slot(one, slots.stop), slot_end(slots.stop))
    keys = oracle.reading_batches.due(slot_end(slots.stop)) or ""
    ours, theirs = (one.reading_batches.prepare(len(slots) + 1, keys, {}) for one in (oracle, peer))
    assert (theirs.content, theirs.checkpoint) == (ours.content, ours.checkpoint)
    assert peer.batches.checkpoint(len(slots)) == oracle.batches.checkpoint(len(slots))


def test_prepare__checkpoint_of_another_model_and_no_readings_to_learn_from__says_what_to_do(oracle: Parts) -> None:
    oracle.append(_slot(oracle, FIRST_SLOT), 0)
    oracle.attest(oracle.reading_batches, oracle.reading_batches.due(slot_end(FIRST_SLOT)) or "")
    _leave_to_another_model(oracle, 1)
    with oracle.database.write() as connection:
        connection.execute("DELETE FROM readings")
    oracle.append(_slot(oracle, FIRST_SLOT + 1), 0)
    with pytest.raises(StoreError, match="a new scorer learns from 7 days") as raised:
        oracle.reading_batches.prepare(2, oracle.reading_batches.due(slot_end(FIRST_SLOT + 1)) or "", {})
    assert "go on with the version before" in raised.value.hint


def test_prepare__device_that_is_not_registered__is_refused(oracle: Parts) -> None:
    stranger = P256Key(9)
    signed = net_energy(stranger, 1, FIRST_SLOT, 5)
    keys = encode_keys(ReadingKeys([], [key_of(signed)]))
    with pytest.raises(InputError, match=f"device 0x{stranger.device_id.hex()} is not registered"):
        oracle.reading_batches.prepare(oracle.next_seq(oracle.reading_batches), keys, attach([signed]))


def test_due__reading_of_an_instant_attested_within_the_slot__does_not_make_the_slot_late(oracle: Parts) -> None:
    key = home_key()
    instant = sign(key, Reading(key.device_id, 1, slot_start(FIRST_SLOT) + 420, "1-0:1.8.0", 7))
    oracle.append([instant], 0)
    oracle.attest(oracle.reading_batches, oracle.reading_batches.due(RULES.max_wait_s + slot_end(FIRST_SLOT)) or "")
    oracle.append(_slot(oracle, FIRST_SLOT), slot_end(FIRST_SLOT))
    assert _count(oracle.reading_batches.due(slot_end(FIRST_SLOT))) == 3
