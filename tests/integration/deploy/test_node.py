"""Nodes as they are elsewhere: they hang, limit rates and ranges, sign in their blocks, and have keys in their URLs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from web3 import HTTPProvider, Web3
from web3.exceptions import Web3RPCError
from web3.providers.auto import AutoProvider

from gridwitness.chain.anvil import Anvil
from scripts import _node
from scripts._artefacts import Artefacts
from scripts._chain_check import check_chain
from scripts._node import be_patient, without_keys
from tests.chaos.proxy import Fault, Kind, RpcProxy
from tests.integration.deploy.altered_node import Call, altered_node, ask_node, refusal
from tests.integration.deploy.conftest import Console
from tests.integration.deploy.test_chain_check import code_of
from tests.integration.deploy.test_deploy import TRANSACTIONS
from tests.integration.deploy.test_params import CHAIN_IDS
from tests.integration.packages.strict_node import strict_node
from tests.serving import Answering, serving


def longer_blocks(asked: Call, ask: Callable[[], Call]) -> Call:
    """Blocks with the extra data of Polygon's: 32 bytes, and a signature of 65."""
    answer = ask()
    if asked["method"] in ("eth_getBlockByNumber", "eth_getBlockByHash") and answer.get("result"):
        answer["result"]["extraData"] = "0x" + "ab" * 97
    return answer


def test_deploy__blocks_with_a_signature_in_them__are_taken(tmp_path: Path, artefacts: Artefacts) -> None:
    chain_id = CHAIN_IDS["polygon-amoy"]
    with Anvil(chain_id=chain_id) as node, altered_node(node.url, longer_blocks) as url:
        console = Console(url, tmp_path / f"{chain_id}.json", "polygon:amoy")
        outcome = console.run("deploy", "--account", "TEST::0", "--yes", "--confirmations", "0")
        assert outcome.code == 0, outcome.output
        assert console.transactions == TRANSACTIONS
        shown = console.run("zone", "show", "1", "--account", "TEST::0")
        assert shown.code == 0, shown.output
        console.path.unlink()
        again = console.run("deploy", "--account", "TEST::0", "--yes", "--confirmations", "0")
        assert again.code == 0, again.output
        assert "EuroToken stands at" in again.output


def test_patient__node_that_takes_a_question_and_hangs__is_asked_again(
    node: Anvil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_node, "ANSWER_S", 0.5)
    with RpcProxy(node.url) as proxy:
        # As Ape makes it.
        url = proxy.url
        web3 = Web3(AutoProvider([lambda: HTTPProvider(url, {"timeout": 1_800})]))
        assert web3.is_connected()
        be_patient(web3)
        proxy.inject(Fault(Kind.HALF_OPEN, "eth_chainId", times=2))
        assert web3.eth.chain_id == 31_337
        assert proxy.struck[Kind.HALF_OPEN] == 2


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (-32005, "daily request count exceeded"),
        (-32007, "25/second request limit reached"),
        (429, "exceeded its compute units per second"),
        (-32000, "Too Many Requests"),
    ],
)
def test_patient__rate_limit_told_in_json__asks_again(code: int, message: str, node: Anvil) -> None:
    asked_so_far = 0

    def busy(asked: Call, ask: Callable[[], Call]) -> Call:
        nonlocal asked_so_far
        asked_so_far += 1
        return ask() if asked_so_far > 2 else refusal(code, message)

    with altered_node(node.url, busy) as url:
        web3 = Web3(HTTPProvider(url))
        be_patient(web3)
        assert web3.eth.chain_id == 31_337
    assert asked_so_far == 3


def test_check_chain__node_with_trouble_of_its_own__is_not_taken_for_an_old_chain(node: Anvil) -> None:
    def troubled(asked: Call, ask: Callable[[], Call]) -> Call:
        return refusal(-32603, "header not found") if asked["method"] == "eth_call" else ask()

    with altered_node(node.url, troubled) as url, pytest.raises(Web3RPCError, match="header not found"):
        check_chain(Web3(HTTPProvider(url)), "osaka", [code_of("5f")])


def test_deploy__node_with_trouble_of_its_own__is_one_line(console: Console) -> None:
    def troubled(asked: Call, ask: Callable[[], Call]) -> Call:
        return refusal(-32603, "header not found") if asked["method"] == "eth_call" else ask()

    with altered_node(console.url, troubled) as url:
        outcome = Console(url, console.path).run("deploy")
    assert outcome.code == 1
    assert "the node refuses: header not found" in outcome.error


def test_roles_list__node_that_refuses_long_ranges__asks_for_shorter_ones(standing: Console) -> None:
    with strict_node(standing.url, 3) as strict:
        outcome = Console(strict.url, standing.path).run("roles", "list")
    assert outcome.code == 0, outcome.output
    assert "DeviceRegistry STEWARD_ROLE: 0x" in outcome.output
    assert max(strict.answered) <= 3 < min(strict.refused)


def test_roles_list__node_that_refuses_a_single_block__ends_with_one_line(standing: Console) -> None:
    with strict_node(standing.url, 0) as strict:
        outcome = Console(strict.url, standing.path).run("roles", "list")
    assert outcome.code == 1
    assert "the node refuses: query exceeds max block range 0" in outcome.error


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("429 Client Error for url: https://rpc.example.org/v2/KEY", "429 Client Error for url: https://rpc.example.org"),
        ("see wss://me:KEY@rpc.example.org:8546/?key=KEY) and", "see wss://rpc.example.org:8546) and"),
        ("Max retries exceeded with url: /v2/KEY (Caused by it)", "Max retries exceeded with url: /… (Caused by it)"),
    ],
)  # fmt: skip
def test_without_keys__url_of_a_provider__has_scheme_and_host_only(text: str, told: str) -> None:
    assert without_keys(text) == told


def test_deploy__provider_that_forbids__does_not_print_its_key(console: Console) -> None:
    class Forbidding(Answering):
        def respond(self) -> None:
            body = self.body()
            if json.loads(body)["method"] == "eth_estimateGas":
                self.answer(b"", status=403)
            else:
                self.answer(json.dumps(ask_node(console.url, body)).encode())

    with serving(Forbidding) as url:
        outcome = console.run("deploy", "--network", f"ethereum:local:{url}/v2/SECRET")
    assert f"the node went away: 403 Client Error: Forbidden for url: {url} (run" in outcome.error
    assert "SECRET" not in outcome.output
