"""Everything real that chaos strikes: a chain that keeps its state, two brokers, workers, a committee of five.

Three oracles are honest, one lies and one is silent: it was stopped (SIGSTOP) once it listened, so connections to it
are taken and nothing ever answers. With a threshold of three, no honest oracle can be spared.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount
from web3 import Web3

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.client import Chain
from gridwitness.chain.manifest import Manifest
from gridwitness.domain.devices import DeviceKind, KeyType
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import DeviceKey
from gridwitness.encoding.leaves import PROFILE_TYPES, READING_TYPES, schema_of
from gridwitness.errors import GridwitnessError
from tests.chaos.proxy import RpcProxy
from tests.integration.chain.conftest import compiled, deploy, dev_account
from tests.integration.chain.parties import GENESIS_TIME, register_batch
from tests.integration.nats.broker import Broker as NatsBroker
from tests.integration.nats.broker import WorkerProcess
from tests.integration.oracle.village import ZONE, Oracle, make_oracles
from tests.integration.sources.broker import Broker

THRESHOLD = 3
MEMBERS = 5
BLOCK_S = 1
MAX_WAIT_S = 3
# Long enough that batches of the deepest reorganisation are still valid, and may be sent again as they are.
VALIDITY_S = 45
_STATES_KEPT = 48  # the deepest reorganisation, and the dozen blocks below it that an oracle looks back
_DISK_MIB = 64
_LEFT_BYTES = 96 << 10
_WORKERS = 2
SETTINGS: dict[str, Any] = {
    "grace_s": 0,
    "max_wait_s": MAX_WAIT_S,
    "poll_interval_s": 0.2,
    # Who comes next first asks what was begun: if the silent one took longer to be given up, votes would split.
    "takeover_s": 1.0,
    "peer_timeout_s": 0.6,
    "batch_validity_s": VALIDITY_S,
    # A connection that hangs is noticed by these, so they bound how soon an oracle sends again.
    "rpc_head_timeout_s": 1,
    "rpc_timeout_s": 1.5,
    "rpc_connect_timeout_s": 1,
    "device_readings_per_s": 200,
    "verify_workers": 0,
}


_PATIENT = ("takeover_s", "peer_timeout_s", "rpc_head_timeout_s", "rpc_timeout_s", "rpc_connect_timeout_s")


class ChaosAnvil(Anvil):
    """An anvil that makes a block a second. Killed, it comes back from the state that was last kept, some blocks older,
    like a node whose last blocks never left it. Time does not go back with it.

    The states that anvil itself writes now and then would not do: it may be killed while it writes one, and one written
    during a reorganisation lacks blocks and accounts. So they are asked for, while nothing else happens.
    """

    def __init__(self, folder: Path) -> None:
        self._state = folder / "state.json"
        super().__init__(genesis_time=GENESIS_TIME, log_file=folder / "anvil.log")
        self._arguments += ["--prune-history", str(_STATES_KEPT)]
        self.head_time = GENESIS_TIME
        self._kept = ""
        self.floor = 0  # states before this block came from a file, and anvil's lack what a reorganisation needs
        self._lock = threading.Lock()

    def make_blocks(self) -> None:
        """One every `BLOCK_S` from now on; until then, one for each transaction."""
        self.node.rpc("evm_setAutomine", False)
        self.node.rpc("evm_setIntervalMining", BLOCK_S)

    def kill(self) -> None:
        """SIGKILL."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def keep(self) -> None:
        """Keep the state as of now; no block is made meanwhile."""
        with self._lock, contextlib.suppress(GridwitnessError):  # killed at this moment
            self.node.rpc("evm_setIntervalMining", 0)
            try:
                self._kept = self.node.rpc("anvil_dumpState", True)
            finally:
                self.node.rpc("evm_setIntervalMining", BLOCK_S)

    def revive(self) -> None:
        """Start again from the state kept."""
        with self._lock:
            self._state.write_text(json.dumps(_recent(json.loads(gzip.decompress(bytes.fromhex(self._kept[2:]))))))
            if "--load-state" not in self._arguments:
                self._arguments += ["--load-state", str(self._state), "--no-mining"]
            self.start()
            self.floor = self.node.head().number
            self.go_on()
            self.make_blocks()

    def reorganise(self, depth: int) -> None:
        """Put empty blocks in the place of the last `depth`."""
        with self._lock:
            self.node.rpc("anvil_reorg", depth, [])
            self.go_on()

    def go_on(self) -> None:
        """Let time go on from the latest there was: on a real chain it does not go back, and anvil's does."""
        self.node.rpc("evm_setTime", max(self.head_time, self.node.head().time) + 1)


