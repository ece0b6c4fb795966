"""Another committee for a stream: shown, asked for, set once."""

from __future__ import annotations

import pytest

from scripts._artefacts import Artefacts
from tests.integration.deploy.conftest import DEPLOYER, Console
from tests.integration.deploy.test_roles_streams import OPERATOR, STRANGER

MEMBERS = (OPERATOR, STRANGER, DEPLOYER)
NEW = [part for member in MEMBERS for part in ("--member", member)]


def in_force(console: Console, artefacts: Artefacts, name: str) -> tuple[int, bytes]:
    """Number and digest of a stream's committee."""
    identity = console.manifest["streams"][name]["id"]
    config = console.call(artefacts["DataAttestation"], "stream", identity)[3]
    return config, console.call(artefacts["DataAttestation"], "term", identity, config)[0]


def test_rotate__other_members__sets_them_once_shows_what_follows_and_records_it(
    standing: Console, artefacts: Artefacts
) -> None:
    old = standing.manifest["streams"]["readings"]
    sent = standing.transactions
    outcome = standing.run("rotate_committee", "readings", *NEW, "--threshold", "2", "--yes")
    assert outcome.code == 0, outcome.output
    ascending = sorted(MEMBERS, key=lambda member: int(member, 16))
    assert f"now, committee 1: 2 of 3: {', '.join(old['members'])}" in outcome.output
    assert f"then, committee 2: 2 of 3: {', '.join(ascending)}" in outcome.output
    assert "It takes over at once, from batch 1 on" in outcome.output
    assert "0 of its members sign now, 2 must" in outcome.output
    entry = standing.manifest["streams"]["readings"]
    assert entry == old | {"members": ascending, "config": 2} | {key: entry[key] for key in ("block", "transaction")}
    wanted = standing.call(artefacts["DataAttestation"], "committeeDigest", entry["id"], 2, (2, ascending))
    assert in_force(standing, artefacts, "readings") == (2, wanted)
    again = standing.run("rotate_committee", "readings", *NEW, "--threshold", "2", "--yes")
    assert again.code == 0, again.output
    assert "stream readings has this committee, number 2" in again.output
    assert standing.transactions == sent + 1


def test_rotate__parameters_changed__takes_them_and_verify_agrees(standing: Console, artefacts: Artefacts) -> None:
    setting = ("--set", "streams.profiles.threshold=3")
    standing.run("rotate_committee", "readings", "--yes")  # back to the parameters'
    outcome = standing.run("rotate_committee", "profiles", "--yes", *setting)
    assert outcome.code == 0, outcome.output
    assert standing.manifest["streams"]["profiles"]["threshold"] == 3
    assert standing.run("verify", "--quick", *setting).code == 0
    without = standing.run("verify", "--quick")
    assert without.code == 1
    assert "✗ committee of stream profiles: expected 2 of 3:" in without.output


def test_rotate__answered_with_no__sends_nothing(standing: Console) -> None:
    sent = standing.transactions
    outcome = standing.run_at_terminal("n\n", "rotate_committee", "profiles", *NEW, "--threshold", "1")
    assert outcome.code == 1
    assert "Two parts of it that share no member could sign two batches of one number" in outcome.output
    assert standing.transactions == sent


def test_rotate__nobody_to_ask__is_refused(standing: Console) -> None:
    outcome = standing.run("rotate_committee", "profiles", *NEW, "--threshold", "2")
    assert "there is no terminal to ask on (--yes goes ahead without)" in outcome.error


def test_rotate__somebody_else_than_the_owner__is_refused_naming_the_owner(standing: Console) -> None:
    outcome = standing.run("rotate_committee", "profiles", *NEW, "--threshold", "2", "--yes", "--account", "TEST::2")
    assert (
        f"{STRANGER} may not replace the committee of stream profiles (only its owner {DEPLOYER} may)" in outcome.error
    )


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("cold",), "streams.cold is missing"),
        (("profiles", *NEW, "--threshold", "4"), "--threshold is 4; 3 members allow 1 to 3"),
        (("profiles", *NEW, "--threshold", "0"), "--threshold is 0; 3 members allow 1 to 3"),
        (("profiles", *NEW, "--member", OPERATOR, "--threshold", "2"), "expected 1 to 31 different addresses"),
        (("profiles", "--member", OPERATOR.lower(), "--threshold", "1"), f"{OPERATOR} would be"),
        (("profiles", "--member", "0x" + "00" * 20, "--threshold", "1"), "the zero address is nobody's"),
    ],
)
def test_rotate__what_cannot_be__is_refused_by_name(standing: Console, arguments: tuple[str, ...], error: str) -> None:
    sent = standing.transactions
    outcome = standing.run("rotate_committee", *arguments, "--yes")
    assert outcome.code == 1
    assert error in outcome.error
    assert standing.transactions == sent
