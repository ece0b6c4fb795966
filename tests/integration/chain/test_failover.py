"""Several RPC endpoints to one real chain, each behind a proxy that can be made to fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.client import Chain, calldata
from gridwitness.chain.endpoint import RpcLimits
from gridwitness.chain.failover import AGREEMENT_DEPTH
from gridwitness.chain.followers import LogFollower
from gridwitness.chain.manifest import Manifest
from gridwitness.errors import NodeUnavailable
from tests.chaos.proxy import Fault, Kind, RpcProxy
from tests.integration.chain.parties import supply

# Looks are asked for by hand: no test waits for a timer.
LIMITS = RpcLimits(connect_timeout_s=2, read_timeout_s=2, head_timeout_s=2, probe_interval_s=3_600)


@pytest.fixture
def proxies(anvil: Anvil) -> Iterator[list[RpcProxy]]:
    with ExitStack() as stack:
        yield [stack.enter_context(RpcProxy(anvil.url)) for _ in range(3)]


@pytest.fixture
def several(proxies: list[RpcProxy], manifest: Manifest) -> Chain:
    return Chain([proxy.url for proxy in proxies], manifest, limits=LIMITS)


def in_use(chain: Chain) -> int:
    return [row["in_use"] for row in chain.node.provider.report()].index(True)


def problems(chain: Chain) -> list[str]:
    return [str(row["problem"]) for row in chain.node.provider.report()]


@pytest.mark.parametrize(
    ("fault", "counted"),
    [
        (Fault(Kind.RESET), "broken_off"),
        (Fault(Kind.HALF_OPEN), "timeout"),
        (Fault(Kind.TOO_MANY), "http_429"),
        (Fault(Kind.SERVER_ERROR), "http_503"),
        (Fault(Kind.TRUNCATED), "malformed"),
        (Fault(Kind.DROP_AFTER_SEND), "broken_off"),
        (Fault(Kind.LATENCY, delay_s=30), "timeout"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else value,
)
def test_read__node_in_use_fails__another_answers_in_the_same_call(
    several: Chain, proxies: list[RpcProxy], anvil: Anvil, fault: Fault, counted: str
) -> None:
    proxies[0].inject(replace(fault))
    assert several.head() == anvil.node.head()
    assert in_use(several) == 1
    assert several.node.provider.report()[0]["failures"] == {counted: 1}


def test_read__first_node_recovers__the_one_in_use_is_kept(several: Chain, proxies: list[RpcProxy]) -> None:
    proxies[0].inject(Fault(Kind.RESET))
    several.head()
    several.node.provider.look()
    assert problems(several) == ["", "", ""]
    before = proxies[0].seen.total()
    for _ in range(5):
        several.head()
    assert (in_use(several), proxies[0].seen.total(), several.node.provider.epoch) == (1, before, 1)


def test_read__node_falls_behind_within_the_limit_and_beyond__is_left_only_then(
    several: Chain, proxies: list[RpcProxy], anvil: Anvil
) -> None:
    anvil.mine(10)
    several.head()
    proxies[0].inject(Fault(Kind.STALE_HEAD, times=None, blocks=3))
    several.node.provider.look()
    assert several.head().number == anvil.node.head().number - 3
    proxies[0].clear()
    proxies[0].inject(Fault(Kind.STALE_HEAD, times=None, blocks=4))
    several.node.provider.look()
    assert several.head() == anvil.node.head()
    assert in_use(several) != 0
    assert problems(several)[0] == "is 4 blocks behind; the limit is 3"


def test_read__asked_to_wait__others_are_used_meanwhile(several: Chain, proxies: list[RpcProxy]) -> None:
    for proxy in proxies[:2]:
        proxy.inject(Fault(Kind.TOO_MANY, times=None, retry_after_s=60))
        several.head()
    seen = [proxy.seen.total() for proxy in proxies]
    several.node.provider.look()
    several.head()
    assert in_use(several) == 2
    assert "asks to wait" in problems(several)[0]
    assert "asks to wait" in problems(several)[1]
    assert [proxy.struck[Kind.TOO_MANY] for proxy in proxies] == [1, 1, 0]
    assert [proxy.seen.total() for proxy in proxies[:2]] == seen[:2]


def test_read__only_node_asks_to_wait__is_not_asked_again_before(anvil: Anvil, manifest: Manifest) -> None:
    with RpcProxy(anvil.url) as proxy:
        chain = Chain(proxy.url, manifest, limits=LIMITS)
        proxy.inject(Fault(Kind.TOO_MANY, times=None, retry_after_s=60))
        seen = proxy.seen.total()
        with pytest.raises(NodeUnavailable, match="answered HTTP 429"):
            chain.head()
        for _ in range(3):
            with pytest.raises(NodeUnavailable, match="asks to wait"):
                chain.head()
        assert proxy.seen.total() == seen + 1


def test_connect__node_of_another_chain_among_them__is_never_used(anvil: Anvil, manifest: Manifest) -> None:
    with Anvil(chain_id=77_001) as other:
        chain = Chain([other.url, anvil.url], manifest, limits=LIMITS)
        assert chain.head() == anvil.node.head()
        assert problems(chain) == ["is chain 77001, not 31337", ""]
        with pytest.raises(NodeUnavailable, match=r"no node can be used: .* is chain 77001, not 31337"):
            Chain([other.url, other.url], manifest, limits=LIMITS)


def test_connect__same_chain_id_but_another_history__is_not_used(anvil: Anvil, manifest: Manifest) -> None:
    with Anvil(genesis_time=1_000_000_000) as other:
        chain = Chain([anvil.url, other.url], manifest, limits=LIMITS)
        assert problems(chain) == ["", "has another genesis block"]


def test_look__node_on_another_fork__is_not_used(anvil: Anvil, proxies: list[RpcProxy], manifest: Manifest) -> None:
    state = anvil.node.rpc("anvil_dumpState")
    genesis = anvil.node.head()
    with Anvil(genesis_time=1_467_000_000) as fork:
        fork.node.rpc("anvil_loadState", state)
        anvil.mine(AGREEMENT_DEPTH + 1)
        fork.set_next_time(genesis.time + 5_000)
        fork.mine(AGREEMENT_DEPTH + 1)
        chain = Chain([proxies[0].url, proxies[1].url, fork.url], manifest, limits=LIMITS)
        assert problems(chain)[:2] == ["", ""]
        assert "another" in problems(chain)[2]


def test_send__node_in_use_swallows_it__reaches_the_chain_through_another(
    several: Chain, proxies: list[RpcProxy], token: Any, transmitter: LocalAccount
) -> None:
    proxies[0].inject(Fault(Kind.RESET, method="eth_sendRawTransaction"))
    several.transact(transmitter, token.functions.mint(transmitter.address, 5))
    assert supply(several) == 5
    for proxy in proxies:
        proxy.await_count(lambda proxy=proxy: proxy.seen["eth_sendRawTransaction"], 1)


def test_follow__another_node_takes_over_in_the_middle__events_are_read_again_from_one(
    several: Chain, proxies: list[RpcProxy], manifest: Manifest, chain: Chain, token: Any, transmitter: LocalAccount
) -> None:
    follower = LogFollower(several, "EuroToken", ["Transfer"])
    chain.transact(transmitter, token.functions.mint(transmitter.address, 1))
    proxies[0].inject(Fault(Kind.RESET, method="eth_getLogs"))
    with pytest.raises(NodeUnavailable, match="another node took over"):
        follower.sync()
    assert follower.events == []
    assert follower.sync() == 0
    assert len(follower.events) == 1


def test_read__all_nodes_away_and_one_back__is_used_at_the_first_poll(several: Chain, proxies: list[RpcProxy]) -> None:
    """No back-off stands between a node's return and its use: the poll that finds it there gets its answer."""
    for proxy in proxies:
        proxy.inject(Fault(Kind.RESET, times=None))
    for _ in range(20):
        with pytest.raises(NodeUnavailable):
            several.head()
    proxies[2].clear()
    assert several.head().number >= 0
    assert in_use(several) == 2


def test_call__after_failover__decodes_as_before(several: Chain, proxies: list[RpcProxy], token: Any) -> None:
    proxies[0].inject(Fault(Kind.HALF_OPEN, method="eth_call"))
    assert several.call(several.contract("EuroToken").functions.totalSupply()) == 0
    assert calldata(token.functions.totalSupply())[:4].hex() == "18160ddd"
