"""What a worker may say that nobody can read."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from gridwitness.service.scaleout.messages import Verified, encode
from gridwitness.sources.payloads import encode_body
from tests.integration.nats.broker import Broker
from tests.integration.nats.scene import Scene, soon
from tests.nesting import DEEP_MESSAGEPACK, usual_recursion_limit
from tests.oracle.signers import FIRST_SLOT, home_key, net_energy

NO_TEXT = b"\xa1\xff"
SEEN = [msgspec.msgpack.encode(value) for value in (b"body", b"", "g1", "text/plain", "", 0)]


def _array(*items: bytes) -> bytes:
    return bytes([0x90 | len(items)]) + b"".join(items)


@pytest.mark.parametrize(
    "finding",
    [
        _array(*SEEN, DEEP_MESSAGEPACK),
        _array(*SEEN[:2], NO_TEXT),
        encode(Verified(_array(msgspec.msgpack.encode(""), b"\x90", DEEP_MESSAGEPACK))),
        encode(Verified(_array(NO_TEXT, b"\x90"))),
    ],
    ids=["deep", "no text", "deep within", "no text within"],
)
async def test_take__finding_that_cannot_be_read__is_a_dead_letter_and_others_go_on(
    tmp_path: Path, broker: Broker, finding: bytes
) -> None:
    async with Scene(tmp_path, broker) as scene:
        client = await scene.connect()
        with usual_recursion_limit():
            await client.jetstream().publish("gridwitness.verified.odd", finding)
            await soon(lambda: scene.oracle.readings.rejections().get("malformed"), "the finding to be taken")
        await scene.add_worker("one")
        (verdict,) = await scene.oracle.ingest.submit_body(encode_body([net_energy(home_key(), 1, FIRST_SLOT, 5)]))
        assert (verdict.status, scene.scale_out.problem) == ("accepted", "")
