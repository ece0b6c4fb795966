"""No new orders anywhere, at two in the morning."""

from __future__ import annotations

from scripts._artefacts import Artefacts
from tests.integration.deploy.conftest import Console
from tests.integration.deploy.test_roles_streams import STRANGER
from tests.integration.deploy.test_zones import opened


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
