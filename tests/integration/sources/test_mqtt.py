"""Readings over a real broker: durable before they are acknowledged, whoever is killed."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from eth_account.signers.local import LocalAccount

from gridwitness.chain.client import Chain
from gridwitness.domain.readings import SignedReading
from gridwitness.errors import NodeUnavailable, StoreFull
from gridwitness.sources.mqtt import MqttConfig, MqttSource, Take
from gridwitness.sources.payloads import encode_body
from tests.integration.nats.scene import soon
from tests.integration.oracle.village import Oracle, Village, eventually, make_oracles, start_all
from tests.integration.sources.broker import Broker, publishing
from tests.oracle.sources.documents import cose, net_energy_record, senml_json

MakeOracle = Callable[..., Oracle]


@pytest.fixture
def make_oracle(
    tmp_path: Path, chain: Chain, village: Village, deployment: Path, oracles: list[LocalAccount]
) -> Iterator[MakeOracle]:
    """One oracle of the committee that takes readings from a broker."""
    made: list[Oracle] = []

    def make(url: str, **settings: object) -> Oracle:
        made.extend(make_oracles(tmp_path, chain, oracles[:1], deployment, mqtt_url=url, **settings))
        start_all(made)
        eventually(lambda: made[0].status()["mqtt"]["problem"] == "", "the broker to be found")
        return made[0]

    yield make
    for oracle in made:
        oracle.stop()


def sign_many(village: Village, count: int) -> list[SignedReading]:
    """`count` readings of consecutive slots that have passed, by all meters in turn."""
    first = village.first_slot()
    signed = [reading for slot in range(first, first + count // 4 + 1) for reading in village.sign_slot(slot)]
    village.pass_slot(first + count // 4 + 1)
    return signed[:count]


def stored(oracle: Oracle) -> int:
    return int(oracle.status()["readings"]["stored"])


def test_take__json_cbor_and_nonsense__each_gets_its_verdict(
    broker: Broker, make_oracle: MakeOracle, village: Village
) -> None:
    oracle = make_oracle(f"mqtt://127.0.0.1:{broker.port}")
    signed, *_ = sign_many(village, 4)
    key = village.meters[0].key
    document = cose(key, senml_json(net_energy_record(7, signed.reading.time + 900)), counter=40)
    with publishing(broker.port) as publisher:
        publisher.publish(encode_body([signed]), b"1")
        publisher.publish(document, b"2", "application/cose")
        publisher.publish(b"\xff{", b"3")
        publisher.publish(encode_body([signed]), b"4")
        answers = dict(publisher.answer() for _ in range(4))
    assert [answers[mark]["results"][0]["status"] for mark in (b"1", b"2", b"4")] == [
        "accepted",
        "accepted",
        "duplicate",
    ]
    assert answers[b"3"]["reason"] == "malformed"
    assert stored(oracle) == 2
    eventually(lambda: oracle.status()["mqtt"]["acknowledged"] == 4, "the last acknowledgement")  # follows its verdict
    counts = oracle.status()["mqtt"]
    assert (counts["received"], counts["acknowledged"], counts["malformed"]) == (4, 4, 1)
    assert oracle.status()["rejections"]["malformed"]["count"] == 1


# INV-O16
def test_take__oracle_killed_between_receiving_and_committing__nothing_is_lost_or_taken_twice(
    broker: Broker, make_oracle: MakeOracle, village: Village
) -> None:
    oracle = make_oracle(f"mqtt://127.0.0.1:{broker.port}", mqtt_receive_maximum=20)
    readings = sign_many(village, 400)
    with publishing(broker.port) as publisher:
        for index, signed in enumerate(readings):
            publisher.publish(encode_body([signed]), index.to_bytes(2, "big"))
        for _ in range(2):
            before = stored(oracle)
            if before < len(readings):
                eventually(lambda before=before: stored(oracle) > before, "some readings to come in")
            oracle.kill()
            start_all([oracle])
        eventually(lambda: stored(oracle) == len(readings), f"all readings; {oracle.log()[-2000:]}")
        # Every message is answered at least once: after a kill, as a duplicate.
        marks: set[bytes] = set()
        while len(marks) < len(readings):
            mark, answer = publisher.answer()
            marks.add(mark)
            assert answer["results"][0]["status"] in ("accepted", "duplicate")
    eventually(lambda: oracle.status()["mqtt"]["received"] == oracle.status()["mqtt"]["acknowledged"], "all acks")
    assert "rejections" in oracle.status()
    assert oracle.status()["rejections"] == {}


def test_take__broker_killed__device_sends_again_until_it_has_its_verdict(
    broker: Broker, make_oracle: MakeOracle, village: Village
) -> None:
    oracle = make_oracle(f"mqtt://127.0.0.1:{broker.port}")
    readings = sign_many(village, 60)
    with publishing(broker.port) as publisher:
        waiting = {index.to_bytes(2, "big"): signed for index, signed in enumerate(readings)}
        for mark, signed in waiting.items():
            publisher.publish(encode_body([signed]), mark)
        waiting.pop(publisher.answer()[0], None)
        broker.kill()
        eventually(lambda: oracle.status()["mqtt"]["problem"], "the oracle to notice")
        eventually(lambda: "cannot connect" in oracle.status()["mqtt"]["problem"], "the reason")
        assert any("mqtt" in problem for problem in oracle.status()["problems"])
        broker.start()
        eventually(lambda: oracle.status()["mqtt"]["problem"] == "", "the oracle to come back")
        while waiting:
            for mark, signed in list(waiting.items()):
                publisher.publish(encode_body([signed]), mark)
            waiting.pop(publisher.answer()[0], None)
            while not publisher.answers.empty():
                waiting.pop(publisher.answer()[0], None)
    assert stored(oracle) == len(readings)


# select(2) knows descriptors up to 1,023, which devices that stay connected use up.
def test_connect__behind_more_than_a_thousand_connections__finds_the_broker(
    broker: Broker, make_oracle: MakeOracle, village: Village
) -> None:
    oracle = make_oracle(f"mqtt://127.0.0.1:{broker.port}", most_connections=2_000)
    oracle.stop()
    broker.kill()
    start_all([oracle])
    address = ("127.0.0.1", int(oracle.url.rpartition(":")[2]))
    with contextlib.ExitStack() as devices:
        for _ in range(1_100):
            device = devices.enter_context(socket.create_connection(address, 30))
            device.sendall(b"GET /live HTTP/1.1\r\nHost: oracle\r\n\r\n")
            assert device.recv(12) == b"HTTP/1.1 200"
        broker.start()
        eventually(lambda: oracle.status()["mqtt"]["problem"] == "", "the oracle to find the broker")


def test_take__oracle_away_while_devices_publish__its_session_waits_for_it(
    broker: Broker, make_oracle: MakeOracle, village: Village
) -> None:
    oracle = make_oracle(f"mqtt://127.0.0.1:{broker.port}")
    readings = sign_many(village, 40)
    assert oracle.stop() == 0
    with publishing(broker.port) as publisher:
        for index, signed in enumerate(readings):
            publisher.publish(encode_body([signed]), bytes([index]))
        start_all([oracle])
        eventually(lambda: stored(oracle) == len(readings), "what was published while it was away")


@contextlib.asynccontextmanager
async def taking(broker: Broker, take: Take, receive_maximum: int = 256) -> AsyncIterator[MqttSource]:
    """A source without an oracle behind it."""
    url = f"mqtt://127.0.0.1:{broker.port}"
    config = MqttConfig(url, ("gridwitness/readings/#",), "group", "source", receive_maximum=receive_maximum)
    source = MqttSource(config, take)
    running = asyncio.ensure_future(source.run())
    try:
        await soon(lambda: not source.problem, "the broker to be found")
        yield source
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_take__node_away__who_needs_it_is_told_to_come_again_and_others_are_taken(broker: Broker) -> None:
    async def take(body: bytes, _: str) -> list[str]:
        if body == b"of an unknown device":
            raise NodeUnavailable("no node answers")
        return ["taken"]

    async with taking(broker, take) as source:
        with publishing(broker.port) as publisher:
            for mark, body in ((b"1", b"of a known one"), (b"2", b"of an unknown device"), (b"3", b"of a known one")):
                publisher.publish(body, mark)
            answers = dict([await asyncio.to_thread(publisher.answer, 20) for _ in range(3)])
        assert answers == {
            b"1": {"results": ["taken"]},
            b"2": {"results": [], "reason": "try_later", "message": "no node answers"},
            b"3": {"results": ["taken"]},
        }
        await soon(lambda: source.counts["acknowledged"] == 3, "the acknowledgements")
        assert (source.counts["deferred"], source.problem) == (1, "")


# INV-O16
async def test_take__disk_full_through_reconnections__all_wait_and_no_more_than_the_broker_may_give_at_once(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gridwitness.sources.mqtt._MOST_DELAY_S", 0.1)
    bodies, at_once = {b"%d" % number for number in range(20)}, 5
    is_full = True
    taken: list[bytes] = []

    async def take(body: bytes, _: str) -> list[str]:
        if is_full:
            raise StoreFull("no room")
        taken.append(body)
        return ["taken"]

    async with taking(broker, take, at_once) as source:
        with publishing(broker.port) as publisher:
            for body in bodies:
                publisher.publish(body, body)
            await asyncio.to_thread(publisher.flush)
        await soon(lambda: source.counts["received"] == at_once, "what the broker may give")
        for number in (2 * at_once, 3 * at_once, 4 * at_once):
            await asyncio.to_thread(broker.stop)
            await soon(lambda: source.problem.startswith("disconnected"), "the loss to be noticed")
            await asyncio.to_thread(broker.start)
            await soon(lambda number=number: source.counts["received"] == number, "the same once more")
        assert source.counts["acknowledged"] == 0
        assert source._waiting.qsize() <= at_once
        await soon(lambda: source.problem == "cannot take readings: no room", "the reason to be told")
        is_full = False
        await soon(lambda: set(taken) == bodies and source.counts["acknowledged"] == len(bodies), "all of them")


def test_connect__tls_and_password__are_used_and_wrong_ones_named(
    tmp_path: Path, make_oracle: MakeOracle, village: Village
) -> None:
    folder = tmp_path / "tls"
    folder.mkdir()
    make_certificate(folder)
    (folder / "users").write_text("oracle:secret\n")
    subprocess.run(["mosquitto_passwd", "-U", str(folder / "users")], check=True)
    lines = [
        "allow_anonymous false",
        f"password_file {folder}/users",
        f"certfile {folder}/cert.pem",
        f"keyfile {folder}/key.pem",
    ]
    broker = Broker(folder, lines)
    broker.start()
    secret = tmp_path / "mqtt-password"
    secret.write_text("secret\n")
    try:
        oracle = make_oracle(
            f"mqtts://localhost:{broker.port}",
            mqtt_user="oracle",
            mqtt_password_file=str(secret),
            mqtt_ca_file=str(folder / "cert.pem"),
        )
        readings = sign_many(village, 100)
        login = {"username_pw_set": ("oracle", "secret")}
        # The certificate is localhost's; the device calls it by number.
        tls = {"tls_set": (str(folder / "cert.pem"),), "tls_insecure_set": (True,)}
        with publishing(broker.port, **login, **tls) as publisher:
            for index, signed in enumerate(readings):
                publisher.publish(encode_body([signed]), bytes([index]))
            assert {publisher.answer()[0] for _ in readings} == {bytes([index]) for index in range(100)}
        secret.write_text("wrong\n")
        oracle.stop()
        start_all([oracle])
        eventually(
            lambda: "Not authorized" in oracle.status()["mqtt"]["problem"],
            f"the refusal to be named; {oracle.log()[-1000:]}",
        )
    finally:
        broker.stop()


def make_certificate(folder: Path) -> None:
    """A key and a certificate of its own for localhost, good for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(certificate.public_bytes(encoding))
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain))
