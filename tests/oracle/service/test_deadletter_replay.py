"""Dead letters posted again to a real interface over a real log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from gridwitness.api import Verdict, create_app
from gridwitness.cli import build_app
from gridwitness.domain.slots import slot_end, slot_start
from gridwitness.encoding.keys import P256Key
from gridwitness.errors import GridwitnessError
from gridwitness.service.deadletters import list_dead_letters, replay_dead_letters
from gridwitness.sources.decoding import COSE
from gridwitness.sources.payloads import to_payload
from gridwitness.store import Rejection
from tests.oracle.service.oracle_parts import Parts
from tests.oracle.signers import FIRST_SLOT, home_key, net_energy
from tests.oracle.sources.documents import cose, net_energy_record, senml_json

URL = "http://testserver"
NEWCOMER = P256Key(77)


class Served:
    """As much of an oracle as the interface needs to take readings in."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def ingest(self, body: bytes, content_type: str = "application/json") -> list[Verdict]:
        return await self._parts.ingest.submit_body(body, content_type)


@pytest.fixture
def client(oracle: Parts) -> Iterator[TestClient]:
    oracle.clock.time = slot_end(FIRST_SLOT)
    served: Any = Served(oracle)
    with TestClient(create_app(served), base_url=URL) as made:
        yield made


def test_replay__device_registered_since__is_accepted_and_removed(oracle: Parts, client: TestClient) -> None:
    late = [to_payload(net_energy(NEWCOMER, n, FIRST_SLOT - n, 5)) for n in range(3)]
    too_early = to_payload(net_energy(home_key(), 9, FIRST_SLOT + 9, 5))
    client.post("/v1/readings", content=msgspec.json.encode([*late, too_early]))
    client.post("/v1/readings", content=b"no JSON")
    assert [letter.reason for letter in list_dead_letters(oracle.path, None)] == [
        *["unknown_device"] * 3,
        "future_time",
        "malformed",
    ]
    oracle.registry.register(NEWCOMER)
    assert replay_dead_letters(oracle.path, "unknown_device", URL, client) == {"accepted": 3}
    assert [letter.reason for letter in list_dead_letters(oracle.path, None)] == ["future_time", "malformed"]
    assert oracle.readings.counts()["stored"] == 3
    assert oracle.readings.rejections()["unknown_device"]["count"] == 3


def test_replay__refused_again_or_malformed__stays(oracle: Parts, client: TestClient) -> None:
    client.post("/v1/readings", content=b"no JSON")
    client.post("/v1/readings", content=msgspec.json.encode([to_payload(net_energy(NEWCOMER, 1, FIRST_SLOT, 5))]))
    first = [letter.id for letter in list_dead_letters(oracle.path, None)]
    assert replay_dead_letters(oracle.path, None, URL, client) == {"unknown_device": 1, "malformed": 1}
    assert [letter.id for letter in list_dead_letters(oracle.path, None)][:2] == first


def test_replay__type_that_is_not_read__stays_and_those_after_it_are_posted(oracle: Parts, client: TestClient) -> None:
    client.post("/v1/readings", content=b"12 kWh", headers={"content-type": "text/plain"})
    assert [letter.content_type for letter in list_dead_letters(oracle.path, None)] == ["text/plain"]
    document = cose(NEWCOMER, senml_json(net_energy_record(5, slot_start(FIRST_SLOT))), 1)
    client.post("/v1/readings", content=document, headers={"content-type": COSE})
    oracle.registry.register(NEWCOMER)
    assert replay_dead_letters(oracle.path, None, URL, client) == {"unsupported_type": 1, "accepted": 1}
    assert {letter.content_type for letter in list_dead_letters(oracle.path, None)} == {"text/plain"}


def test_replay__cut_short__is_told_and_not_posted(oracle: Parts, client: TestClient) -> None:
    oracle.readings.append([], 1, [Rejection("malformed", "long", b"x" * 5_000)])
    assert replay_dead_letters(oracle.path, None, URL, client) == {"cut_short": 1}


def test_replay__no_oracle__is_an_error_and_removes_nothing(oracle: Parts) -> None:
    oracle.readings.append([], 1, [Rejection("unknown_device", "who?", b"{}")])
    with pytest.raises(GridwitnessError, match="no oracle answers at nowhere"):
        replay_dead_letters(oracle.path, None, "nowhere")
    assert len(list_dead_letters(oracle.path, None)) == 1


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings of the oracle whose log it is."""
    path = tmp_path / "oracle.toml"
    path.write_text(
        f'name = "o"\ndata_dir = "{tmp_path}"\nrpc_url = "http://127.0.0.1:1"\nmanifest = "m"\nzone = 1\n'
        'keystore = "k"\npassword_file = "p"\n'
    )
    (tmp_path / "m").write_text("{}")
    return path


def test_replay__by_command__tells_verdicts_and_errors_in_a_line(config: Path, oracle: Parts) -> None:
    oracle.readings.append([], 1, [Rejection("malformed", "long", b"x" * 5_000)])
    command = ["deadletter", "replay", "--config", str(config), "--to", "nowhere"]
    told = CliRunner().invoke(build_app(command), command)
    assert (told.exit_code, told.output.split()) == (0, ["1", "cut_short"])
    oracle.readings.append([], 1, [Rejection("unknown_device", "who?", b"{}")])
    refused = CliRunner().invoke(build_app(command), command)
    assert isinstance(refused.exception, GridwitnessError)
    assert "no oracle answers at nowhere" in refused.exception.message


def test_list__json__is_one_line_each_with_the_body(config: Path, oracle: Parts) -> None:
    oracle.readings.append([], 1, [Rejection("malformed", "no JSON", b"no JSON", "mqtt")])
    command = ["deadletter", "list", "--config", str(config)]
    result = CliRunner().invoke(build_app(command), [*command, "--json"])
    assert result.exit_code == 0, result.output
    (line,) = result.output.splitlines()
    assert msgspec.json.decode(line) == {
        "id": 1, "at": 1, "source": "mqtt", "reason": "malformed", "message": "no JSON",
        "content_type": "application/json", "body": "no JSON", "is_whole": True,
    }  # fmt: skip
    table = CliRunner().invoke(build_app(command), [*command, "--reason", "malformed"])
    assert "no JSON" in table.output
