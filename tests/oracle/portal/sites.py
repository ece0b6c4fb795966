"""A site over an index and a log, with devices of the test's own: without a chain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from gridwitness.domain.devices import Device, DeviceKind, DeviceStatus, KeyType
from gridwitness.service.portal.cursors import Cursors
from gridwitness.service.portal.sources import Site, SiteOptions
from gridwitness.store.log_reader import LogReader
from gridwitness.store.site_index import SiteIndex
from tests.oracle.signers import Registry

ZONE, STREAM = 1, b"\x01" * 32


def account_of(number: int) -> str:
    """An account, lower case."""
    return f"0x{number:040x}"


def home(number: int, owner: str = "", owned_since: int = 0) -> Device:
    """A home of the site; without another owner the account of its number has it."""
    return Device(
        number.to_bytes(32, "big"),
        owner or account_of(number),
        DeviceStatus.ACTIVE,
        KeyType.P256,
        DeviceKind.PROSUMER,
        ZONE,
        0,
        owned_since=owned_since,
    )


def site_over(
    index: SiteIndex, devices: Iterable[Device], log: LogReader | None = None, *, is_open_data: bool = False
) -> Site:
    """A site that asks no chain."""
    site = object.__new__(Site)
    site.options = SiteOptions("Green Street", ZONE, "oracle-1", account_of(0), is_open_data=is_open_data)
    site.index = index
    site.log = cast("Any", log)
    site.registry = cast("Any", Registry(synced={device.device_id: device for device in devices}))
    site.cursors = Cursors(bytes.fromhex(index.meta("cursor_key")))
    site.readings_stream = STREAM
    return site
