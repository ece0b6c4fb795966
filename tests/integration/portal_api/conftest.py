"""The API of a real site: a demo's chain and log, indexed, and asked in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from gridwitness.api.portal.app import create_portal_app
from gridwitness.api.portal.limits import RequestRates
from gridwitness.api.portal.protocols import EVERYTHING, Scope
from gridwitness.api.portal.views import ReadingView
from gridwitness.chain.anvil import Anvil
from gridwitness.service.portal import SitePortal
from gridwitness.service.sign_in import SiteKeys
from gridwitness.store.api_keys import ApiKeyFile
from tests.portal_scene import copied, demo_chain, finished_demo, opened_portal

__all__ = ["finished_demo"]
SCOPES: tuple[Scope, ...] = ("read", "ingest", "trade", "operate")
UNLIMITED = RequestRates(per_key=10**9, per_address=10**9, sign_ins_per_address=10**9)


@dataclass(frozen=True)
class Household:
    """An account, its meter, a reading of it and the day it has bills and settlements for."""

    account: str
    device: str
    reading: ReadingView
    day: int


@pytest.fixture(scope="session")
def demo(finished_demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(finished_demo, tmp_path_factory.mktemp("portal"))


@pytest.fixture(scope="session")
def api_anvil(demo: Path) -> Iterator[Anvil]:
    with demo_chain(demo) as running:
        yield running


@pytest.fixture(scope="session")
def portal(demo: Path, api_anvil: Anvil) -> Iterator[SitePortal]:
    """Households' data is theirs."""
    with opened_portal(demo, api_anvil, is_open_data=False) as opened:
        yield opened


@pytest.fixture(scope="session")
def api_open_portal(demo: Path, api_anvil: Anvil, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SitePortal]:
    """Data is open to all."""
    with opened_portal(copied(demo, tmp_path_factory.mktemp("open")), api_anvil, is_open_data=True) as opened:
        yield opened


@pytest.fixture(scope="session")
def api_key_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiKeyFile]:
    file = ApiKeyFile(tmp_path_factory.mktemp("keys") / "keys.sqlite")
    yield file
    file.close()


@pytest.fixture(scope="session")
def app(portal: SitePortal, api_key_file: ApiKeyFile) -> FastAPI:
    return create_portal_app(portal, SiteKeys(api_key_file), is_secure_cookie=False, rates=UNLIMITED)


@pytest.fixture(scope="session")
def open_app(api_open_portal: SitePortal, api_key_file: ApiKeyFile) -> FastAPI:
    return create_portal_app(api_open_portal, SiteKeys(api_key_file), is_secure_cookie=False, rates=UNLIMITED)


@pytest.fixture(scope="session")
def api_households(portal: SitePortal) -> tuple[Household, Household]:
    """Two with flagged readings, a schedule, a settlement and a bill."""
    found = []
    for settlement in portal.settlements(EVERYTHING, device_id=None, day=None, cursor="", limit=100).items:
        device_id = bytes.fromhex(settlement.device_id[2:])
        page = portal.readings(EVERYTHING, device_id, time_from=0, time_to=1 << 40, flagged=True, cursor="", limit=10)
        if len(page.items) > 1 and portal.bill(EVERYTHING, device_id, settlement.day):
            found.append(Household(settlement.account, settlement.device_id, page.items[0], settlement.day))
    assert len(found) >= 2
    assert len({one.account for one in found}) == len(found)
    return found[0], found[1]


Ask = Callable[..., httpx.Response]


def asking(app: FastAPI) -> Ask:
    """Ask an app in this process, over a transport without a network."""

    async def send(method: str, path: str, **options: object) -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            sent: Awaitable[httpx.Response] = client.request(method, path, **options)  # type: ignore[arg-type]
            return await sent

    return lambda method, path, **options: asyncio.run(send(method, path, **options))


@pytest.fixture(scope="session")
def ask(app: FastAPI) -> Ask:
    return asking(app)


@pytest.fixture(scope="session")
def ask_open(open_app: FastAPI) -> Ask:
    return asking(open_app)
