"""What `run` and `serve` share to show a site: its portal, opened from settings and kept up to date."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence

from eth_utils.address import to_checksum_address

from gridwitness.chain.client import Chain
from gridwitness.cli.serving import Service
from gridwitness.cli.settings import OracleSettings
from gridwitness.cli.site_settings import SiteSettings
from gridwitness.errors import ConfigError
from gridwitness.service.portal import SiteOptions, SitePortal, Sources
from gridwitness.store.log_reader import LogReader
from gridwitness.store.site_index import SiteIndex

INDEX_FILE_NAME = "site.sqlite"


def open_portal(
    settings: OracleSettings, site: SiteSettings, chain: Chain, not_ready: Callable[[], Sequence[str]] = lambda: ()
) -> SitePortal:
    """The portal over an oracle's files and its chain. Raises ConfigError, StoreError, ChainError."""
    options = SiteOptions(
        name=site.name,
        zone=settings.zone,
        oracle=settings.name,
        account=_account(settings),
        readings_stream=settings.readings_stream,
        profiles_stream=settings.profiles_stream,
        time_zone=site.time_zone,
        currency=site.currency,
        explorer_url=site.explorer_url,
        rpc_url=site.browser_rpc_url,
        is_open_data=settings.open_data,
        ends_with_readings=site.ends_with_readings,
        confirmations=settings.confirmations,
        names={bytes.fromhex(device[2:]): name for device, name in site.names.items()},
    )
    log = LogReader(settings.data_dir / "oracle.sqlite")
    index = SiteIndex(site.data_dir / INDEX_FILE_NAME)
    return SitePortal(options, Sources(chain, log, index, settings.data_dir / "outbox.sqlite", not_ready))


def _account(settings: OracleSettings) -> str:
    """The oracle's account: its signer's, or the one its keystore names, which needs no password."""
    if settings.signer_address is not None:
        return settings.signer_address
    try:
        document = json.loads((settings.keystore or settings.data_dir).read_text(encoding="utf-8"))
        return to_checksum_address("0x" + document["address"].removeprefix("0x"))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ConfigError(f"keystore {settings.keystore} names no account: {error}") from error


class SiteService:
    """Keeps a portal up to date, beside the oracle of its process or alone; for `serving.serve`."""

    def __init__(self, portal: SitePortal, refresh_s: float, beside: Service | None = None) -> None:
        self._portal = portal
        self._refresh_s = refresh_s
        self._beside = beside
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Work until stopped."""
        refreshing = asyncio.create_task(self._portal.run(self._refresh_s, self._stopping))
        try:
            await (self._stopping.wait() if self._beside is None else self._beside.run())
        finally:
            self._stopping.set()
            await refreshing

    def stop(self) -> None:
        """Ask `run` to end."""
        self._stopping.set()
        if self._beside is not None:
            self._beside.stop()

    def not_ready(self) -> list[str]:
        """Why the oracle cannot do its work, or alone the site; a page that lags keeps no oracle from it."""
        return self._portal.problems() if self._beside is None else self._beside.not_ready()
