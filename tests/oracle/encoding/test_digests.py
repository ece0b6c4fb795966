"""Digests against eth-account's general EIP-712 encoder, over the whole range of every field."""

from __future__ import annotations

from typing import Any

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from gridwitness.domain.batches import Batch
from gridwitness.domain.devices import DeviceKind, Registration, Rotation
from gridwitness.domain.market import Schedule
from gridwitness.domain.readings import Reading
from gridwitness.encoding import eip712
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.packing import metric_bytes, pack_meta, pack_orders
from tests.oracle.encoding.references import (
    ACTIVATE,
    BATCH,
    OWNER_ACTIONS,
    READING,
    REGISTER,
    SCHEDULE,
    typed_data_digest,
)
from tests.oracle.encoding.strategies import integers, metas, metrics, orders, words

addresses = st.binary(min_size=20, max_size=20).map(to_checksum_address)
chain_ids = st.integers(1, (1 << 64) - 1)
registrations = st.builds(
    Registration,
    device_id=words,
    owner=addresses,
    kind=st.sampled_from(DeviceKind),
    zone=integers("uint24"),
    deadline=integers("uint256"),
)


@given(chain_ids, addresses, registrations, words)
def test_digest_registration__any_fields__equals_eth_account(
    chain_id: int, contract: str, registration: Registration, fleet: bytes
) -> None:
    domain = eip712.registry_domain(chain_id, contract)
    name = ("Gridwitness DeviceRegistry", chain_id, contract)
    values = {
        "deviceId": registration.device_id,
        "owner": registration.owner,
        "kind": int(registration.kind),
        "zone": registration.zone,
        "deadline": registration.deadline,
    }
    assert eip712.register_digest(domain, registration) == typed_data_digest(*name, "Register", REGISTER, values)
    expected = typed_data_digest(*name, "Activate", ACTIVATE, {**values, "fleetId": fleet})
    assert eip712.activate_digest(domain, registration, fleet) == expected


@given(addresses, words)
def test_name_fleet__any_root__binds_the_manufacturer(manufacturer: str, root: bytes) -> None:
    assert eip712.fleet_id(manufacturer, root) == keccak(encode(["address", "bytes32"], [manufacturer, root]))


rotations = st.builds(
    Rotation, device_id=words, new_key_id=words, valid_from=integers("uint40"), deadline=integers("uint256")
)


@given(chain_ids, addresses, rotations, integers("uint16"))
def test_digest_rotation__any_fields__equals_eth_account(
    chain_id: int, contract: str, rotation: Rotation, nonce: int
) -> None:
    values = {
        "deviceId": rotation.device_id,
        "newKeyId": rotation.new_key_id,
        "validFrom": rotation.valid_from,
        "nonce": nonce,
        "deadline": rotation.deadline,
    }
    expected = _owner_action(chain_id, contract, "Rotate", values)
    assert eip712.rotate_digest(eip712.registry_domain(chain_id, contract), rotation, nonce) == expected


@given(chain_ids, addresses, words, addresses, addresses, integers("uint32"), integers("uint40"), integers("uint16"))
def test_digest_owner_actions__any_fields__equal_eth_account(
    chain_id: int, contract: str, device: bytes, one: str, other: str, scopes: int, expires_at: int, nonce: int
) -> None:
    domain = eip712.registry_domain(chain_id, contract)
    deadline = expires_at + 1
    once = {"nonce": nonce, "deadline": deadline}
    expected: dict[str, dict[str, Any]] = {
        "Retire": {},
        "OfferTransfer": {"to": one, "expiresAt": expires_at},
        "AcceptTransfer": {"from": one, "to": other},
        "SetDelegate": {"delegate": one, "scopes": scopes, "expiresAt": expires_at},
        "SetPayee": {"payee": one},
    }
    digests = {
        "Retire": eip712.retire_digest(domain, device, **once),
        "OfferTransfer": eip712.offer_transfer_digest(domain, device, one, expires_at, **once),
        "AcceptTransfer": eip712.accept_transfer_digest(domain, device, one, other, **once),
        "SetDelegate": eip712.set_delegate_digest(domain, device, one, scopes, expires_at, **once),
        "SetPayee": eip712.set_payee_digest(domain, device, one, **once),
    }
    for action, fields in expected.items():
        values = {"deviceId": device, **fields, **once}
        assert digests[action] == _owner_action(chain_id, contract, action, values), action


def _owner_action(chain_id: int, contract: str, action: str, values: dict[str, Any]) -> bytes:
    return typed_data_digest("Gridwitness DeviceRegistry", chain_id, contract, action, OWNER_ACTIONS[action], values)


@given(chain_ids, addresses, words, integers("uint64"), integers("uint64"), metrics, integers("int256"))
def test_digest_reading__any_fields__equals_eth_account(
    chain_id: int, contract: str, device_id: bytes, counter: int, time: int, metric: str, value: int
) -> None:
    values = {
        "deviceId": device_id,
        "counter": counter,
        "time": time,
        "metric": metric_bytes(metric),
        "value": value,
    }
    digest = eip712.reading_digest(
        eip712.registry_domain(chain_id, contract), Reading(device_id, counter, time, metric, value)
    )
    name = ("Gridwitness DeviceRegistry", chain_id, contract)
    assert digest == typed_data_digest(*name, "Reading", READING, values)


@given(
    chain_ids,
    addresses,
    st.builds(
        Batch,
        stream_id=words,
        seq=integers("uint32"),
        root=words,
        previous=st.binary(min_size=20, max_size=20),
        meta=metas,
        supersedes=integers("uint32"),
        valid_from=integers("uint40"),
        valid_until=integers("uint40"),
        config=integers("uint24"),
    ),
)
def test_digest_batch__any_fields__equals_eth_account(chain_id: int, contract: str, batch: Batch) -> None:
    values = {
        "streamId": batch.stream_id,
        "seq": batch.seq,
        "root": batch.root,
        "previous": batch.previous,
        "meta": pack_meta(batch.meta),
        "supersedes": batch.supersedes,
        "validFrom": batch.valid_from,
        "validUntil": batch.valid_until,
        "config": batch.config,
    }
    digest = eip712.batch_digest(eip712.attestation_domain(chain_id, contract), batch)
    name = ("Gridwitness DataAttestation", chain_id, contract)
    assert digest == typed_data_digest(*name, "Batch", BATCH, values)


@given(
    chain_ids,
    addresses,
    st.builds(
        Schedule,
        device_id=words,
        account=addresses,
        zone=integers("uint24"),
        day=integers("uint24"),
        version=integers("uint32"),
        deadline=integers("uint40"),
        imbalance_limit_wh=integers("uint32"),
        orders=st.tuples(*[orders] * 96),
    ),
)
def test_digest_schedule__any_fields__equals_eth_account(chain_id: int, contract: str, schedule: Schedule) -> None:
    values = {
        "deviceId": schedule.device_id,
        "account": schedule.account,
        "zone": schedule.zone,
        "day": schedule.day,
        "version": schedule.version,
        "deadline": schedule.deadline,
        "imbalanceLimitWh": schedule.imbalance_limit_wh,
        "orders": list(pack_orders(schedule.orders)),
    }
    digest = eip712.schedule_digest(eip712.market_domain(chain_id, contract), schedule)
    name = ("Gridwitness EnergyMarket", chain_id, contract)
    assert digest == typed_data_digest(*name, "Schedule", SCHEDULE, values)
