"""Digests and interfaces: Python, eth-account and Solidity say the same."""

from __future__ import annotations

from typing import Any

import ape
from eth_account.messages import _hash_eip191_message, encode_typed_data
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridwitness.domain.devices import DeviceKind, Registration, Rotation
from gridwitness.domain.readings import Reading
from gridwitness.encoding.eip712 import Domain, activate_digest, reading_digest, register_digest, rotate_digest
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.packing import metric_bytes
from tests.actors import registration_args

CALLS = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)

word = st.binary(min_size=32, max_size=32)
registrations = st.builds(
    Registration,
    device_id=word,
    owner=st.binary(min_size=20, max_size=20).map(lambda raw: "0x" + raw.hex()),
    kind=st.sampled_from(DeviceKind),
    zone=st.integers(0, 2**24 - 1),
    deadline=st.integers(0, 2**256 - 1),
)
readings = st.builds(
    Reading,
    device_id=word,
    counter=st.integers(0, 2**64 - 1),
    time=st.integers(0, 2**64 - 1),
    metric=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=32),
    value=st.integers(-(2**255), 2**255 - 1),
)


@CALLS
@given(registration=registrations, fleet_root=word)
def test_hash_registration__any_fields__python_equals_solidity(
    registry: Any, registry_domain_712: Domain, registration: Registration, fleet_root: bytes
) -> None:
    fields = registration_args(registration)
    assert registry.registerDigest(fields) == register_digest(registry_domain_712, registration)
    assert registry.activateDigest(fields, fleet_root) == activate_digest(registry_domain_712, registration, fleet_root)


@CALLS
@given(device_id=word, key_id=word, valid_from=st.integers(0, 2**40 - 1), deadline=st.integers(0, 2**256 - 1))
def test_hash_rotation__any_fields__python_equals_solidity(
    registry: Any, registry_domain_712: Domain, device_id: bytes, key_id: bytes, valid_from: int, deadline: int
) -> None:
    digest = rotate_digest(registry_domain_712, Rotation(device_id, key_id, valid_from, deadline), 0)
    assert registry.rotateDigest((device_id, key_id, valid_from, deadline)) == digest


@CALLS
@given(reading=readings)
def test_hash_reading__any_fields__python_equals_solidity(
    registry: Any, registry_domain_712: Domain, reading: Reading
) -> None:
    on_chain = registry.readingDigest(
        reading.device_id, reading.counter, reading.time, metric_bytes(reading.metric), reading.value
    )
    assert on_chain == reading_digest(registry_domain_712, reading)


def test_hash_registration__eth_account__gives_the_same(registry: Any, meter: Any, prosumer: Any) -> None:
    registration = meter.registration(prosumer)
    domain = registry.eip712Domain()
    message = {
        "deviceId": registration.device_id,
        "owner": registration.owner,
        "kind": int(registration.kind),
        "zone": registration.zone,
        "deadline": registration.deadline,
    }
    types = {"deviceId": "bytes32", "owner": "address", "kind": "uint8", "zone": "uint24", "deadline": "uint256"}
    signable = encode_typed_data(
        {
            "name": domain.name,
            "version": domain.version,
            "chainId": domain.chainId,
            "verifyingContract": domain.verifyingContract,
        },
        {"Register": [{"name": name, "type": kind} for name, kind in types.items()]},
        message,
    )
    assert registry.registerDigest(registration_args(registration)) == _hash_eip191_message(signable)


def test_describe_domain__erc5267__names_chain_and_contract(registry: Any) -> None:
    domain = registry.eip712Domain()
    assert (domain.name, domain.version) == ("Gridwitness DeviceRegistry", "1")
    assert (domain.chainId, domain.verifyingContract) == (ape.chain.chain_id, registry.address)


def test_support_interface__erc165__is_the_interface_and_no_more(registry: Any) -> None:
    access = {"DEFAULT_ADMIN_ROLE", "getRoleAdmin", "grantRole", "hasRole", "renounceRole", "revokeRole"}
    inherited = {"supportsInterface", "eip712Domain", "version"} | access
    abi = registry.contract_type
    own = 0
    for method in [*abi.view_methods, *abi.mutable_methods]:
        if method.name not in inherited:
            own ^= int.from_bytes(keccak(method.selector.encode())[:4], "big")
    assert registry.supportsInterface(own.to_bytes(4, "big"))
    for known in ("01ffc9a7", "84b0196e", "7965db0b", "54fd4d50"):  # ERC-165, ERC-5267, IAccessControl, IVersioned
        assert registry.supportsInterface(bytes.fromhex(known))
    assert not registry.supportsInterface(bytes.fromhex("ffffffff"))
