"""What a site's views are made of, and whose data a viewer may see."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gridwitness.api.portal.protocols import Viewer
from gridwitness.chain.client import Chain
from gridwitness.chain.node import Block
from gridwitness.chain.registry import RegistryFollower
from gridwitness.domain.devices import Device, DeviceKind
from gridwitness.domain.readings import NET_ENERGY_METRIC
from gridwitness.domain.slots import SLOT_SECONDS
from gridwitness.errors import ConfigError
from gridwitness.service.portal.cursors import Cursors
from gridwitness.store.log_reader import LogReader
from gridwitness.store.site_index import SiteIndex

_CURRENCY = "EUR"
_NO_HOMES = (DeviceKind.FEEDER, DeviceKind.SENSOR)


@dataclass(frozen=True, slots=True)
class SiteOptions:
    """What is said of a site, beside what its chain and its oracle's log hold.

    `names` are the site's own for its devices, `confirmations` how many blocks on top make a batch final. With
    `ends_with_readings` the present, by which devices are silent, is the end of the newest reading: for a past whose
    chain went on without any.
    """

    name: str
    zone: int
    oracle: str
    account: str
    readings_stream: str = "readings"
    profiles_stream: str = "profiles"
    time_zone: str = "UTC"
    currency: str = _CURRENCY
    explorer_url: str = ""
    rpc_url: str = ""
    is_open_data: bool = False
    ends_with_readings: bool = False
    confirmations: int = 0
    names: Mapping[bytes, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises ConfigError for a currency that pages have no words for."""
        if self.currency != _CURRENCY:
            raise ConfigError(
                f"the site's currency is {self.currency}, but pages show amounts in {_CURRENCY} alone",
                hint="leave `currency` out of the site's file; a market in another one cannot be shown yet",
            )


@dataclass(frozen=True, slots=True)
class Sources:
    """Chain, the oracle's log and outbox, and the site's index. `not_ready` says what keeps the oracle from its work;
    nothing, for a log whose oracle does not run."""

    chain: Chain
    log: LogReader
    index: SiteIndex
    outbox: Path
    not_ready: Callable[[], Sequence[str]] = lambda: ()


class Site:
    """Sources, options and what the last refresh saw, for all views. Reading never asks the chain."""

    def __init__(self, options: SiteOptions, sources: Sources, head: Block) -> None:
        self.options = options
        self.chain = sources.chain
        self.log = sources.log
        self.index = sources.index
        self.registry = RegistryFollower(sources.chain)
        self.cursors = Cursors(bytes.fromhex(sources.index.meta("cursor_key")))
        manifest = sources.chain.manifest
        self.readings_stream = manifest.stream(options.readings_stream)
        self.profiles_stream = manifest.stream(options.profiles_stream)
        self.head = head

    def name_of(self, device_id: bytes) -> str:
        """The site's own name of a device, empty without."""
        return self.options.names.get(device_id, "")

    def homes(self) -> set[bytes]:
        """Devices of the zone that stand for a home or plant."""
        return {one.device_id for one in self.registry.devices(self.options.zone) if one.kind not in _NO_HOMES}

    def sees_all(self, viewer: Viewer) -> bool:
        """Whether every household is open to a viewer."""
        return self.options.is_open_data or viewer.sees_all

    def may_see(self, viewer: Viewer, account: str) -> bool:
        """Whether data under an account is for a viewer."""
        return self.options.is_open_data or viewer.may_see(account)

    def visible_device(self, viewer: Viewer, device_id: bytes) -> tuple[Device, int] | None:
        """A device whose data a viewer may see, and from when (unix seconds): not what it measured for an owner before
        it was handed over. None if there is none, or not for this viewer."""
        device = self.registry.device(device_id)
        if device is None or device.zone != self.options.zone or not self.may_see(viewer, device.owner):
            return None
        # Both out of one record: who owns it, and since when, must never be of different blocks.
        return device, 0 if self.sees_all(viewer) else device.owned_since


def hexed(value: bytes) -> str:
    """0x-hex."""
    return "0x" + value.hex()


def interval_end(time: int, metric: str) -> int:
    """When a reading could be made at the earliest: the end of its interval, or its instant."""
    return time + SLOT_SECONDS if metric == NET_ENERGY_METRIC else time
