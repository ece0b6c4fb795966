"""FeedAdapter: which readings become rounds, and which answers are given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ape
import pytest
from eth_abi import decode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridwitness.domain.readings import NET_ENERGY_METRIC
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.leaves import PROFILE_TYPES, READING_TYPES, reading_leaf, schema_of
from gridwitness.encoding.packing import metric_bytes
from tests.actors import Committee, OpenFeed, proof_args, refused
from tests.functional.adapters.conftest import (
    DECIMALS,
    MAX_SCORE_BPS,
    QUARTER_HOUR_SECONDS,
    Gauge,
    past,
    refuse_deployment,
    refuse_read,
)

HOUR_SECONDS = 3_600
SUPERSEDED, COMPROMISED = 2, 4
INT152 = 2**151
FOREVER_SECONDS = 2**256 - 1


def refuse_update(gauge: Gauge, call: tuple[Any, Any], error: str, **inputs: object) -> None:
    """Expect `update` to be refused with the adapter's `error`, and the feed to stay empty."""
    with refused(getattr(gauge.adapter, error), **inputs):
        gauge.adapter.update(*call, sender=gauge.carrier)
    refuse_read(gauge.adapter.latestRoundData, (), gauge.adapter.NoDataPresent)


def test_describe__any_feed__says_what_it_is_of(gauge: Gauge, attestation: Any) -> None:
    adapter = gauge.adapter
    assert (adapter.description(), adapter.version(), adapter.decimals()) == ("a meter / kWh", 1, DECIMALS)
    assert (adapter.attestation(), adapter.streamId()) == (attestation, gauge.feed.stream_id)
    assert (adapter.deviceId(), adapter.metric()) == (gauge.meter.device_id, metric_bytes(NET_ENERGY_METRIC))
    assert (adapter.intervalSeconds(), adapter.maxScoreBps()) == (QUARTER_HOUR_SECONDS, MAX_SCORE_BPS)


def test_call__chainlinks_selectors__answer(gauge: Gauge) -> None:
    time = past(HOUR_SECONDS)
    gauge.update(gauge.reading(time))
    a_round = (["uint80", "int256", "uint256", "uint256", "uint80"], (1, 1_234, time, time + QUARTER_HOUR_SECONDS, 1))
    expected = {
        "313ce567": (["uint8"], (DECIMALS,)),  # decimals()
        "7284e416": (["string"], ("a meter / kWh",)),  # description()
        "54fd4d50": (["uint256"], (1,)),  # version()
        "9a6fc8f5" + f"{1:064x}": a_round,  # getRoundData(uint80)
        "feaf968c": a_round,  # latestRoundData()
    }
    for calldata, (types, values) in expected.items():
        answer = ape.networks.provider.web3.eth.call({"to": gauge.adapter.address, "data": "0x" + calldata})
        assert decode(types, bytes(answer)) == values


def test_update__first_reading__is_round_one_at_the_time_it_was_measured(gauge: Gauge) -> None:
    time = past(HOUR_SECONDS)
    receipt = gauge.update(gauge.reading(time, value=-250))
    updated_at = time + QUARTER_HOUR_SECONDS
    assert gauge.adapter.latestRoundData() == (1, -250, time, updated_at, 1)
    assert gauge.adapter.getRoundData(1) == (1, -250, time, updated_at, 1)
    assert gauge.adapter.readFresh(HOUR_SECONDS) == (-250, updated_at)
    assert receipt.events == [gauge.adapter.AnswerUpdated(-250, 1, updated_at)]


def test_update__three_readings__are_three_rounds_that_stay(gauge: Gauge) -> None:
    times = [past(HOUR_SECONDS * age) for age in (9, 8, 1)]
    for value, time in enumerate(times, start=40):
        gauge.update(gauge.reading(time, value))
    for round_id, time in enumerate(times, start=1):
        expected = (round_id, 39 + round_id, time, time + QUARTER_HOUR_SECONDS, round_id)
        assert gauge.adapter.getRoundData(round_id) == expected
        assert gauge.adapter.batchOf(round_id) == round_id
    assert gauge.adapter.latestRoundData() == gauge.adapter.getRoundData(3)


