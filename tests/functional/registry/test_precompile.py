"""P-256 with the precompile at 0x100 (EIP-7951), and on a chain that lacks it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from web3 import HTTPProvider, Web3

from gridwitness.encoding.eip712 import Domain, register_digest, registry_domain
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import P256_ORDER, P256Key
from tests.actors import Device, registration_args

PRECOMPILE = "0x0000000000000000000000000000000000000100"


# Runtime code of contracts that stand in the precompile's place.
ALWAYS_ONE = "0x60015f5260205ff3"
NOTHING = "0x00"
ONE_OF_64_BYTES = "0x60015f5260405ff3"
ECHO = "0x365f5f37365ff3"
REVERT = "0x5f5ffd"
BURN_ALL = "0xfe"
# Answers 1 to all but the self-test's second question, a true signature over another digest.
CURVELESS = "0x7f50d4241e5564913e1d521e296b0be038e57ce2fd971676ea9deec2759d522e405f3514155f5260205ff3"
FAKES = [ALWAYS_ONE, NOTHING, ONE_OF_64_BYTES, ECHO, REVERT, BURN_ALL, CURVELESS]


@dataclass(frozen=True)
class OlderChain:
    """A chain without the precompile, and the registry's container."""

    web3: Web3
    kind: Any

    def deploy(self) -> tuple[Any, Domain]:
        """A registry on this chain, and its domain."""
        eth = self.web3.eth
        abi = [item.model_dump(mode="json", by_alias=True) for item in self.kind.abi]
        factory = eth.contract(abi=abi, bytecode=self.kind.deployment_bytecode.bytecode)
        creation = factory.constructor(eth.accounts[0]).transact({"from": eth.accounts[0]})
        address = eth.wait_for_transaction_receipt(creation)["contractAddress"]
        return eth.contract(address=address, abi=abi), registry_domain(eth.chain_id, address)

    def register(self, registry: Any, domain: Domain, key: P256Key) -> None:
        """Register the device of `key` for the first account."""
        owner, now = self.web3.eth.accounts[0], self.web3.eth.get_block("latest")["timestamp"]
        registration = Device(key, registry, domain).registration(owner, deadline=now + 60)
        signature = key.sign(register_digest(domain, registration))
        registry.functions.register(registration_args(registration), signature).transact({"from": owner})


@pytest.fixture(scope="module")
def older_chain(project: Any) -> Iterator[OlderChain]:
    """A chain of hardfork prague, which has no P-256 precompile."""
    anvil = shutil.which("anvil")
    assert anvil is not None
    process = subprocess.Popen([anvil, "--port", "0", "--hardfork", "prague"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = next(filter(None, (re.search(r"Listening on (\S+)", line) for line in process.stdout)))
        yield OlderChain(Web3(HTTPProvider(f"http://{address[1]}")), project.DeviceRegistry.contract_type)
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

    assert registry.hasP256Precompile()
    receipt = meter.register(prosumer)
    trace = receipt.provider.make_request("debug_traceTransaction", [receipt.txn_hash, {}])
    callees = [int(step["stack"][-2], 16) for step in trace["structLogs"] if step["op"] == "STATICCALL"]
    assert callees == [0x100]


def test_register__chain_without_precompile__falls_back_to_solidity(older_chain: OlderChain) -> None:
    digest, key = keccak(b"any message"), P256Key(0x01D)
    eth = older_chain.web3.eth
    assert eth.call({"to": PRECOMPILE, "data": precompile_input(key, digest)}) == b""

    registry, domain = older_chain.deploy()
    calls = registry.functions
    assert not calls.hasP256Precompile().call()
    older_chain.register(registry, domain, key)
    assert calls.device(key.device_id).call()[0] == eth.accounts[0]
    good = key.sign(digest)
    high = good[:96] + (P256_ORDER - int.from_bytes(good[96:], "big")).to_bytes(32, "big")
    verdicts = [
        calls.isDeviceSignature(key.device_id, digest, signature, 0).call()
        for signature in (good, high, key.sign(keccak(b"another message")), P256Key(0x01E).sign(digest), bytes(128))
    ]
    assert verdicts == [True, False, False, False, False]


def test_register_batch__chain_without_precompile__falls_back_to_solidity(older_chain: OlderChain) -> None:
    registry, domain = older_chain.deploy()
    owner, now = older_chain.web3.eth.accounts[0], older_chain.web3.eth.get_block("latest")["timestamp"]
    keys = [P256Key(0x100 + index) for index in range(3)]
    registrations = [Device(key, registry, domain).registration(owner, deadline=now + 60) for key in keys]
    signatures = [key.sign(register_digest(domain, fields)) for key, fields in zip(keys, registrations, strict=True)]
    _, *shared = registration_args(registrations[0])
    ids = [key.device_id for key in keys]
    registry.functions.registerBatch((*shared, ids), b"".join(signatures)).transact({"from": owner})
    assert [registry.functions.device(device_id).call()[0] for device_id in ids] == [owner] * 3


@pytest.mark.parametrize("code", FAKES)
def test_deploy__something_else_at_the_precompiles_address__is_not_taken(older_chain: OlderChain, code: str) -> None:
    request = older_chain.web3.provider.make_request
    request("anvil_setCode", [PRECOMPILE, code])
    try:
        registry, _ = older_chain.deploy()
        key, digest = P256Key(7), keccak(b"any message")
        assert not registry.functions.hasP256Precompile().call()
        verdicts = [
            registry.functions.isDeviceSignature(key.device_id, digest, key.sign(over), 0).call()
            for over in (digest, keccak(b"another message"))
        ]
        assert verdicts == [True, False]
    finally:
        request("anvil_setCode", [PRECOMPILE, "0x"])
