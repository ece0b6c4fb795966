"""Everything real that chaos strikes: a chain that keeps its state, two brokers, workers, a committee of five.

Three oracles are honest, one lies and one is silent: it was stopped (SIGSTOP) once it listened, so connections to it
are taken and nothing ever answers. With a threshold of three, no honest oracle can be spared.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
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
from tests.chaos.disk import Disk
from tests.chaos.proxy import RpcProxy
from tests.chaos.struck_anvil import ChaosAnvil
from tests.deployed import deploy_all, dev_account
from tests.integration.chain.parties import register_batch
from tests.integration.nats.broker import Broker as NatsBroker
from tests.integration.nats.broker import WorkerProcess
from tests.integration.oracle.village import ZONE, Oracle, make_oracles
from tests.integration.sources.broker import Broker

THRESHOLD = 3
MEMBERS = 5
MAX_WAIT_S = 3
# Long enough that batches of the deepest reorganisation are still valid, and may be sent again as they are.
VALIDITY_S = 45
_WORKERS = 2
SETTINGS: dict[str, Any] = {
    "open_data": True,
    "grace_s": 0,
    "max_wait_s": MAX_WAIT_S,
    "poll_interval_s": 0.2,
    # Who comes next first asks what was begun: if the silent one took longer to be given up, votes would split.
    "takeover_s": 1.0,
    "peer_timeout_s": 0.6,
    # So that scoring what piled up takes less than a turn, or votes would split as well.
    "max_readings": 600,
    "batch_validity_s": VALIDITY_S,
    # A connection that hangs is noticed by these, so they bound how soon an oracle sends again.
    "rpc_head_timeout_s": 1,
    "rpc_timeout_s": 1.5,
    "rpc_connect_timeout_s": 1,
    "device_readings_per_s": 200,
    "verify_workers": 0,
}


_PATIENT = ("takeover_s", "peer_timeout_s", "rpc_head_timeout_s", "rpc_timeout_s", "rpc_connect_timeout_s")


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
    web3 = Web3(Web3.HTTPProvider(anvil.url))
    return Manifest(anvil.chain_id, deploy_all(web3, dev_account(0), ("DeviceRegistry", "DataAttestation")))


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
