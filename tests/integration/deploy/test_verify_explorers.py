"""Sources published by the explorers' documented HTTP interfaces.

The explorers here are ours: a server on this machine that answers as the documentation of Sourcify (version 2),
Blockscout and Etherscan (version 2) says, since none of them can be reached where tests run. That they take what it
takes is not shown. What they need to come to the same bytecode is: solc compiles the inputs, with nothing beside them.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import ape
import pytest

from gridwitness.chain.anvil import free_port
from scripts import _verify_explorers
from scripts._parts import PARTS
from scripts._session import Options, open_session
from scripts._verify_compile import Compiled
from scripts._verify_contracts import Verification, check_contracts
from scripts._verify_explorers import publish
from scripts._verify_report import Report
from tests.integration.deploy.conftest import DEPLOYED, ROOT, Console
from tests.serving import Answering, serving

PARTS_MADE = tuple(part.name for part in PARTS)
PUBLISHED = (*DEPLOYED, *PARTS_MADE)


@dataclass
class Submission:
    """What an explorer was sent."""

    address: str
    standard_json: dict[str, Any]
    compiler: str
    contract: str
    arguments: str = ""
    transaction: str = ""


@dataclass
class ExplorerServer:
    """One that has nothing at first, is not decided when first asked, and then has what was sent; or `refuses`."""

    refuses: str = ""
    status: int = 200
    submissions: dict[str, Submission] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, dict[str, Any]]:
        """Status and JSON."""
        if self.status != 200:
            return self.status, {}
        url = urlsplit(path)
        parts = url.path.strip("/").split("/")
        if parts[:2] == ["v2", "verify"]:
            return self._sourcify(method, parts, body)
        if parts[:3] == ["api", "v2", "smart-contracts"]:
            return self._blockscout(method, parts, headers, body)
        if parts == ["v2", "api"]:
            query = parse_qs(body.decode() if method == "POST" else url.query)
            assert parse_qs(url.query)["chainid"] == ["31337"]
            return self._etherscan({name: values[0] for name, values in query.items()})
        return 404, {}

    def _decided(self, job: str) -> bool:
        self.asked[job] = self.asked.get(job, 0) + 1
        return self.asked[job] > 1

    def _sourcify(self, method: str, parts: list[str], body: bytes) -> tuple[int, dict[str, Any]]:
        if method == "GET":
            (_, _, job) = parts
            done = {"isJobCompleted": self._decided(job), "verificationId": job}
            if self.refuses:
                return 200, done | {"error": {"customCode": "no_match", "message": self.refuses}}
            return 200, done | {"contract": {"match": "exact_match", "runtimeMatch": "exact_match"}}
        _, _, chain_id, address = parts
        assert chain_id == "31337"
        if address in self.submissions:
            return 409, {"customCode": "already_verified", "message": f"{address} is verified already"}
        sent = json.loads(body)
        self.submissions[address] = Submission(
            address,
            sent["stdJsonInput"],
            sent["compilerVersion"],
            sent["contractIdentifier"],
            transaction=sent.get("creationTransactionHash", ""),
        )
        return 202, {"verificationId": f"job-{address}"}

    def _blockscout(self, method: str, parts: list[str], headers: Any, body: bytes) -> tuple[int, dict[str, Any]]:
        address = parts[3]
        if method == "GET":
            if address not in self.submissions:
                return 404, {"message": "Not found"}
            return 200, {"is_verified": self._decided(address)}
        assert parts[4:] == ["verification", "via", "standard-input"]
        message = message_from_bytes(
            b"Content-Type: " + headers["Content-Type"].encode() + b"\r\n\r\n" + body, policy=policy.HTTP
        )
        sent = {
            part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
            for part in message.iter_parts()
        }
        if self.refuses:
            return 422, {"message": self.refuses}
        self.submissions[address] = Submission(
            address,
            json.loads(sent["files[0]"]),
            sent["compiler_version"].decode().removeprefix("v"),
            sent["contract_name"].decode(),
            arguments=sent["constructor_args"].decode(),
        )
        return 200, {"message": "Smart-contract verification started"}

    def _etherscan(self, sent: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        assert (sent["module"], sent["apikey"]) == ("contract", "a key")
        if sent["action"] == "checkverifystatus":
            if not self._decided(sent["guid"]):
                return 200, {"status": "0", "message": "NOTOK", "result": "Pending in queue"}
            if self.refuses:
                return 200, {"status": "0", "message": "NOTOK", "result": self.refuses}
            return 200, {"status": "1", "message": "OK", "result": "Pass - Verified"}
        assert (sent["action"], sent["codeformat"]) == ("verifysourcecode", "solidity-standard-json-input")
        address = sent["contractaddress"]
        if address in self.submissions:
            return 200, {"status": "0", "message": "NOTOK", "result": "Contract source code already verified"}
        self.submissions[address] = Submission(
            address,
            json.loads(sent["sourceCode"]),
            sent["compilerversion"].removeprefix("v"),
            sent["contractname"],
            arguments=sent.get("constructorArguements", ""),
        )
        return 200, {"status": "1", "message": "OK", "result": f"guid-{address}"}


@contextmanager
def listening(explorer: ExplorerServer) -> Iterator[str]:
    class Handler(Answering):
        def respond(self) -> None:
            status, content = explorer.answer(self.command, self.path, self.headers, self.body())
            self.answer(json.dumps(content).encode(), status)

    with serving(Handler) as url:
        yield url


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_verify_explorers, "POLL_S", 0.01)
    monkeypatch.setenv("ETHERSCAN_API_KEY", "a key")


@pytest.fixture
def run(standing: Console, compiled: Mapping[str, Compiled]) -> Iterator[Verification]:
    """A verification that has found the code right."""
    with ape.networks.parse_network_choice(f"ethereum:local:{standing.url}") as provider:
        session = open_session(provider, Options(None, None, standing.path, ()))
        verification = Verification(session, Report(), compiled, overrides=True)
        check_contracts(verification)
        assert verification.report.differences == []
        yield verification


def addresses(console: Console) -> dict[str, str]:
    contracts = console.manifest["contracts"]
    parts = {contracts[part.owner][part.view]: part.name for part in PARTS}
    return parts | {entry["address"]: name for name, entry in contracts.items()}


@pytest.mark.parametrize("name", ["sourcify", "blockscout", "etherscan"])
def test_publish__each_explorer__gets_every_contract_with_arguments_and_full_compiler_version(
    name: str, run: Verification, standing: Console
) -> None:
    explorer = ExplorerServer()
    with listening(explorer) as url:
        for _ in range(2):  # the second time it has them
            publish(run, name, url)
    assert (run.report.differences, run.report.notes) == ([], [])
    named = addresses(standing)
    assert sorted(named[address] for address in explorer.submissions) == sorted(PUBLISHED)
    for address, sent in explorer.submissions.items():
        contract = run.compiled[named[address]]
        assert sent.compiler == "0.8.37+commit.f401782d"
        assert sent.contract in (contract.identifier, contract.name)
        assert sent.standard_json == contract.standard_json
        if name == "sourcify" and named[address] not in PARTS_MADE:
            assert sent.transaction == standing.manifest["contracts"][named[address]]["transaction"]
        elif named[address] in ("DataAttestation", "MarketExtension"):
            made_with = "DeviceRegistry" if named[address] == "DataAttestation" else "DataAttestation"
            argument = standing.manifest["contracts"][made_with]["address"].lower()
            assert name == "sourcify" or sent.arguments == argument.removeprefix("0x").rjust(64, "0")


def test_publish__inputs_compiled_by_solc_with_nothing_beside_them__make_what_was_deployed(
    run: Verification, standing: Console, tmp_path: Path
) -> None:
    explorer = ExplorerServer()
    with listening(explorer) as url:
        publish(run, "sourcify", url)
    inputs = [sent.standard_json for sent in explorer.submissions.values()]
    # One run of solc for all: a contract's bytecode depends on settings and on what it imports.
    whole = dict(inputs[0])
    whole["sources"] = {path: source for one in inputs for path, source in one["sources"].items()}
    whole["settings"] = dict(whole["settings"])
    targets = {path for one in inputs for path in one["settings"]["outputSelection"]}
    whole["settings"]["outputSelection"] = {path: {"*": ["evm.bytecode.object"]} for path in targets}
    command = ["node", str(ROOT / "toolchain" / "solc_front.js"), "--standard-json", "--base-path", str(tmp_path)]
    done = subprocess.run(command, input=json.dumps(whole), capture_output=True, text=True, check=True, cwd=tmp_path)
    made = json.loads(done.stdout[done.stdout.index("{") :])["contracts"]
    named = addresses(standing)
    for address, sent in explorer.submissions.items():
        path, _, contract = sent.contract.rpartition(":")
        code = made[path][contract]["evm"]["bytecode"]["object"]
        if named[address] not in PARTS_MADE:  # which no transaction of their own made
            data = standing.web3.eth.get_transaction(sent.transaction)["input"].hex()
            assert code in data, contract
    for part in PARTS:
        owner = standing.manifest["contracts"][part.owner]["transaction"]
        path = run.compiled[part.name].identifier.partition(":")[0]
        code = made[path][part.name]["evm"]["bytecode"]["object"]
        assert code in standing.web3.eth.get_transaction(owner)["input"].hex()


@pytest.mark.parametrize("name", ["sourcify", "blockscout", "etherscan"])
def test_publish__explorer_says_that_it_does_not_match__is_a_difference_each(name: str, run: Verification) -> None:
    with listening(ExplorerServer(refuses="the bytecode is another")) as url:
        publish(run, name, url)
    assert len(run.report.differences) == len(PUBLISHED)
    assert all(one.what.endswith(f" at {name}") for one in run.report.differences)
    assert all("the bytecode is another" in one.found for one in run.report.differences)


@pytest.mark.parametrize("name", ["sourcify", "blockscout", "etherscan"])
@pytest.mark.parametrize("status", [503, 429])
def test_publish__explorer_too_busy__is_a_note(name: str, status: int, run: Verification) -> None:
    with listening(ExplorerServer(status=status)) as url:
        publish(run, name, url)
    assert run.report.differences == []
    assert run.report.notes == [f"{name} not reachable: {url} answered HTTP {status}"]


@pytest.mark.parametrize("name", ["sourcify", "blockscout", "etherscan"])
def test_publish__nobody_answers__is_a_note(name: str, run: Verification) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    publish(run, name, url)
    assert run.report.differences == []
    (note,) = run.report.notes
    assert note.startswith(f"{name} not reachable: {url}: ")


def test_publish__etherscan_without_a_key__says_which_variable_it_wants(
    run: Verification, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ETHERSCAN_API_KEY")
    publish(run, "etherscan")
    assert run.report.notes == ["etherscan not reachable: https://api.etherscan.io wants a key: set ETHERSCAN_API_KEY"]


def test_publish__development_chain__publishes_nowhere_by_itself(run: Verification) -> None:
    publish(run, "auto")
    assert (run.report.differences, run.report.notes) == ([], [])


def test_publish__chain_that_blockscout_does_not_have__says_so(run: Verification) -> None:
    publish(run, "blockscout")
    assert run.report.notes == ["blockscout has no server for chain 31337"]
