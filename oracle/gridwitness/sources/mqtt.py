"""Readings over MQTT 5, from any broker, acknowledged by hand once they are durable.

The broker is transport, never the truth: a message is acknowledged after the log's sync, whatever became of it, and is
delivered again otherwise, in this connection's place in the session or the next. Receive maximum bounds what is under
way, so a slow log slows the broker. A message that names a response topic gets the verdicts there; a device that wants
to be sure sends again until it has them. So does one whose readings cannot be judged while the node is away: messages
are acknowledged in the order they came, and to keep it waiting would hold up all others. One that names none does wait.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import structlog
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gridwitness.errors import ChainError, ConfigError, GridwitnessError, InputError, RateLimited, ReadingRejected
from gridwitness.sources.decoding import MAX_BODY_BYTES
from gridwitness.sources.mqtt_connection import MqttConnection

# Verdicts in the order of a body's readings; raises InputError for a body that holds none.
Take = Callable[[bytes, str], Awaitable[Sequence[object]]]

_log = structlog.get_logger()
_PORTS = {"mqtt": 1_883, "mqtts": 8_883}
_QOS = 1
_PACKET_OVERHEAD_BYTES = 1 << 16  # topic and properties beside the body
_LEAST_DELAY_S, _MOST_DELAY_S = 1, 60
_RESPONSE_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class MqttConfig:
    """A broker and what to take from it.

    `url` mqtt://host[:port] or mqtts://…; `topics` are filters, shared in `group` by those that have the same. The
    session of `client_id` outlives a disconnection by `session_expiry_s`; `receive_maximum` messages are under way at
    once. `ca_file` is PEM, in place of the system's certificates.
    """

    url: str
    topics: tuple[str, ...]
    group: str
    client_id: str
    user: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    receive_maximum: int = 256
    session_expiry_s: int = 7 * 86_400


@dataclass(frozen=True, slots=True)
class _Delivery:
    """A message and the connection it came by: in another one its number may be another message's."""

    message: MQTTMessage
    connection: int


