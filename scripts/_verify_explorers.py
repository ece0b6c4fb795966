"""Publish the sources on explorers, by the HTTP interfaces that they document.

Each gets the standard-JSON input that the bytecode was just compiled from. An explorer that does not answer is told of,
and is no difference; one that answers that the sources do not make the code is.
"""

from __future__ import annotations

import json
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from scripts._parts import parts_of
from scripts._verify_compile import Compiled
from scripts._verify_contracts import Verification, argument_data, part_arguments, places

TIMEOUT_S = 30.0
POLL_S = 3.0
POLLS = 40
_UNSURE = range(500, 600)


@dataclass(frozen=True, slots=True)
class Target:
    """A contract to publish: where it stands, what it was compiled from, its encoded arguments and its transaction."""

    what: str
    address: str
    compiled: Compiled
    arguments: str
    transaction: str | None

    @property
    def contract_name(self) -> str:
        """Its name without the path."""
        return self.compiled.identifier.rpartition(":")[2]

    @property
    def input(self) -> str:
        """The standard-JSON input as text."""
        return json.dumps(self.compiled.standard_json)


class NotReachable(Exception):
    """The explorer gave no answer that decides anything."""


@dataclass
class Explorer(ABC):
    """One explorer of one chain."""

    url: str
    chain_id: int
    client: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=TIMEOUT_S))

    def publish(self, target: Target) -> str:
        """Send the sources and wait for the verdict: empty if they are verified, else what the explorer says.

        Raises NotReachable.
        """
        try:
            job = self.submit(target)
            for _ in range(POLLS):
                verdict = "" if job is None else self.verdict(target, job)
                if verdict is not None:
                    return verdict
                time.sleep(POLL_S)
        except (httpx.HTTPError, json.JSONDecodeError, KeyError, TypeError) as error:
            raise NotReachable(f"{self.url}: {error or type(error).__name__}") from error
        raise NotReachable(f"{self.url}: no verdict after {POLLS * POLL_S:.0f} s")

    @abstractmethod
    def submit(self, target: Target) -> str | None:
        """Send the sources; what to ask for the verdict with, None if they are verified already."""

    @abstractmethod
    def verdict(self, target: Target, job: str) -> str | None:
        """None while it is not decided, empty if verified, else the explorer's reason."""

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Its answer. Raises NotReachable if it is too busy or broken."""
        answer = self.client.request(method, self.url + path, **request)
        if answer.status_code in _UNSURE or answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise NotReachable(f"{self.url} answered HTTP {answer.status_code}")
        return answer


class Sourcify(Explorer):
    """https://docs.sourcify.dev/docs/api/ (version 2), one server for all chains."""

    def submit(self, target: Target) -> str | None:
        """Post the sources; 409 says that this contract is verified as well as can be."""
        body: dict[str, Any] = {
            "stdJsonInput": target.compiled.standard_json,
            "compilerVersion": target.compiled.compiler,
            "contractIdentifier": target.compiled.identifier,
        }
        if target.transaction is not None:
            body["creationTransactionHash"] = target.transaction
        answer = self.ask("POST", f"/v2/verify/{self.chain_id}/{target.address}", json=body)
        if answer.status_code == httpx.codes.CONFLICT:
            return None
        if answer.is_client_error:
            return f"refused: {answer.json().get('message', answer.text)}"
        return str(answer.json()["verificationId"])

    def verdict(self, target: Target, job: str) -> str | None:
        """Ask for the job."""
        if job.startswith("refused: "):
            return job
        answer = self.ask("GET", f"/v2/verify/{job}").json()
        if not answer["isJobCompleted"]:
            return None
        if error := answer.get("error"):
            return str(error.get("message") or error["customCode"])
        return "" if answer["contract"]["runtimeMatch"] else "no match"


class Blockscout(Explorer):
    """https://docs.blockscout.com/devs/verification/blockscout-smart-contract-verification-api, one server a chain."""

    def submit(self, target: Target) -> str | None:
        """Post the sources, unless it has them."""
        if self._has_sources(target):
            return None
        fields = {
            "compiler_version": f"v{target.compiled.compiler}",
            "contract_name": target.contract_name,
            "autodetect_constructor_args": "false",
            "constructor_args": target.arguments,
            "license_type": "apache_2_0",
        }
        answer = self.ask(
            "POST",
            f"/api/v2/smart-contracts/{target.address}/verification/via/standard-input",
            data=fields,
            files={"files[0]": ("input.json", target.input, "application/json")},
        )
        return "" if answer.is_success else f"refused: {answer.json().get('message', answer.text)}"

    def verdict(self, target: Target, job: str) -> str | None:
        """Its interface has no job to ask for: it says when it has the sources, and nothing when it never will."""
        return job or ("" if self._has_sources(target) else None)

    def _has_sources(self, target: Target) -> bool:
        answer = self.ask("GET", f"/api/v2/smart-contracts/{target.address}")
        return answer.is_success and bool(answer.json().get("is_verified"))


