"""Registration with proof of possession."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import ape
import pytest

from gridwitness.domain.devices import DeviceKind, DeviceStatus
from tests.actors import Device, refused, registration_args


def test_register__new_device__fills_one_record(registry: Any, any_device: Device, prosumer: Any) -> None:
    receipt = any_device.register(prosumer, kind=DeviceKind.GENERATION, zone=0xABCDEF)

    record = registry.device(any_device.device_id)
    assert record.owner == prosumer
    assert record.status == DeviceStatus.ACTIVE
    assert record.keyType == any_device.key.key_type
    assert record.kind == DeviceKind.GENERATION
    assert record.zone == 0xABCDEF
    assert record.registeredAt == receipt.timestamp
    assert record.nonce == 0


def test_register__zero_owner__is_refused(registry: Any, any_device: Device, transmitter: Any) -> None:
    nobody = any_device.registration("0x" + "00" * 20)
    with refused(registry.ZeroOwner, deviceId=any_device.device_id):
        registry.register(registration_args(nobody), any_device.sign_registration(nobody), sender=transmitter)
