"""What the doctor says of the workers' broker."""

from __future__ import annotations

import pytest

from gridwitness.chain.anvil import free_port
from gridwitness.errors import ConfigError
from gridwitness.service.scaleout.link import NatsConfig, check_broker
from tests.integration.nats.broker import Broker


def test_check_broker__one_with_jetstream__is_named(broker: Broker) -> None:
    assert check_broker(NatsConfig(broker.url)) == f"{broker.url} answers, with JetStream; 0 streams"


def test_check_broker__nobody_there__says_what_to_correct() -> None:
    url = f"nats://127.0.0.1:{free_port()}"
    with pytest.raises(ConfigError, match=url) as refused:
        check_broker(NatsConfig(url))
    assert "correct nats_url" in refused.value.hint


@pytest.mark.parametrize("url", ["http://broker", "nats://", "nats://me:secret@broker", "nats://broker:x"])
def test_check_broker__no_address_of_a_broker__is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="is not"):
        check_broker(NatsConfig(url))
