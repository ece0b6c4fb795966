"""SIGKILL of worker, oracle and broker while devices send: nothing acknowledged is lost, nothing is taken twice."""

from __future__ import annotations

import random
import time

import pytest

from tests.integration.nats.broker import Broker
from tests.integration.nats.conftest import MakeOracle, MakeWorker
from tests.integration.nats.sending import Senders, check_log, sign_many
from tests.integration.oracle.village import Village, eventually, start_all

_READINGS = 600


def _wait_for_some(senders: Senders, rng: random.Random) -> None:
    """Until a random number of further readings is acknowledged, and then a random moment."""
    wanted = len(senders.acknowledged) + rng.randint(1, 60)
    eventually(lambda: len(senders.acknowledged) >= min(wanted, _READINGS), "further acknowledgements")
    time.sleep(rng.random() * 0.05)  # where in its work the kill meets a process is what is random here


# INV-O16
@pytest.mark.parametrize("victim", ["worker", "oracle", "broker"])
def test_scale_out__killed_at_random_moments__every_reading_is_there_once(
    broker: Broker, make_oracle: MakeOracle, make_worker: MakeWorker, village: Village, victim: str
) -> None:
    rng = random.Random(f"kill {victim}")
    oracle = make_oracle(nats_url=broker.url, nats_answer_timeout_s=3, reverify_share=0)
    workers = [make_worker(f"worker-{number}") for number in (1, 2)]
    readings = sign_many(village, _READINGS)
    with Senders(oracle, readings) as senders:
        for _ in range(3):
            _wait_for_some(senders, rng)
            if victim == "worker":
                killed = rng.choice(workers)
                killed.kill()
                killed.start()
            elif victim == "oracle":
                oracle.kill()
                start_all([oracle])
            else:
                broker.kill()
                broker.start()
        senders.wait()
    check_log(senders, oracle, readings)
    assert oracle.status()["rejections"] == {}
    eventually(
        lambda: oracle.status()["nats"]["streams"].get("GRIDWITNESS_READINGS", {}).get("messages") == 0, "no rest"
    )


def test_scale_out__worker_killed_for_good__another_takes_its_messages_over(
    broker: Broker, make_oracle: MakeOracle, make_worker: MakeWorker, village: Village
) -> None:
    oracle = make_oracle(nats_url=broker.url, nats_answer_timeout_s=60)
    first, second = (make_worker(f"worker-{number}") for number in (1, 2))
    readings = sign_many(village, 400)
    with Senders(oracle, readings) as senders:
        eventually(lambda: len(oracle.status()["nats"]["workers"]) == 2, "both workers to be heard of")
        first.kill()
        senders.wait()
    check_log(senders, oracle, readings)
    assert oracle.status()["nats"]["workers"]["worker-2"]["readings"] > 0
    assert second.stop() == 0
