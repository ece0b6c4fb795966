"""Contracts of the parameters as they stand: code, arguments, transaction and version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import ape
from eth_utils.address import to_checksum_address
from web3.contract import Contract
from web3.exceptions import TransactionNotFound, Web3Exception

from scripts._abi import constructor_inputs
from scripts._artefacts import TIMELOCK
from scripts._create2 import created_address
from scripts._params import FEED, TEST_TOKEN
from scripts._parts import PARTS, Part, address_of, parts_of
from scripts._session import Session, contract_at
from scripts._verify_code import Creation, compare_code, constructed, has_overrides, masked
from scripts._verify_compile import Compiled, compile_clean
from scripts._verify_report import Report

Place = tuple[str, str]


@dataclass
class Verification:
    """One run. `sound` has the names of contracts whose code is right, so that their views can be believed.

    `codes` has the code that must stand at each address, as far as it is known.
    """

    session: Session
    report: Report
    compiled: Mapping[str, Compiled]
    overrides: bool
    sound: set[str] = field(default_factory=set)
    codes: dict[str, bytes] = field(default_factory=dict)

    def is_sound(self, name: str, what: str) -> bool:
        """Whether a contract's views can be believed; if not, a note says that `what` was not looked at."""
        if name in self.sound:
            return True
        self.report.note(f"{what} not looked at: {name} is not the code that it should be")
        return False


def begin(session: Session, *, quick: bool) -> Verification:
    """Compile what the parameters name. `quick` takes the compile that Ape keeps per content of the sources."""
    report = Report()
    names = {name for _, name, _ in places(session)} | {part.name for part in parts_of(session)}
    ours = sorted(name for name in names if not session.artefacts[name].package)
    overrides = has_overrides(session.web3)
    if quick and overrides:  # without overrides one has to know where immutables stand, which Ape does not keep
        report.note("code compared with the compile that deployments use, not with a clean one")
        return Verification(session, report, {}, overrides)
    compiled = compile_clean(ape.project, ours)
    return Verification(session, report, compiled, overrides)


def places(session: Session) -> Iterator[tuple[Place, str, list[Any]]]:
    """All that the parameters name: its place in the manifest, the name of the contract, and its arguments."""
    params = session.params
    if not params.token:
        yield ("contracts", TEST_TOKEN), TEST_TOKEN, []
    for name, arguments in params.contracts.items():
        yield ("contracts", name), name, list(arguments.values())
    for feed, arguments in params.feeds.items():
        yield ("feeds", feed), FEED, list(arguments.values())
    if params.governance is not None and params.governance.timelock is not None:
        yield ("contracts", TIMELOCK), TIMELOCK, list(params.governance.timelock.values())


def check_contracts(run: Verification) -> None:
    """Compare each contract, and each part as a contract of its own."""
    for place, name, arguments in places(run.session):
        what = name if place[0] == "contracts" else f"feed {place[1]}"
        if _check_contract(run, place, name, what, arguments):
            run.sound.add(what)
    for part in parts_of(run.session):
        if part.owner in run.sound:
            _check_part(run, part)


def _check_contract(run: Verification, place: Place, name: str, what: str, arguments: list[Any]) -> bool:
    session, report = run.session, run.report
    entry = session.manifest.get(*place)
    if entry is None:
        report.differ(what, "deployed", "nothing in the manifest")
        return False
    if entry.get("source_dirty"):
        report.note(f"{what} was deployed from sources that are in no commit")
    report.compare(f"arguments of {what}", [resolved(session, value) for value in arguments], entry["arguments"])
    init_code = _init_code(run, name, entry["arguments"])
    _check_transaction(run, what, entry, init_code)
    made = (created_address(entry["address"], 1),) if name in {part.owner for part in PARTS} else ()
    creation = Creation(entry["address"], entry["deployer"], init_code, made)
    is_right = _check_code(run, name, what, creation, entry["arguments"])
    if is_right:
        _check_version(run, name, what, entry)
    return is_right


def resolved(session: Session, value: Any) -> Any:
    """A parameter's value, references by the manifest alone, whether or not what they name stands; else as it is."""
    if not isinstance(value, str) or not value.startswith("$"):
        return value
    name = value[1:]
    if name == "token":
        return session.params.token or session.manifest.get("contracts", TEST_TOKEN, "address") or value
    if name in session.params.streams:
        return session.manifest.get("streams", name, "id") or value
    return session.manifest.get("contracts", name, "address") or value


