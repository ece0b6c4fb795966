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
from gridwitness.cli import build_app
from tests.integration.oracle.village import Oracle, Village

CHECKS = 13


@pytest.fixture
def examine(committee: list[Oracle]) -> Callable[[], tuple[int, dict[str, str]]]:
    """Run the doctor on the first oracle: exit code, and the failed checks with what was said of them."""

    def run() -> tuple[int, dict[str, str]]:
        arguments = ["doctor", "--config", str(committee[0].folder / "oracle.toml")]
        result = CliRunner().invoke(build_app(arguments), arguments)
        rows = [line for line in result.output.splitlines() if line.startswith(("✓", "✗"))]
        assert len(rows) == CHECKS, result.output
        failed = [re.split(r"\s{2,}", row.removeprefix("✗").strip(), maxsplit=1) for row in rows if row.startswith("✗")]
        return result.exit_code, {check: detail.strip() for check, detail in failed}

    return run


def edit_config(oracle: Oracle, name: str, value: object) -> None:
    """Replace one setting."""
    path = oracle.folder / "oracle.toml"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(f"{name} = {json.dumps(value)}" if s.startswith(f"{name} =") else s for s in lines))


def test_examine__sound_oracle__every_check_passes(examine: Any) -> None:
    assert examine() == (0, {})


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
    assert "wrong password" in failed["keystore opens"]
    assert failed["balance"] == "not checked: no key"


def test_examine__no_node__chain_checks_say_they_were_not_made(committee: list[Oracle], examine: Any) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    edit_config(committee[0], "rpc_url", url)
    code, failed = examine()
    assert code == 1
    assert f"no node answers at {url}" in failed["node reachable"]
    assert failed["clock"] == "not checked: no node"
    assert failed["stream readings"] == "not checked: no contracts"


def test_examine__node_of_another_chain__names_both(committee: list[Oracle], examine: Any) -> None:
    with Anvil(chain_id=77_001) as other:
        edit_config(committee[0], "rpc_url", other.url)
        code, failed = examine()
    assert code == 1
    assert "is chain 77001" in failed["chain and contracts"]


def test_examine__port_taken__names_it(committee: list[Oracle], examine: Any) -> None:
    committee[0].start()
    committee[0].await_live()
    code, failed = examine()
    assert (code, set(failed)) == (1, {"port free"})
    assert "Address already in use" in failed["port free"]


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
    assert (code, set(failed)) == (1, {"data folder writable"})
    assert "File exists" in failed["data folder writable"]


def test_examine__config_missing__is_an_error(tmp_path: Path) -> None:
    arguments = ["doctor", "--config", str(tmp_path / "none.toml")]
    result = CliRunner().invoke(build_app(arguments), arguments)
    assert result.exit_code == 1
    assert "not found" in str(result.exception)
