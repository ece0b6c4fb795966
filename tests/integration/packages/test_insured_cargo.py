"""The insurance example from end to end: a sensor signs, three oracles attest, and a proof file pays."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount
from web3.contract import Contract

from gridwitness.domain.devices import DeviceKind
from gridwitness.domain.readings import Reading, SignedReading
from gridwitness.domain.slots import SLOT_SECONDS
from gridwitness.encoding.eip712 import reading_digest, registry_domain
from gridwitness.encoding.keys import P256Key
from tests.integration.chain.conftest import (  # noqa: F401 (fixtures)
    anvil,
    chain,
    deployer,
    manifest,
    open_stream,
    oracles,
    outsider,
    transmitter,
)
from tests.integration.chain.parties import register
from tests.integration.oracle.conftest import committee, deployment, streams, village  # noqa: F401 (fixtures)
from tests.integration.oracle.village import ZONE, Oracle, Village, eventually
from tests.integration.packages.scene import Workshop

LIMIT, MEASURED = 8_000, 12_500
PREMIUM, PAYOUT = 20_000_000, 5_000_000_000


@dataclass(frozen=True)
class Parties:
    """Who insures whom, and who carries the proof."""

    underwriter: str
    insured: str
    carrier: LocalAccount


@pytest.fixture
def parties(village: Village, outsider: LocalAccount) -> Parties:  # noqa: F811
    """Three of anvil's accounts."""
    accounts = village.chain.contract("EuroToken").w3.eth.accounts
    return Parties(accounts[8], accounts[9], outsider)


@pytest.fixture
def insurance_address(
    insurance_workshop: Workshop,
    village: Village,  # noqa: F811
    streams: dict[str, bytes],  # noqa: F811
    parties: Parties,
) -> str:
    """The contract, deployed as the README says."""
    contracts = village.chain.manifest
    create = insurance_workshop.readme_blocks()[0].splitlines()[-1]
    assert " --interactive " in create
    printed = insurance_workshop.shell(
        # At a terminal it would ask for the key.
        create.replace("--interactive", '--private-key "$KEY"'),
        RPC_URL=village.chain.node.url,
        KEY="0x" + parties.carrier.key.hex().removeprefix("0x"),
        ATTESTATION=contracts.address("DataAttestation"),
        STREAM="0x" + streams["readings"].hex(),
        TOKEN=contracts.address("EuroToken"),
    )
    found = re.search(r"Deployed to: (0x\w{40})", printed)
    assert found is not None, printed
    return found[1]


def insure(insurance: Contract, token: Contract, device_id: bytes, begins: int, parties: Parties) -> None:
    """Offer a policy for an hour, and buy it."""
    for account, amount in ((parties.underwriter, PAYOUT), (parties.insured, PREMIUM)):
        token.functions.mint(account, amount).transact({"from": account})
        token.functions.approve(insurance.address, amount).transact({"from": account})
    terms = (device_id, LIMIT, begins, begins + 3_600, PREMIUM, PAYOUT)
    insurance.functions.offer(terms).transact({"from": parties.underwriter})
    insurance.functions.insure(0).transact({"from": parties.insured})


def test_claim__proof_file_of_three_oracles__pays_the_insured_and_only_once(
    committee: list[Oracle],  # noqa: F811
    village: Village,  # noqa: F811
    insurance_workshop: Workshop,
    insurance_address: str,
    parties: Parties,
) -> None:
    sensor = P256Key(0x636F6C64)
    register(village.chain, village.owner, village.owner.address, sensor, DeviceKind.SENSOR, ZONE)
    web3 = village.chain.contract("EuroToken").w3
    token = village.chain.contract("EuroToken")
    insurance = web3.eth.contract(address=insurance_address, abi=compiled_abi(insurance_workshop))
    slot = village.first_slot() + 1
    insure(insurance, token, sensor.device_id, slot * SLOT_SECONDS, parties)

    for oracle in committee:
        oracle.start()
    for oracle in committee:
        oracle.await_live()
    time = slot * SLOT_SECONDS
    domain = registry_domain(village.chain.chain_id, village.chain.manifest.address("DeviceRegistry"))
    reading = Reading(sensor.device_id, 1, time, "cargo:mCel", MEASURED)
    village.pass_slot(slot)
    signed = SignedReading(reading, sensor.sign(reading_digest(domain, reading)))
    readings = [*village.sign_slot(slot), signed]
    for oracle in committee:
        verdicts = oracle.post(readings)
        assert {verdict["status"] for verdict in verdicts} == {"accepted"}
    # The sensor reports no energy, so the slot closes only when its grace is over.
    village.pass_slot(slot + 1)
    for oracle in committee:
        eventually(lambda oracle=oracle: oracle.seq() >= 1, "the reading's batch")

    variables = {
        "RPC_URL": village.chain.node.url,
        "KEY": "0x" + parties.carrier.key.hex().removeprefix("0x"),
        "INSURANCE": insurance_address,
        "ORACLE_URL": committee[1].url,
        "DEVICE": "0x" + sensor.device_id.hex(),
        "COUNTER": "1",
    }
    printed = insurance_workshop.shell(insurance_workshop.readme_blocks()[1], **variables)
    assert re.search(rf"paid {parties.insured} for 12\.5 °C at {time}, \d\d,\d{{3}} gas", printed)
    assert token.functions.balanceOf(parties.insured).call() == PAYOUT
    assert token.functions.balanceOf(parties.underwriter).call() == PREMIUM
    code, printed = insurance_workshop.try_shell('python claim.py "$INSURANCE" 0 proof.json', **variables)
    assert code == 1
    assert token.functions.balanceOf(parties.insured).call() == PAYOUT


def compiled_abi(workshop: Workshop) -> list[dict[str, object]]:
    out = Path("out") / "ColdChainInsurance.sol" / "ColdChainInsurance.json"
    abi: list[dict[str, object]] = json.loads((workshop.folder / out).read_text(encoding="utf-8"))["abi"]
    return abi
