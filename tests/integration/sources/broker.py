"""A real mosquitto, and a device that publishes to it until it has its verdicts."""

from __future__ import annotations

import contextlib
import getpass
import queue
import shutil
import signal
import socket
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gridwitness.chain.anvil import Anvil, free_port
from tests.integration.oracle.village import eventually

TOPIC = "gridwitness/readings/test"


def mosquitto() -> str:
    """The broker's path; a missing one fails the test."""
    found = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
    assert found, "mosquitto is missing; on Debian and Ubuntu: apt-get install mosquitto"
    return found


@dataclass
class Broker:
    """One mosquitto that keeps its sessions on disk."""

    folder: Path
    lines: Sequence[str] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        settings = [
            f"user {getpass.getuser()}",  # or, started by root, it becomes another user who cannot write here
            f"listener {self.port} 127.0.0.1",
            "persistence true",
            f"persistence_location {self.folder}/",
            "autosave_interval 1",
            "autosave_on_changes true",
            "max_queued_messages 0",
            *(self.lines or ["allow_anonymous true"]),
        ]
        (self.folder / "mosquitto.conf").write_text("\n".join(settings) + "\n")
        command = [mosquitto(), "-c", str(self.folder / "mosquitto.conf")]
        with (self.folder / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=Anvil.die_with_parent)
        eventually(self._is_open, f"mosquitto: {(self.folder / 'mosquitto.log').read_text()}")

    def _is_open(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "mosquitto.log").read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, sign: signal.Signals) -> None:
        if self.process is not None:
            process, self.process = self.process, None
            process.send_signal(sign)
            process.wait(timeout=30)


class Publisher:
    """A device's MQTT client. What it publishes without a verdict it publishes again."""

    def __init__(self, port: int, **options: Any) -> None:
        self.answers: queue.Queue[tuple[bytes, dict[str, Any]]] = queue.Queue()
        self.topic = f"verdicts/{uuid.uuid4()}"
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.reconnect_delay_set(1, 1)
        for name, arguments in options.items():
            getattr(self._client, name)(*arguments)
        self._client.on_connect = lambda client, *_: client.subscribe(self.topic, 1)
        self._client.on_message = self._received
        self._client.connect_async("127.0.0.1", port)
        self._client.loop_start()
        eventually(self._client.is_connected, "the publisher to connect")

    def _received(self, _: Client, __: object, message: MQTTMessage) -> None:
        self.answers.put((message.properties.CorrelationData, msgspec.json.decode(message.payload)))

    def publish(self, body: bytes, mark: bytes, content_type: str = "application/json", topic: str = TOPIC) -> None:
        properties = Properties(PacketTypes.PUBLISH)
        properties.ContentType, properties.ResponseTopic = content_type, self.topic
        properties.CorrelationData = mark
        self._client.publish(topic, body, 1, properties=properties)

    def flush(self) -> None:
        """Wait until the broker has acknowledged everything."""
        eventually(lambda: not self._client._out_messages, "the broker to have what was published")

    def answer(self, timeout_s: float = 60) -> tuple[bytes, dict[str, Any]]:
        return self.answers.get(timeout=timeout_s)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextlib.contextmanager
def publishing(port: int, **options: Any) -> Iterator[Publisher]:
    publisher = Publisher(port, **options)
    try:
        yield publisher
    finally:
        publisher.close()
