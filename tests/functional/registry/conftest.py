"""Parties of the registry's tests."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from gridwitness.encoding.eip712 import Domain
from tests.actors import HOUR_SECONDS, Device
from tests.functional.registry.scene import Scene, new_keys


@pytest.fixture
def agent(accounts: Any) -> Any:
    """Account of a trading agent."""
    return accounts[9]


@pytest.fixture
def scene(
    registry: Any, registry_domain_712: Domain, any_device: Device, prosumer: Any, neighbour: Any, transmitter: Any
) -> Scene:
    """The prosumer's device, not yet registered, once per curve; the neighbour is whom it may go to."""
    now = ape.chain.pending_timestamp
    key, deadline = new_keys()[0], now + HOUR_SECONDS
    return Scene(
        registry, registry_domain_712, any_device, prosumer, neighbour, transmitter, key, deadline, now + HOUR_SECONDS
    )


@pytest.fixture
def plant(scene: Scene) -> Scene:
    """The same, registered."""
    scene.device.register(scene.owner)
    return scene
