"""`gridwitness doctor` on a sound oracle, and on one with each part broken in turn."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from typer.testing import CliRunner

from gridwitness.chain.anvil import Anvil, free_port
from gridwitness.chain.keystore import write_keystore
from gridwitness.chain.lease import lease_key
from gridwitness.chain.outbox import Outbox
from gridwitness.chain.signing_key import LocalKey
from gridwitness.cli import build_app
from tests.chaos.proxy import Fault, Kind, RpcProxy
from tests.integration.oracle.village import Oracle, Village

CHECKS = 19


@pytest.fixture
def examine(committee: list[Oracle]) -> Callable[[], tuple[int, dict[str, str]]]:
    """Run the doctor on the first oracle: exit code, and the failed checks with what was said of them.

    The other members do not run in most tests; that they do not answer is left out.
    """

    def run(*, checks: int = CHECKS) -> tuple[int, dict[str, str]]:
        arguments = ["doctor", "--config", str(committee[0].folder / "oracle.toml")]
        result = CliRunner().invoke(build_app(arguments), arguments)
        rows = [line for line in result.output.splitlines() if line.startswith(("✓", "✗"))]
        assert len(rows) == checks, result.output
        failed = [re.split(r"\s{2,}", row.removeprefix("✗").strip(), maxsplit=1) for row in rows if row.startswith("✗")]
        return result.exit_code, {
            check: detail.strip() for check, detail in failed if "no oracle answers at" not in detail
        }

    return run


def edit_config(oracle: Oracle, name: str, value: object) -> None:
    """Replace one setting."""
    path = oracle.folder / "oracle.toml"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(f"{name} = {json.dumps(value)}" if s.startswith(f"{name} =") else s for s in lines))


def test_examine__sound_oracle__every_check_passes(committee: list[Oracle], examine: Any) -> None:
    for other in committee[1:]:
        other.start()
    for other in committee[1:]:
        other.await_live()
    assert examine() == (0, {})


def test_examine__as_json__is_the_same_in_json(committee: list[Oracle], examine: Any) -> None:
    code, _ = examine()
    arguments = ["doctor", "--json", "--config", str(committee[0].folder / "oracle.toml")]
    result = CliRunner().invoke(build_app(arguments), arguments)
    findings = json.loads(result.output)
    assert (result.exit_code, code, len(findings)) == (1, 1, CHECKS)  # the others do not run
    failed = [finding for finding in findings if not finding["passed"]]
    assert [finding["check"][:6] for finding in failed] == ["member"] * 2
    assert all("no oracle answers at" in finding["detail"] and finding["hint"] for finding in failed)


def test_examine__secret_readable_by_others__is_named(committee: list[Oracle], examine: Any) -> None:
    (committee[0].folder / "password").chmod(0o644)
    code, failed = examine()
    assert (code, set(failed)) == (1, {"secret files"})
    assert "password can be read by others (mode 644)" in failed["secret files"]


def test_examine__one_of_two_nodes_behind__only_that_is_named(
    committee: list[Oracle], village: Village, examine: Any
) -> None:
    url = village.anvil.url
    village.anvil.mine(10)
    path = committee[0].folder / "oracle.toml"
    with RpcProxy(url) as proxy:
        path.write_text(path.read_text().replace(f'rpc_url = "{url}"', f'rpc_urls = ["{url}", "{proxy.url}"]'))
        proxy.inject(Fault(Kind.STALE_HEAD, times=None, blocks=9))
        _, failed = examine(checks=CHECKS + 1)
    assert failed == {"node 2": f"{proxy.url} is 9 blocks behind; the limit is 3"}


def test_examine__sending_was_halted__says_why(committee: list[Oracle], village: Village, examine: Any) -> None:
    oracle = committee[0]
    outbox = Outbox(village.chain, LocalKey(oracle.account), oracle.folder / "outbox.sqlite")
    outbox.step()
    village.chain.transact(
        oracle.account, village.chain.contract("EuroToken").functions.mint(oracle.account.address, 1)
    )
    outbox.step()
    outbox.close()
    _, failed = examine()
    assert set(failed) == {"one sender"}
    assert "was used, but not by this outbox" in failed["one sender"]


def test_examine__key_leased_by_another_process__is_said(
    committee: list[Oracle], deployment: Path, oracles: list[LocalAccount], tmp_path: Path
) -> None:
    """On a chain that is no development chain: no confirmation is too few there, too."""
    address = oracles[0].address
    path = deployment.with_name("public.json")
    path.write_text(deployment.read_text().replace("31337", "77003"))
    edit_config(committee[0], "manifest", str(path))
    lease = lease_key(77_003, address)
    assert lease is not None
    arguments = ["doctor", "--json", "--config", str(committee[0].folder / "oracle.toml")]
    findings = json.loads(CliRunner().invoke(build_app(arguments), arguments).output)
    lease.close()
    details = {finding["check"]: finding["detail"] for finding in findings if not finding["passed"]}
    assert f"another process of this machine sends from {address} on chain 77003" in details["one sender"]
    assert details["confirmations"] == "0 on chain 77003; 2 is the least"
    assert "is chain 31337, not 77003" in details["node 1"]


def test_examine__contract_of_another_version__names_both(
    committee: list[Oracle], village: Village, examine: Any
) -> None:
    manifest = village.chain.manifest
    market = village.chain.rpc("eth_getCode", [manifest.address("EnergyMarket"), "latest"])
    village.chain.rpc("anvil_setCode", [manifest.address("DataAttestation"), market])
    _, failed = examine()
    assert "DataAttestation at" in failed["contracts"]
    assert "this oracle signs for 'Gridwitness DataAttestation' version 1" in failed["contracts"]


def test_examine__broker_configured_but_away__is_said(committee: list[Oracle], examine: Any) -> None:
    port = free_port()
    path = committee[0].folder / "oracle.toml"
    path.write_text(f'mqtt_url = "mqtt://127.0.0.1:{port}"\n' + path.read_text())
    _, failed = examine(checks=CHECKS + 1)
    assert set(failed) == {"broker"}
    assert f"no broker at 127.0.0.1:{port}" in failed["broker"]


def test_examine__stranger_to_the_committee__is_named(committee: list[Oracle], village: Village, examine: Any) -> None:
    keystore = committee[0].folder / "keystore.json"
    keystore.unlink()
    write_keystore(keystore, bytes(village.owner.key), committee[0].folder / "password", light=True)
    code, failed = examine()
    assert (code, set(failed)) == (1, {"stream readings", "stream profiles"})
    assert f"{village.owner.address} is not in the committee of 'readings'" in failed["stream readings"]


def test_examine__committee_compromised__says_that_another_must_be_set(
    village: Village,
    deployer: LocalAccount,
    examine: Any,
) -> None:
    stream_id = village.chain.manifest.streams["profiles"]
    function = village.chain.contract("DataAttestation").functions.markCompromised(stream_id, 1, 1)
    village.chain.transact(deployer, function)
    code, failed = examine()
    assert (code, set(failed)) == (1, {"stream profiles"})
    assert "'profiles' has no committee: the last one was found compromised" in failed["stream profiles"]


def test_examine__wrong_password__names_the_keystore(committee: list[Oracle], examine: Any) -> None:
    (committee[0].folder / "password").write_text("another\n")
    code, failed = examine()
    assert code == 1
    assert "wrong password" in failed["key"]
    assert failed["balance"] == "not checked: no key"


def test_examine__no_node__chain_checks_say_they_were_not_made(committee: list[Oracle], examine: Any) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    edit_config(committee[0], "rpc_url", url)
    code, failed = examine()
    assert code == 1
    assert f"no node answers at {url}" in failed["node 1"]
    assert failed["clock"] == "not checked: no node"
    assert failed["contracts"] == "not checked: no node"
    assert failed["stream readings"] == "not checked: no contracts"


def test_examine__node_of_another_chain__names_both(committee: list[Oracle], examine: Any) -> None:
    with Anvil(chain_id=77_001) as other:
        edit_config(committee[0], "rpc_url", other.url)
        code, failed = examine()
    assert code == 1
    assert "is chain 77001, not 31337" in failed["node 1"]


def test_examine__port_taken__names_it(committee: list[Oracle], examine: Any) -> None:
    committee[0].start()
    committee[0].await_live()
    code, failed = examine()
    assert (code, set(failed)) == (1, {"port"})
    assert "Address already in use" in failed["port"]


def test_examine__no_money__says_how_much_is_needed(committee: list[Oracle], village: Village, examine: Any) -> None:
    address = committee[0].account.address
    village.chain.rpc("anvil_setBalance", [address, "0x1"])
    code, failed = examine()
    assert (code, set(failed)) == (1, {"balance"})
    assert re.fullmatch(r"0\.000000 ETH; 100 batches may take 0\.\d+", failed["balance"])


def test_examine__system_clock_against_a_chain_of_2016__says_how_far_behind(
    committee: list[Oracle], examine: Any
) -> None:
    edit_config(committee[0], "clock", "system")
    code, failed = examine()
    assert (code, set(failed)) == (1, {"clock"})
    assert "s behind this machine's clock; the limit is 60" in failed["clock"]


def test_examine__manifest_missing__names_the_file(committee: list[Oracle], examine: Any, tmp_path: Path) -> None:
    edit_config(committee[0], "manifest", str(tmp_path / "1.json"))
    code, failed = examine()
    assert code == 1
    assert "1.json not found" in failed["manifest"]


def test_examine__data_folder_is_a_file__is_said(committee: list[Oracle], examine: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    edit_config(committee[0], "data_dir", str(tmp_path / "file"))
    code, failed = examine()
    assert (code, set(failed)) == (1, {"data folder", "disk"})
    assert "File exists" in failed["data folder"]


def test_examine__config_missing__is_an_error(tmp_path: Path) -> None:
    arguments = ["doctor", "--config", str(tmp_path / "none.toml")]
    result = CliRunner().invoke(build_app(arguments), arguments)
    assert result.exit_code == 1
    assert "not found" in str(result.exception)
