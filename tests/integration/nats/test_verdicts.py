"""The same verdicts over NATS as without, and what happens to what is not as it should be."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from gridwitness.domain.readings import NET_ENERGY_METRIC, Reading, SignedReading
from gridwitness.domain.slots import slot_end, slot_start
from gridwitness.encoding.eip712 import registry_domain
from gridwitness.encoding.keys import P256Key
from gridwitness.errors import Overloaded
from gridwitness.service.scaleout.log import VerifiedLog
from gridwitness.service.scaleout.messages import NO_KEY, Verified
from gridwitness.service.scaleout.worker import MOST_ATTEMPTS, Worker
from gridwitness.sources.payloads import encode_body, to_payload
from gridwitness.store.database import beside
from gridwitness.store.deadletters import MAX_BODY_BYTES, dead_letters
from tests.integration.nats.broker import Broker
from tests.integration.nats.scene import Scene, soon
from tests.oracle.service.oracle_parts import Parts
from tests.oracle.signers import FIRST_SLOT, OWNER, home_key, net_energy, plant_key, sign
from tests.oracle.sources.documents import cose, net_energy_record, senml_json


def posts() -> list[bytes]:
    """Bodies in the order they are sent; among them every reason there is without documents."""
    home, plant = home_key(), plant_key()
    good = [net_energy(key, 1, FIRST_SLOT, 5) for key in (home, plant)]
    wrong = SignedReading(good[0].reading, net_energy(home, 2, FIRST_SLOT + 1, 5).signature)

    def odd(counter: int, time: int, metric: str, value: int) -> SignedReading:
        return sign(home, Reading(home.device_id, counter, time, metric, value))

    bad = [
        wrong,
        net_energy(P256Key(999), 1, FIRST_SLOT, 5),
        odd(20, slot_start(FIRST_SLOT) + 1, NET_ENERGY_METRIC, 1),
        odd(21, slot_start(FIRST_SLOT + 20_000), NET_ENERGY_METRIC, 1),
        odd(22, slot_start(FIRST_SLOT), NET_ENERGY_METRIC, 1 << 31),
        SignedReading(Reading(home.device_id, 1 << 62, slot_start(FIRST_SLOT), NET_ENERGY_METRIC, 1), bytes(128)),
        net_energy(home, 1, FIRST_SLOT, 6),
        net_energy(home, 3, FIRST_SLOT, 5),
        sign(home, Reading(home.device_id, 4, slot_start(FIRST_SLOT), "1-0:1.8.0", 5), registry_domain(1, OWNER)),
    ]
    malformed = [msgspec.structs.replace(to_payload(good[0]), **change) for change in MALFORMED]
    last = [net_energy(home, 30, FIRST_SLOT + 5, 5), *bad[:2], net_energy(plant, 31, FIRST_SLOT + 5, 5)]
    single = [[one] for one in bad]
    return [encode_body(some) for some in [good, good, *single, last]] + [msgspec.json.encode(malformed)]


MALFORMED: list[dict[str, object]] = [
    {"device_id": "0x12"},
    {"signature": "0x" + "zz" * 128},
    {"metric": "é"},
    {"counter": 1 << 63},
    {"time": -1},
    {"value": 1 << 63},
]


def by_reason(parts: Parts) -> dict[str, tuple[object, list[str]]]:
    """Counts and messages; readings of one post may be judged in any order, as they are of several partitions."""
    return {
        reason: (entry["count"], sorted(entry["last"]))  # type: ignore[call-overload]
        for reason, entry in parts.readings.rejections().items()
    }


async def test_scale_out__every_kind_of_reading__same_verdicts_and_counts_as_without(
    tmp_path: Path, broker: Broker
) -> None:
    direct = Parts(tmp_path / "direct.sqlite")
    direct.clock.time = slot_end(FIRST_SLOT + 10_000)
    try:
        expected = [await direct.ingest.submit_body(body) for body in posts()]
        async with Scene(tmp_path, broker) as scene:
            await scene.add_worker("one")
            await scene.add_worker("two")
            found = [await scene.oracle.ingest.submit_body(body) for body in posts()]
            assert found == expected
            assert by_reason(scene.oracle) == by_reason(direct)
            assert scene.oracle.readings.counts() == direct.readings.counts()
            assert scene.scale_out.problem == ""
        assert {verdict.reason for call in expected for verdict in call} >= {
            "wrong_signature",
            "unknown_device",
            "unaligned_time",
            "future_time",
            "value_out_of_range",
            "counter_far_ahead",
            "replayed_counter",
            "slot_already_reported",
            "malformed",
        }
    finally:
        direct.close()


async def test_scale_out__gateway_publishes_by_itself__gets_verdicts_on_every_content_type(
    tmp_path: Path, broker: Broker
) -> None:
    async with Scene(tmp_path, broker) as scene:
        await scene.add_worker("one")
        gateway = await scene.connect()
        signed = net_energy(home_key(), 1, FIRST_SLOT, 5)
        first = await scene.ask(gateway, "g1", encode_body([signed]))
        again = await scene.ask(gateway, "g1", encode_body([signed]), "application/json")
        document = cose(home_key(), senml_json(net_energy_record(7, slot_end(FIRST_SLOT + 3))), counter=40)
        third = await scene.ask(gateway, "g1", document, "application/cose")
        nonsense = await scene.ask(gateway, "g1", b"\xff{")
        assert [one["results"][0]["status"] for one in (first, again, third)] == ["accepted", "duplicate", "accepted"]
        assert nonsense["reason"] == "malformed"
        assert scene.oracle.readings.rejections()["malformed"]["count"] == 1
        assert scene.oracle.readings.counts()["stored"] == 2


async def test_scale_out__broker_full__refuses_and_keeps_what_it_had(tmp_path: Path, broker: Broker) -> None:
    async with Scene(tmp_path, broker, {"max_bytes": 1 << 20, "answer_timeout_s": 20}) as scene:
        client = await scene.connect()
        stream = client.jetstream()
        filling = b"[" + b" " * (200 << 10)
        taken = 0
        with pytest.raises(Exception, match="maximum bytes exceeded"):
            for _ in range(10):
                await stream.publish("gridwitness.readings.gateway.g1", filling)
                taken += 1
        with pytest.raises(Overloaded, match="the broker takes no readings: maximum bytes exceeded") as refused:
            many = [net_energy(home_key(), counter, FIRST_SLOT + counter, 5) for counter in range(60)]
            for _ in range(100):
                await scene.oracle.ingest.submit_body(encode_body(many * 5))
        assert refused.value.retry_after_s > 0
        await scene.add_worker("one")
        await soon(lambda: scene.scale_out.report()["messages"] >= taken, "what the broker had to be settled")
        assert scene.oracle.readings.rejections()["malformed"]["count"] == taken
        (verdict,) = await scene.oracle.ingest.submit_body(
            encode_body([net_energy(home_key(), 90, FIRST_SLOT + 90, 5)])
        )
        assert verdict.status == "accepted"


async def test_scale_out__no_broker__refuses_at_once_and_is_not_ready(tmp_path: Path, broker: Broker) -> None:
    async with Scene(tmp_path, broker) as scene:
        await scene.add_worker("one")
        broker.kill()
        await soon(lambda: scene.scale_out.problem, "the loss to be noticed")
        body = encode_body([net_energy(home_key(), 1, FIRST_SLOT, 5)])
        with pytest.raises(Overloaded, match="the broker is away"):
            await scene.oracle.ingest.submit_body(body)
        broker.start()
        await soon(lambda: not scene.scale_out.problem, "the oracle to come back")
        (verdict,) = await scene.oracle.ingest.submit_body(body)
        assert verdict.status == "accepted"


async def test_scale_out__no_worker__says_so_and_a_later_one_does_the_work(tmp_path: Path, broker: Broker) -> None:
    async with Scene(tmp_path, broker, {"answer_timeout_s": 60}) as scene:
        call = asyncio.ensure_future(
            scene.oracle.ingest.submit_body(encode_body([net_energy(home_key(), 1, FIRST_SLOT, 5)]))
        )
        await soon(lambda: "no worker takes them" in scene.scale_out.problem, "the lack to be noticed")
        await scene.add_worker("one")
        assert (await call)[0].status == "accepted"
        await soon(lambda: scene.scale_out.problem == "", "all to be well")


class _Mortal(Worker):
    """A worker that a certain message ends, as a crash of its process would: not acknowledged, nothing passed on."""

    async def _pass_on(self, stream: JetStreamContext, message: Msg) -> None:
        if message.metadata.num_delivered <= MOST_ATTEMPTS and b"poison" in message.data:
            await message.nak()  # in place of ten seconds until it is given out again
            await message._client.flush()
            raise OSError("killed by the message")
        await super()._pass_on(stream, message)


async def test_scale_out__message_that_ends_workers__is_a_dead_letter_and_others_go_on(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.integration.nats.scene.Worker", _Mortal)
    async with Scene(tmp_path, broker) as scene:
        await scene.add_worker("one")
        gateway = await scene.connect()
        answer = await scene.ask(gateway, "g1", b'{"poison": 1}')
        assert answer["reason"] == "undeliverable"
        assert scene.oracle.readings.rejections()["undeliverable"]["count"] == 1
        (verdict,) = await scene.oracle.ingest.submit_body(encode_body([net_energy(home_key(), 1, FIRST_SLOT, 5)]))
        assert verdict.status == "accepted"


async def test_scale_out__gateways_body_of_the_broker_limit__is_a_dead_letter_and_a_smaller_one_is_taken(
    tmp_path: Path, broker: Broker
) -> None:
    async with Scene(tmp_path, broker) as scene:
        worker = await scene.add_worker("one")
        gateway = await scene.connect()
        body = encode_body([net_energy(home_key(), 1, FIRST_SLOT, 5)])
        most = gateway.max_payload - 200  # of headers
        answer = await scene.ask(gateway, "g1", body.ljust(most))
        assert (answer["reason"], worker.counts["given_up"]) == ("undeliverable", 1)
        assert f"too large, {most} of" in answer["message"]
        with beside(scene.oracle.path, is_read_only=True) as connection:
            (letter,) = dead_letters(connection, "undeliverable")
        assert (letter.body, letter.is_whole) == (body.ljust(MAX_BODY_BYTES), False)
        answer = await scene.ask(gateway, "g1", body.ljust(most - (8 << 10)))
        assert answer["results"][0]["status"] == "accepted"


class _Lying(Worker):
    """A worker that says every reading is signed by its device's own key."""

    def examine(self, message: Msg) -> Verified:
        honest = super().examine(message)
        signers = b"".join(
            home_key().device_id if honest.signers[start : start + 32] == NO_KEY else honest.signers[start : start + 32]
            for start in range(0, len(honest.signers), 32)
        )
        return Verified(honest.body, signers, honest.gateway, honest.content_type, honest.reply)


