"""What the contracts hold: roles, governance, streams, zones, token and precompile, against the parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eth_abi.abi import encode
from web3 import Web3
from web3.exceptions import BadFunctionCallOutput, ContractLogicError, Web3Exception

from gridwitness.encoding.leaves import schema_of
from gridwitness.errors import GridwitnessError
from scripts._artefacts import TIMELOCK
from scripts._committee import Committee, StreamState
from scripts._contracts import TOKEN_DECIMALS
from scripts._events import events_of
from scripts._node import is_of_evm
from scripts._params import ATTESTATION, MARKET, REGISTRY, TEST_TOKEN, StreamParams
from scripts._roles import ADMIN_ROLE, governed_contracts, read_roles
from scripts._session import Session, contract_at
from scripts._verify_contracts import Verification, resolved
from scripts._zone import Rules, Zone, date_of

PRECOMPILE = "0x0000000000000000000000000000000000000100"
# RFC 6979, A.2.5: SHA-256 of "sample" signed by the key given there; P256Precompile.sol tests itself with the same.
_P256_SIGNED = (
    "af2bdbe1aa9b6ec1e2ade1d694f41fc71a831d0268e9891562113d8a62add1bf"
    "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
    "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
    "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
)
_P256_FORGED = "00" * 32 + _P256_SIGNED[64:]


def check_state(run: Verification) -> None:
    """Compare all of it. Contracts whose code is not right are passed over with a note."""
    check_governance(run)
    for name in governed_contracts(run.session):
        if run.is_sound(name, f"roles of {name}"):
            check_roles(run, name)
    if run.is_sound(ATTESTATION, "streams"):
        for stream in run.session.params.streams.values():
            check_stream(run, stream)
    if run.is_sound(MARKET, "zones"):
        check_zones(run)
    check_token(run)
    check_precompile(run)
    pending = run.session.manifest.pending
    for sent in [*([] if pending is None else [pending]), *run.session.manifest.aside]:
        run.report.differ("manifest", "no transaction on its way", sent["keys"])


def final_admin(session: Session) -> str:
    """Who is to hold DEFAULT_ADMIN_ROLE: what governance names, or the deployer."""
    governance = session.params.governance
    return str(resolved(session, governance.admin) if governance is not None else session.deployer)


def check_roles(run: Verification, name: str) -> None:
    """Who holds each role of a contract: exactly those that the parameters name."""
    session, report = run.session, run.report
    found = read_roles(session, name)
    admin = final_admin(session)
    holders = found.pop(ADMIN_ROLE)
    if admin != session.deployer and session.deployer in holders:
        finished = f"finished, {ADMIN_ROLE} with {admin} alone"
        report.differ(f"handover of {name}", finished, f"open, it is with {', '.join(holders)}")
    else:
        report.compare(f"{ADMIN_ROLE} of {name}", [admin], holders)
    declared = session.params.roles.get(name, {})
    for role, accounts in found.items():
        expected = sorted({str(resolved(session, account)) for account in declared.get(role, ())})
        report.compare(f"{role} of {name}", expected, accounts)


def check_governance(run: Verification) -> None:
    """The timelock's delay, and who may propose, cancel and execute. Its admin is itself, so nobody can change that."""
    session, governance = run.session, run.session.params.governance
    if governance is None:
        run.report.note(f"no governance in the parameters: {session.deployer}, who deployed, is the admin")
        return
    if governance.timelock is None or not run.is_sound(TIMELOCK, "the timelock"):
        return
    timelock = session.contract(TIMELOCK)
    expected = governance.timelock
    run.report.compare("delay of the timelock (s)", expected["minDelay"], timelock.functions.getMinDelay().call())
    proposers, executors = sorted(expected["proposers"]), sorted(expected["executors"])
    found = read_roles(session, TIMELOCK)
    for role, accounts in (
        (ADMIN_ROLE, [timelock.address]),
        ("PROPOSER_ROLE", proposers),
        ("CANCELLER_ROLE", proposers),
        ("EXECUTOR_ROLE", executors),
    ):
        run.report.compare(f"{role} of the timelock", accounts, found[role])


