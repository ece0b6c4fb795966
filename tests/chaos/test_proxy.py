"""The fault proxy does to a real node's answers what it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from gridwitness.chain.anvil import Anvil
from tests.chaos.proxy import Fault, Kind, RpcProxy


@pytest.fixture(scope="module")
def anvil() -> Iterator[Anvil]:
    with Anvil() as running:
        yield running


@pytest.fixture
def proxy(anvil: Anvil) -> Iterator[RpcProxy]:
    with RpcProxy(anvil.url) as running:
        yield running


def ask(url: str, method: str, *params: Any, timeout_s: float = 20) -> httpx.Response:
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": list(params)}
    return httpx.post(url, json=body, timeout=timeout_s)


def test_forward__no_fault__answers_as_the_node_does(anvil: Anvil, proxy: RpcProxy) -> None:
    asked = ("eth_getBlockByNumber", "latest", False)
    assert ask(proxy.url, *asked).json() == ask(anvil.url, *asked).json()
    assert proxy.seen == {"eth_getBlockByNumber": 1}


def test_strike__reset_once__only_the_fitting_method_and_only_once(proxy: RpcProxy) -> None:
    proxy.inject(Fault(Kind.RESET, method="eth_chainId", skip=1))
    assert ask(proxy.url, "eth_blockNumber").is_success
    assert ask(proxy.url, "eth_chainId").is_success
    with pytest.raises(httpx.TransportError):
        ask(proxy.url, "eth_chainId")
    assert ask(proxy.url, "eth_chainId").is_success
    assert proxy.struck == {Kind.RESET: 1}


def test_strike__half_open__never_answers(proxy: RpcProxy) -> None:
    proxy.inject(Fault(Kind.HALF_OPEN))
    with pytest.raises(httpx.ReadTimeout):
        ask(proxy.url, "eth_chainId", timeout_s=0.2)
    proxy.await_count(lambda: proxy.struck[Kind.HALF_OPEN], 1)
    assert ask(proxy.url, "eth_chainId").is_success


@pytest.mark.parametrize("retry_after_s", [None, 3])
def test_strike__too_many__says_when_to_come_again_if_told(proxy: RpcProxy, retry_after_s: int | None) -> None:
    proxy.inject(Fault(Kind.TOO_MANY, retry_after_s=retry_after_s))
    response = ask(proxy.url, "eth_chainId")
    assert response.status_code == 429
    assert response.headers.get("retry-after") == (None if retry_after_s is None else str(retry_after_s))


def test_strike__stale_head__shows_the_chain_of_k_blocks_ago(anvil: Anvil, proxy: RpcProxy) -> None:
    anvil.mine(5)
    head = anvil.node.head().number
    proxy.inject(Fault(Kind.STALE_HEAD, times=None, blocks=3))
    assert int(ask(proxy.url, "eth_blockNumber").json()["result"], 16) == head - 3
    assert int(ask(proxy.url, "eth_getBlockByNumber", "latest", False).json()["result"]["number"], 16) == head - 3
    assert ask(proxy.url, "eth_getBlockByNumber", hex(head), False).json()["result"] is None
    proxy.clear()
    assert int(ask(proxy.url, "eth_blockNumber").json()["result"], 16) == head


def test_strike__dropped_after_send__the_node_did_it(anvil: Anvil, proxy: RpcProxy) -> None:
    before = anvil.node.head().number
    proxy.inject(Fault(Kind.DROP_AFTER_SEND, method="evm_mine"))
    with pytest.raises(httpx.TransportError):
        ask(proxy.url, "evm_mine")
    assert anvil.node.head().number == before + 1


def test_strike__truncated__is_half_a_document(proxy: RpcProxy) -> None:
    proxy.inject(Fault(Kind.TRUNCATED))
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        ask(proxy.url, "eth_getBlockByNumber", "latest", True).json()