class MqttSource:
    """Takes messages until it is stopped."""

    def __init__(self, config: MqttConfig, take: Take) -> None:
        """Raises ConfigError for an address, password or certificate that cannot be used."""
        # Apart, since readings under way may be settled when the connection is gone already.
        self._broker_problem, self._log_problem = "not connected yet", ""
        outcomes = ("received", "acknowledged", "malformed", "rate_limited", "deferred", "dropped")
        self.counts = dict.fromkeys(outcomes, 0)
        self._config = config
        self._take = take
        self._connection = 0
        self._waiting: asyncio.Queue[_Delivery] = asyncio.Queue()
        self._unpublished: dict[int, asyncio.Future[None]] = {}  # verdicts under way, by packet identifier
        self._host, self._port = _address(config.url)
        self._client = self._make_client()

    @property
    def problem(self) -> str:
        """Why no readings come in; empty if they do."""
        return self._broker_problem or self._log_problem

    def report(self) -> dict[str, object]:
        """For the status."""
        return {"url": self._config.url, "problem": self.problem, **self.counts}

    async def run(self) -> None:
        """Connect, and take what comes until cancelled. The session stays, so nothing is lost while away."""
        properties = _properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self._config.session_expiry_s
        properties.ReceiveMaximum = self._config.receive_maximum
        properties.MaximumPacketSize = MAX_BODY_BYTES + _PACKET_OVERHEAD_BYTES
        self._client.connect_async(self._host, self._port, clean_start=False, properties=properties)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(MqttConnection(self._client, self._failed).run())
            while True:
                await self._take_waiting()

    async def _take_waiting(self) -> None:
        """Settle everything that waits at once, so that the log syncs once; acknowledge in the order it came."""
        deliveries = [await self._waiting.get()]
        while not self._waiting.empty() and len(deliveries) < self._config.receive_maximum:
            deliveries.append(self._waiting.get_nowait())
        async with asyncio.TaskGroup() as group:
            answers = [group.create_task(self._settle(delivery.message)) for delivery in deliveries]
        for delivery, answer in zip(deliveries, answers, strict=True):
            self._respond(delivery.message, answer.result())
        # Verdicts first: were a message acknowledged and we then killed, nobody would send its verdict any more.
        # But not for ever: the readings are durable in any case.
        if self._unpublished:
            await asyncio.wait(self._unpublished.values(), timeout=_RESPONSE_TIMEOUT_S)
        self._unpublished.clear()
        for delivery in deliveries:
            if delivery.message.qos and delivery.connection == self._connection:
                self._client.ack(delivery.message.mid, delivery.message.qos)
                self.counts["acknowledged"] += 1

    async def _settle(self, message: MQTTMessage) -> bytes:
        """What became of a message, once that is durable: tried again until the log takes it."""
        delay_s = float(_LEAST_DELAY_S)
        while True:
            try:
                verdicts = await self._take(bytes(message.payload), getattr(message.properties, "ContentType", ""))
                self._log_problem = ""
                return msgspec.json.encode({"results": verdicts})
            except InputError as error:  # counted and kept by the log
                self.counts["malformed"] += 1
                reason = error.reason if isinstance(error, ReadingRejected) else "malformed"
                return _refusal(reason, error)
            except RateLimited as error:  # to wait for one device would hold up all others
                self.counts["rate_limited"] += 1
                return _refusal("rate_limited", error)
            except GridwitnessError as error:
                # So would one that only the chain knows; the others need no node. But who hears no verdict would take
                # the acknowledgement for one.
                if isinstance(error, ChainError) and _response_topic(message):
                    self.counts["deferred"] += 1
                    return _refusal("try_later", error)
                if not self._log_problem:
                    _log.error("mqtt_waits", url=self._config.url, problem=error.message)
                self._log_problem = f"cannot take readings: {error.message}"
                await asyncio.sleep(delay_s)
                delay_s = min(2 * delay_s, _MOST_DELAY_S)

    def _respond(self, message: MQTTMessage, answer: bytes) -> None:
        topic = _response_topic(message)
        if not topic:
            return
        properties = _properties(PacketTypes.PUBLISH)
        properties.ContentType = "application/json"
        correlation = getattr(message.properties, "CorrelationData", None)
        if correlation is not None:
            properties.CorrelationData = correlation
        try:
            sent = self._client.publish(topic, answer, _QOS, properties=properties)
        except ValueError as error:  # a topic with wildcards
            _log.warning("mqtt_response_refused", topic=topic[:80], error=str(error))
            return
        if sent.rc == MQTTErrorCode.MQTT_ERR_SUCCESS:  # not connected: it is sent again, and so will be the message
            self._unpublished[sent.mid] = asyncio.get_running_loop().create_future()

    def _published(self, mid: int) -> None:
        response = self._unpublished.get(mid)
        if response is not None and not response.done():
            response.set_result(None)

    def _refused(self, problem: str) -> None:
        if problem != self._broker_problem:
            _log.error("mqtt_problem", url=self._config.url, problem=problem)
        self._broker_problem = problem

    def _lost(self, problem: str) -> None:
        """A connection ends after a refusal as well, and then the refusal is what an operator wants to read."""
        if not self._broker_problem:
            self._refused(problem)

    def _failed(self, error: OSError) -> None:
        self._refused(f"cannot connect: {error}")

    def _subscribed(self) -> None:
        _log.info("mqtt_subscribed", url=self._config.url)
        self._broker_problem = ""

    def _make_client(self) -> Client:
        config = self._config
        client = Client(
            CallbackAPIVersion.VERSION2, config.client_id, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True
        )
        if config.user:
            client.username_pw_set(config.user, _password(config.password_file))
        if urlsplit(config.url).scheme == "mqtts":
            client.tls_set_context(_tls(config.ca_file))
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_subscribe, client.on_message = self._on_subscribe, self._on_message
        client.on_publish = lambda _, __, mid, *___: self._published(mid)
        return client

    def _on_connect(self, client: Client, _: Any, flags: Any, reason: Any, __: Any) -> None:
        if reason.is_failure:
            self._refused(f"the broker refused: {reason}")
            return
        self._connection += 1
        if flags.session_present:
            self._drop_what_comes_again()
        filters = [(f"$share/{self._config.group}/{topic}", _QOS) for topic in self._config.topics]
        client.subscribe(filters)

    def _on_subscribe(self, _: Client, __: Any, ___: int, reasons: Sequence[Any], ____: Any) -> None:
        refused = [str(reason) for reason in reasons if reason.is_failure]
        if refused:
            self._refused(f"the broker refused the subscription: {', '.join(refused)}")
        else:
            self._subscribed()

    def _on_disconnect(self, _: Client, __: Any, ___: Any, reason: Any, ____: Any) -> None:
        self._connection += 1
        for mid in list(self._unpublished):
            self._published(mid)
        self._lost(f"disconnected: {reason}")

    def _drop_what_comes_again(self) -> None:
        """Messages of earlier connections, which the session still has: or each connection would add as many."""
        for _ in range(self._waiting.qsize()):
            delivery = self._waiting.get_nowait()
            if delivery.message.qos:
                self.counts["dropped"] += 1
            else:
                self._waiting.put_nowait(delivery)

    def _on_message(self, _: Client, __: Any, message: MQTTMessage) -> None:
        self.counts["received"] += 1
        # Receive maximum bounds the others; who publishes with QoS 0 has said that it may be lost.
        if message.qos == 0 and self._waiting.qsize() >= self._config.receive_maximum:
            self.counts["dropped"] += 1
            return
        self._waiting.put_nowait(_Delivery(message, self._connection))


def _properties(packet_type: int) -> Properties:
    return Properties(packet_type)  # type: ignore[no-untyped-call]


def _response_topic(message: MQTTMessage) -> str:
    """Where the verdicts are to go; empty if nowhere."""
    topic: str = getattr(message.properties, "ResponseTopic", "")
    return "" if topic.startswith("$") else topic


def _refusal(reason: str, error: GridwitnessError) -> bytes:
    return msgspec.json.encode({"results": [], "reason": reason, "message": error.message})


def _address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        (host or "").encode("idna")
    except ValueError as error:
        raise ConfigError(f"mqtt_url {url!r} is not an address: {error}") from error
    if parts.scheme not in _PORTS or not host or parts.path.strip("/") or parts.username:
        raise ConfigError(f"mqtt_url {url!r} is not mqtt://host:port or mqtts://host:port")
    return host, port or _PORTS[parts.scheme]


def _password(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_text().rstrip("\n")
    except OSError as error:
        raise ConfigError(f"mqtt_password_file {path} cannot be read: {error}") from error


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigError(f"mqtt_ca_file {ca_file} cannot be used: {error}") from error
