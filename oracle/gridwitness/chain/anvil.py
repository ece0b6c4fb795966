"""A local Ethereum node (anvil, from npm) in the data's own time, that never outlives the process that started it."""

from __future__ import annotations

import ctypes
import platform
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from gridwitness.chain.node import Node
from gridwitness.errors import ChainError

_HOST = "127.0.0.1"
# Below those that connections going out are given: one could take a port before whoever asked for it listens.
_PORTS = range(15_000, 32_000)
_PORT_TRIES = 50
_START_TIMEOUT_S = 20
_STOP_TIMEOUT_S = 10
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded here: a forked child must not load anything


class Anvil:
    """A running anvil; a context manager.

    Raises ChainError if the binary is missing, the port is taken, or the node does not come up.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        chain_id: int = 31_337,
        accounts: int = 10,
        genesis_time: int | None = None,
        state_file: Path | None = None,
        log_file: Path | None = None,
        fork_url: str | None = None,
    ) -> None:
        """`port` 0 takes a free one; `genesis_time` is unix seconds; `state_file` is read at start, written at stop.

        `fork_url` is of a node of the same chain: this one goes on from that one's newest block, and that one sees
        nothing of it.
        """
        self.port = port
        self.chain_id = chain_id
        self._arguments = ["--accounts", str(accounts)]
        if genesis_time is not None:
            self._arguments += ["--timestamp", str(genesis_time)]
        if state_file is not None:
            self._arguments += ["--state", str(state_file)]
        if fork_url is not None:
            # Its cache on disk goes by chain id and block, and chains started anew have the same ones.
            self._arguments += ["--fork-url", fork_url, "--no-storage-caching"]
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """RPC URL."""
        return f"http://{_HOST}:{self.port}"

    @property
    def node(self) -> Node:
        """The node, for requests of any kind."""
        return Node(self.url)

    @property
    def pid(self) -> int:
        """Process id. Raises ChainError if it is not running."""
        if self._process is None:
            raise ChainError("anvil is not running", hint="use it as a context manager")
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start and wait until it answers."""
        binary = find_anvil()
        self.port = _claim_port(self.port) if self.port else free_port()
        command = [str(binary), "--host", _HOST, "--port", str(self.port), "--chain-id", str(self.chain_id)]
        command += ["--hardfork", "osaka", "--enable-tx-gas-limit", *self._arguments]
        log = self._log_file.open("ab") if self._log_file is not None else None
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own binary with our own arguments
                command,
                stdin=subprocess.DEVNULL,
                stdout=log or subprocess.DEVNULL,
                stderr=subprocess.STDOUT,
                process_group=0,  # Ctrl-C is for us to handle, so that the node stops last
                preexec_fn=self.die_with_parent,
            )
        finally:
            if log is not None:
                log.close()
        self._await()

    def _await(self) -> None:
        node, process = Node(self.url, timeout_s=2), self._process
        deadline = time.monotonic() + _START_TIMEOUT_S
        while process is not None and process.poll() is None and time.monotonic() < deadline:
            try:
                chain_id = node.chain_id()
            except ChainError:
                time.sleep(0.02)
                continue
            if chain_id == self.chain_id:
                return
            break
        exit_code = process.poll() if process is not None else None
        self.stop()
        where = f"; see {self._log_file}" if self._log_file is not None else ""
        raise ChainError(f"anvil did not come up on port {self.port} (exit code {exit_code}){where}")

    def stop(self) -> None:
        """Stop, writing the state file if there is one. Does nothing if it is not running."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGINT)  # on which anvil writes its state
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @staticmethod
    def die_with_parent() -> None:
        """Run in a child process before its program: on Linux, have it killed when the thread that started it ends.

        So start children from a thread that lives as long as they should. Elsewhere only {stop} ends them.
        """
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def set_next_time(self, time_s: int) -> None:
        """Unix time of the next block; must be later than the head's."""
        self.node.rpc("evm_setNextBlockTimestamp", time_s)

    def mine(self, blocks: int = 1) -> None:
        """Mine blocks with whatever the pool holds."""
        self.node.rpc("anvil_mine", hex(blocks))

    @contextmanager
    def one_block(self) -> Iterator[None]:
        """Hold transactions sent inside back, then mine them together in one block."""
        self.node.rpc("evm_setAutomine", False)
        try:
            yield
        finally:
            self.mine()
            self.node.rpc("evm_setAutomine", True)


def find_anvil() -> Path:
    """The native anvil binary: of the npm package in a `node_modules` near, or one on PATH.

    The npm command itself is a Node.js script around the binary; killing it would leave the node running.
    """
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine().lower(), platform.machine().lower())
    native = Path("@foundry-rs") / f"anvil-{sys.platform}-{machine}" / "bin" / "anvil"
    on_path = Path(shutil.which("anvil") or "anvil").resolve()
    near = [Path.cwd(), Path(sys.prefix), on_path]
    folders = [folder / "node_modules" for place in near for folder in (place, *place.parents)]
    for folder in folders:
        if (folder / native).is_file():
            return folder / native
    if on_path.is_file() and on_path.suffix != ".mjs":
        return on_path
    raise ChainError("anvil not found under node_modules or on PATH", hint="run `make setup`")


def free_port() -> int:
    """A port nobody listens on at this moment. Raises ChainError if none is found."""
    for _ in range(_PORT_TRIES):
        port = secrets.choice(_PORTS)
        try:
            return _claim_port(port)
        except ChainError:
            continue
    raise ChainError(f"none of {_PORT_TRIES} ports on {_HOST} is free", hint="stop what uses them")


def _claim_port(port: int) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            raise ChainError(
                f"port {port} on {_HOST} cannot be used: {error.strerror}", hint="stop what uses it, or choose another"
            ) from error
        claimed: int = probe.getsockname()[1]
        return claimed
