"""The chain client against a real node: checks on arrival, transactions, named reverts."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from gridwitness.chain.anvil import Anvil, free_port
from gridwitness.chain.client import MAX_TRANSACTION_GAS, Chain, gas_limit
from gridwitness.chain.events import decode_logs
from gridwitness.chain.manifest import DeployedContract, Manifest
from gridwitness.chain.node import Node
from gridwitness.errors import ChainError, Reverted


def test_connect__right_chain__has_contracts_and_head(chain: Chain, anvil: Anvil) -> None:
    assert chain.chain_id == anvil.chain_id
    head = anvil.node.head()
    assert (chain.head_number(), chain.head_time()) == (head.number, head.time)


def test_connect__wrong_chain__names_both(anvil: Anvil, manifest: Manifest) -> None:
    with pytest.raises(ChainError, match=r"node at http://\S+ is chain 31337, manifest is for 1") as raised:
        Chain(anvil.url, replace(manifest, chain_id=1))
    assert raised.value.hint


def test_connect__no_node__is_one_line_with_a_hint(manifest: Manifest) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(ChainError) as raised:
        Chain(url, manifest)
    assert raised.value.message == f"no node answers at {url}"
    assert raised.value.hint


def test_connect__no_code__names_contract_and_address(anvil: Anvil, manifest: Manifest) -> None:
    nowhere = "0x000000000000000000000000000000000000dEaD"
    contracts = {**manifest.contracts, "EnergyMarket": DeployedContract(nowhere, 1)}
    with pytest.raises(ChainError, match=f"no contract at {nowhere}, where manifest has EnergyMarket"):
        Chain(anvil.url, replace(manifest, contracts=contracts))


@pytest.fixture
def web_server() -> Iterator[str]:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200 if self.path == "/page" else 429)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/page", "is no Ethereum node"),
        ("/busy", "answered HTTP 429"),
    ],
)
def test_ask_node__web_server_instead__is_a_chain_error(web_server: str, path: str, message: str) -> None:
    with pytest.raises(ChainError, match=message):
        Node(web_server + path).chain_id()
    with pytest.raises(ChainError, match=message):
        Node(web_server + path).rpc_batch([("eth_chainId", ())])


def test_transact__mint__is_mined_with_its_event(chain: Chain, token: Any, transmitter: LocalAccount) -> None:
    receipt = chain.transact(transmitter, token.functions.mint(transmitter.address, 5))
    assert chain.call(token.functions.balanceOf(transmitter.address)) == 5
    (event,) = decode_logs("EuroToken", token.address, receipt)
    assert (event.name, event.args["to"], event.args["value"]) == ("Transfer", transmitter.address, 5)
    assert 21_000 < receipt.gas_used < 100_000


def test_transact__refused__raises_the_custom_error_unsent(
    chain: Chain, token: Any, transmitter: LocalAccount, outsider: LocalAccount
) -> None:
    with pytest.raises(Reverted) as raised:
        chain.transact(transmitter, token.functions.transfer(outsider.address, 50))
    assert raised.value.error_name == "ERC20InsufficientBalance"
    assert raised.value.arguments["needed"] == 50
    assert chain.node.transaction_count(transmitter.address) == 0


def test_transact__fails_when_mined__raises_the_custom_error(
    chain: Chain, token: Any, transmitter: LocalAccount, outsider: LocalAccount
) -> None:
    with pytest.raises(Reverted, match="ERC20InsufficientBalance"):
        chain.transact(transmitter, token.functions.transfer(outsider.address, 50), gas=100_000)
    assert chain.node.transaction_count(transmitter.address) == 1


def test_explain_failure__transaction_the_node_does_not_know__is_said(chain: Chain) -> None:
    error = chain.failure_of(b"\x01" * 32, 1)
    assert error.message == f"transaction 0x{'01' * 32} failed in block 1; the node does not know it (yet)"


def test_call__refused__raises_the_custom_error(chain: Chain, token: Any, outsider: LocalAccount) -> None:
    with pytest.raises(Reverted, match="ERC20InsufficientAllowance"):
        chain.call(token.functions.transferFrom(outsider.address, outsider.address, 1))
    with pytest.raises(Reverted, match="ERC20InsufficientAllowance"):
        chain.call_many(
            [token.functions.totalSupply(), token.functions.transferFrom(outsider.address, outsider.address, 1)]
        )


def test_send_many__several_actors__all_mined_in_order(
    chain: Chain, anvil: Anvil, token: Any, transmitter: LocalAccount, outsider: LocalAccount
) -> None:
    calls = [
        (actor, token.functions.mint(actor.address, amount))
        for amount in range(1, 121)
        for actor in (transmitter, outsider)
    ]
    with anvil.one_block():
        hashes = chain.send(calls)
    receipts = chain.wait(hashes)
    assert [receipt.transaction for receipt in receipts] == hashes
    balances = chain.call_many([token.functions.balanceOf(actor.address) for actor in (transmitter, outsider)])
    assert balances == [sum(range(1, 121))] * 2


def test_send_many__one_refused__sends_none(
    chain: Chain, token: Any, transmitter: LocalAccount, outsider: LocalAccount
) -> None:
    calls = [
        (transmitter, token.functions.mint(transmitter.address, 1)),
        (outsider, token.functions.transfer(transmitter.address, 1)),
    ]
    with pytest.raises(Reverted):
        chain.send(calls)
    assert chain.call(token.functions.totalSupply()) == 0
    chain.transact(transmitter, token.functions.mint(transmitter.address, 1))
    assert chain.call(token.functions.totalSupply()) == 1


def test_send__account_used_elsewhere_meanwhile__recovers_its_nonce(
    anvil: Anvil, manifest: Manifest, transmitter: LocalAccount
) -> None:
    one, other = Chain(anvil.url, manifest), Chain(anvil.url, manifest)
    mint = one.contract("EuroToken").functions.mint(transmitter.address, 1)
    one.transact(transmitter, mint)
    other.transact(transmitter, mint)
    with pytest.raises(ChainError, match="nonce too low"):
        one.transact(transmitter, mint)
    one.transact(transmitter, mint)
    assert one.node.transaction_count(transmitter.address) == 3


def test_wait__never_mined__names_the_transaction(
    chain: Chain, anvil: Anvil, token: Any, transmitter: LocalAccount
) -> None:
    anvil.node.rpc("evm_setAutomine", False)
    (digest,) = chain.send([(transmitter, token.functions.mint(transmitter.address, 1))])
    with pytest.raises(ChainError, match=f"transaction 0x{digest.hex()} was not mined within 0.1 s"):
        chain.wait([digest], timeout_s=0.1)


def test_limit_gas__above_eip_7825__is_refused() -> None:
    assert gas_limit(100_000) == 125_000
    assert gas_limit(MAX_TRANSACTION_GAS - 1) == MAX_TRANSACTION_GAS
    with pytest.raises(
        ChainError, match=f"would need {MAX_TRANSACTION_GAS + 1} gas; the limit is {MAX_TRANSACTION_GAS}"
    ):
        gas_limit(MAX_TRANSACTION_GAS + 1)
