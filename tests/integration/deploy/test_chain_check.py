"""What a chain must be able to do is asked before anything is sent."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from web3 import HTTPProvider, Web3

from gridwitness.chain.anvil import Anvil, find_anvil, free_port
from gridwitness.errors import ChainError
from scripts._artefacts import Artefact, Artefacts
from scripts._chain_check import check_chain, instructions
from tests.integration.deploy.conftest import Console

RUNNING = ("EuroToken", "DeviceRegistry", "DataAttestation", "EnergyMarket")


@contextmanager
def node_of(hardfork: str) -> Iterator[str]:
    """An anvil that has the rules of an older hardfork."""
    port = free_port()
    command = [str(find_anvil()), "--port", str(port), "--hardfork", hardfork, "--silent"]
    with subprocess.Popen(command, preexec_fn=Anvil.die_with_parent) as process:
        web3 = Web3(HTTPProvider(f"http://127.0.0.1:{port}"))
        while not web3.is_connected():
            assert process.poll() is None
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@pytest.mark.parametrize(
    ("hardfork", "missing"), [("london", "PUSH0 (hardfork shanghai)"), ("shanghai", "TLOAD (hardfork cancun)")]
)
def test_deploy__chain_of_an_older_hardfork__names_the_instruction_and_sends_nothing(
    hardfork: str, missing: str, tmp_path: Path, artefacts: Artefacts
) -> None:
    with node_of(hardfork) as url:
        console = Console(url, tmp_path / "31337.json")
        outcome = console.run("deploy")
        assert outcome.code == 1
        assert (
            f"chain 31337 does not execute {missing}, which the contracts contain as compiled for osaka"
            in outcome.error
        )
        assert console.transactions == 0
    assert not console.path.exists()


def code_of(*bytecode: str) -> Artefact:
    return Artefact("Probe", [], "0x" + "".join(bytecode), "0x")


@pytest.mark.parametrize(("hardfork", "runs"), [("osaka", True), ("prague", False)])
def test_check_chain__clz__runs_from_osaka_on(hardfork: str, runs: bool) -> None:
    with node_of(hardfork) as url:
        web3 = Web3(HTTPProvider(url))
        check_chain(web3, "osaka", [code_of("6001", "5f", "5e")])
        if runs:
            check_chain(web3, "osaka", [code_of("6001", "1e")])
            return
        with pytest.raises(ChainError, match=r"chain 31337 does not execute CLZ \(hardfork osaka\)"):
            check_chain(web3, "osaka", [code_of("6001", "1e")])


def test_check_chain__contracts_of_ours__run_where_their_instructions_do(artefacts: Artefacts) -> None:
    with node_of("osaka") as url:
        check_chain(Web3(HTTPProvider(url)), "osaka", [artefacts[name] for name in RUNNING])


@pytest.mark.parametrize(
    ("creation", "runtime", "limit"),
    [(49_153, 0, "a chain takes 49152 of creation code"), (49_152, 24_577, "a chain takes 24576 of code")],
)
def test_check_chain__code_too_large__names_contract_size_and_limit(creation: int, runtime: int, limit: str) -> None:
    large = Artefact("Probe", [], "0x" + "60" * creation, "0x" + "60" * runtime)
    with pytest.raises(ChainError, match=f"Probe has {runtime or creation} bytes; {limit}"):
        check_chain(Web3(), "osaka", [large])


def test_instructions__what_is_pushed_and_metadata__are_none() -> None:
    metadata = "a264697066735822" + "1e" * 34 + "64736f6c63430008250033"
    assert instructions(bytes.fromhex("601e" + "7f" + "5e" * 32 + "5f" + metadata)) == {0x60, 0x7F, 0x5F}
