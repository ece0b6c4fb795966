"""What stands on a chain against sources, parameters and manifest: every difference is named, one a line."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scripts._artefacts import Artefacts
from scripts._parts import PARTS
from scripts._verify_code import masked
from scripts._verify_compile import Compiled
from tests.integration.deploy.conftest import DEPLOYED, DEPLOYER, Console
from tests.integration.deploy.test_roles_streams import OPERATOR, STRANGER
from tests.serving import Answering, serving

FEED = (
    "feeds.townhall={attestation: $DataAttestation, streamId: $readings, deviceId: 0x" + "00" * 31 + "d1, "
    "metric: 1-0:16.29.0, decimals: 3, intervalSeconds: 900, maxScoreBps: 9900, description: town hall}"
)


@pytest.fixture(scope="module")
def sound(standing: Console) -> Console:
    """The village with a feed."""
    outcome = standing.run("open_feed", "townhall", "--set", FEED)
    assert outcome.code == 0, outcome.output
    return standing


@contextmanager
def undone(console: Console) -> Iterator[None]:
    """What is done to chain and manifest inside is undone."""
    rpc, manifest = console.web3.provider.make_request, console.path.read_bytes()
    snapshot = rpc("evm_snapshot", [])["result"]  # type: ignore[arg-type]
    try:
        yield
    finally:
        rpc("evm_revert", [snapshot])  # type: ignore[arg-type]
        console.path.write_bytes(manifest)


def verify(console: Console, *options: str) -> tuple[int | None, list[str]]:
    """Exit code, and the lines that name differences."""
    outcome = console.run("verify", "--quick", "--set", FEED, *options)
    assert "Traceback" not in outcome.output, outcome.output
    *lines, last = [line for line in outcome.output.splitlines() if line.startswith(("✗", "✓"))]
    assert ("differ" in last) == bool(lines), outcome.output
    return outcome.code, lines


def edit(console: Console, place: tuple[str, ...], value: Any) -> None:
    """Write something else into the manifest; None takes it away."""
    manifest = console.manifest
    table = manifest
    for key in place[:-1]:
        table = table[key]
    table[place[-1]] = value
    if value is None:
        del table[place[-1]]
    console.path.write_text(json.dumps(manifest), encoding="utf-8")


def test_compile_clean__beside_ape__makes_the_same_bytes(
    compiled: Mapping[str, Compiled], artefacts: Artefacts
) -> None:
    for name, contract in compiled.items():
        assert contract.creation == artefacts[name].creation, name


def test_verify__all_as_declared__counts_what_it_compared_and_sends_nothing(sound: Console) -> None:
    before, sent = sound.path.read_bytes(), sound.transactions
    assert verify(sound) == (0, [])
    assert (sound.path.read_bytes(), sound.transactions) == (before, sent)


def test_verify__node_without_state_overrides__compiles_anew_and_compares_views(sound: Console) -> None:
    with refusing_overrides(sound.url) as url:
        console = Console(url, sound.path)
        outcome = console.run("verify", "--set", FEED)
        assert outcome.code == 0, outcome.output
        assert "· immutables of EnergyMarket compared by its views only" in outcome.output
        for part in PARTS:
            assert f"· immutables of {part.name} compared by its views only" in outcome.output


def test_masked__immutables_of_code_on_chain__leave_what_the_compiler_made(
    compiled: Mapping[str, Compiled], sound: Console
) -> None:
    for name in DEPLOYED:
        code = bytes(sound.web3.eth.get_code(sound.manifest["contracts"][name]["address"]))
        assert masked(code, compiled[name].immutables).hex() == compiled[name].runtime.removeprefix("0x"), name


def test_verify__several_things_changed__lists_each_and_ends_with_one(sound: Console, artefacts: Artefacts) -> None:
    market = artefacts["EnergyMarket"]
    with undone(sound):
        sound.send(market, "grantRole", sound.call(market, "ZONE_OPERATOR_ROLE"), STRANGER)
        members = sound.manifest["streams"]["readings"]["members"]
        identity = sound.manifest["streams"]["readings"]["id"]
        sound.send(artefacts["DataAttestation"], "setCommittee", identity, (1, members[:2]))
        code, lines = verify(sound)
        assert code == 1
        holders = ", ".join(sorted([STRANGER, DEPLOYER]))
        assert sorted(lines) == [
            f"✗ ZONE_OPERATOR_ROLE of EnergyMarket: expected {DEPLOYER}, found {holders}",
            f"✗ committee of stream readings: expected 2 of 3: {', '.join(members)}, "
            f"found 1 of 2: {', '.join(members[:2])} (committee 2)",
        ]
    assert verify(sound) == (0, [])


def test_verify__for_machines__is_json_with_every_difference(sound: Console, artefacts: Artefacts) -> None:
    with undone(sound):
        sound.send(artefacts["EnergyMarket"], "revokeRole", bytes(32), DEPLOYER)
        outcome = sound.run("verify", "--quick", "--json", "--set", FEED)
        assert outcome.code == 1
        report = json.loads(outcome.output[outcome.output.index("{") :])
        assert report["verified"] is False
        assert report["compared"] > 60
        assert report["differences"] == [
            {"what": "DEFAULT_ADMIN_ROLE of EnergyMarket", "expected": DEPLOYER, "found": "nobody"}
        ]


def test_verify__parameters_say_otherwise__names_what_they_say(sound: Console) -> None:
    code, lines = verify(
        sound, "--set", "zones.1.minOrderWh=25", "--set", f"roles.DeviceRegistry.STEWARD_ROLE=[{OPERATOR}]"
    )
    assert code == 1
    assert sorted(lines) == [
        f"✗ STEWARD_ROLE of DeviceRegistry: expected {OPERATOR}, found {DEPLOYER}",
        "✗ minOrderWh of zone 1: expected 25, found 10",
    ]


@pytest.mark.parametrize(
    ("place", "value", "named"),
    [
        (("contracts", "EuroToken", "transaction"), None, None),
        (("contracts", "EuroToken", "block"), 77, "block of EuroToken: expected 77, found"),
        (("contracts", "EuroToken", "deployer"), OPERATOR, f"deployer of EuroToken: expected {OPERATOR}, found"),
        (("contracts", "DeviceRegistry", "version"), "9.9.9", "version of DeviceRegistry: expected 9.9.9, found 1"),
        (("contracts", "EnergyMarket", "extension"), OPERATOR, f"address of MarketExtension: expected {OPERATOR}"),
        (("contracts", "AssetFactory", "governance"), OPERATOR, f"address of AssetGovernance: expected {OPERATOR}"),
        (("contracts", "DeviceRegistry"), None, "DeviceRegistry: expected deployed, found nothing in the manifest"),
        (("p256_precompile",), False, "P-256 precompile at 0x100: expected not there, found there"),
        (("streams", "readings", "owner"), OPERATOR, f"owner of stream readings: expected {OPERATOR}"),
        (("feeds",), None, "feed townhall: expected deployed, found nothing in the manifest"),
    ],
)  # fmt: skip
def test_verify__manifest_says_otherwise__names_it(
    sound: Console, place: tuple[str, ...], value: Any, named: str | None
) -> None:
    with undone(sound):
        edit(sound, place, value)
        code, lines = verify(sound)
    if named is None:
        assert (code, lines) == (0, [])
    else:
        assert code == 1
        assert [line for line in lines if line.startswith(f"✗ {named}")], lines


def test_verify__transaction_on_its_way__is_a_difference(sound: Console) -> None:
    with undone(sound):
        edit(sound, ("pending",), {"keys": ["zones", "2"], "what": "open zone 2", "from": DEPLOYER, "attempts": []})
        code, lines = verify(sound)
    assert (code, lines) == (1, ["✗ manifest: expected no transaction on its way, found zones, 2"])


def test_verify__contract_without_code__says_so_and_goes_on_with_the_others(sound: Console) -> None:
    address = sound.manifest["contracts"]["DeviceRegistry"]["address"]
    with undone(sound):
        sound.web3.provider.make_request("anvil_setCode", [address, "0x"])  # type: ignore[arg-type]
        outcome = sound.run("verify", "--quick", "--set", FEED)
    assert outcome.code == 1
    assert f"✗ code of DeviceRegistry: expected some at {address}, found none" in outcome.output
    assert "· roles of DeviceRegistry not looked at: DeviceRegistry is not the code that it should be" in outcome.output
    assert outcome.output.count("✗") == 2  # that, and the sum


def test_verify__zone_paused__is_told_and_no_difference(sound: Console) -> None:
    with undone(sound):
        assert sound.run("pause", "--yes").code == 0
        outcome = sound.run("verify", "--quick", "--set", FEED)
    assert outcome.code == 0, outcome.output
    assert "· zone 1 refuses orders" in outcome.output


def test_verify__no_manifest_and_no_account__is_one_line(sound: Console, tmp_path: Path) -> None:
    outcome = Console(sound.url, tmp_path / "31337.json").run("verify", "--quick")
    assert outcome.code == 1
    assert "EuroToken: expected deployed, found nothing in the manifest" in outcome.output


@contextmanager
def refusing_overrides(upstream: str) -> Iterator[str]:
    """A proxy that refuses a third parameter of `eth_call`, as nodes without state overrides do."""

    class Handler(Answering):
        def respond(self) -> None:
            body = self.body()
            asked = json.loads(body)
            if isinstance(asked, dict) and asked["method"] == "eth_call" and len(asked["params"]) > 2:
                refusal = {"code": -32602, "message": "too many arguments, want at most 2"}
                self.answer(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "error": refusal}).encode())
                return
            request = urllib.request.Request(upstream, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request) as response:
                self.answer(response.read())

    with serving(Handler) as url:
        yield url
