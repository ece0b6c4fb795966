"""The embedded node: its own time, its own end, and one line when it cannot start."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gridwitness.chain.anvil import Anvil, find_anvil, free_port
from gridwitness.errors import ChainError

GENESIS_TIME = 1_469_000_000
PARENT = """
import time
from gridwitness.chain.anvil import Anvil
with Anvil() as anvil:
    print(anvil.pid, flush=True)
    time.sleep(60)
"""


def test_start_anvil__genesis_in_the_past__blocks_carry_the_times_set() -> None:
    with Anvil(genesis_time=GENESIS_TIME, chain_id=77_001) as anvil:
        assert (anvil.node.chain_id(), anvil.node.head().time) == (77_001, GENESIS_TIME)
        anvil.set_next_time(GENESIS_TIME + 900)
        anvil.mine()
        assert anvil.node.head().time == GENESIS_TIME + 900


def test_start_anvil__transaction_above_eip_7825__is_refused() -> None:
    with Anvil() as anvil:
        account = anvil.node.rpc("eth_accounts")[0]
        with pytest.raises(ChainError):
            anvil.node.rpc("eth_sendTransaction", {"from": account, "to": account, "gas": hex(16_777_217)})


def test_start_anvil__busy_port__names_the_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ChainError, match=f"port {port} on 127.0.0.1 cannot be used: Address already in use"):
            Anvil(port=port).start()


def test_start_anvil__bad_state_file__says_where_to_look(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text("no state")
    log = tmp_path / "anvil.log"
    with pytest.raises(ChainError, match=r"anvil did not come up on port .*anvil\.log"):
        Anvil(state_file=tmp_path / "state.json", log_file=log).start()
    assert log.read_text()


def test_stop_anvil__state_file__is_there_next_time(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with Anvil(state_file=state) as anvil:
        anvil.mine(3)
        head = anvil.node.head()
    with Anvil(state_file=state) as anvil:
        assert anvil.node.head().hash == head.hash


def test_kill_parent__anvil__goes_with_it() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    for _ in range(200):
        if not is_running(pid):
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail(f"anvil {pid} outlived its parent")


def is_running(pid: int) -> bool:
    """Whether a process still runs; one that ended but was not yet waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def test_find_anvil__neither_npm_nor_path__says_make_setup(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(ChainError, match="anvil not found") as raised:
        find_anvil()
    assert "make setup" in raised.value.hint


def test_find_anvil__on_path_alone__is_the_one_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    native = tmp_path / "bin" / "anvil"
    native.parent.mkdir()
    native.write_bytes(find_anvil().read_bytes()[:64])
    native.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(native.parent))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert find_anvil() == native


def test_find_port__free__can_be_listened_on() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        assert server.getsockname()[1] > 0


def test_hold_transactions__one_block__mines_them_together() -> None:
    with Anvil() as anvil:
        sender, receiver = anvil.node.rpc("eth_accounts")[:2]
        with anvil.one_block():
            hashes = [
                anvil.node.rpc("eth_sendTransaction", {"from": sender, "to": receiver, "value": "0x1"})
                for _ in range(5)
            ]
        receipts = [anvil.node.rpc("eth_getTransactionReceipt", digest) for digest in hashes]
        assert {receipt["blockNumber"] for receipt in receipts} == {"0x1"}
