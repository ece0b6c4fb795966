"""The smaller scripts: one stream, one role at a time, each safe to repeat."""

from __future__ import annotations

from tests.integration.deploy.conftest import DEPLOYER, Console

OPERATOR = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"  # TEST::1
STRANGER = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"  # TEST::2
HEAT = "streams.heat={leaf: [bytes32, uint64], threshold: 1, members: [0x70997970C51812dc3A010C7d01b50e0d17dc79C8]}"


def test_roles__grant_twice_revoke_twice__sends_two_and_follows_in_the_manifest(standing: Console) -> None:
    sent = standing.transactions
    for _ in range(2):
        assert standing.run("roles", "grant", "ZONE_OPERATOR_ROLE", OPERATOR).code == 0
        assert standing.manifest["roles"]["EnergyMarket"]["ZONE_OPERATOR_ROLE"] == sorted([OPERATOR, DEPLOYER])
        assert standing.transactions == sent + 1
    listed = standing.run("roles", "list").output
    assert f"EnergyMarket ZONE_OPERATOR_ROLE: {', '.join(sorted([OPERATOR, DEPLOYER]))}" in listed
    for contract in ("DeviceRegistry", "EnergyMarket", "Passports"):
        assert f"{contract} DEFAULT_ADMIN_ROLE: {DEPLOYER}" in listed
    for _ in range(2):
        assert standing.run("roles", "revoke", "ZONE_OPERATOR_ROLE", OPERATOR).code == 0
        assert standing.manifest["roles"]["EnergyMarket"]["ZONE_OPERATOR_ROLE"] == [DEPLOYER]
        assert standing.transactions == sent + 2


def test_roles__grant_by_a_stranger__names_the_role_it_lacks(standing: Console) -> None:
    outcome = standing.run("roles", "grant", "ZONE_OPERATOR_ROLE", STRANGER, "--account", "TEST::2")
    assert outcome.code == 1
    assert f"{STRANGER} may not change ZONE_OPERATOR_ROLE of EnergyMarket" in outcome.error


def test_roles__unknown_role_or_bad_address__is_refused_by_name(standing: Console) -> None:
    unknown = standing.run("roles", "grant", "CLERK_ROLE", OPERATOR)
    assert "ROLE is CLERK_ROLE; DeviceRegistry has DEFAULT_ADMIN_ROLE, STEWARD_ROLE; EnergyMarket has " in unknown.error
    unchecked = standing.run("roles", "grant", "ZONE_OPERATOR_ROLE", OPERATOR.lower())
    assert f"not checksummed (EIP-55); {OPERATOR} would be" in unchecked.error


def test_roles__steward_of_the_registry__is_granted_there(standing: Console) -> None:
    assert standing.run("roles", "grant", "STEWARD_ROLE", OPERATOR).code == 0
    assert standing.manifest["roles"]["DeviceRegistry"]["STEWARD_ROLE"] == sorted([OPERATOR, DEPLOYER])


def test_roles__role_of_two_contracts__goes_to_the_one_named(standing: Console) -> None:
    unclear = standing.run("roles", "grant", "DEFAULT_ADMIN_ROLE", OPERATOR)
    assert (
        "ROLE is DEFAULT_ADMIN_ROLE, of DeviceRegistry and EnergyMarket and Passports (say whose with --contract)"
        in unclear.error
    )
    other = standing.run("roles", "grant", "DEFAULT_ADMIN_ROLE", OPERATOR, "--contract", "EuroToken")
    assert "--contract is EuroToken; DeviceRegistry, EnergyMarket, Passports have roles" in other.error
    named = ("DEFAULT_ADMIN_ROLE", OPERATOR, "--contract", "DeviceRegistry")
    assert standing.run("roles", "grant", *named).code == 0
    assert standing.manifest["roles"]["DeviceRegistry"]["DEFAULT_ADMIN_ROLE"] == sorted([OPERATOR, DEPLOYER])
    assert standing.manifest["roles"]["EnergyMarket"]["DEFAULT_ADMIN_ROLE"] == [DEPLOYER]


def test_open_stream__twice__opens_once_and_records_it(standing: Console) -> None:
    sent = standing.transactions
    for _ in range(2):
        outcome = standing.run("open_stream", "heat", "--set", HEAT)
        assert outcome.code == 0, outcome.output
        assert standing.transactions == sent + 1
    entry = standing.manifest["streams"]["heat"]
    assert (entry["owner"], entry["threshold"], entry["leaf"]) == (DEPLOYER, 1, ["bytes32", "uint64"])


def test_open_stream__open_with_another_committee__is_refused(standing: Console) -> None:
    outcome = standing.run("open_stream", "readings", "--set", "streams.readings.threshold=3")
    assert outcome.code == 1
    assert "stream readings is open with a committee other than 3 of" in outcome.error


def test_open_stream__not_in_the_parameters__names_those_that_are(standing: Console) -> None:
    assert "streams.cold is missing; there are readings, profiles" in standing.run("open_stream", "cold").error
