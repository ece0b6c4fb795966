"""Two implementations of a node, anvil and Hardhat's EDR, and what a rehearsal does to their chains."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from gridwitness.chain.anvil import Anvil, free_port
from gridwitness.chain.node import Node
from gridwitness.errors import ChainError

CHAIN_ID = 84_532  # Base Sepolia's
GENESIS_TIME = 1_700_000_000
BLOCK_S = 0.1
HARDHAT = Path(__file__).resolve().parents[2] / ".toolchain" / "hardhat-3.18.0"
_START_TIMEOUT_S = 120
_STOP_TIMEOUT_S = 10
_RPC_TIMEOUT_S = 60
_RICH = hex(10**21)


class Chain:
    """A chain whose blocks come at an interval, whatever the pool holds. A context manager.

    A clock of ours makes them: anvil's own counts in whole seconds, and goes on while a reorganisation is made.
    """

    kind: ClassVar[str]

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._own = threading.local()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.base_fee_wei: int | None = None  # of every block from now on; None lets it move by itself

    @property
    @abstractmethod
    def url(self) -> str:
        """RPC URL."""

    @abstractmethod
    def mark(self) -> None:
        """Remember this block, to which a reorganisation can go back."""

    @abstractmethod
    def reorganise(self) -> int:
        """Take back the blocks since the mark, and with them their transactions; how many they were."""

    def rpc(self, method: str, *params: Any) -> Any:
        """Answer of the node, in a connection of this thread's own."""
        if not hasattr(self._own, "node"):
            self._own.node = Node(self.url, timeout_s=_RPC_TIMEOUT_S)
        return self._own.node.rpc(method, *params)

    def begin_blocks(self) -> None:
        """Have a block made every `BLOCK_S`; until then each transaction makes one."""
        self.rpc("evm_setAutomine", False)
        self._thread = threading.Thread(target=self._make_blocks, daemon=True)
        self._thread.start()

    def end_blocks(self) -> None:
        """Stop the clock."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _make_blocks(self) -> None:
        while not self._ended.wait(BLOCK_S):
            with self._lock:
                self.mine()

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """No block is made inside."""
        with self._lock:
            yield

    def mine(self) -> None:
        """One block with what the pool holds."""
        if self.base_fee_wei is not None:
            self.rpc("hardhat_setNextBlockBaseFeePerGas", hex(self.base_fee_wei))
        self.rpc("evm_mine")

    def forward(self, seconds: int) -> None:
        """Let time pass."""
        with self.still():
            now = int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
            self.rpc("evm_setNextBlockTimestamp", now + seconds)
            self.mine()

    @contextlib.contextmanager
    def undone(self) -> Iterator[None]:
        """What is done inside is undone."""
        with self.still():
            snapshot = self.rpc("evm_snapshot")
            try:
                yield
            finally:
                self.rpc("evm_revert", snapshot)

    def act_as(self, sender: str, to: str, data: str) -> None:
        """A transaction of anybody's, mined at once. Raises ChainError if it reverts."""
        self.rpc("hardhat_impersonateAccount", sender)
        self.rpc("hardhat_setBalance", sender, _RICH)
        identity = self.rpc("eth_sendTransaction", {"from": sender, "to": to, "data": data, "gas": hex(3_000_000)})
        self.mine()
        receipt = self.rpc("eth_getTransactionReceipt", identity)
        if receipt is None or receipt["status"] != "0x1":
            raise ChainError(f"the transaction of {sender} to {to} did not go through")

    def set_code(self, address: str, code: bytes) -> None:
        """Other code at an address."""
        self.rpc("hardhat_setCode", address, "0x" + code.hex())


class AnvilChain(Chain):
    """anvil, which has the CREATE2 factory from its first block on."""

    kind = "anvil"

    def __init__(self, log_file: Path) -> None:
        super().__init__()
        self._anvil = Anvil(chain_id=CHAIN_ID, genesis_time=GENESIS_TIME, log_file=log_file)
        self._marked = 0

    def __enter__(self) -> Self:
        self._anvil.start()
        self.begin_blocks()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_blocks()
        self._anvil.stop()

    @property
    def url(self) -> str:
        return self._anvil.url

    def mark(self) -> None:
        with self.still():
            self._marked = int(self.rpc("eth_blockNumber"), 16)

    def reorganise(self) -> int:
        with self.still():
            depth = int(self.rpc("eth_blockNumber"), 16) - self._marked
            now = int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
            self.rpc("anvil_reorg", depth, [])
            self.rpc("evm_setTime", now + 1)  # anvil's time would go back with the blocks
            return depth


class HardhatChain(Chain):
    """`hardhat node`, which is EDR behind JSON-RPC; it has no CREATE2 factory. Raises ChainError if it is missing."""

    kind = "hardhat"

    def __init__(self, log_file: Path) -> None:
        super().__init__()
        self._log_file = log_file
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._mark = ""
        self._marked = 0

    def __enter__(self) -> Self:
        program = HARDHAT / "node-binary"
        if not program.exists():
            raise ChainError(f"Hardhat's node is not at {HARDHAT}", hint="python toolchain/install_hardhat.py")
        command = [str(program), "node_modules/hardhat/dist/src/cli.js", "node", "--network", "node"]
        command += ["--hostname", "127.0.0.1", "--port", str(self._port)]
        settings = {"REHEARSAL_CHAIN_ID": str(CHAIN_ID), "REHEARSAL_GENESIS_TIME": str(GENESIS_TIME)}
        with self._log_file.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=HARDHAT,
                env=os.environ | settings | {"HARDHAT_DISABLE_TELEMETRY_PROMPT": "true", "CI": "true"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=Anvil.die_with_parent,
            )
        self._await()
        self.begin_blocks()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end_blocks()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _await(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while self._process is not None and self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(ChainError):
                if int(Node(self.url, timeout_s=2).rpc("eth_chainId"), 16) == CHAIN_ID:
                    return
            time.sleep(0.1)
        raise ChainError(f"Hardhat's node did not come up; see {self._log_file}")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def mark(self) -> None:
        with self.still():
            self._mark = self.rpc("evm_snapshot")
            self._marked = int(self.rpc("eth_blockNumber"), 16)

    def reorganise(self) -> int:
        with self.still():
            depth = int(self.rpc("eth_blockNumber"), 16) - self._marked
            now = int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
            self.rpc("evm_revert", self._mark)
            self.rpc("evm_setNextBlockTimestamp", now + 1)
            for _ in range(depth):
                self.mine()  # other blocks in their place
            return depth


CHAINS: tuple[type[AnvilChain] | type[HardhatChain], ...] = (AnvilChain, HardhatChain)