def test_update__carried_by_a_stranger__is_accepted(gauge: Gauge, intruder: Any) -> None:
    call = gauge.attest(gauge.reading(past(HOUR_SECONDS)))
    receipt = gauge.adapter.update(*call, sender=intruder)
    assert receipt.return_value == 1


def test_update__carried_a_day_late__does_not_look_fresh(gauge: Gauge) -> None:
    time = past(HOUR_SECONDS)
    call = gauge.attest(gauge.reading(time))
    ape.chain.mine(timestamp=time + 25 * HOUR_SECONDS)
    gauge.adapter.update(*call, sender=gauge.carrier)
    updated_at = time + QUARTER_HOUR_SECONDS
    assert gauge.adapter.latestRoundData()[3] == updated_at
    now = ape.chain.blocks.head.timestamp
    stale = {"updatedAt": updated_at, "maxAgeSeconds": HOUR_SECONDS, "timestamp": now}
    refuse_read(gauge.adapter.readFresh, (HOUR_SECONDS,), gauge.adapter.AnswerStale, **stale)
    assert gauge.adapter.readFresh(FOREVER_SECONDS) == (1_234, updated_at)


def test_read_fresh__a_second_older_than_allowed__is_refused(gauge: Gauge) -> None:
    gauge.update(gauge.reading(past(HOUR_SECONDS)))
    updated_at = gauge.adapter.latestRoundData()[3]
    now = ape.chain.blocks.head.timestamp
    age = now - updated_at
    assert gauge.adapter.readFresh(age) == (1_234, updated_at)
    stale = {"updatedAt": updated_at, "maxAgeSeconds": age - 1, "timestamp": now}
    refuse_read(gauge.adapter.readFresh, (age - 1,), gauge.adapter.AnswerStale, **stale)


def test_update__same_reading_again__is_refused(gauge: Gauge) -> None:
    time = past(HOUR_SECONDS)
    call = gauge.attest(gauge.reading(time))
    gauge.adapter.update(*call, sender=gauge.carrier)
    with refused(gauge.adapter.ReadingNotNewer, time=time, latestTime=time):
        gauge.adapter.update(*call, sender=gauge.carrier)


def test_update__older_reading_replayed__is_refused(gauge: Gauge) -> None:
    older, newer = past(2 * HOUR_SECONDS), past(HOUR_SECONDS)
    gauge.update(gauge.reading(older, value=1))
    gauge.update(gauge.reading(newer, value=2))
    with refused(gauge.adapter.ReadingNotNewer, time=older, latestTime=newer):
        gauge.adapter.update(*gauge.call(gauge.reading(older, value=1), 1), sender=gauge.carrier)
    assert gauge.adapter.latestRoundData()[:2] == (2, 2)


def test_update__other_device__is_refused(gauge: Gauge) -> None:
    other = keccak(b"another meter")
    call = gauge.attest(gauge.reading(past(HOUR_SECONDS), device_id=other))
    refuse_update(gauge, call, "DeviceUnexpected", given=other, expected=gauge.meter.device_id)


def test_update__other_metric__is_refused(gauge: Gauge) -> None:
    call = gauge.attest(gauge.reading(past(HOUR_SECONDS), metric="1-0:1.29.0"))
    given, expected = metric_bytes("1-0:1.29.0"), metric_bytes(NET_ENERGY_METRIC)
    refuse_update(gauge, call, "MetricUnexpected", given=given, expected=expected)


def test_update__other_stream__is_refused(gauge: Gauge, open_feed: OpenFeed, committee: Committee) -> None:
    # Anyone may open a stream and attest there what they like.
    ours, gauge.feed = gauge.feed.stream_id, open_feed("impostor", committee, READING_TYPES)
    call = gauge.attest(gauge.reading(past(HOUR_SECONDS)))
    refuse_update(gauge, call, "StreamUnexpected", given=gauge.feed.stream_id, expected=ours)


