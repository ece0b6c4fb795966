"""Leaves against eth-abi's encoder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwitness.domain.readings import Profile, Reading, Score, ScoredReading, SignedReading
from gridwitness.encoding import batched_keccak
from gridwitness.encoding.batched_keccak import FEWEST_IF_LOADED
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.leaves import (
    FLEET_TYPES,
    PROFILE_TYPES,
    READING_TYPES,
    document_signature_hash,
    leaf_hash,
    profile_fields,
    profile_leaf,
    reading_fields,
    reading_leaf,
    reading_leaves,
    schema_of,
)
from gridwitness.encoding.packing import energy_bytes, metric_bytes
from gridwitness.errors import InputError
from tests.oracle.encoding.references import standard_leaf
from tests.oracle.encoding.strategies import integers, metrics, words

scored_readings = st.builds(
    ScoredReading,
    signed=st.builds(
        SignedReading,
        reading=st.builds(
            Reading,
            device_id=words,
            counter=integers("uint64"),
            time=integers("uint64"),
            metric=metrics,
            value=integers("int256"),
        ),
        signature=st.binary(max_size=200),
    ),
    score=st.builds(Score, score_bps=st.integers(0, 10_000), channel=st.just(""), reason=st.just("")),
)
profiles = st.builds(
    Profile,
    device_id=words,
    first_slot=integers("uint32"),
    energy_wh=st.lists(integers("int32"), max_size=96).map(tuple),
    score_bps=st.integers(0, 10_000),
)


@given(scored_readings)
def test_hash_reading_leaf__any__equals_eth_abi(scored: ScoredReading) -> None:
    reading = scored.signed.reading
    fields = (
        reading.device_id,
        reading.counter,
        reading.time,
        metric_bytes(reading.metric),
        reading.value,
        scored.score.score_bps,
        keccak(scored.signed.signature),
    )
    assert reading_fields(scored) == fields
    assert reading_leaf(scored) == standard_leaf(READING_TYPES, fields)


@given(st.lists(scored_readings, max_size=20), st.integers(1, FEWEST_IF_LOADED))
def test_hash_reading_leaves__few_or_many__are_those_hashed_alone(scored: list[ScoredReading], times: int) -> None:
    batched_keccak.load()
    assert reading_leaves(scored * times) == [reading_leaf(one) for one in scored] * times


@given(profiles)
def test_hash_profile_leaf__any__equals_eth_abi(profile: Profile) -> None:
    fields = (
        profile.device_id,
        profile.first_slot,
        len(profile.energy_wh),
        keccak(energy_bytes(profile.energy_wh)),
        profile.score_bps,
    )
    assert profile_fields(profile) == fields
    assert profile_leaf(profile) == standard_leaf(PROFILE_TYPES, fields)


@given(words, st.integers(0, 7))
def test_hash_fleet_leaf__any__equals_eth_abi(device_id: bytes, kind: int) -> None:
    assert leaf_hash((device_id, kind)) == standard_leaf(FLEET_TYPES, (device_id, kind))


def test_hash_schema__readings__is_keccak_of_the_type_list() -> None:
    assert schema_of(READING_TYPES) == keccak(b"bytes32,uint64,uint64,bytes32,int256,uint16,bytes32")


def test_hash_document_signature__empty_document__is_refused() -> None:
    with pytest.raises(InputError, match="at least one byte, got 0"):
        document_signature_hash(b"\x22" * 65, b"")