class Etherscan(Explorer):
    """https://docs.etherscan.io/contract-verification/verify-with-api (version 2), one server for all its chains."""

    _key = "ETHERSCAN_API_KEY"

    def submit(self, target: Target) -> str | None:
        """Post the sources with the key that everybody has to get there."""
        if not os.environ.get(self._key):
            raise NotReachable(f"{self.url} wants a key: set {self._key}")
        answer = self.ask(
            "POST",
            "/v2/api",
            params={"chainid": self.chain_id},
            data={
                "module": "contract",
                "action": "verifysourcecode",
                "apikey": os.environ[self._key],
                "codeformat": "solidity-standard-json-input",
                "sourceCode": target.input,
                "contractaddress": target.address,
                "contractname": target.compiled.identifier,
                "compilerversion": f"v{target.compiled.compiler}",
                "constructorArguements": target.arguments,  # as its interface has always spelt it
                "licenseType": "12",
            },
        ).json()
        if answer["status"] == "1":
            return str(answer["result"])
        return None if "already verified" in answer["result"].lower() else f"refused: {answer['result']}"

    def verdict(self, target: Target, job: str) -> str | None:
        """Ask for the job."""
        if job.startswith("refused: "):
            return job
        query = {"chainid": self.chain_id, "module": "contract", "action": "checkverifystatus", "guid": job}
        answer = self.ask("GET", "/v2/api", params=query | {"apikey": os.environ[self._key]}).json()
        result = str(answer["result"])
        if "pending" in result.lower() or "in progress" in result.lower():
            return None
        return "" if answer["status"] == "1" or "already verified" in result.lower() else result


EXPLORERS: dict[str, type[Explorer]] = {"sourcify": Sourcify, "blockscout": Blockscout, "etherscan": Etherscan}
_BLOCKSCOUT = {
    11_155_111: "https://eth-sepolia.blockscout.com",
    84_532: "https://base-sepolia.blockscout.com",
    11_155_420: "https://optimism-sepolia.blockscout.com",
    421_614: "https://arbitrum-sepolia.blockscout.com",
}


def publish(run: Verification, choice: str, url: str | None = None) -> None:
    """Publish every contract of ours whose code is right on the explorers chosen. `url` takes the place of a server."""
    session = run.session
    if choice == "none" or (choice == "auto" and session.provider.network.is_dev):
        return
    for name in EXPLORERS if choice == "auto" else [choice]:
        server = url or _server(name, session.params.chain_id)
        if server is None:
            run.report.note(f"{name} has no server for chain {session.params.chain_id}")
        else:
            _publish_on(run, name, EXPLORERS[name](server, session.params.chain_id))


def _server(name: str, chain_id: int) -> str | None:
    servers = {"sourcify": "https://sourcify.dev/server", "etherscan": "https://api.etherscan.io"}
    return servers.get(name) or _BLOCKSCOUT.get(chain_id)


def _publish_on(run: Verification, name: str, explorer: Explorer) -> None:
    with explorer.client:
        for target in targets(run):
            try:
                verdict = explorer.publish(target)
            except NotReachable as reason:
                run.report.note(f"{name} not reachable: {reason}")
                return
            run.report.compare(f"{target.what} at {name}", "verified", verdict or "verified")


def targets(run: Verification) -> Iterator[Target]:
    """Contracts that can be published: compiled here, and standing as they should."""
    manifest = run.session.manifest
    for place, name, _ in places(run.session):
        what = name if place[0] == "contracts" else f"feed {place[1]}"
        if what in run.sound and name in run.compiled:
            entry = manifest.get(*place)
            data = argument_data(run, name, entry["arguments"])
            yield Target(what, entry["address"], run.compiled[name], data, entry.get("transaction"))
    for part in parts_of(run.session):
        if part.name in run.sound and part.name in run.compiled:
            address = manifest.get("contracts", part.owner, part.view)
            data = argument_data(run, part.name, part_arguments(run.session, part))
            yield Target(part.name, address, run.compiled[part.name], data, None)
