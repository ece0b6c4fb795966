"""Addresses and files of a broker, before anything is connected."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from paho.mqtt.client import MQTTMessage

from gridwitness.errors import ChainError, ConfigError
from gridwitness.sources.mqtt import MqttConfig, MqttSource


async def take(body: bytes, content_type: str) -> list[object]:
    return []


def make(**changes: object) -> MqttSource:
    settings = {"url": "mqtt://broker", "topics": ("a",), "group": "g", "client_id": "c"} | changes
    return MqttSource(MqttConfig(**settings), take)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url", ["http://broker", "mqtt://", "mqtt://broker:70000", "mqtt://user:pw@broker", "mqtt://broker/topic"]
)
def test_make__not_a_brokers_address__is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"mqtt_url"):
        make(url=url)


def test_make__file_that_is_not_there__is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mqtt_password_file .* cannot be read"):
        make(user="oracle", password_file=tmp_path / "none")
    with pytest.raises(ConfigError, match=r"mqtt_ca_file .* cannot be used"):
        make(url="mqtts://broker", ca_file=tmp_path / "none")


def test_report__before_it_connects__says_so() -> None:
    report = make().report()
    assert (report["problem"], report["received"]) == ("not connected yet", 0)


async def test_settle__node_away_and_nobody_to_tell__waits_and_acknowledges_nothing_that_is_not_durable() -> None:
    asked = 0

    async def take_later(body: bytes, content_type: str) -> list[object]:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise ChainError("no node answers")
        return [body.decode()]

    source = MqttSource(MqttConfig("mqtt://broker", ("a",), "g", "c"), take_later)
    message = MQTTMessage(topic=b"a")
    message.payload = b"a reading"
    assert msgspec.json.decode(await source._settle(message)) == {"results": ["a reading"]}
    assert (asked, source.counts["deferred"]) == (2, 0)
