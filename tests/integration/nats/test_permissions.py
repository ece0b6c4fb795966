"""The broker's example settings: the parts work under them, and nobody can speak for another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError

from gridwitness.service.scaleout.messages import Verified, encode
from gridwitness.sources.payloads import encode_body
from tests.integration.nats.broker import Broker
from tests.integration.nats.scene import Scene, soon
from tests.oracle.signers import FIRST_SLOT, home_key, net_energy

_EXAMPLE = Path("ops/nats-server.conf")


@pytest.fixture
def guarded_broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker with the example's users and permissions."""
    lines = _EXAMPLE.read_text().splitlines()
    made = Broker(tmp_path, [line for line in lines if not line.startswith(("listen:", "jetstream"))])
    made.start()
    yield made
    made.stop()


def password_file(folder: Path, user: str) -> Path:
    path = folder / f"{user}-password"
    path.write_text(f"change me: {user}\n")
    return path


async def gateway_client(scene: Scene, refused: list[str]) -> Client:
    async def note(error: Exception) -> None:
        refused.append(str(error))

    return await scene.connect(
        user="gateway-1",
        password="change me: gateway-1",
        inbox_prefix="_INBOX.gateway.gateway-1",
        error_cb=note,
    )


async def test_permissions__oracle_worker_and_gateway_as_in_the_example__readings_go_through(
    tmp_path: Path, guarded_broker: Broker
) -> None:
    config = {"user": "oracle", "password_file": password_file(tmp_path, "oracle")}
    async with Scene(tmp_path, guarded_broker, config) as scene:
        await scene.add_worker("worker-1", user="worker-1", password_file=password_file(tmp_path, "worker-1"))
        (verdict,) = await scene.oracle.ingest.submit_body(encode_body([net_energy(home_key(), 1, FIRST_SLOT, 5)]))
        assert verdict.status == "accepted"
        gateway = await gateway_client(scene, [])
        answer = await scene.ask(gateway, "gateway-1", encode_body([net_energy(home_key(), 2, FIRST_SLOT + 1, 5)]))
        assert answer["results"][0]["status"] == "accepted"


@pytest.mark.parametrize(
    "subject",
    ["gridwitness.verified.worker-1", "gridwitness.readings.3", "gridwitness.readings.gateway.another", "$JS.API.INFO"],
)
async def test_permissions__gateway_publishes_where_it_may_not__is_refused(
    tmp_path: Path, guarded_broker: Broker, subject: str
) -> None:
    config = {"user": "oracle", "password_file": password_file(tmp_path, "oracle")}
    async with Scene(tmp_path, guarded_broker, config) as scene:
        refused: list[str] = []
        gateway = await gateway_client(scene, refused)
        await gateway.publish(subject, encode(Verified(b"", given_up_after=9)))
        wanted = f'permissions violation for publish to "{subject}"'.lower()
        await soon(lambda: any(wanted in words.lower() for words in refused), "the broker to refuse")
        assert scene.oracle.readings.rejections() == {}


async def test_permissions__wrong_password__is_said_and_nothing_runs(tmp_path: Path, guarded_broker: Broker) -> None:
    with pytest.raises(NatsError, match="Authorization Violation"):
        await guarded_broker.connect(user="oracle", password="wrong")
