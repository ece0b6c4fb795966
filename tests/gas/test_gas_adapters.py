"""Gas of FeedAdapter and EasMirror, whole transactions on anvil (osaka), against gas.json."""

from __future__ import annotations

from typing import Any

import ape

from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, Score, ScoredReading, SignedReading
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.leaves import READING_TYPES, reading_fields, reading_leaf
from gridwitness.encoding.packing import metric_bytes
from tests.actors import Committee, Device, OpenFeed, proof_args
from tests.anchors.eas import deploy_eas

TREE_DEPTH = 10
RANGE_DEPTH = 8
DAY_SECONDS = 86_400


def test_spend__feed_adapter__as_recorded(
    gas_record: Any,
    project: Any,
    attestation: Any,
    open_feed: OpenFeed,
    committee: Committee,
    meter: Device,
    deployer: Any,
    transmitter: Any,
) -> None:
    feed = open_feed("gas", committee, READING_TYPES)
    metric = metric_bytes(NET_ENERGY_METRIC)
    adapter = deployer.deploy(
        project.FeedAdapter, attestation, feed.stream_id, meter.device_id, metric, 3, 900, 9_900, "a meter / kWh"
    )
    start = ape.chain.pending_timestamp - 10_000
    scored = []
    for index in range(3):
        reading = Reading(meter.device_id, index, start + 900 * index, NET_ENERGY_METRIC, -250 - index)
        scored.append(ScoredReading(SignedReading(reading, bytes(65)), Score(1_234, "level", "as usual")))
    others = [keccak(index.to_bytes(2, "big")) for index in range(1, 2**TREE_DEPTH)]
    for reading in scored:
        feed.attest([reading_leaf(reading), *others])
    for other in others[: 2**RANGE_DEPTH - len(scored)]:
        feed.attest([other])

    receipts = []
    for seq, reading in enumerate(scored, start=1):
        proof = feed.proof(seq)
        assert (len(proof.tree_proof), len(proof.range_proof)) == (TREE_DEPTH, RANGE_DEPTH)
        receipts.append(adapter.update(reading_fields(reading), proof_args(proof), sender=transmitter))
    measured = {"update/first": gas_record.of(receipts[0]), "update/steady": gas_record.of(receipts[2])}
    gas_record.compare("FeedAdapter", measured)


def test_spend__eas_mirror__as_recorded(
    gas_record: Any, project: Any, attestation: Any, open_feed: OpenFeed, committee: Committee, deployer: Any
) -> None:
    _, eas = deploy_eas(deployer)
    mirror = deployer.deploy(project.EasMirror, attestation, eas)
    feed = open_feed("gas", committee, READING_TYPES)
    receipts = []
    for day in range(3):
        for batch in range(5):
            feed.attest([keccak(bytes([day, batch]))])
        receipts.append(mirror.mirror(feed.stream_id, sender=deployer))
        ape.chain.pending_timestamp += DAY_SECONDS
    gas_record.compare("EasMirror", {"mirror/first": gas_record.of(receipts[0]), "mirror": gas_record.of(receipts[2])})
