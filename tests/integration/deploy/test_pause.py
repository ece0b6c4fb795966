"""No new orders anywhere, at two in the morning."""

from __future__ import annotations

import json

from scripts._artefacts import Artefacts
from tests.integration.deploy.conftest import Console
from tests.integration.deploy.test_roles_streams import STRANGER
from tests.integration.deploy.test_zones import opened
from tests.integration.packages.strict_node import strict_node


def paused(console: Console, artefacts: Artefacts, *zones: int) -> list[bool]:
    return [console.call(artefacts["EnergyMarket"], "backstop", zone)[3] for zone in zones]


def test_pause__no_zone_named__pauses_all_once_and_says_what_goes_on(standing: Console, artefacts: Artefacts) -> None:
    opened(standing, 41)
    sent = standing.transactions
    for _ in range(2):
        outcome = standing.run("pause", "--yes")
        assert outcome.code == 0, outcome.output
        assert paused(standing, artefacts, 1, 41) == [True, True]
        assert standing.transactions == sent + 2
        assert "orders that stand are cleared, settled, disputed and paid all the same" in outcome.output
    for _ in range(2):
        outcome = standing.run("pause", "--resume", "--yes")
        assert outcome.code == 0, outcome.output
        assert paused(standing, artefacts, 1, 41) == [False, False]
        assert standing.transactions == sent + 4


def test_pause__zones_named__pauses_those_alone(standing: Console, artefacts: Artefacts) -> None:
    opened(standing, 42)
    assert standing.run("pause", "--zone", "42", "--yes").code == 0
    assert paused(standing, artefacts, 1, 42) == [False, True]
    assert standing.run("pause", "--zone", "42", "--resume", "--yes").code == 0
    assert paused(standing, artefacts, 1, 42) == [False, False]


def test_pause__zone_that_is_not_open__is_named_and_nothing_is_sent(standing: Console) -> None:
    sent = standing.transactions
    outcome = standing.run("pause", "--zone", "77", "--yes")
    assert outcome.code == 1
    assert "zone 77 is not open" in outcome.error
    assert standing.transactions == sent


def test_pause__without_the_role__carries_the_contracts_error(standing: Console, artefacts: Artefacts) -> None:
    outcome = standing.run("pause", "--zone", "1", "--yes", "--account", "TEST::2")
    assert outcome.code == 1
    assert f"AccessControlUnauthorizedAccount(account={STRANGER.lower()}" in outcome.error
    assert paused(standing, artefacts, 1) == [False]


def test_pause__nothing_deployed__says_what_comes_first(console: Console) -> None:
    outcome = console.run("pause", "--yes")
    assert outcome.code == 1
    assert "contracts.EnergyMarket is missing (ape run deploy comes first)" in outcome.error


def test_pause__no_zone_named__asks_for_no_events_unless_told_to(standing: Console, artefacts: Artefacts) -> None:
    opened(standing, 44)
    with strict_node(standing.url, 3) as strict:
        behind = Console(strict.url, standing.path)
        assert behind.run("pause", "--yes").code == 0
        assert paused(standing, artefacts, 1, 44) == [True, True]
        assert not strict.answered + strict.refused
        manifest = standing.manifest
        del manifest["zones"]["44"]
        standing.path.write_text(json.dumps(manifest), encoding="utf-8")
        assert behind.run("pause", "--resume", "--yes").code == 0
        assert paused(standing, artefacts, 1, 44) == [False, True]
        outcome = behind.run("pause", "--resume", "--scan", "--yes")
        assert outcome.code == 0, outcome.output
        assert paused(standing, artefacts, 1, 44) == [False, False]


def test_pause__another_account_has_a_transaction_under_way__goes_past_it(
    standing: Console, artefacts: Artefacts
) -> None:
    standing.web3.eth.wait_for_transaction_receipt(
        standing.web3.eth.send_transaction({"from": STRANGER, "to": STRANGER})
    )
    attempt = {"raw": "0x02", "transaction": "0x" + "ab" * 32, "max_fee_per_gas": 1, "max_priority_fee_per_gas": 1}
    # Its nonce was used by the above.
    pending = {"attempts": [attempt], "from": STRANGER, "keys": ["zones", "9"], "nonce": 0, "what": "open zone 9"}
    standing.path.write_text(json.dumps(standing.manifest | {"pending": pending}), encoding="utf-8")
    outcome = standing.run("pause", "--zone", "1", "--yes")
    assert outcome.code == 0, outcome.output
    assert f"open zone 9 of {STRANGER} is under way still" in outcome.output
    assert paused(standing, artefacts, 1) == [True]
    assert standing.manifest["aside"] == [pending]
    assert "manifest: expected no transaction on its way, found zones, 9" in standing.run("verify", "--quick").output
    later = standing.run("deploy")
    assert later.code == 0, later.output
    assert "can never be mined" in later.output
    assert not {"aside", "pending"} & standing.manifest.keys()
    assert standing.run("pause", "--zone", "1", "--resume", "--yes").code == 0
