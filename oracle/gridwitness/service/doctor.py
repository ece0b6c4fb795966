"""Looks at all an oracle needs before it runs: files, keys, node, contracts, committee, money, disk, port."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from eth_account.signers.local import LocalAccount
from eth_keys.backends import get_backend

from gridwitness.chain.attestation import StreamView
from gridwitness.chain.challenges import read_bond
from gridwitness.chain.client import Chain
from gridwitness.chain.keystore import load_account
from gridwitness.chain.manifest import Manifest
from gridwitness.chain.node import Block, Node
from gridwitness.errors import ChainError, ConfigError, GridwitnessError, StoreError

CLOCK_LIMIT_S = 60
MIN_FREE_BYTES = 1 << 30
ATTESTATIONS_AHEAD = 100
ATTEST_GAS = 120_000  # above what a batch with the largest committees measured so far costs
WEI_PER_ETH = 10**18
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Setup:
    """What is examined: the oracle's settings of the same names. `streams` are names in the manifest."""

    data_dir: Path
    rpc_url: str
    manifest: Path
    streams: tuple[str, ...]
    keystore: Path
    password_file: Path
    listen: str
    clock: str


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
        self._account: LocalAccount | None = None
        self._manifest: Manifest | None = None
        self._head: Block | None = None
        self._chain: Chain | None = None

    def run(self) -> list[Finding]:
        """All findings, in the order in which they should be mended."""
        checks: tuple[tuple[str, Callable[[], str]], ...] = (
            ("fast cryptography", self._cryptography),
            ("keystore opens", self._keystore),
            ("data folder writable", self._data_folder),
            ("disk space", self._disk_space),
            ("port free", self._port),
            ("manifest", self._read_manifest),
            ("node reachable", self._node),
            ("clock", self._clock),
            ("chain and contracts", self._contracts),
            *((f"stream {name}", partial(self._committee, name)) for name in self._setup.streams),
            *((f"bond of {name}", partial(self._bond, name)) for name in self._setup.streams[:1]),
            ("balance", self._balance),
        )
        return [_find(name, check) for name, check in checks]

    def _cryptography(self) -> str:
        missing = [module for module in ("coincurve", "sha3") if find_spec(module) is None]
        if missing:
            raise ConfigError(f"{', '.join(missing)} missing: signatures would take 100 times as long")
        backend = type(get_backend()).__name__
        if "CoinCurve" not in backend:
            raise ConfigError(f"eth-keys uses {backend}, not coincurve", hint="unset ECC_BACKEND_CLASS")
        return "coincurve and sha3 in use"

    def _keystore(self) -> str:
        self._account = load_account(self._setup.keystore, self._setup.password_file)
        return self._account.address

    def _data_folder(self) -> str:
        folder = self._setup.data_dir
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".doctor-", dir=folder) as scratch:
                database = sqlite3.connect(Path(scratch) / "probe.sqlite")
                database.execute("PRAGMA journal_mode = WAL")
                database.execute("CREATE TABLE probe (value INTEGER)")
                database.commit()
                database.close()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{folder}: {error}", hint="correct data_dir or its permissions") from error
        return str(folder)

    def _disk_space(self) -> str:
        try:
            free = shutil.disk_usage(self._setup.data_dir).free
        except OSError as error:
            raise StoreError(f"{self._setup.data_dir}: {error.strerror}") from error
        if free < MIN_FREE_BYTES:
            raise StoreError(f"{free >> 20} MiB free; it should be {MIN_FREE_BYTES >> 20} or more")
        return f"{free / (1 << 30):.1f} GiB free"

    def _port(self) -> str:
        host, _, port = self._setup.listen.rpartition(":")
        try:
            with socket.create_server((host.strip("[]"), int(port)), reuse_port=False):
                return f"{self._setup.listen} can be used"
        except (OSError, ValueError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ConfigError(f"{self._setup.listen}: {reason}", hint="is an oracle running already?") from error

    def _read_manifest(self) -> str:
        self._manifest = Manifest.load(self._setup.manifest)
        return f"chain {self._manifest.chain_id}, {len(self._manifest.contracts)} contracts"

    def _node(self) -> str:
        self._head = Node(self._setup.rpc_url).head()
        return f"{self._setup.rpc_url} at block {self._head.number}"

    def _clock(self) -> str:
        head = _needed(self._head, "node")
        if self._setup.clock == "chain":
            return f"the chain's own, {head.time} at its head"
        behind_s = round(time.time()) - head.time
        if abs(behind_s) > CLOCK_LIMIT_S:
            raise ChainError(
                f"the newest block is {behind_s} s behind this machine's clock; the limit is {CLOCK_LIMIT_S}",
                hint="set the clock by NTP, and see whether the node is still synchronising",
            )
        return f"newest block {behind_s} s ago"

    def _contracts(self) -> str:
        self._chain = Chain(self._setup.rpc_url, _needed(self._manifest, "manifest"))
        return f"chain {self._chain.chain_id}, code at every address"

    def _committee(self, name: str) -> str:
        chain, account = _needed(self._chain, "contracts"), _needed(self._account, "key")
        committee = StreamView(chain, chain.manifest.stream(name)).committee()
        if not committee.members:
            raise ConfigError(
                f"{name!r} has no committee: the last one was found compromised",
                hint="the stream's owner must set another with DataAttestation.setCommittee",
            )
        if account.address not in committee.members:
            members = ", ".join(committee.members)
            raise ConfigError(
                f"{account.address} is not in the committee of {name!r}: {members}",
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

    def _balance(self) -> str:
        chain, account = _needed(self._chain, "contracts"), _needed(self._account, "key")
        balance_wei = chain.node.balance_wei(account.address)
        needed_wei = ATTESTATIONS_AHEAD * ATTEST_GAS * chain.fees()[0]
        if balance_wei < needed_wei:
            raise ChainError(
                f"{_eth(balance_wei)} ETH; {ATTESTATIONS_AHEAD} batches may take {_eth(needed_wei)}",
                hint=f"send some to {account.address}",
            )
        return f"{_eth(balance_wei)} ETH"


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
