"""Gas of the challenge game, whole transactions on anvil (osaka), against gas.json."""

from __future__ import annotations

from typing import Any

from gridwitness.chain.attestation import batch_tuple
from gridwitness.encoding.eip712 import Domain, batch_digest
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.leaves import READING_TYPES
from tests.actors import Committee, Device, OpenFeed
from tests.functional.bonds.doubts import STAKE, WINDOW, BondedStream, in_document, reading_of, signed

TREE_DEPTH = 10
RANGE_DEPTH = 8
OCMF_BYTES = 600  # as long as a charging station's record with its begin and end readings


def test_spend__challenge_game__as_recorded(
    gas_record: Any,
    attestation: Any,
    open_feed: OpenFeed,
    committee: Committee,
    registry_domain_712: Domain,
    meter: Device,
    charger: Device,
    euro: Any,
    deployer: Any,
    prosumer: Any,
    neighbour: Any,
    transmitter: Any,
) -> None:
    stream = BondedStream(open_feed("gas", committee, READING_TYPES), euro, deployer)
    attestation.setBondTerms(stream.stream_id, euro, STAKE, WINDOW, sender=deployer)
    stream.deposit()
    by_meter = signed(registry_domain_712, meter.key, reading_of(meter.device_id, 1))
    by_charger = signed(registry_domain_712, charger.key, reading_of(charger.device_id, 1))
    documented = in_document(meter.key, reading_of(meter.device_id, 2), b"x" * OCMF_BYTES)
    silent = signed(registry_domain_712, meter.key, reading_of(charger.device_id, 2))
    doubted = [by_meter, by_charger, documented, silent]
    others = [keccak(index.to_bytes(2, "big")) for index in range(len(doubted), 2**TREE_DEPTH)]
    stream.feed.attest([*(evidence.leaf_hash for evidence in doubted), *others])
    for other in others[: 2**RANGE_DEPTH - 1]:
        stream.feed.attest([other])
    proof = stream.feed.proof(1)
    assert (len(proof.tree_proof), len(proof.range_proof)) == (TREE_DEPTH, RANGE_DEPTH)

    stream.fund(prosumer, 10 * STAKE)
    challenges = [
        attestation.challenge(*stream.challenge_args(evidence, 1, index), sender=prosumer)
        for index, evidence in enumerate(doubted)
    ]
    ids = [stream.challenge_id(evidence, 1) for evidence in doubted]
    # by accounts that never won before: a first payout is dearer than the next
    answers = {
        "p256": stream.answer(ids[0], by_meter, neighbour),
        "secp256k1": stream.answer(ids[1], by_charger, deployer),
        "p256,document": stream.answer(ids[2], documented, transmitter),
    }
    conviction = stream.convict_in_silence(ids[3], neighbour)
    a, b = stream.feed.draft(keccak(b"a root")), stream.feed.draft(keccak(b"another root"))
    pair = [
        (batch_tuple(batch), committee.sign(batch_digest(stream.feed.domain, batch), signers))
        for batch, signers in ((a, (0, 1, 2)), (b, (2, 3, 4)))
    ]
    gas_record.compare(
        "DataAttestation",
        {
            "challenge/10+8": gas_record.of(challenges[1]),
            **{f"answer/{kind}": gas_record.of(receipt) for kind, receipt in answers.items()},
            "convict": gas_record.of(conviction),
            "proveEquivocation/3-of-5": gas_record.of(attestation.proveEquivocation(1, *pair, sender=neighbour)),
            "withdrawPayout": gas_record.of(attestation.withdrawPayout(euro, neighbour, sender=neighbour)),
        },
    )
