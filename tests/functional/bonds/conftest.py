"""A bonded stream of readings, and those who doubt it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gridwitness.encoding.eip712 import Domain
from gridwitness.encoding.leaves import READING_TYPES
from tests.actors import Committee, Device, Feed, OpenFeed
from tests.functional.bonds.doubts import STAKE, WINDOW, BondedStream, Evidence, reading_of, signed

OpenBonded = Callable[..., BondedStream]


@pytest.fixture(scope="session")
def watchdog(accounts: Any) -> Any:
    """Account that doubts readings."""
    return accounts[8]


@pytest.fixture(scope="session")
def operator(accounts: Any) -> Any:
    """Account of an oracle that answers for its stream."""
    return accounts[9]


@pytest.fixture
def readings_feed(open_feed: OpenFeed, committee: Committee) -> Feed:
    """A fresh stream of readings, without terms."""
    return open_feed("readings", committee, READING_TYPES)


@pytest.fixture
def with_terms(readings_feed: Feed, deployer: Any) -> OpenBonded:
    """The stream with terms in a token, nothing bonded yet."""

    def set_terms(token: Any, stake: int = STAKE) -> BondedStream:
        readings_feed.attestation.setBondTerms(readings_feed.stream_id, token, stake, WINDOW, sender=deployer)
        return BondedStream(readings_feed, token, deployer)

    return set_terms


@pytest.fixture
def bonded(with_terms: OpenBonded, euro: Any) -> BondedStream:
    """The stream with a bond in euros."""
    stream = with_terms(euro)
    stream.deposit()
    return stream


@pytest.fixture
def readings(charger: Device, registry_domain_712: Domain) -> Callable[[int], list[Evidence]]:
    """So many good readings of one device."""

    def make(count: int) -> list[Evidence]:
        return [
            signed(registry_domain_712, charger.key, reading_of(charger.device_id, counter))
            for counter in range(1, count + 1)
        ]

    return make


@pytest.fixture
def false_reading(charger: Device, registry_domain_712: Domain, meter: Device) -> Evidence:
    """A reading of the charger that another device signed."""
    return signed(registry_domain_712, meter.key, reading_of(charger.device_id, counter=666))
