"""An error that nobody foresaw does not end an oracle."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount
from structlog.testing import capture_logs

from gridwitness.chain.signing_key import LocalKey
from gridwitness.service.node import NodeConfig, OracleNode
from tests.integration.oracle.village import PATIENCE_S, ZONE, Village


@pytest.fixture
async def node(village: Village, oracles: list[LocalAccount], tmp_path: Path) -> OracleNode:
    config = NodeConfig("oracle", tmp_path, ZONE, "readings", "profiles", peers={}, poll_interval_s=0.01)
    return OracleNode(config, village.chain, LocalKey(oracles[0]))


async def test_run__step_fails_as_nobody_foresaw__is_shown_and_the_next_step_is_taken(
    node: OracleNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    step = node.step

    async def fail_once() -> None:
        seen.append(node.not_ready())
        if len(seen) == 1:
            raise OverflowError("Python int too large to convert to SQLite INTEGER")
        await step()
        if len(seen) == 3:
            node.stop()

    monkeypatch.setattr(node, "step", fail_once)
    with capture_logs() as logs:
        await asyncio.wait_for(node.run(), PATIENCE_S)
    assert "unexpected OverflowError; the log tells where" in seen[1]
    assert not any("unexpected" in problem for problem in seen[2])
    (logged,) = [entry for entry in logs if entry["event"] == "step_failed_unexpectedly"]
    assert (logged["log_level"], logged["exc_info"]) == ("error", True)
    await node.close()


async def test_run__cancelled_in_a_step__ends(node: OracleNode, monkeypatch: pytest.MonkeyPatch) -> None:
    is_under_way = asyncio.Event()

    async def hang() -> None:
        is_under_way.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(node, "step", hang)
    running = asyncio.create_task(node.run())
    await is_under_way.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await node.close()
