"""How tests ask their node."""

from __future__ import annotations

from typing import Any

import ape
import pytest


def test_wait__transaction_that_no_block_took__is_mined(deployer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """anvil at times misses one; here it is told to."""
    monkeypatch.setattr("tests.rpc.MISSED_AFTER_S", 0.2)
    web3 = ape.networks.provider.web3
    web3.provider.make_request("evm_setAutomine", [False])
    try:
        sent = web3.eth.send_transaction({"from": deployer.address, "to": deployer.address, "value": 1})
        assert web3.eth.wait_for_transaction_receipt(sent, timeout=10, poll_latency=0.05)["status"] == 1
    finally:
        web3.provider.make_request("evm_setAutomine", [True])
