"""Every route × every scope × every kind of asker: one household cannot read another's data by any of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from gridwitness.service.sign_in import SESSION_S
from gridwitness.store.api_keys import ApiKeyFile
from tests.integration.portal_api.conftest import SCOPES, Ask, Household

# Every GET route of the API is in one of these, or a test fails. Public answers are the same whoever asks.
PUBLIC = {
    "/v1/site",
    "/v1/now",
    "/v1/rejections",
    "/v1/chain",
    "/v1/streams",
    "/v1/batches/{stream}",
    "/v1/batches/{stream}/{seq}",
    "/v1/zones",
    "/v1/zones/{zone}",
    "/v1/zones/{zone}/book/{slot}",
    "/v1/zones/{zone}/clearings",
    "/v1/assets",
}
# What is asked for is one household's own.
PERSONAL = {
    "/v1/devices/{device}",
    "/v1/readings?device={device}",
    "/v1/readings/{device}/{counter}",
    "/v1/readings/{device}/{counter}/trail",
    "/v1/proofs/readings?device={device}&time={time}",
    "/v1/proofs/readings/{device}/{counter}",
    "/v1/proofs/profiles/{device}/{day}",
    "/v1/bills/{device}/{day}",
    "/v1/portfolios/{account}",
}
# Personal too, but a day of readings is no history to forecast from: here there is none for anybody.
NONE_YET = {"/v1/forecasts/{device}"}
# Lists of what is the asker's, and aggregates.
MINE = {
    "/v1/devices",
    "/v1/readings/flagged",
    "/v1/scores",
    "/v1/schedules",
    "/v1/settlements",
    "/v1/community",
}
# Answers with the asker's own rights; the stream of public events, which never ends; and what machines scrape.
OTHERS = {"/v1/session", "/v1/events", "/metrics"}
# Asked of a chain that has assets, in tests/web/test_assets.py.
OF_ASSETS = {"/v1/assets/{asset}", "/v1/assets/{asset}/statements/{account}"}
# Without a session or key, these change nothing of anybody's.
NOT_GET = {("POST", "/v1/session"), ("POST", "/v1/session/nonce"), ("DELETE", "/v1/session")}


@dataclass(frozen=True)
class Asker:
    name: str
    headers: dict[str, str] = field(default_factory=dict)
    sees_own: bool = False
    sees_all: bool = False
    is_refused: bool = False


def _bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.fixture(scope="session")
def askers(api_key_file: ApiKeyFile, api_households: tuple[Household, Household]) -> list[Asker]:
    own, other = (one.account for one in api_households)
    revoked = api_key_file.create("revoked", SCOPES)
    api_key_file.revoke(revoked.split("_")[1])
    found = [
        Asker("nobody"),
        Asker("bad key", _bearer("gridwitness_000000000000_" + "A" * 43), is_refused=True),
        Asker("revoked key", _bearer(revoked), is_refused=True),
    ]
    for scope in SCOPES:
        reads = scope == "read"
        found += [
            Asker(f"{scope} of all", _bearer(api_key_file.create("all", [scope])), sees_own=reads, sees_all=reads),
            Asker(f"{scope} of own", _bearer(api_key_file.create("own", [scope], own)), sees_own=reads),
            Asker(f"{scope} of other", _bearer(api_key_file.create("other", [scope], other))),
        ]
    cookie = "gridwitness={}".format
    found += [
        Asker("own wallet", {"cookie": cookie(api_key_file.begin_session(own.lower(), SESSION_S))}, sees_own=True),
        Asker("other wallet", {"cookie": cookie(api_key_file.begin_session(other.lower(), SESSION_S))}),
        Asker("ended session", {"cookie": cookie("x" * 43)}),
    ]
    return found


def _routes(routes: list[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for route in routes:
        if hasattr(route, "original_router"):
            yield from _routes(route.original_router.routes, prefix + route.include_context.prefix)
        elif isinstance(route, APIRoute):
            yield from ((method, prefix + route.path) for method in route.methods)


def _path(template: str, of: Household, streams: list[Any]) -> str:
    return template.format(
        device=of.device,
        counter=of.reading.counter,
        time=of.reading.time,
        day=of.day,
        zone=1,
        slot=of.day * 96 + 48,
        stream=streams[0]["stream_id"],
        seq=1,
        account=of.account.lower(),
    )


@pytest.fixture(scope="session")
def api_paths(ask: Ask, api_households: tuple[Household, Household]) -> dict[str, str]:
    """Template to path, of the first household."""
    streams = ask("GET", "/v1/streams").json()
    return {template: _path(template, api_households[0], streams) for template in PUBLIC | PERSONAL | NONE_YET | MINE}


def _content(response: httpx.Response) -> tuple[int, Any]:
    """Status and body, without what differs from request to request."""
    body = response.json()
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if name not in ("instance", "server_time")}
    return response.status_code, body


def test_routes__of_the_app__are_all_in_the_matrix(app: FastAPI) -> None:
    found = {(method, path) for method, path in _routes(list(app.routes)) if path.startswith(("/v1", "/metrics"))}
    templates = PUBLIC | PERSONAL | NONE_YET | MINE | OTHERS | OF_ASSETS
    assert found == {("GET", template.partition("?")[0]) for template in templates} | NOT_GET


def test_get__public_route__is_the_same_for_all_but_those_with_a_bad_key(
    ask: Ask, askers: list[Asker], api_paths: dict[str, str]
) -> None:
    for template in PUBLIC:
        expected = _content(ask("GET", api_paths[template]))
        assert expected[0] == 200, template
        for asker in askers:
            response = ask("GET", api_paths[template], headers=asker.headers)
            if asker.is_refused:
                assert response.status_code == 401, (template, asker.name)
            else:
                status, body = _content(response)
                assert status == 200, (template, asker.name)
                # Rates and ages of these two go by the second.
                assert body == expected[1] or template in ("/v1/now", "/v1/chain"), (template, asker.name)


@pytest.mark.parametrize("template", sorted(PERSONAL))
def test_get__a_households_data__is_for_it_and_for_who_may_see_all(
    ask: Ask, askers: list[Asker], api_paths: dict[str, str], template: str
) -> None:
    nothing = _content(ask("GET", api_paths[template]))
    everything = _content(ask("GET", api_paths[template], headers=askers[3].headers))
    assert everything[0] == 200 and everything != nothing
    for asker in askers:
        response = ask("GET", api_paths[template], headers=asker.headers)
        if asker.is_refused:
            assert response.status_code == 401, asker.name
        else:
            assert _content(response) == (everything if asker.sees_own else nothing), asker.name
            caching = response.headers["cache-control"]
            assert caching == ("private, no-cache" if response.is_success else "no-store")
        assert "instance" in response.json() or response.headers["etag"]


def test_get__forecast_without_history__is_404_for_all(
    ask: Ask, askers: list[Asker], api_paths: dict[str, str]
) -> None:
    for asker in askers:
        response = ask("GET", api_paths["/v1/forecasts/{device}"], headers=asker.headers)
        assert response.status_code == (401 if asker.is_refused else 404), asker.name


def test_get__lists__hold_what_is_the_askers_and_nothing_of_the_other(
    ask: Ask, askers: list[Asker], api_households: tuple[Household, Household]
) -> None:
    own = api_households[0]
    for path in ("/v1/readings/flagged?limit=1000", "/v1/schedules?limit=1000", "/v1/settlements?limit=1000"):
        for asker in askers:
            if asker.is_refused:
                continue
            items = ask("GET", path, headers=asker.headers).json()["items"]
            assert any(item["device_id"] == own.device for item in items) == asker.sees_own, (path, asker.name)
            devices = {item["device_id"] for item in items}
            assert asker.sees_all or len(devices) <= 1, (path, asker.name)


def test_get__devices_community_and_scores__show_others_no_more_than_they_show_everybody(
    ask: Ask, askers: list[Asker], api_households: tuple[Household, Household]
) -> None:
    own = api_households[0]
    public = {item["device_id"]: item for item in ask("GET", "/v1/devices?limit=1000").json()["items"]}
    assert all(item["readings"] is None and item["health"] is None for item in public.values())
    for asker in askers:
        if asker.is_refused:
            continue
        shown = {i["device_id"]: i for i in ask("GET", "/v1/devices?limit=1000", headers=asker.headers).json()["items"]}
        assert (shown[own.device] == public[own.device]) != asker.sees_own, asker.name
        days = ask("GET", "/v1/community", headers=asker.headers).json()
        homes = {home["device_id"] for day in days for home in day["homes"]}
        assert (own.device in homes) == asker.sees_own, asker.name
        assert asker.sees_all or len(homes) <= 1, asker.name
        held = ask("GET", "/v1/scores", headers=asker.headers).json()["held"]
        assert asker.sees_all or len({one["account"] for one in held}) <= 1, asker.name


def test_get__cursor_of_another_household__tells_nothing(
    ask: Ask, askers: list[Asker], api_households: tuple[Household, Household]
) -> None:
    by_name = {asker.name: asker for asker in askers}
    api_paths = (f"/v1/readings?device={api_households[0].device}&limit=1", "/v1/readings/flagged?limit=1")
    for path in api_paths:
        cursor = ask("GET", path, headers=by_name["read of own"].headers).json()["next_cursor"]
        assert cursor
        for name in ("nobody", "read of other", "other wallet", "ingest of all"):
            response = ask("GET", f"{path}&cursor={cursor}", headers=by_name[name].headers)
            assert api_households[0].device not in json.dumps(response.json().get("items", [])), (path, name)
    forged = ask("GET", api_paths[0] + "&cursor=AAAA", headers=by_name["read of own"].headers)
    assert forged.status_code == 400


@pytest.mark.parametrize("template", sorted(PERSONAL | MINE))
def test_get__etag_of_another_household__is_never_a_304(
    ask: Ask, askers: list[Asker], api_paths: dict[str, str], template: str
) -> None:
    by_name = {asker.name: asker for asker in askers}
    tag = ask("GET", api_paths[template], headers=by_name["read of own"].headers).headers["etag"]
    again = ask("GET", api_paths[template], headers={**by_name["read of own"].headers, "if-none-match": tag})
    assert (again.status_code, again.content) == (304, b"")
    for name in ("nobody", "read of other", "other wallet", "ingest of all"):
        response = ask("GET", api_paths[template], headers={**by_name[name].headers, "if-none-match": tag})
        assert response.status_code in (200, 404), name
        assert response.headers.get("etag") != tag


def test_get__site_with_open_data__is_open_without_a_key(ask_open: Ask, api_paths: dict[str, str]) -> None:
    for template in PUBLIC | PERSONAL | MINE:
        assert ask_open("GET", api_paths[template]).status_code == 200, template
    assert ask_open("GET", "/v1/site", headers=_bearer("x")).status_code == 401


def test_session__of_who_asks__says_what_it_opens(
    ask: Ask, askers: list[Asker], api_households: tuple[Household, Household]
) -> None:
    by_name = {asker.name: ask("GET", "/v1/session", headers=asker.headers) for asker in askers}
    assert by_name["nobody"].json() == {"name": "", "scopes": [], "account": "", "is_open_data": False}
    assert by_name["own wallet"].json()["account"] == api_households[0].account.lower()
    assert by_name["operate of other"].json()["scopes"] == ["operate"]
    assert by_name["ended session"].json() == by_name["nobody"].json()
    assert by_name["revoked key"].status_code == 401