def test_update__score_above_the_limit__is_refused(gauge: Gauge) -> None:
    call = gauge.attest(gauge.reading(past(HOUR_SECONDS), score_bps=MAX_SCORE_BPS + 1))
    refuse_update(gauge, call, "ScoreTooHigh", scoreBps=MAX_SCORE_BPS + 1, maxScoreBps=MAX_SCORE_BPS)
    gauge.update(gauge.reading(past(HOUR_SECONDS), score_bps=MAX_SCORE_BPS))
    assert gauge.adapter.latestRoundData()[0] == 1


@pytest.mark.parametrize("field", [1, 2, 4, 5, 6], ids=["counter", "time", "value", "score", "signature"])
def test_update__reading_changed_after_attesting__is_refused(gauge: Gauge, field: int) -> None:
    leaf, proof = gauge.attest(gauge.reading(past(HOUR_SECONDS)))
    changed = list(leaf)
    changed[field] = keccak(b"forged") if field == 6 else changed[field] + 1
    refuse_update(
        gauge, (tuple(changed), proof), "ReadingNotAttested", streamId=gauge.feed.stream_id, seq=len(gauge.feed.batches)
    )


def test_update__superseded_batch__is_refused(gauge: Gauge) -> None:
    time = past(HOUR_SECONDS)
    wrong = gauge.reading(time, value=9)
    gauge.attest(wrong)
    gauge.attest(gauge.reading(time, value=10), supersedes=1)
    call = gauge.call(wrong, 1)
    refuse_update(gauge, call, "ReadingNotAttested", streamId=gauge.feed.stream_id, seq=1)


def test_update__compromised_committee__is_refused(gauge: Gauge, attestation: Any, deployer: Any) -> None:
    call = gauge.attest(gauge.reading(past(HOUR_SECONDS)))
    attestation.markCompromised(gauge.feed.stream_id, 1, 1, sender=deployer)
    refuse_update(gauge, call, "ReadingNotAttested", streamId=gauge.feed.stream_id, seq=1)


def test_update__interval_not_over__waits_until_it_is(gauge: Gauge) -> None:
    time = past(-300)  # a clock that is five minutes ahead
    call = gauge.attest(gauge.reading(time))
    over = time + QUARTER_HOUR_SECONDS
    ape.chain.pending_timestamp = over - 1
    with refused(gauge.adapter.ReadingNotOver, updatedAt=over, timestamp=over - 1):
        gauge.adapter.update(*call, sender=gauge.carrier)
    ape.chain.pending_timestamp = over
    gauge.adapter.update(*call, sender=gauge.carrier)
    assert gauge.adapter.readFresh(0) == (1_234, over)


def test_update__last_second_of_time__is_refused_without_overflow(gauge: Gauge) -> None:
    # The committee can attest any time: only the batch's own is held against the block's.
    for time in (2**64 - 1, 2**40, past(-HOUR_SECONDS)):
        call = gauge.attest(gauge.reading(time))
        now = ape.chain.pending_timestamp + 10
        ape.chain.pending_timestamp = now
        refuse_update(gauge, call, "ReadingNotOver", updatedAt=time + QUARTER_HOUR_SECONDS, timestamp=now)


@pytest.mark.parametrize("value", [INT152, -INT152 - 1, 2**255 - 1, -(2**255)])
def test_update__value_that_does_not_fit__is_refused(gauge: Gauge, value: int) -> None:
    call = gauge.attest(gauge.reading(past(HOUR_SECONDS), value))
    refuse_update(gauge, call, "AnswerOutOfRange", value=value, minimum=-INT152, maximum=INT152 - 1)


