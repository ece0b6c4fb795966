"""A chain that is killed and reorganised, and comes back as a real one would."""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
from pathlib import Path
from typing import Any

from gridwitness.chain.anvil import Anvil
from gridwitness.errors import GridwitnessError
from tests.integration.chain.parties import GENESIS_TIME

BLOCK_S = 1
_STATES_KEPT = 48  # the deepest reorganisation, and the dozen blocks below it that an oracle looks back


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
