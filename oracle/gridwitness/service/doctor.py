"""Looks at all an oracle needs before it runs: machine, keys, nodes, contracts, committee, money, other members."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from eth_abi.abi import decode
from eth_utils.address import to_checksum_address

from gridwitness.chain.attestation import StreamView
from gridwitness.chain.challenges import read_bond
from gridwitness.chain.client import Chain
from gridwitness.chain.endpoint import RpcLimits
from gridwitness.chain.lease import DEVELOPMENT_CHAINS, lease_key
from gridwitness.chain.manifest import Manifest
from gridwitness.chain.node import Block, Node
from gridwitness.chain.outbox_store import OutboxStore
from gridwitness.chain.runway import runway
from gridwitness.chain.signing_key import SigningKey
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import recover_signer
from gridwitness.errors import ChainError, CommitteeError, ConfigError, GridwitnessError, StoreError
from gridwitness.scoring import Scorer
from gridwitness.service.machine_checks import (
    check_cryptography,
    check_data_folder,
    check_disk,
    check_port,
    check_secrets,
    is_clock_kept,
)
from gridwitness.service.scaleout.link import NatsConfig, check_broker

CLOCK_LIMIT_S = 60
PEER_CLOCK_LIMIT_S = 5
ATTESTATIONS_AHEAD = 100
ATTEST_GAS = 120_000  # above what a batch with the largest committees measured so far costs
LEAST_CONFIRMATIONS = 2  # but on development chains
WEI_PER_ETH = 10**18
_CONTRACT_VERSION = "1"  # of the EIP-712 domains that encoding.eip712 signs under
_DOMAINS = {name: f"Gridwitness {name}" for name in ("DeviceRegistry", "DataAttestation", "EnergyMarket")}
_EIP712_DOMAIN = "0x" + keccak(b"eip712Domain()")[:4].hex()
_PROBE = b"gridwitness doctor"
_TIMEOUT_S = 3.0
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Setup:
    """What is examined: the oracle's settings of the same names. `streams` are names in the manifest.

    `open_key` opens the key; `peers` maps addresses to URLs; `broker` is a URL, or empty.
    `nats` is where workers are.
    """

    data_dir: Path
    nodes: tuple[str, ...]
    limits: RpcLimits
    manifest: Path
    streams: tuple[str, ...]
    open_key: Callable[[], SigningKey]
    secret_files: tuple[Path, ...]
    listen: str
    clock: str
    confirmations: int
    runway_alarm_days: float
    peers: Mapping[str, str]
    broker: str = ""
    nats: NatsConfig | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check; `hint` says what to do if it failed."""

    check: str
    passed: bool
    detail: str
    hint: str = ""