@pytest.mark.parametrize("value", [INT152 - 1, -INT152, -1, 0])
def test_update__greatest_and_least_value__are_kept_whole(gauge: Gauge, value: int) -> None:
    for age in (2, 1):  # the older one is read from the history
        gauge.update(gauge.reading(past(age * HOUR_SECONDS), value))
    assert [gauge.adapter.getRoundData(round_id)[1] for round_id in (1, 2)] == [value, value]


def test_read__empty_feed__has_no_data(gauge: Gauge) -> None:
    adapter = gauge.adapter
    refuse_read(adapter.latestRoundData, (), adapter.NoDataPresent)
    refuse_read(adapter.getRoundData, (1,), adapter.NoDataPresent)
    refuse_read(adapter.readFresh, (FOREVER_SECONDS,), adapter.NoDataPresent)
    refuse_read(adapter.batchOf, (0,), adapter.NoDataPresent)


@pytest.mark.parametrize("round_id", [0, 3, 2**32, 2**32 + 1, 2**80 - 1])
def test_read__unknown_round__is_refused(gauge: Gauge, round_id: int) -> None:
    for age in (2, 1):
        gauge.update(gauge.reading(past(age * HOUR_SECONDS)))
    for read in (gauge.adapter.getRoundData, gauge.adapter.batchOf):
        refuse_read(read, (round_id,), gauge.adapter.RoundUnknown, roundId=round_id, latestRoundId=2)


def test_read_fresh__batch_superseded_since__is_refused_until_corrected(gauge: Gauge) -> None:
    time = past(HOUR_SECONDS)
    gauge.update(gauge.reading(time, value=9))
    correction = gauge.attest(gauge.reading(time, value=10), supersedes=1)
    revoked = {"roundId": 1, "seq": 1, "status": SUPERSEDED, "supersededBy": 2}
    refuse_read(gauge.adapter.readFresh, (HOUR_SECONDS,), gauge.adapter.AnswerRevoked, **revoked)
    assert gauge.adapter.latestRoundData()[1] == 9  # as the interface says; batchOf leads to the truth
    assert gauge.feed.attestation.batchStatus(gauge.feed.stream_id, gauge.adapter.batchOf(1)) == (SUPERSEDED, 2)

    gauge.adapter.update(*correction, sender=gauge.carrier)
    updated_at = time + QUARTER_HOUR_SECONDS
    assert gauge.adapter.readFresh(HOUR_SECONDS) == (10, updated_at)
    assert gauge.adapter.latestRoundData() == (2, 10, time, updated_at, 2)
    with refused(gauge.adapter.ReadingNotNewer, time=time, latestTime=time):
        gauge.adapter.update(*correction, sender=gauge.carrier)


def test_update__older_reading_after_a_revocation__is_refused(gauge: Gauge) -> None:
    older, newer = past(2 * HOUR_SECONDS), past(HOUR_SECONDS)
    gauge.attest(gauge.reading(older, value=8))
    gauge.update(gauge.reading(newer, value=9))
    gauge.attest(gauge.reading(newer, value=10), supersedes=2)
    before = gauge.call(gauge.reading(older, value=8), 1)
    with refused(gauge.adapter.ReadingNotNewer, time=older, latestTime=newer):
        gauge.adapter.update(*before, sender=gauge.carrier)


def test_read_fresh__committee_compromised_since__is_refused(gauge: Gauge, attestation: Any, deployer: Any) -> None:
    gauge.update(gauge.reading(past(HOUR_SECONDS)))
    attestation.markCompromised(gauge.feed.stream_id, 1, 1, sender=deployer)
    revoked = {"roundId": 1, "seq": 1, "status": COMPROMISED, "supersededBy": 0}
    refuse_read(gauge.adapter.readFresh, (HOUR_SECONDS,), gauge.adapter.AnswerRevoked, **revoked)


