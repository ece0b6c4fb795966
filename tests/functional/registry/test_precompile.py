"""P-256 with the precompile at 0x100 (EIP-7951), and on a chain that lacks it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from web3 import HTTPProvider, Web3

from gridwitness.encoding.eip712 import register_digest, registry_domain
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import P256Key
from tests.actors import Device, registration_args

PRECOMPILE = "0x0000000000000000000000000000000000000100"


@pytest.fixture
def older_chain() -> Iterator[Web3]:
    """A chain of hardfork prague, which has no P-256 precompile."""
    anvil = shutil.which("anvil")
    assert anvil is not None
    process = subprocess.Popen([anvil, "--port", "0", "--hardfork", "prague"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = next(filter(None, (re.search(r"Listening on (\S+)", line) for line in process.stdout)))
        yield Web3(HTTPProvider(f"http://{address[1]}"))
    finally:
        process.terminate()
        process.wait()


def precompile_input(key: P256Key, digest: bytes) -> bytes:
    """`digest || r || s || x || y`, as EIP-7951 takes it."""
    signature = key.sign(digest)
    return digest + signature[64:] + signature[:64]


def test_verify_p256__osaka__precompile_answers_and_is_called(registry: Any, meter: Device, prosumer: Any) -> None:
    digest = keccak(b"any message")
    answer = registry.provider.web3.eth.call({"to": PRECOMPILE, "data": precompile_input(P256Key(5), digest)})
    assert int.from_bytes(answer, "big") == 1

    receipt = meter.register(prosumer)
    trace = receipt.provider.make_request("debug_traceTransaction", [receipt.txn_hash, {}])
    callees = [int(step["stack"][-2], 16) for step in trace["structLogs"] if step["op"] == "STATICCALL"]
    assert callees == [0x100]


def test_register__chain_without_precompile__falls_back_to_solidity(project: Any, older_chain: Web3) -> None:
    eth = older_chain.eth
    assert eth.call({"to": PRECOMPILE, "data": precompile_input(P256Key(5), keccak(b"any message"))}) == b""

    kind = project.DeviceRegistry.contract_type
    sender = eth.accounts[0]
    creation = eth.send_transaction({"from": sender, "data": kind.deployment_bytecode.bytecode})
    address = eth.wait_for_transaction_receipt(creation)["contractAddress"]
    abi = [item.model_dump(mode="json", by_alias=True) for item in kind.abi]
    registry = eth.contract(address=address, abi=abi)
    domain = registry_domain(eth.chain_id, address)
    device = Device(P256Key(0x01D), registry, domain)
    registration = device.registration(sender, deadline=eth.get_block("latest")["timestamp"] + 60)
    signature = device.key.sign(register_digest(domain, registration))

    other = device.key.sign(keccak(b"another message"))
    device_id = device.device_id
    assert not registry.functions.isDeviceSignature(device_id, keccak(b"any message"), other).call()
    registry.functions.register(registration_args(registration), signature).transact({"from": sender})
    assert registry.functions.device(device_id).call()[0] == sender