async def test_scale_out__worker_lies__is_found_out_and_not_believed_any_more(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.integration.nats.scene.Worker", _Lying)
    async with Scene(tmp_path, broker, {"reverify_share": 1.0}) as scene:
        await scene.add_worker("liar")
        good = net_energy(home_key(), 1, FIRST_SLOT, 5)
        forged = SignedReading(net_energy(home_key(), 2, FIRST_SLOT + 1, 9).reading, good.signature)
        verdicts = await scene.oracle.ingest.submit_body(encode_body([good, forged]))
        assert [(one.status, one.reason) for one in verdicts] == [("accepted", ""), ("rejected", "wrong_signature")]
        assert "worker liar lied" in scene.scale_out.problem
        forged = SignedReading(net_energy(home_key(), 3, FIRST_SLOT + 2, 9).reading, good.signature)
        (verdict,) = await scene.oracle.ingest.submit_body(encode_body([forged]))
        assert verdict.reason == "wrong_signature"


async def test_scale_out__stream_deleted_and_made_again__its_small_numbers_are_not_taken_for_old_ones(
    tmp_path: Path, broker: Broker
) -> None:
    async with Scene(tmp_path, broker) as scene:
        await scene.add_worker("one")
        for counter in range(5):
            await scene.oracle.ingest.submit_body(
                encode_body([net_energy(home_key(), counter, FIRST_SLOT + counter, 5)])
            )
        client = await scene.connect()
        await client.jetstream().delete_stream("GRIDWITNESS_VERIFIED")
        await client.jetstream().delete_stream("GRIDWITNESS_READINGS")
        later = encode_body([net_energy(home_key(), 9, FIRST_SLOT + 9, 5)])

        async def accepted() -> bool:
            try:
                return (await scene.oracle.ingest.submit_body(later))[0].status in ("accepted", "duplicate")
            except Overloaded:
                return False

        await soon(accepted, "a reading to come through the new streams")
        assert scene.oracle.readings.counts()["stored"] == 6


# INV-O16
async def test_scale_out__killed_between_commit_and_acknowledgement__message_is_skipped_when_it_comes_again(
    tmp_path: Path, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = VerifiedLog._answer
    interrupted: list[int] = []

    async def lose_the_first(self: VerifiedLog, *arguments: Any) -> None:
        if not interrupted:
            interrupted.append(1)
            raise OSError("the connection went")
        await answer(self, *arguments)

    monkeypatch.setattr(VerifiedLog, "_answer", lose_the_first)
    bad = SignedReading(net_energy(home_key(), 1, FIRST_SLOT, 6).reading, bytes(128))
    async with Scene(tmp_path, broker) as scene:
        await scene.add_worker("one")
        with pytest.raises(Overloaded, match="the connection to the broker was lost"):
            await scene.oracle.ingest.submit_body(encode_body([bad]))
        await soon(lambda: scene.scale_out.report()["skipped"] == 1, "the message to come again")
        # Judged again, it would have been counted again.
        assert scene.oracle.readings.rejections()["wrong_signature"]["count"] == 1
        await scene.oracle.ingest.submit_body(encode_body([bad]))
        assert scene.oracle.readings.rejections()["wrong_signature"]["count"] == 2