def check_stream(run: Verification, stream: StreamParams) -> None:
    """A stream's owner, schema and committee, and that the committee was not found compromised."""
    session, report, what = run.session, run.report, f"stream {stream.name}"
    entry = session.manifest.get("streams", stream.name)
    if entry is None:
        report.differ(what, "open", "nothing in the manifest")
        return
    state = StreamState.read(session, stream.name)
    if not report.compare(f"owner of {what}", entry["owner"], state.owner):
        return
    functions = session.contract(ATTESTATION).functions
    report.compare(f"schema of {what}", schema_of(stream.leaf), bytes(functions.stream(state.identity).call()[5]))
    wanted = Committee(stream.threshold, stream.members)
    if state.is_served_by(wanted):
        report.compare(f"committee of {what}", wanted, wanted)
    else:
        standing = state.committee() or f"one with digest 0x{state.digest.hex()}"
        report.differ(f"committee of {what}", wanted, f"{standing} (committee {state.config})")
    compromised_from = functions.term(state.identity, state.config).call()[3]
    report.compare(f"first batch of {what} that is disowned", "none", compromised_from or "none")


def check_zones(run: Verification) -> None:
    """Rules of each zone, today's and those announced, and that no other zone is open."""
    session, report = run.session, run.report
    for number, params in session.params.zones.items():
        zone = Zone(session, number)
        if not zone.rules:
            report.differ(f"zone {number}", "open", "not open")
            continue
        try:
            expected = zone.resolve(params)
        except GridwitnessError as error:
            report.differ(f"rules of zone {number}", "a stream that stands", error.message)
            continue
        _check_rules(run, zone, expected)
        if zone.backstop.paused:
            report.note(f"zone {number} refuses orders; `ape run pause --resume --zone {number}` takes them again")
    market = session.contract(MARKET)
    start = session.manifest.get("contracts", MARKET, "block")
    opened = {event["args"]["zone"] for event in events_of(session.web3, market.events.ZoneOpened(), start)}
    for number in sorted(opened - set(session.params.zones)):
        report.differ(f"zone {number}", "not in the parameters, so not open", "open")


def _check_rules(run: Verification, zone: Zone, expected: Rules) -> None:
    what = f"zone {zone.number}"
    if zone.rules != zone.newest_rules and expected == zone.newest_rules:
        run.report.note(f"{what} gets the parameters' rules on {date_of(zone.newest_from)}")
        run.report.compared += 1
        return
    _compare_rules(run, what, expected, zone.rules)
    if zone.rules != zone.newest_rules:
        _compare_rules(run, f"{what} from {date_of(zone.newest_from)} on", expected, zone.newest_rules)


def _compare_rules(run: Verification, what: str, expected: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    for name, value in expected.items():
        run.report.compare(f"{name} of {what}", value, found[name])


def check_token(run: Verification) -> None:
    """A token that was given: a contract of six decimals. One that was deployed is compared as contracts are."""
    session = run.session
    if not session.params.token:
        return
    token = contract_at(session.web3, session.params.token, session.artefacts[TEST_TOKEN].abi)
    try:
        decimals = token.functions.decimals().call()
    except (BadFunctionCallOutput, ContractLogicError):
        decimals = "no answer"
    run.report.compare(f"decimals of the token {token.address}", TOKEN_DECIMALS, decimals)


def check_precompile(run: Verification) -> None:
    """The P-256 precompile against the manifest: it takes a true signature and refuses it over another digest."""
    session = run.session
    works = _answer(session.web3, _P256_SIGNED) == encode(["uint256"], [1]) and not _answer(session.web3, _P256_FORGED)
    recorded = session.manifest.get("p256_precompile")
    run.report.compare("P-256 precompile at 0x100", _there(recorded), _there(works))
    if run.is_sound(REGISTRY, "what the registry says of the precompile"):
        believed = session.contract(REGISTRY).functions.hasP256Precompile().call()
        run.report.compare(f"P-256 precompile as {REGISTRY} found it", _there(recorded), _there(believed))


def _answer(web3: Web3, data: str) -> bytes:
    try:
        return bytes(web3.eth.call({"to": PRECOMPILE, "data": "0x" + data}))  # type: ignore[typeddict-item]
    except Web3Exception as error:
        if not is_of_evm(error):
            raise
        return b""


def _there(works: bool | None) -> str:
    return "not recorded" if works is None else "there" if works else "not there"
