"""The outbox killed at every point of its work."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.client import Chain
from gridwitness.chain.manifest import Manifest
from tests.integration.chain.kill_switch import Work, run_until_killed
from tests.integration.chain.parties import supply


# INV-O9, INV-O10
def test_kill__at_every_point_in_turn__sends_each_intent_exactly_once(
    chain: Chain, anvil: Anvil, manifest: Manifest, mint: Any, transmitter: LocalAccount, tmp_path: Path
) -> None:
    """Each round queues one more intent, is killed at a later point than the round before, and is then left to finish.

    The transmitter's nonce and the supply show that every intent was mined once and only once.
    """
    for kill_at in range(1_000):
        # A file for each round: what earlier rounds sent is looked for again, and would make each longer than the last.
        path = tmp_path / f"outbox-{kill_at}.sqlite"
        work = Work(anvil.url, manifest, transmitter, path, ((f"mint {kill_at}", *mint(1)),))
        unharmed = run_until_killed(work, kill_at)
        assert unharmed or run_until_killed(work, None)
        assert (chain.node.transaction_count(transmitter.address), supply(chain)) == (kill_at + 1, kill_at + 1)
        if unharmed:
            break
    assert unharmed
    assert kill_at > 30  # the kill fell on many points before a round came through
