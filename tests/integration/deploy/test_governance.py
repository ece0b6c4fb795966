"""The handover in two steps: to a real Safe, to a timelock that a Safe proposes to, and to a proposer's own account."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gridwitness.encoding.hashing import keccak
from scripts._artefacts import Artefacts
from tests.integration.deploy.conftest import DEPLOYER, Console
from tests.integration.deploy.safe import Safe, builder_text
from tests.integration.deploy.test_deploy import TRANSACTIONS

GOVERNED = ("DeviceRegistry", "EnergyMarket", "Passports")
OWNERS = (4, 5, 6)
PROPOSER = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"  # TEST::3
STRANGER = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"  # TEST::2
DELAY_S = 3_600


@pytest.fixture
def safe(console: Console) -> Safe:
    return Safe(console.web3, OWNERS)


def deploy(console: Console, governance: dict[str, Any]) -> tuple[str, ...]:
    """Deploy; the option to give to what follows."""
    setting = ("--set", f"governance={json.dumps(governance)}")
    outcome = console.run("deploy", *setting)
    assert outcome.code == 0, outcome.output
    assert "governs still, beside" in outcome.output
    return setting


def timelocked(*proposers: str) -> dict[str, Any]:
    return {
        "admin": "$timelock",
        "timelock": {"minDelaySeconds": DELAY_S, "proposers": list(proposers), "executors": "anyone"},
    }


def admins(console: Console, artefacts: Artefacts) -> list[set[str]]:
    """Who can change roles of each contract, of those who might."""
    known = {DEPLOYER, PROPOSER, console.manifest["governance"]["admin"]}
    return [{who for who in known if console.call(artefacts[name], "hasRole", b"\0" * 32, who)} for name in GOVERNED]


def pass_time(console: Console, seconds: int) -> None:
    console.web3.provider.make_request("evm_increaseTime", [seconds])  # type: ignore[arg-type]
    console.web3.provider.make_request("evm_mine", [])  # type: ignore[arg-type]


def test_handover__to_a_safe__is_done_by_two_of_its_owners_and_by_nobody_else(
    console: Console, safe: Safe, tmp_path: Path, artefacts: Artefacts
) -> None:
    governance = deploy(console, {"admin": safe.address})
    assert admins(console, artefacts) == [{DEPLOYER, safe.address}] * len(GOVERNED)
    refused = console.run("roles", "handover", *governance)
    assert f"this is for the final admin {safe.address} to do, not for {DEPLOYER}" in refused.error
    batch = tmp_path / "handover.json"
    written = console.run("roles", "handover", "--safe-batch", str(batch), *governance)
    assert written.code == 0, written.output
    assert not safe.execute(batch, signers=1)
    assert admins(console, artefacts) == [{DEPLOYER, safe.address}] * len(GOVERNED)
    assert safe.execute(batch, signers=2)
    assert admins(console, artefacts) == [{safe.address}] * len(GOVERNED)
    done = console.run("roles", "handover", *governance)
    assert f"· {safe.address} governs, and {DEPLOYER} does not" in done.output
    sent = console.transactions
    again = console.run("deploy", *governance)
    assert again.code == 0, again.output
    assert (console.transactions, "governs still" in again.output) == (sent, False)


def test_grant__by_a_safe__is_a_file_for_its_owners(
    console: Console, safe: Safe, tmp_path: Path, artefacts: Artefacts
) -> None:
    governance = deploy(console, {"admin": safe.address})
    batch = tmp_path / "grant.json"
    steward = ("roles", "grant", "STEWARD_ROLE", STRANGER, *governance)
    assert console.run(*steward, "--safe-batch", str(batch)).code == 0
    content = json.loads(batch.read_text(encoding="utf-8"))
    assert content["meta"]["createdFromSafeAddress"] == safe.address
    assert content["meta"]["checksum"] == "0x" + keccak(builder_text(batch).encode()).hex()
    assert f"grant STEWARD_ROLE of DeviceRegistry to {STRANGER}" in content["meta"]["description"]
    assert safe.execute(batch, signers=2)
    assert console.call(artefacts["DeviceRegistry"], "hasRole", keccak(b"STEWARD_ROLE"), STRANGER)


def test_handover__to_a_timelock_that_a_safe_proposes_to__waits_for_the_delay(
    console: Console, safe: Safe, tmp_path: Path, artefacts: Artefacts
) -> None:
    governance = deploy(console, timelocked(safe.address))
    timelock = console.manifest["contracts"]["TimelockController"]
    assert timelock["package"] == "@openzeppelin/contracts@5.7.0"
    assert console.manifest["governance"] == {"admin": timelock["address"], "timelock": timelock["address"]}
    batch = tmp_path / "handover.json"
    assert console.run("roles", "handover", "--safe-batch", str(batch), *governance).code == 0
    later = tmp_path / "handover-execute.json"
    assert not safe.execute(later, signers=2)
    assert safe.execute(batch, signers=2)
    assert not safe.execute(later, signers=2)
    pass_time(console, DELAY_S)
    assert admins(console, artefacts) == [{DEPLOYER, timelock["address"]}] * len(GOVERNED)
    assert safe.execute(later, signers=2)
    assert admins(console, artefacts) == [{timelock["address"]}] * len(GOVERNED)


def test_handover__to_a_timelock_by_its_proposer__is_scheduled_then_executed_by_the_same_command(
    console: Console, artefacts: Artefacts
) -> None:
    governance = deploy(console, timelocked(PROPOSER))
    assert console.transactions == TRANSACTIONS + 1 + len(GOVERNED)  # the timelock, and its role of each
    timelock = console.manifest["governance"]["timelock"]
    command = ("roles", "handover", "--account", "TEST::3", *governance)
    by_deployer = console.run("roles", "handover", *governance)
    assert "AccessControlUnauthorizedAccount" in by_deployer.error
    assert "schedule in 3,600 s: revoke DEFAULT_ADMIN_ROLE of DeviceRegistry" in console.run(*command).output
    early = console.run(*command)
    assert f"the timelock {timelock} waits until 2023-11-1" in early.error
    pass_time(console, DELAY_S)
    late = console.run(*command)
    assert late.code == 0, late.output
    assert admins(console, artefacts) == [{timelock}] * len(GOVERNED)
    assert console.manifest["roles"]["EnergyMarket"]["DEFAULT_ADMIN_ROLE"] == [timelock]

    # The same grant twice, with a revocation in between: each time an operation of its own.
    for verb in ("grant", "revoke", "grant"):
        change = ("roles", verb, "STEWARD_ROLE", STRANGER, "--account", "TEST::3", *governance)
        for _ in range(2):
            outcome = console.run(*change)
            assert outcome.code == 0, outcome.output
            pass_time(console, DELAY_S)
        held = console.call(artefacts["DeviceRegistry"], "hasRole", keccak(b"STEWARD_ROLE"), STRANGER)
        assert held == (verb == "grant")


def test_handover__somebody_else_governs_too__says_who(console: Console, artefacts: Artefacts) -> None:
    governance = deploy(console, {"admin": PROPOSER})
    console.send(artefacts["EnergyMarket"], "grantRole", b"\0" * 32, STRANGER)
    command = ("roles", "handover", "--account", "TEST::3", *governance)
    assert console.run(*command).code == 0
    holders = ", ".join(sorted([PROPOSER, STRANGER]))
    said = f"DEFAULT_ADMIN_ROLE of EnergyMarket is with {holders}; expected {PROPOSER} alone"
    assert said in console.run(*command).error


def test_handover__governance_not_in_the_manifest__says_what_comes_first(standing: Console) -> None:
    outcome = standing.run("roles", "handover")
    assert "governance is missing (put `governance` into the parameters and run `ape run deploy`" in outcome.error
