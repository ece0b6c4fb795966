"""`gridwitness apikey`, and keys where other commands take them."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from gridwitness.cli import build_app
from gridwitness.cli.settings import OracleSettings
from gridwitness.errors import ConfigError, InputError, ProofError
from gridwitness.service.peers import Peers
from gridwitness.service.proof_requests import request_profile_proof, request_reading_proof
from gridwitness.store.api_keys import KEY_FILE_NAME, ApiKeyFile

ACCOUNT = "0x" + "ab" * 20
PEER = "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f"


def _apikey(*arguments: str) -> str:
    done = CliRunner().invoke(build_app(["apikey"]), ["apikey", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_apikey__created_listed_and_revoked__is_good_in_between(tmp_path: Path) -> None:
    data = ["--data", str(tmp_path)]
    key = _apikey("create", "billing", *data, "--scope", "read", "--scope", "trade", "--account", ACCOUNT).strip()
    service = ApiKeyFile(tmp_path / KEY_FILE_NAME)  # as a service beside has it
    assert service.find(key) is not None
    (listed,) = [json.loads(line) for line in _apikey("list", *data, "--json").splitlines()]
    assert (listed["name"], sorted(listed["scopes"]), listed["account"]) == ("billing", ["read", "trade"], ACCOUNT)
    assert key not in json.dumps(listed)
    assert "billing" in _apikey("list", *data)
    assert _apikey("revoke", listed["id"], *data) == f"revoked {listed['id']}, billing\n"
    assert service.find(key) is None
    service.close()


def test_apikey__scope_that_is_none__is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'admin' is no scope"):
        _apikey("create", "x", "--data", str(tmp_path), "--scope", "admin")


@pytest.mark.parametrize("arguments", [("create", "x", "--scope", "read"), ("list",), ("revoke", "5f0c1a2b3c4d")])
def test_apikey__folder_that_is_not_there__is_refused_and_not_made(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=f"there is no folder {tmp_path / 'dta'}"):
        _apikey(*arguments, "--data", str(tmp_path / "dta"))
    assert not (tmp_path / "dta").exists()


def _settings(folder: Path, keys: str) -> OracleSettings:
    (folder / "peers.keys").write_text(keys)
    values = {"name": "o", "data_dir": "data", "rpc_url": "http://127.0.0.1:1", "manifest": "m.json", "zone": 1}
    values |= {"keystore": "k.json", "password_file": "p", "peer_keys_file": "peers.keys"}
    lines = [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    lines += ["[[peers]]", f'address = "{PEER}"', 'url = "http://127.0.0.1:2"']
    (folder / "oracle.toml").write_text("\n".join(lines))
    return OracleSettings.load(folder / "oracle.toml", "run")


def test_peer_keys_file__address_and_key__is_for_that_peer(tmp_path: Path) -> None:
    assert _settings(tmp_path, f"\n{PEER} gridwitness_k\n").node_config(live=False).peer_keys == {PEER: "gridwitness_k"}


@pytest.mark.parametrize("text", [f"{PEER}", f"{PEER} a b", f"{ACCOUNT} secret"])
def test_peer_keys_file__wrong_entry__is_named_without_the_key(tmp_path: Path, text: str) -> None:
    settings = _settings(tmp_path, text)
    with pytest.raises(ConfigError, match="entry 1 is not a peer's address and a key") as raised:
        settings.node_config(live=False)
    assert "secret" not in raised.value.message


async def test_peers__one_that_gave_a_key__is_sent_it_and_no_other() -> None:
    sent: dict[str, str] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        sent[request.url.host] = request.headers.get("authorization", "")
        return httpx.Response(404)

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    peers = Peers({PEER: "http://a", ACCOUNT: "http://b"}, 1.0, client, keys={PEER: "k"})
    for address in (PEER, ACCOUNT):
        assert await peers.attested_content(address, "0x" + "11" * 32, 1) is None
    await peers.close()
    assert sent == {"a": "Bearer k", "b": ""}


def test_request_proof__with_a_key__sends_it_and_says_what_the_oracle_says() -> None:
    sent: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("authorization", ""))
        return httpx.Response(401, json={"detail": "this API key is unknown or revoked"})

    client = httpx.Client(transport=httpx.MockTransport(answer))
    for key in ("k", ""):
        with pytest.raises(ProofError, match="unknown or revoked"):
            request_reading_proof("http://oracle", bytes(32), 900, "1-0:16.29.0", client=client, key=key)
        with pytest.raises(ProofError, match="unknown or revoked"):
            request_profile_proof("http://oracle", bytes(32), 900, client=client, key=key)
    assert sent == ["Bearer k", "Bearer k", "", ""]
