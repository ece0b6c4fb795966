"""Gas of the registry and of attestation, whole transactions on anvil (osaka), against gas.json."""

from __future__ import annotations

from typing import Any

from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, Score, ScoredReading, SignedReading
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.leaves import READING_TYPES, leaf_hash, reading_fields, reading_leaf
from tests.actors import Committee, Device, OpenFeed, proof_args, registration_args

FLEET_DEPTH = 20  # of a fleet of 10^6 devices
TREE_DEPTH = 10
RANGE_DEPTH = 8


def fleet_of_a_million(device: Device, kind: DeviceKind) -> tuple[bytes, list[bytes]]:
    """Root and proof of one device in a tree as deep as that of 10^6 leaves; the siblings stand for the others."""
    node = leaf_hash((device.device_id, int(kind)))
    siblings = [keccak(bytes([level])) for level in range(FLEET_DEPTH)]
    for sibling in siblings:
        node = keccak(min(node, sibling) + max(node, sibling))
    return node, siblings


def execution_gas(contract: Any, calldata: bytes) -> int:
    """Gas of a call's own steps: without the 21,000 of a transaction, its calldata and the floor on calldata."""
    call = {"to": contract.address, "data": "0x" + calldata.hex()}
    steps = contract.provider.make_request("debug_traceCall", [call, "latest", {}])["structLogs"]
    return int(steps[0]["gas"] - steps[-1]["gas"] + steps[-1]["gasCost"])


def test_spend__device_registry__as_recorded(
    gas_record: Any, registry: Any, meter: Device, charger: Device, prosumer: Any, manufacturer: Any, transmitter: Any
) -> None:
    measured = {
        "register/p256": gas_record.of(meter.register(prosumer, carrier=transmitter)),
        "register/secp256k1": gas_record.of(charger.register(prosumer, carrier=transmitter)),
    }
    device = Device(type(meter.key)(0xF1EE7), registry, meter.domain)
    root, proof = fleet_of_a_million(device, DeviceKind.PROSUMER)
    registration = device.registration(prosumer)
    signature = device.sign_activation(registration, root)
    measured["enrolFleet/10^6"] = gas_record.of(registry.enrolFleet(root, 10**6, sender=manufacturer))
    measured["activate/10^6"] = gas_record.of(
        registry.activate(registration_args(registration), root, proof, signature, sender=transmitter)
    )
    gas_record.compare("DeviceRegistry", measured)


def any_reading() -> ScoredReading:
    """A scored reading with values of usual size."""
    reading = Reading(keccak(b"a meter"), 1_234, 1_700_000_000, NET_ENERGY_METRIC, -250)
    return ScoredReading(SignedReading(reading, bytes(65)), Score(1_234, "level", "as usual"))


def test_spend__data_attestation__as_recorded(
    gas_record: Any, attestation: Any, open_feed: OpenFeed, committee: Committee
) -> None:
    reading = any_reading()
    leaves = [reading_leaf(reading), *(keccak(index.to_bytes(2, "big")) for index in range(1, 2**TREE_DEPTH))]
    feed = open_feed("gas", committee, READING_TYPES)
    receipts = [feed.attest(leaves)]
    receipts += [feed.attest([leaves[seq]]) for seq in range(1, 2**RANGE_DEPTH)]
    large = open_feed("gas-large", Committee(range(1, 32), threshold=11), READING_TYPES)
    large_receipts = [large.attest([leaf], signers=range(11)) for leaf in leaves[:9]]

    proof = feed.proof(1, 0)
    assert (len(proof.tree_proof), len(proof.range_proof)) == (TREE_DEPTH, RANGE_DEPTH)
    assert attestation.verifyReading(reading_fields(reading), proof_args(proof))
    calldata = bytes(attestation.verifyReading.encode_input(reading_fields(reading), proof_args(proof)))
    gas_record.compare(
        "DataAttestation",
        {
            "attest/3-of-5,first": gas_record.of(receipts[0]),
            "attest/3-of-5,mean-256": gas_record.mean(receipts),
            "attest/11-of-31,steady": gas_record.of(large_receipts[-1]),
            "verifyReading/10+8,execution": gas_record.spending(execution_gas(attestation, calldata), len(calldata)),
        },
    )
