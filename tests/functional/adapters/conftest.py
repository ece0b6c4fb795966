"""A meter's feed, and the mirror of a stream in EAS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ape
import pytest
from eth_abi import decode
from web3.exceptions import ContractCustomError

from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, Score, ScoredReading, SignedReading
from gridwitness.encoding.eip712 import Domain, reading_digest
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.leaves import READING_TYPES, reading_fields, reading_leaf
from gridwitness.encoding.packing import metric_bytes
from tests.actors import Committee, Device, Feed, OpenFeed, proof_args
from tests.anchors.eas import deploy_eas

QUARTER_HOUR_SECONDS = 900
MAX_SCORE_BPS = 9_900
DECIMALS = 3


@dataclass
class Gauge:
    """A FeedAdapter with the stream and the meter behind it."""

    adapter: Any
    feed: Feed
    meter: Device
    domain: Domain
    carrier: Any

    def reading(self, time: int, value: int = 1_234, score_bps: int = 100, **fields: Any) -> ScoredReading:
        """A signed and scored reading of the feed's meter and metric, unless `fields` say otherwise."""
        names = {"device_id": self.meter.device_id, "counter": 7, "metric": NET_ENERGY_METRIC} | fields
        reading = Reading(time=time, value=value, **names)
        signed = SignedReading(reading, self.meter.key.sign(reading_digest(self.domain, reading)))
        return ScoredReading(signed, Score(score_bps, "level", "as usual"))

    def attest(self, scored: ScoredReading, **changes: Any) -> tuple[Any, Any]:
        """Attest a batch of the reading and another leaf; returns the arguments of `update`."""
        self.feed.attest([reading_leaf(scored), keccak(b"another leaf")], **changes)
        return self.call(scored, len(self.feed.batches))

    def call(self, scored: ScoredReading, seq: int) -> tuple[Any, Any]:
        """Arguments of `update` for the reading of batch `seq`."""
        return reading_fields(scored), proof_args(self.feed.proof(seq))

    def update(self, scored: ScoredReading, **changes: Any) -> Any:
        """Attest and carry a reading; returns the receipt."""
        return self.adapter.update(*self.attest(scored, **changes), sender=self.carrier)


def refuse_read(method: Any, arguments: tuple[Any, ...], error: Any, **inputs: object) -> None:
    """Expect a view to revert with exactly this error; Ape itself loses what a call reverted with."""
    _refuse({"to": method.contract.address, "data": "0x" + bytes(method.encode_input(*arguments)).hex()}, error, inputs)


def refuse_deployment(container: Any, arguments: tuple[Any, ...], error: Any, **inputs: object) -> None:
    """Expect a constructor to revert with exactly this error."""
    creation = container.constructor.serialize_transaction(*arguments).data
    _refuse({"data": "0x" + bytes(creation).hex()}, error, inputs)


def _refuse(request: dict[str, str], error: Any, inputs: dict[str, object]) -> None:
    with pytest.raises(ContractCustomError) as info:
        ape.networks.provider.web3.eth.call(request)
    data = bytes.fromhex(str(info.value.data).removeprefix("0x"))
    values = decode([part.type for part in error.abi.inputs], data[4:])
    names = [str(part.name) for part in error.abi.inputs]
    assert (data[:4], dict(zip(names, values, strict=True))) == (keccak(error.abi.selector.encode())[:4], inputs)


def past(seconds: int) -> int:
    """Unix seconds, so long before now."""
    return int(ape.chain.pending_timestamp) - seconds


@pytest.fixture
def readings(open_feed: OpenFeed, committee: Committee) -> Feed:
    """A fresh stream of readings."""
    return open_feed("readings", committee, READING_TYPES)


@pytest.fixture
def gauge(
    project: Any,
    deployer: Any,
    transmitter: Any,
    attestation: Any,
    readings: Feed,
    meter: Device,
    registry_domain_712: Domain,
) -> Gauge:
    """Quarter-hour energy of the meter in kWh, from readings scored 9,900 bps at most."""
    adapter = deployer.deploy(
        project.FeedAdapter,
        attestation,
        readings.stream_id,
        meter.device_id,
        metric_bytes(NET_ENERGY_METRIC),
        DECIMALS,
        QUARTER_HOUR_SECONDS,
        MAX_SCORE_BPS,
        "a meter / kWh",
    )
    return Gauge(adapter, readings, meter, registry_domain_712, transmitter)


@pytest.fixture(scope="session")
def eas_contracts(deployer: Any) -> tuple[Any, Any]:
    """The real schema registry and the real EAS."""
    return deploy_eas(deployer)


@pytest.fixture(scope="session")
def schemas(eas_contracts: tuple[Any, Any]) -> Any:
    """EAS's schema registry."""
    return eas_contracts[0]


@pytest.fixture(scope="session")
def eas(eas_contracts: tuple[Any, Any]) -> Any:
    """EAS."""
    return eas_contracts[1]


@pytest.fixture
def mirror(project: Any, deployer: Any, attestation: Any, eas: Any) -> Any:
    """EasMirror."""
    return deployer.deploy(project.EasMirror, attestation, eas)