def _recent(state: dict[str, Any]) -> dict[str, Any]:
    """A state without the historical states that nobody asks for."""
    headers = sorted((block["header"] for block in state["blocks"]), key=lambda one: int(one["number"], 16))
    wanted = {header["parentHash"] for header in headers[-_STATES_KEPT:]}
    return state | {"historical_states": [one for one in state["historical_states"] or [] if one[0] in wanted]}


@dataclass
class Member(Oracle):
    """One process of the committee with its own way to the chain; `module` is what it runs."""

    index: int = 0
    module: str = "gridwitness"
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"oracle-{self.index}"

    def start(self) -> None:
        command = [sys.executable, "-m", self.module, "run", "--config", str(self.folder / "oracle.toml")]
        environment = {**os.environ, **self.environment}
        # Through a pipe, as to journald: its log must not count as its data where files are limited.
        with (self.folder / "log.jsonl").open("ab") as log:
            writer = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=log)
        self.process = subprocess.Popen(
            command,
            stdout=writer.stdin,
            stderr=writer.stdin,
            env=environment,
            start_new_session=True,
            preexec_fn=Anvil.die_with_parent,
        )
        assert writer.stdin is not None
        writer.stdin.close()

    def freeze(self) -> None:
        """From now on, answer nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)


@dataclass
class Disk:
    """The folder of one oracle's data: a small file system of its own, if this process may mount one.

    Else the oracle's files may not grow while the disk is full: a limit of its process.
    """

    folder: Path
    is_mounted: bool = False
    was_mounted: bool = False

    def mount(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={_DISK_MIB}m", "gridwitness-chaos", str(self.folder)]
        self.is_mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
        self.was_mounted = self.is_mounted

    def fill(self, process: subprocess.Popen[bytes] | None) -> None:
        """Take all that is left, but for what fits a few rows: the disk is full in the middle of a batch."""
        if self.is_mounted:
            free = shutil.disk_usage(self.folder).free
            with (self.folder / "ballast").open("wb") as ballast:
                os.posix_fallocate(ballast.fileno(), 0, max(free - _LEFT_BYTES, 4_096))
        else:
            _limit_files(process, _LEFT_BYTES)

    def free(self, process: subprocess.Popen[bytes] | None) -> None:
        (self.folder / "ballast").unlink(missing_ok=True)
        if not self.is_mounted:
            _limit_files(process, resource.RLIM_INFINITY)

    def unmount(self) -> None:
        """The files stay, in `folder` itself."""
        if self.is_mounted:
            kept = self.folder.with_name("kept")
            shutil.copytree(self.folder, kept)
            subprocess.run(["umount", str(self.folder)], check=False)
            self.folder.rmdir()
            kept.rename(self.folder)
            self.is_mounted = False


def _limit_files(process: subprocess.Popen[bytes] | None, size_bytes: int) -> None:
    """How far a process may write into a file; Python's processes are told by an error."""
    if process is not None:
        with contextlib.suppress(ProcessLookupError):  # killed meanwhile
            _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size_bytes, hard))


@dataclass
class World:
    """All processes, and the direct way to the chain that nobody disturbs."""

    folder: Path
    anvil: ChaosAnvil
    chain: Chain
    manifest: Path
    members: list[Member]
    proxies: list[RpcProxy]
    broker: Broker
    nats: NatsBroker
    workers: list[WorkerProcess]
    disk: Disk
    liar: int
    silent: int
    first_block: int

    @property
    def oldest_fork(self) -> int:
        """The first block that a reorganisation can leave standing as its last."""
        return max(self.first_block, self.anvil.floor) + 1

    @property
    def honest(self) -> list[Member]:
        return [one for one in self.members if one.index not in (self.liar, self.silent)]

    @property
    def readings_stream(self) -> bytes:
        return self.chain.manifest.streams["readings"]

    def start(self) -> None:
        """Start broker and oracles, and wait until all of them answer."""
        self.broker.start()
        self.nats.start()
        for worker in self.workers:
            worker.start()
        for member in self.members:
            member.start()
            member.await_live()
        self.members[self.silent].freeze()

    def stop(self) -> list[str]:
        """Stop everything; who did not end well, in words."""
        problems = []
        for member in self.members:
            if member.index == self.silent:
                member.kill()
            elif (code := member.stop()) != 0:
                problems.append(f"{member.name} ended with exit code {code}")
        for worker in self.workers:
            worker.stop()
        self.broker.stop()
        self.nats.stop()
        for proxy in self.proxies:
            proxy.__exit__(None, None, None)
        self.anvil.stop()
        self.disk.unmount()
        return problems