def _init_code(run: Verification, name: str, arguments: list[Any]) -> bytes:
    artefact = run.session.artefacts[name]
    creation = run.compiled[name].creation if name in run.compiled else artefact.creation
    factory = run.session.web3.eth.contract(abi=artefact.abi, bytecode=creation)
    return bytes.fromhex(str(factory.constructor(*arguments).data_in_transaction).removeprefix("0x"))


def argument_data(run: Verification, name: str, arguments: list[Any]) -> str:
    """Encoded constructor arguments, in hex without 0x."""
    creation = run.compiled[name].creation.removeprefix("0x")
    return _init_code(run, name, arguments).hex().removeprefix(creation)


def _check_code(run: Verification, name: str, what: str, creation: Creation, arguments: list[Any]) -> bool:
    web3, report = run.session.web3, run.report
    found = bytes(web3.eth.get_code(to_checksum_address(creation.address)))
    expected = constructed(web3, creation, run.codes) if run.overrides else "the node has no state overrides"
    if isinstance(expected, bytes):
        run.codes[creation.address] = expected
    if not found:
        report.differ(f"code of {what}", f"some at {creation.address}", "none")
        return False
    if isinstance(expected, bytes):
        return compare_code(report, f"code of {what}", expected, found)
    report.note(f"immutables of {what} compared by its views only: {expected}")
    compiled, artefact = run.compiled.get(name), run.session.artefacts[name]
    plain = bytes.fromhex((compiled or artefact).runtime.removeprefix("0x"))
    immutables = compiled.immutables if compiled else ()
    if not compare_code(report, f"code of {what}", plain, masked(found, immutables)):
        return False
    return _check_views(run, name, what, contract_at(web3, creation.address, artefact.abi), arguments)


def _check_views(run: Verification, name: str, what: str, contract: Contract, arguments: list[Any]) -> bool:
    """Compare constructor arguments with views of the same names, for nodes that leave no other way."""
    abi = run.session.artefacts[name].abi
    views = {part["name"] for part in abi if part["type"] == "function" and not part["inputs"]}
    is_right = True
    for part, expected in zip(constructor_inputs(abi), arguments, strict=True):
        view = str(part["name"]).strip("_")
        if view in views:
            found = contract.functions[view]().call()
            text = "0x" + found.hex() if isinstance(found, bytes) else found
            is_right &= run.report.compare(f"{view} of {what}", expected, text)
    return is_right


def _check_transaction(run: Verification, what: str, entry: Mapping[str, Any], init_code: bytes) -> None:
    report, identity = run.report, entry.get("transaction")
    try:
        transaction = run.session.web3.eth.get_transaction(identity) if identity else None
        receipt = run.session.web3.eth.get_transaction_receipt(identity) if identity else None
    except (TransactionNotFound, Web3Exception):
        transaction = receipt = None
    if transaction is None or receipt is None:
        report.note(f"the transaction of {what} is not to be had from this node")
        return
    report.compare(f"deployer of {what}", entry.get("created_by", entry["deployer"]), transaction["from"])
    report.compare(f"block of {what}", entry["block"], receipt["blockNumber"])
    data = bytes(transaction["input"])
    if salt := entry.get("salt"):
        init_code = bytes.fromhex(salt.removeprefix("0x")) + init_code
    else:
        report.compare(f"address of {what}", entry["address"], receipt["contractAddress"])
    report.compare(f"status of {what}'s transaction", 1, receipt["status"])
    compare_code(report, f"data of {what}'s transaction", init_code, data)


def _check_version(run: Verification, name: str, what: str, entry: Mapping[str, Any]) -> None:
    abi = run.session.artefacts[name].abi
    if not any(part.get("name") == "version" and not part["inputs"] for part in abi if part["type"] == "function"):
        return
    found = contract_at(run.session.web3, entry["address"], abi).functions.version().call()
    run.report.compare(f"version of {what}", entry.get("version"), found)


def part_arguments(session: Session, part: Part) -> list[Any]:
    """What a part's constructor was given."""
    return [resolved(session, value) for value in part.arguments]


def _check_part(run: Verification, part: Part) -> None:
    session, report = run.session, run.report
    owner, address = session.manifest.get("contracts", part.owner), address_of(session, part)
    report.compare(f"address of {part.name}", owner.get(part.view), address)
    arguments = part_arguments(session, part)
    creation = Creation(address, owner["address"], _init_code(run, part.name, arguments))
    if _check_code(run, part.name, part.name, creation, arguments):
        run.sound.add(part.name)
    else:
        run.sound.discard(part.owner)  # its storage, or that of what it makes, is in the hands of the part
