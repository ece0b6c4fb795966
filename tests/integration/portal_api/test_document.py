"""docs/api.md: its lines work against a real site, and signing in does as it says."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import uvicorn
from eth_account import Account
from eth_account.messages import encode_defunct
from fastapi import FastAPI

from gridwitness.chain.anvil import Anvil
from gridwitness.client import Api, ApiProblem, DeviceRegistry, EnergyMarket, Node, ProfileProof
from gridwitness.encoding.sign_in import write_sign_in
from gridwitness.errors import GridwitnessError, ProofError
from gridwitness.service.portal import SitePortal
from gridwitness.store.api_keys import ApiKeyFile
from tests.integration.portal_api.conftest import Household

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "api.md"


@pytest.fixture(scope="module")
def api_url(app: FastAPI) -> Iterator[str]:
    """The app on a loopback port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def api(api_url: str, api_key_file: ApiKeyFile) -> Iterator[Api]:
    with Api(api_url, key=api_key_file.create("client", ["read"])) as opened:
        yield opened


def test_document__ten_lines__verify_a_real_reading(
    api_url: str, api_key_file: ApiKeyFile, portal: SitePortal, api_anvil: Anvil, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 10
    given = {
        "api_url": api_url,
        "api_key": api_key_file.create("reader", ["read"]),
        "rpc_url": api_anvil.url,
        "attestation_address": portal.site().contracts["DataAttestation"],
        "registry_address": portal.site().contracts["DeviceRegistry"],
        "stream": portal.streams()[0].stream_id,
    }
    exec(code, given)
    assert re.search(r"0x[0-9a-f]{64} metered -?\d+ Wh at \d+, score [\d.]+ %", capsys.readouterr().out)


def test_client__profile_proof_and_contracts__agree_with_the_api(
    api: Api, api_households: tuple[Household, Household], api_anvil: Anvil
) -> None:
    home, contracts = api_households[0], api.site().contracts
    proof = ProfileProof.of(api.proof_of_profile(home.device, home.day), home.device, home.day)
    assert sum(proof.energy_wh) == api.bill(home.device, home.day).import_wh - api.bill(home.device, home.day).export_wh
    registered = DeviceRegistry(Node(api_anvil.url), contracts["DeviceRegistry"]).device(bytes.fromhex(home.device[2:]))
    assert registered.owner == home.account.lower()
    clearing = next(api.all_clearings(1, day=home.day))
    on_chain = EnergyMarket(Node(api_anvil.url), contracts["EnergyMarket"]).clearing(1, clearing.slot_start // 900)
    assert on_chain.tick == clearing.tick


def test_client__proof_changed__is_refused(api: Api, api_households: tuple[Household, Household]) -> None:
    device, day = api_households[0].device, api_households[0].day
    document = api.proof_of_profile(device, day)
    document["energy_wh"][0] += 1
    with pytest.raises(ProofError, match="energy_wh are not"):
        ProfileProof.of(document, device, day)
    del document["batch"]
    with pytest.raises(ProofError, match="batch"):
        ProfileProof.of(document, device, day)


def test_client__pages_and_problems__are_iterators_and_errors(
    api: Api, api_url: str, api_households: tuple[Household, Household]
) -> None:
    api.page_size = 40
    readings = list(api.all_readings(device=api_households[0].device))
    assert len({one.counter for one in readings}) == len(readings) > 80
    with pytest.raises(ApiProblem, match="not here, or not for you") as raised:
        api.reading(api_households[0].device, 1 << 40)
    assert (raised.value.status, bool(raised.value.request_id)) == (404, True)
    with Api(api_url) as stranger:
        assert list(stranger.all_readings(device=api_households[0].device)) == []
    with Api("http://127.0.0.1:9") as nobody, pytest.raises(GridwitnessError, match="nothing answers"):
        nobody.site()


def test_client__events_from_the_beginning__come_in_order(api: Api) -> None:
    events = api.events(after=0)
    positions = [next(events).position for _ in range(50)]
    assert positions == sorted(set(positions))
    events.close()  # type: ignore[attr-defined]


def test_sign_in__wallet__sees_its_own_household_until_it_signs_out(api_url: str) -> None:
    wallet = Account.create()
    domain = api_url.removeprefix("http://")
    with httpx.Client(base_url=api_url) as browser:
        asked = browser.post("/v1/session/nonce").json()
        assert asked["domain"] == domain
        issued_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        uri = f"http://{domain}/"
        text = write_sign_in(**asked, address=wallet.address, uri=uri, issued_at=issued_at)
        signature = wallet.sign_message(encode_defunct(text=text)).signature.hex()
        body = {"message": text, "signature": "0x" + signature.removeprefix("0x")}
        answer = browser.post("/v1/session", json=body)
        assert answer.json() == {
            "name": wallet.address.lower(),
            "scopes": ["read", "trade"],
            "account": wallet.address.lower(),
            "is_open_data": False,
        }
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Path=/" in cookie
        assert browser.get("/v1/session").json()["account"] == wallet.address.lower()
        assert browser.post("/v1/session", json=body).json()["detail"].startswith("the nonce was used before")
        token = browser.cookies["gridwitness"]
        assert browser.delete("/v1/session").status_code == 204
        assert "gridwitness" not in browser.cookies
        ended = httpx.get(f"{api_url}/v1/session", headers={"cookie": f"gridwitness={token}"})
        assert ended.json()["account"] == ""


def test_sign_in__by_another_name__is_refused_before_a_nonce_is_given(api_url: str) -> None:
    for host in ("evil.example", "127.0.0.1.evil.example", "10.0.0.1", ""):
        answer = httpx.post(f"{api_url}/v1/session/nonce", headers={"host": host})
        assert answer.status_code in (400, 403), host
    for body, status in (
        (b"{", 400),
        (b"[" * 10_000, 400),
        (b"x" * 20_000, 413),
        (b'{"message":"","signature":"x"}', 400),
    ):
        sent = httpx.post(f"{api_url}/v1/session", content=body, headers={"content-type": "application/json"})
        assert sent.status_code == status
    assert httpx.post(f"{api_url}/v1/session", content=b"message=x").status_code in (400, 415)
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert httpx.post(f"{api_url}/v1/session", content=b"message=x", headers=form).status_code == 415