def build(folder: Path, seed: int, devices: Sequence[DeviceKey], patience: float) -> World:
    """A chain with contracts, streams and registered devices, and a committee that is configured but not started.

    On a machine that is busy with other things, oracles wait `patience` times as long for each other and the chain.
    """
    for left in folder.glob("oracle-*/data"):  # of a run that was killed itself
        subprocess.run(["umount", str(left)], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "broker").mkdir(parents=True)
    anvil = ChaosAnvil(folder)
    anvil.start()
    accounts = sorted((dev_account(index) for index in range(5, 5 + MEMBERS)), key=lambda one: int(one.address, 16))
    chain = Chain(anvil.url, _deployed(anvil))
    streams = _open_streams(chain, accounts)
    chain.manifest = replace(chain.manifest, streams=streams)
    owner = dev_account(1)
    for curve in KeyType:
        if group := [key for key in devices if key.key_type is curve]:
            register_batch(chain, owner, owner.address, group, DeviceKind.CONSUMPTION, ZONE)
    manifest = _write_manifest(folder / "manifest.json", chain.manifest)
    anvil.make_blocks()
    liar, silent = random.Random(f"gridwitness roles {seed}").sample(range(MEMBERS), 2)
    (folder / "nats").mkdir()
    nats = NatsBroker(folder / "nats")
    names = [f"worker-{number}" for number in range(_WORKERS)]
    workers = [WorkerProcess(folder, nats.url, manifest, name) for name in names]
    world = World(
        folder, anvil, chain, manifest, [], [], Broker(folder / "broker"), nats, workers, Disk(folder), liar, silent,
        chain.head_number(),
    )  # fmt: skip
    _configure(world, accounts, patience)
    return world


def _deployed(anvil: Anvil) -> Manifest:
    """The two contracts that oracles need."""
    web3, deployer, bytecode = Web3(Web3.HTTPProvider(anvil.url)), dev_account(0), compiled()
    registry = deploy(web3, deployer, bytecode["DeviceRegistry"], [deployer.address])
    attestation = deploy(web3, deployer, bytecode["DataAttestation"], [registry.address])
    return Manifest(anvil.chain_id, {"DeviceRegistry": registry, "DataAttestation": attestation})


def _open_streams(chain: Chain, accounts: Sequence[LocalAccount]) -> dict[str, bytes]:
    deployer, ids = dev_account(0), {}
    for name, types in (("readings", READING_TYPES), ("profiles", PROFILE_TYPES)):
        name_bytes = name.encode().ljust(32, b"\0")
        committee = (THRESHOLD, [account.address for account in accounts])
        functions = chain.contract("DataAttestation").functions
        chain.transact(deployer, functions.openStream(name_bytes, schema_of(types), committee))
        ids[name] = keccak(bytes.fromhex(deployer.address[2:]).rjust(32, b"\0") + name_bytes)
    return ids


def _write_manifest(path: Path, manifest: Manifest) -> Path:
    contracts = {name: {"address": one.address, "block": one.block} for name, one in manifest.contracts.items()}
    streams = {name: {"id": "0x" + stream_id.hex()} for name, stream_id in manifest.streams.items()}
    path.write_text(json.dumps({"chain_id": manifest.chain_id, "contracts": contracts, "streams": streams}))
    return path


def _configure(world: World, accounts: Sequence[LocalAccount], patience: float) -> None:
    settings = SETTINGS | {name: patience * SETTINGS[name] for name in _PATIENT}
    made = make_oracles(world.folder, world.chain, accounts, world.manifest, **settings)
    for index, oracle in enumerate(made):
        proxy = RpcProxy(world.anvil.url)
        proxy.__enter__()
        world.proxies.append(proxy)
        module = "tests.chaos.lying_oracle" if index == world.liar else "gridwitness"
        world.members.append(Member(oracle.folder, oracle.url, oracle.account, index=index, module=module))
        own = {"rpc_url": proxy.url}
        if index not in (world.liar, world.silent):
            own |= {
                "mqtt_url": f"mqtt://127.0.0.1:{world.broker.port}",
                "mqtt_topics": [f"gridwitness/readings/oracle-{index}/#"],
            }
        _set(oracle.folder / "oracle.toml", own)
    world.disk = Disk(world.honest[0].folder / "data")
    world.disk.mount()
    _set(world.honest[0].folder / "oracle.toml", {"data_dir": "data"})
    # One oracle has others verify for it, behind the same port.
    scaled = {"nats_url": world.nats.url, "nats_answer_timeout_s": 5}
    _set(world.honest[1].folder / "oracle.toml", scaled)


def _set(path: Path, values: dict[str, object]) -> None:
    """Put values in the place of those in a settings file, or before its first table."""
    kept = [line for line in path.read_text().splitlines() if line.partition(" =")[0] not in values]
    path.write_text("\n".join([*(f"{name} = {json.dumps(value)}" for name, value in values.items()), *kept]) + "\n")


def is_down(error: BaseException) -> bool:
    """Whether an error only says that the node is away at the moment."""
    return isinstance(error, GridwitnessError | OSError)