def feed_arguments(gauge: Gauge, **changes: Any) -> tuple[Any, ...]:
    """Arguments of the constructor with some of them changed."""
    arguments = {
        "attestation": gauge.feed.attestation,
        "stream_id": gauge.feed.stream_id,
        "device_id": gauge.meter.device_id,
        "metric": metric_bytes(NET_ENERGY_METRIC),
        "decimals": DECIMALS,
        "interval_seconds": QUARTER_HOUR_SECONDS,
        "max_score_bps": MAX_SCORE_BPS,
        "description": "a feed",
    }
    return tuple((arguments | changes).values())


def test_deploy__feed_of_instants__is_updated_when_measured(gauge: Gauge, project: Any, deployer: Any) -> None:
    gauge.adapter = deployer.deploy(project.FeedAdapter, *feed_arguments(gauge, interval_seconds=0))
    call = gauge.attest(gauge.reading(time := past(0)))
    gauge.adapter.update(*call, sender=gauge.carrier)
    assert gauge.adapter.latestRoundData() == (1, 1_234, time, time, 1)


def test_deploy__stream_of_profiles__is_refused(
    gauge: Gauge, project: Any, open_feed: OpenFeed, committee: Committee
) -> None:
    profiles = open_feed("profiles", committee, PROFILE_TYPES).stream_id
    unknown = keccak(b"no stream")
    expected = schema_of(READING_TYPES)
    for stream_id, schema in ((profiles, schema_of(PROFILE_TYPES)), (unknown, bytes(32))):
        arguments = feed_arguments(gauge, stream_id=stream_id)
        wrong = {"streamId": stream_id, "given": schema, "expected": expected}
        refuse_deployment(project.FeedAdapter, arguments, gauge.adapter.SchemaUnexpected, **wrong)


def test_deploy__score_limit_beyond_full_scale__is_refused(gauge: Gauge, project: Any) -> None:
    arguments = feed_arguments(gauge, max_score_bps=10_001)
    refuse_deployment(project.FeedAdapter, arguments, gauge.adapter.MaxScoreInvalid, maxScoreBps=10_001, maximum=10_000)


def test_update__proof_of_an_inner_node__is_refused(gauge: Gauge) -> None:
    # A leaf hash is made from the fields by the contract, so no node of the tree can pass for a reading.
    scored = gauge.reading(past(HOUR_SECONDS))
    leaf, _ = gauge.attest(scored)
    proof = replace(gauge.feed.proof(1), tree_proof=())
    assert gauge.feed.trees[0].root != reading_leaf(scored)
    call = (leaf, proof_args(proof))
    refuse_update(gauge, call, "ReadingNotAttested", streamId=gauge.feed.stream_id, seq=1)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(
    ages=st.lists(st.integers(-2, 6), min_size=1, max_size=6, unique=True).flatmap(
        lambda hours: st.lists(st.sampled_from(hours), min_size=1, max_size=12)
    )
)
def test_update__any_readings_in_any_order__keeps_those_that_are_newer(
    gauge: Gauge, project: Any, deployer: Any, ages: list[int]
) -> None:
    gauge.adapter = deployer.deploy(project.FeedAdapter, *feed_arguments(gauge))
    now = past(0)
    calls = {}
    for hours in set(ages):
        scored = gauge.reading(now - hours * HOUR_SECONDS, value=hours)
        gauge.attest(scored)
        calls[hours] = (scored, len(gauge.feed.batches))
    rounds: list[int] = []
    for hours in ages:  # whoever carries, in whatever order, and however often
        call = gauge.call(*calls[hours])
        if hours > 0 and hours < min(rounds, default=99):
            gauge.adapter.update(*call, sender=gauge.carrier)
            rounds.append(hours)
        else:
            with ape.reverts():
                gauge.adapter.update(*call, sender=gauge.carrier)
    kept = [gauge.adapter.getRoundData(round_id + 1) for round_id in range(len(rounds))]
    assert [one[1] for one in kept] == rounds
    assert [one[3] for one in kept] == sorted(one[3] for one in kept)
    assert all(one[3] <= now for one in kept)
