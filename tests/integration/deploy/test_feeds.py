"""Feeds of the parameters: checked before anything is sent, deployed once each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gridwitness.errors import ConfigError
from scripts._artefacts import Artefacts
from scripts._params import check_params, read_params
from tests.integration.deploy.conftest import DEPLOYER, ROOT, Console

FEED = {
    "attestation": "$DataAttestation",
    "streamId": "$readings",
    "deviceId": "0x" + "07" * 32,
    "metric": "1-0:16.29.0",
    "decimals": 3,
    "intervalSeconds": 900,
    "maxScoreBps": 9_900,
    "description": "town hall / kWh",
}


def setting(**changes: Any) -> str:
    """The option's value that gives the feed, changed."""
    return f"feeds.townhall={json.dumps(FEED | changes)}"


def test_open_feed__twice__deploys_once_and_answers(standing: Console, artefacts: Artefacts) -> None:
    sent = standing.transactions
    for _ in range(2):
        outcome = standing.run("open_feed", "townhall", "--set", setting())
        assert outcome.code == 0, outcome.output
        assert standing.transactions == sent + 1
    entry = standing.manifest["feeds"]["townhall"]
    feed = standing.web3.eth.contract(address=entry["address"], abi=artefacts["FeedAdapter"].abi)
    assert feed.functions.description().call() == FEED["description"]
    assert feed.functions.metric().call() == b"1-0:16.29.0".ljust(32, b"\0")
    assert feed.functions.streamId().call().hex() == standing.manifest["streams"]["readings"]["id"].removeprefix("0x")
    assert feed.functions.attestation().call() == standing.manifest["contracts"]["DataAttestation"]["address"]

    other = standing.run("open_feed", "townhall", "--set", setting(decimals=0))
    assert other.code == 1
    assert "townhall stands at" in other.error
    assert standing.transactions == sent + 1


def test_open_feed__of_profiles__carries_the_contract_s_error(standing: Console) -> None:
    outcome = standing.run("open_feed", "townhall2", "--set", setting(streamId="$profiles").replace("hall=", "hall2="))
    assert outcome.code == 1
    assert "SchemaUnexpected" in outcome.error
    assert "townhall2" not in standing.manifest.get("feeds", {})


def test_open_feed__not_in_the_parameters__names_those_that_are(standing: Console) -> None:
    assert (
        "feeds.cellar is missing; there are townhall" in standing.run("open_feed", "cellar", "--set", setting()).error
    )


def test_open_feed__before_its_stream__says_what_comes_first(console: Console) -> None:
    assert "ape run deploy comes first" in console.run("open_feed", "townhall", "--set", setting()).error


def test_deploy__parameters_with_a_feed__deploys_it_once(console: Console) -> None:
    for _ in range(2):
        outcome = console.run("deploy", "--set", setting())
        assert outcome.code == 0, outcome.output
    assert console.manifest["feeds"]["townhall"]["arguments"][-1] == FEED["description"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metric": "m" * 33}, "feeds.townhall.metric is 'mmm"),
        ({"metric": ""}, "feeds.townhall.metric is ''; expected 1 to 32 printable ASCII characters"),
        ({"metric": 7}, "feeds.townhall.metric is 7; bytes32 is 0x and 64 hex digits"),
        ({"description": " "}, "feeds.townhall.description is ' '; expected a line of text"),
        ({"description": "two\nlines"}, "expected a line of text"),
        ({"maxScoreBps": 10_001}, "feeds.townhall.maxScoreBps is 10001; basis points allow 0 to 10000"),
        ({"decimals": 256}, "feeds.townhall.decimals is 256; uint8 allows integers from 0 to 255"),
        ({"streamId": "$cellar"}, "feeds.townhall.streamId is '$cellar'; bytes32 wanted"),
        ({"interval": 900}, "feeds.townhall.interval is not known"),
    ],
)
def test_check__faulty_feed__is_one_line(artefacts: Artefacts, changes: dict[str, Any], message: str) -> None:
    data = read_params(ROOT / "deployments" / "params" / "local.yaml", (setting(**changes),))
    with pytest.raises(ConfigError) as info:
        check_params(data, "village.yaml", artefacts, deployer=DEPLOYER, is_mainnet=False)
    assert message in info.value.message
    assert "\n" not in info.value.message


def test_check__no_feeds__is_fine(artefacts: Artefacts) -> None:
    data = read_params(ROOT / "deployments" / "params" / "local.yaml")
    data.pop("feeds", None)
    assert check_params(data, "village.yaml", artefacts, deployer=DEPLOYER, is_mainnet=False).feeds == {}
