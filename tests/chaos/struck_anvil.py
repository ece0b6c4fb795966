"""A chain that is killed and reorganised, and comes back as a real one would."""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gridwitness.chain.anvil import Anvil
from gridwitness.errors import GridwitnessError
from tests.integration.chain.parties import GENESIS_TIME

BLOCK_S = 1
_STATES_KEPT = 48  # the deepest reorganisation, and the dozen blocks below it that an oracle looks back
_STILL_S = 0.3  # so long the head must not have moved


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

    @contextlib.contextmanager
    def _still(self) -> Iterator[None]:
        """No block is made meanwhile. Turning mining off does not stop the block that is being made; finished after a
        reorganisation has taken away the blocks below it, it would leave a hole there, as have the states kept.
        """
        self.node.rpc("evm_setIntervalMining", 0)
        try:
            self.node.rpc("evm_mine")  # comes after the one being made
            head = -1
            while head != (head := self.node.head().number):
                time.sleep(_STILL_S)
            yield
        finally:
            self.node.rpc("evm_setIntervalMining", BLOCK_S)

    def keep(self) -> None:
        """Keep the state as of now."""
        with self._lock, contextlib.suppress(GridwitnessError), self._still():  # killed at this moment
            self._kept = self.node.rpc("anvil_dumpState", True)

    def revive(self) -> None:
        """Start again from the state kept."""
        with self._lock:
            state = json.loads(gzip.decompress(bytes.fromhex(self._kept[2:])))
            check_whole([int(block["header"]["number"], 16) for block in state["blocks"]], "the state kept")
            self._state.write_text(json.dumps(_recent(state)))
            if "--load-state" not in self._arguments:
                self._arguments += ["--load-state", str(self._state), "--no-mining"]
            self.start()
            self.floor = self.node.head().number
            self.go_on()
            self.make_blocks()

    def reorganise(self, depth: int) -> None:
        """Put empty blocks in the place of the last `depth`."""
        with self._lock:
            with self._still():
                self.node.rpc("anvil_reorg", depth, [])
                head = self.node.head().number
                asked = range(max(head - depth, 0), head + 1)
                blocks = self.node.rpc_batch([("eth_getBlockByNumber", (hex(one), False)) for one in asked])
                present = [number for number, block in zip(asked, blocks, strict=True) if block is not None]
                check_whole(present, f"the chain after a reorganisation of {depth} blocks")
            self.go_on()

    def go_on(self) -> None:
        """Let time go on from the latest there was: on a real chain it does not go back, and anvil's does."""
        self.node.rpc("evm_setTime", max(self.head_time, self.node.head().time) + 1)


def check_whole(numbers: Sequence[int], what: str) -> None:
    """Raises RuntimeError, which ends the run, naming what is missing between the first and the last block."""
    missing = sorted(set(range(min(numbers), max(numbers) + 1)) - set(numbers))
    if missing:
        raise RuntimeError(f"{what} lacks blocks {missing[0]} to {missing[-1]} ({len(missing)} in all)")


def _recent(state: dict[str, Any]) -> dict[str, Any]:
    """A state without the historical states that nobody asks for."""
    headers = sorted((block["header"] for block in state["blocks"]), key=lambda one: int(one["number"], 16))
    wanted = {header["parentHash"] for header in headers[-_STATES_KEPT:]}
    return state | {"historical_states": [one for one in state["historical_states"] or [] if one[0] in wanted]}
