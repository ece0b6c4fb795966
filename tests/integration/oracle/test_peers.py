"""Members that answer slowly or without end, over real sockets."""

from __future__ import annotations

import pytest

from gridwitness.errors import CommitteeError
from gridwitness.service.peers import Peers
from tests.dribbling import BODY, HEAD, PATIENCE_S, dribbling

MEMBER = "0x1000000000000000000000000000000000000001"
STREAM = "0x" + "11" * 32


@pytest.mark.parametrize("begin", [HEAD, BODY], ids=["head", "body"])
async def test_ask__answer_dribbles__is_given_up_in_time_and_the_connection_closed(begin: bytes) -> None:
    with dribbling(begin) as member:
        peers = Peers({MEMBER: member.url}, 0.5)
        with pytest.raises(CommitteeError, match="no_answer"):
            await peers.attested_content(MEMBER, STREAM, 1)
        assert member.left.wait(PATIENCE_S)
        await peers.close()
    assert peers.behaviour[MEMBER].failures == {"no_answer": 1}


async def test_ask__answer_without_end__is_malformed_and_the_connection_closed() -> None:
    with dribbling(BODY, part=b" " * (1 << 20), pause_s=0.001) as member:
        peers = Peers({MEMBER: member.url}, 30)
        with pytest.raises(CommitteeError, match="answered more than 8388608 bytes"):
            await peers.voted_content(MEMBER, STREAM, 1)
        assert member.left.wait(PATIENCE_S)
        await peers.close()
    assert peers.behaviour[MEMBER].failures == {"malformed": 1}
