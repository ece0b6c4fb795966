"""One node that answers slowly, too much, or nested without end."""

from __future__ import annotations

import time

import pytest

from gridwitness.chain import endpoint as endpoints
from gridwitness.chain.endpoint import Endpoint, RpcLimits
from gridwitness.errors import NodeUnavailable
from tests.dribbling import BODY, HEAD, PATIENCE_S, dribbling
from tests.nesting import DEEP_JSON, usual_recursion_limit
from tests.serving import Answering, serving

LIMITS = RpcLimits(read_timeout_s=0.5, head_timeout_s=0.5)


@pytest.mark.parametrize("begin", [HEAD, BODY], ids=["head", "body"])
@pytest.mark.parametrize("method", ["eth_call", "eth_blockNumber"])
def test_ask__answer_dribbles__is_given_up_in_time_and_the_connection_closed(begin: bytes, method: str) -> None:
    with dribbling(begin) as node:
        endpoint = Endpoint(node.url, LIMITS)
        with pytest.raises(NodeUnavailable, match="did not answer in time"):
            endpoint.make_request(method, [])
        assert node.left.wait(PATIENCE_S)
    assert endpoint.failures == {"timeout": 1}


def test_ask__answer_without_end__is_given_up_and_the_connection_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "MAX_ANSWER_BYTES", 1 << 20)
    with dribbling(BODY, part=b" " * (1 << 18), pause_s=0.001) as node:
        endpoint = Endpoint(node.url, RpcLimits())
        with pytest.raises(NodeUnavailable, match="answered more than 1048576 bytes"):
            endpoint.make_request("eth_call", [])
        assert node.left.wait(PATIENCE_S)
    assert endpoint.failures == {"too_large": 1}


def test_ask__slow_but_whole__is_answered_and_the_next_has_as_long_again() -> None:
    class Slow(Answering):
        def respond(self) -> None:
            self.body()
            time.sleep(0.3)
            self.answer(b'{"id": 1, "result": "0x1"}')

    with serving(Slow) as url:
        endpoint = Endpoint(url, LIMITS)
        assert [endpoint.make_request("eth_call", [])["result"] for _ in range(3)] == ["0x1"] * 3


def test_ask__nested_too_deeply__is_malformed() -> None:
    class Deep(Answering):
        def respond(self) -> None:
            self.body()
            self.answer(DEEP_JSON)

    with serving(Deep) as url:
        endpoint = Endpoint(url, LIMITS)
        with usual_recursion_limit(), pytest.raises(NodeUnavailable, match="no Ethereum node"):
            endpoint.make_request("eth_call", [])
    assert endpoint.failures == {"malformed": 1}