class Examination:
    """One run over all checks; a check that needs something which failed before says so instead of failing anew."""

    def __init__(self, setup: Setup) -> None:
        """Nothing is opened yet."""
        self._setup = setup
        self._key: SigningKey | None = None
        self._manifest: Manifest | None = None
        self._node: Node | None = None
        self._head: Block | None = None
        self._chain: Chain | None = None

    def run(self) -> list[Finding]:
        """All findings, in the order in which they should be mended."""
        setup = self._setup
        checks: tuple[tuple[str, Callable[[], str]], ...] = (
            ("fast cryptography", check_cryptography),
            ("secret files", lambda: check_secrets(setup.secret_files)),
            ("key", self._open_key),
            ("data folder", lambda: check_data_folder(setup.data_dir)),
            ("disk", lambda: check_disk(setup.data_dir)),
            ("port", lambda: check_port(setup.listen)),
            ("manifest", self._read_manifest),
            *((f"node {number}", partial(self._look_at, number - 1)) for number in range(1, len(setup.nodes) + 1)),
            ("clock", self._clock),
            ("contracts", self._contracts),
            ("confirmations", self._confirmations),
            *((f"stream {name}", partial(self._committee, name)) for name in setup.streams),
            *((f"bond of {name}", partial(self._bond, name)) for name in setup.streams[:1]),
            ("one sender", self._one_sender),
            ("balance", self._balance),
            *((f"member {address[:8]}…", partial(self._member, address)) for address in setup.peers),
            *((("broker", self._broker),) if setup.broker else ()),
            *((("workers' broker", partial(check_broker, setup.nats)),) if setup.nats else ()),
        )
        return [_find(name, check) for name, check in checks]

    def _open_key(self) -> str:
        key = self._setup.open_key()
        signer = recover_signer(keccak(_PROBE), key.sign(_PROBE))
        if signer is None or to_checksum_address(signer) != key.address:
            raise ConfigError(f"what signs for {key.address} has another key")
        self._key = key
        return f"{key.address} signs"

    def _read_manifest(self) -> str:
        self._manifest = Manifest.load(self._setup.manifest)
        return f"chain {self._manifest.chain_id}, {len(self._manifest.contracts)} contracts"

    def _look_at(self, index: int) -> str:
        if self._node is None:
            chain_id = None if self._manifest is None else self._manifest.chain_id
            self._node = Node(self._setup.nodes, limits=self._setup.limits, chain_id=chain_id)
            self._node.provider.look()
        row = self._node.provider.report()[index]
        url, problem = str(row["url"]), str(row["problem"])
        if problem:
            message = problem if url in problem else f"{url} {problem}"
            raise ChainError(message, hint="start it, let it synchronise, or correct its URL")
        return f"{url} at block {row['head']}, {row['lag']} behind, {row['latency_ms']} ms"

    def _clock(self) -> str:
        try:
            head = self._head = _needed(self._node, "node").head()
        except ChainError as error:
            raise ChainError("not checked: no node") from error
        if self._setup.clock == "chain":
            return f"the chain's own, {head.time} at its head"
        behind_s = round(time.time()) - head.time
        if abs(behind_s) > CLOCK_LIMIT_S:
            raise ChainError(
                f"the newest block is {behind_s} s behind this machine's clock; the limit is {CLOCK_LIMIT_S}",
                hint="set the clock by NTP, and see whether the node is still synchronising",
            )
        kept = is_clock_kept()
        if kept is False:
            raise ConfigError("nothing keeps this machine's clock", hint="run chrony or systemd-timesyncd")
        return f"newest block {behind_s} s ago, {'kept by NTP' if kept else 'NTP unknown'}"

    def _contracts(self) -> str:
        manifest = _needed(self._manifest, "manifest")
        _needed(self._head, "node")
        self._chain = None
        chain = Chain(self._setup.nodes, manifest, limits=self._setup.limits)
        for name, domain in _DOMAINS.items():
            if name in manifest.contracts:
                _check_domain(chain, name, domain)
        self._chain = chain
        return f"chain {chain.chain_id}, code at every address, version {_CONTRACT_VERSION}"

    def _confirmations(self) -> str:
        given, chain_id = self._setup.confirmations, _needed(self._manifest, "manifest").chain_id
        if chain_id not in DEVELOPMENT_CHAINS and given < LEAST_CONFIRMATIONS:
            raise ConfigError(
                f"{given} on chain {chain_id}; {LEAST_CONFIRMATIONS} is the least",
                hint="a block without others on it may be taken back: set confirmations",
            )
        return str(given)

    def _committee(self, name: str) -> str:
        chain, key = _needed(self._chain, "contracts"), _needed(self._key, "key")
        committee = StreamView(chain, chain.manifest.stream(name)).committee()
        if not committee.members:
            raise ConfigError(
                f"{name!r} has no committee: the last one was found compromised",
                hint="the stream's owner must set another with DataAttestation.setCommittee",
            )
        if key.address not in committee.members:
            members = ", ".join(committee.members)
            raise ConfigError(
                f"{key.address} is not in the committee of {name!r}: {members}",
                hint="the stream's owner can change the committee",
            )
        return f"member of {committee.threshold} of {len(committee.members)}"

    def _bond(self, name: str) -> str:
        """What the readings stream stands to lose; nothing of it is wrong."""
        chain = _needed(self._chain, "contracts")
        bond = read_bond(chain, chain.manifest.stream(name))
        if bond is None:
            return "none: nobody can challenge its readings"
        exit_text = f"exit at {bond.exit_at}" if bond.exit_at else "no exit announced"
        return (
            f"{bond.amount} of token {bond.token}, {bond.answer_window_s} s to answer a challenge, "
            f"{bond.open_challenges} open, {exit_text}"
        )

    def _one_sender(self) -> str:
        """Whether the key is free on this machine, and nobody was seen to send from it."""
        key, manifest = _needed(self._key, "key"), _needed(self._manifest, "manifest")
        lease = lease_key(manifest.chain_id, key.address)
        if lease is not None:
            lease.close()
        path = self._setup.data_dir / "outbox.sqlite"
        if path.is_file():
            store = OutboxStore(path, None)
            halted = store.nonces().halted
            store.close()
            if halted:
                raise StoreError(halted)
        return "nothing else sends from the key" if lease else "no lease is taken on a development chain"

    def _balance(self) -> str:
        chain, key = _needed(self._chain, "contracts"), _needed(self._key, "key")
        balance_wei = chain.node.balance_wei(key.address)
        needed_wei = ATTESTATIONS_AHEAD * ATTEST_GAS * chain.fees()[0]
        if balance_wei < needed_wei:
            raise ChainError(
                f"{_eth(balance_wei)} ETH; {ATTESTATIONS_AHEAD} batches may take {_eth(needed_wei)}",
                hint=f"send some to {key.address}",
            )
        days = self._runway_days(balance_wei)
        if days is not None and days < self._setup.runway_alarm_days:
            raise ChainError(
                f"{_eth(balance_wei)} ETH, for {days:.1f} days; the alarm is at {self._setup.runway_alarm_days:g}",
                hint=f"send some to {key.address}",
            )
        return f"{_eth(balance_wei)} ETH" + ("" if days is None else f", for {days:.0f} days")

    def _runway_days(self, balance_wei: int) -> float | None:
        path = self._setup.data_dir / "outbox.sqlite"
        if not path.is_file():
            return None
        store = OutboxStore(path, None)
        spendings = store.spendings()
        store.close()
        return runway(balance_wei, spendings, time.time()).days

    def _member(self, address: str) -> str:
        if self._key is not None and self._key.address == address:
            return "this oracle"
        url = self._setup.peers[address]
        try:
            status: Any = httpx.get(f"{url}/v1/status", timeout=_TIMEOUT_S).raise_for_status().json()
            theirs, now, kind = status["address"], int(status["clock"]["now"]), status["clock"]["kind"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise CommitteeError(f"no oracle answers at {url}", hint="fewer members may still be enough") from error
        if theirs != address:
            raise CommitteeError(f"{url} is {theirs}'s, not {address}'s", hint="correct peers")
        model, ours = status.get("model_hash"), "0x" + Scorer().model_hash.hex()
        if model != ours:
            raise CommitteeError(f"{url} scores with model {model}, this oracle with {ours}", hint="run one version")
        ahead_s = now - round(time.time())
        if kind == self._setup.clock == "system" and abs(ahead_s) > PEER_CLOCK_LIMIT_S:
            raise CommitteeError(f"clock of {url} is {ahead_s} s ahead; the limit is {PEER_CLOCK_LIMIT_S}")
        return f"{url}, same model"

    def _broker(self) -> str:
        parts = urlsplit(self._setup.broker)
        place = (parts.hostname or "", parts.port or (8_883 if parts.scheme == "mqtts" else 1_883))
        try:
            socket.create_connection(place, timeout=_TIMEOUT_S).close()
        except OSError as error:
            message = f"no broker at {place[0]}:{place[1]}: {error.strerror or error}"
            raise ConfigError(message, hint="start it, or correct mqtt_url") from error
        return f"{place[0]}:{place[1]} answers"


def _check_domain(chain: Chain, name: str, domain: str) -> None:
    """Raise ChainError if a contract's EIP-712 domain (ERC-5267) is not the one that is signed under."""
    address = chain.manifest.address(name)
    raw = chain.rpc("eth_call", [{"to": address, "data": _EIP712_DOMAIN}, "latest"])
    types = ("bytes1", "string", "string", "uint256", "address", "bytes32", "uint256[]")
    _, found, version, chain_id, contract, *_ = decode(types, bytes.fromhex(raw[2:]))
    given = (found, version, chain_id, to_checksum_address(contract))
    if given != (domain, _CONTRACT_VERSION, chain.chain_id, address):
        raise ChainError(
            f"{name} at {address} is {found!r} version {version} for chain {chain_id}; "
            f"this oracle signs for {domain!r} version {_CONTRACT_VERSION}",
            hint="use the gridwitness version that belongs to the contracts",
        )


def _eth(wei: int) -> str:
    return f"{wei / WEI_PER_ETH:.6f}"


def _find(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name, True, check())
    except GridwitnessError as error:
        return Finding(name, False, error.message, error.hint)


def _needed(value: _T | None, what: str) -> _T:
    if value is None:
        raise ChainError(f"not checked: no {what}")
    return value
