"""Transactions under way: raised fees, the cap, several attempts, blocks taken back, a node that does not answer."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes
from requests.exceptions import ConnectionError as NoConnection
from web3 import HTTPProvider, Web3

from gridwitness.chain.anvil import Anvil, free_port
from gridwitness.errors import ChainError
from scripts import _node
from scripts._artefacts import Artefacts
from scripts._create2 import created_address
from scripts._fees import GWEI, Fees, Market, coins, gwei
from tests.chaos.proxy import Fault, Kind, RpcProxy
from tests.integration.deploy.altered_node import Call, altered_node, refusal
from tests.integration.deploy.conftest import DEPLOYER, Console
from tests.integration.deploy.test_deploy import TRANSACTIONS, WITHOUT_SHARES
from tests.serving import Answering, serving


def rpc(console: Console, method: str, *params: Any) -> Any:
    answer = console.web3.provider.make_request(method, list(params))  # type: ignore[arg-type]
    assert "error" not in answer, answer
    return answer["result"]


def await_attempts(console: Console, count: int) -> list[dict[str, Any]]:
    """Attempts at the pending transaction, once there are so many and the node has the last of them."""

    def attempts() -> list[dict[str, Any]]:
        if not console.path.exists():
            return []
        return list(console.manifest.get("pending", {}).get("attempts", []))

    await_that(lambda: len(attempts()) >= count)
    last = attempts()[-1]["transaction"]
    pool = console.web3.provider.make_request
    await_that(lambda: bool(pool("eth_getTransactionByHash", [last])["result"]))  # type: ignore[arg-type]
    return attempts()


def await_that(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def spike(console: Console, base_fee: int) -> None:
    """A block that is dearer than what was offered."""
    rpc(console, "anvil_setNextBlockBaseFeePerGas", hex(base_fee))
    rpc(console, "evm_mine")


def killed_with_two_attempts(console: Console) -> list[dict[str, Any]]:
    """A deployment killed when its first transaction had been offered more for; no block has it yet."""
    rpc(console, "evm_setAutomine", False)
    script = console.start("deploy")
    await_attempts(console, 1)
    spike(console, 20 * GWEI)
    try:
        return await_attempts(console, 2)
    finally:
        script.kill()
        print(script.communicate()[0])


def test_deploy__base_fee_rises_above_the_offer__replaces_with_the_same_nonce_and_ends_well(console: Console) -> None:
    attempts = killed_with_two_attempts(console)
    assert attempts[1]["max_fee_per_gas"] >= 2 * attempts[0]["max_fee_per_gas"]
    assert attempts[1]["max_priority_fee_per_gas"] * 10 >= attempts[0]["max_priority_fee_per_gas"] * 11
    nonces = [rpc(console, "eth_getTransactionByHash", attempts[1]["transaction"])["nonce"], hex(0)]
    assert nonces[0] == nonces[1]
    rpc(console, "evm_mine")
    rpc(console, "evm_setAutomine", True)
    outcome = console.run("deploy")
    assert outcome.code == 0, outcome.output
    assert console.manifest["contracts"]["EuroToken"]["transaction"] == attempts[1]["transaction"]
    assert console.transactions == TRANSACTIONS


def test_deploy__base_fee_rises_between_signing_and_sending__offers_more_and_ends_well(console: Console) -> None:
    """The node refuses what was worth enough a moment ago, and that is no reason to stop."""
    refused = list[str]()

    class Dearer(Answering):
        def respond(self) -> None:
            body = self.body()
            if not refused and json.loads(body)["method"] == "eth_sendRawTransaction":
                spike(console, 20 * GWEI)
            request = urllib.request.Request(console.url, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request) as response:
                answer = bytes(response.read())
            if b"less than block base fee" in answer:
                refused.append(answer.decode())
            self.answer(answer)

    with serving(Dearer) as url:
        outcome = Console(url, console.path).run("deploy")
    assert outcome.code == 0, outcome.output
    assert len(refused) == 1
    assert "gwei now; offering up to" in outcome.output
    assert console.transactions == TRANSACTIONS


def test_deploy__first_of_two_attempts_is_the_one_mined__records_that_one(console: Console) -> None:
    attempts = killed_with_two_attempts(console)
    rpc(console, "anvil_dropTransaction", attempts[1]["transaction"])
    rpc(console, "anvil_setNextBlockBaseFeePerGas", hex(GWEI // 2))
    rpc(console, "eth_sendRawTransaction", attempts[0]["raw"])
    rpc(console, "evm_mine")
    rpc(console, "evm_setAutomine", True)
    outcome = console.run("deploy")
    assert outcome.code == 0, outcome.output
    assert console.manifest["contracts"]["EuroToken"]["transaction"] == attempts[0]["transaction"]
    assert console.transactions == TRANSACTIONS


def test_deploy__base_fee_above_the_cap__sends_nothing(console: Console) -> None:
    spike(console, 30 * GWEI)
    outcome = console.run("deploy", "--max-fee-gwei", "10")
    assert outcome.code == 1
    assert "gwei (base fee 2" in outcome.error
    assert "--max-fee-gwei is 10 (wait until it is cheaper, or allow more)" in outcome.error
    assert console.transactions == 0


def test_deploy__base_fee_rises_above_the_cap_on_the_way__waits_and_offers_no_more(console: Console) -> None:
    rpc(console, "evm_setAutomine", False)
    script = console.start("deploy", "--max-fee-gwei", "4")
    await_attempts(console, 1)
    spike(console, 30 * GWEI)
    await_that(lambda: "waiting for it to fall" in console.path.with_suffix(".log").read_text(encoding="utf-8"))
    assert len(console.manifest["pending"]["attempts"]) == 1
    rpc(console, "anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    rpc(console, "evm_mine")
    rpc(console, "evm_setAutomine", True)
    output, _ = script.communicate()
    assert script.returncode == 0, output
    assert console.transactions == TRANSACTIONS


def test_deploy__node_that_wants_a_higher_tip__offers_more_until_it_is_taken(console: Console) -> None:
    def dear(asked: Call, ask: Callable[[], Call]) -> Call:
        if asked["method"] == "eth_sendRawTransaction":
            sent = TypedTransaction.from_bytes(HexBytes(asked["params"][0])).as_dict()
            if sent["maxPriorityFeePerGas"] < 5 * GWEI:
                return refusal(-32000, "transaction underpriced: gas tip cap 1000000000, minimum needed 5000000000")
        return ask()

    with altered_node(console.url, dear) as url:
        outcome = Console(url, console.path).run("deploy", "--set", "shares=null")
    assert outcome.code == 0, outcome.output
    assert "a tip of 1 gwei is refused; offering up to" in outcome.output
    assert console.transactions == WITHOUT_SHARES


def test_deploy__tips_rise_before_it_is_mined__replaces_with_the_same_nonce(console: Console) -> None:
    def dearer(asked: Call, ask: Callable[[], Call]) -> Call:
        answer = ask()
        if asked["method"] == "eth_maxPriorityFeePerGas" and console.path.exists():
            answer["result"] = hex(3 * GWEI)
        return answer

    rpc(console, "evm_setAutomine", False)
    with altered_node(console.url, dearer) as url:
        script = Console(url, console.path).start("deploy")
        try:
            attempts = await_attempts(console, 2)
        finally:
            script.kill()
            script.communicate()
    assert [attempt["max_priority_fee_per_gas"] for attempt in attempts] == [GWEI, 3 * GWEI]
    assert attempts[1]["max_fee_per_gas"] * 10 >= attempts[0]["max_fee_per_gas"] * 11


def test_deploy__another_attempt_is_mined_after_a_reorganisation__records_that_one(console: Console) -> None:
    attempts = killed_with_two_attempts(console)
    rpc(console, "evm_mine")
    rpc(console, "evm_setAutomine", True)
    assert console.run("deploy", "--set", "roles.EnergyMarket.ZONE_OPERATOR_ROLE=[]").code == 1  # no zone
    assert console.manifest["contracts"]["EuroToken"]["transaction"] == attempts[1]["transaction"]
    take_all_back(console)
    rpc(console, "eth_sendRawTransaction", attempts[0]["raw"])
    outcome = console.run("deploy")
    assert outcome.code == 0, outcome.output
    token = console.manifest["contracts"]["EuroToken"]
    assert token["transaction"] == attempts[0]["transaction"]
    assert token["block"] == console.web3.eth.get_transaction_receipt(token["transaction"])["blockNumber"]
    assert console.transactions == TRANSACTIONS


def test_deploy__nonce_used_elsewhere_after_a_reorganisation__looks_anew_and_ends_well(console: Console) -> None:
    assert console.run("deploy", "--set", "roles.EnergyMarket.ZONE_OPERATOR_ROLE=[]").code == 1  # no zone
    take_all_back(console)
    console.web3.eth.send_transaction({"from": DEPLOYER, "to": DEPLOYER, "nonce": 0})
    outcome = console.run("deploy")
    assert outcome.code == 0, outcome.output
    assert "was mined and is no more; looking anew at what stands" in outcome.output
    assert console.web3.eth.get_code(console.manifest["contracts"]["EuroToken"]["address"])
    assert console.transactions == TRANSACTIONS + 1
    assert "sent" not in console.manifest


def take_all_back(console: Console) -> None:
    """A reorganisation that leaves nothing of the deployer's, neither in blocks nor in the pool."""
    rpc(console, "anvil_rollback", console.web3.eth.block_number)
    rpc(console, "anvil_dropAllTransactions")
    rpc(console, "anvil_setNextBlockBaseFeePerGas", hex(GWEI // 2))
    assert console.transactions == 0


@pytest.mark.parametrize("create2", ["auto", "never"])
def test_deploy__blocks_taken_back_while_it_was_dead__sends_the_same_bytes_again(
    create2: str, console: Console
) -> None:
    way = ("--set", f"create2={create2}")
    assert console.run("deploy", *way, "--set", "roles.EnergyMarket.ZONE_OPERATOR_ROLE=[]").code == 1  # no zone
    before = console.manifest
    sent = [entry["transaction"] for entry in before["sent"]]
    assert len(sent) == console.transactions == TRANSACTIONS - 2
    rpc(console, "anvil_reorg", 5, [])
    assert console.transactions == TRANSACTIONS - 2 - 5
    outcome = console.run("deploy", *way)
    assert outcome.code == 0, outcome.output
    assert outcome.output.count("a reorganisation dropped") == 5
    assert console.transactions == TRANSACTIONS
    for entry in console.manifest["contracts"].values():
        receipt = console.web3.eth.get_transaction_receipt(entry["transaction"])
        assert (entry["transaction"] in sent, receipt["blockNumber"]) == (True, entry["block"])
    assert "sent" not in console.manifest


def test_deploy__blocks_taken_back_while_it_runs__looks_anew_and_makes_nothing_twice(
    node: Anvil, tmp_path: Path, artefacts: Artefacts
) -> None:
    console = Console(node.url, tmp_path / "31337.json")
    depth = TRANSACTIONS - 4  # back to before the market
    with RpcProxy(node.url) as proxy:
        # The script is kept from estimating the zone while the market and all after it are taken back.
        proxy.inject(Fault(Kind.RESET, "eth_estimateGas", skip=TRANSACTIONS - 1, times=None))
        script = Console(proxy.url, console.path).start("deploy", "--set", "create2=never")
        proxy.await_count(lambda: proxy.struck[Kind.RESET], 1)
        rpc(console, "anvil_reorg", depth, [])
        proxy.clear()
        output, _ = script.communicate()
    assert script.returncode == 0, output
    assert output.count("a reorganisation dropped") == depth
    assert "looking anew at what stands" in output
    assert console.transactions == TRANSACTIONS
    for nonce, name in enumerate(("EuroToken", "DeviceRegistry", "DataAttestation", "EnergyMarket")):
        assert console.manifest["contracts"][name]["address"] == created_address(DEPLOYER, nonce)


def test_deploy__killed_then_dry_run__plans_what_is_left_and_leaves_all_as_it_is(console: Console) -> None:
    killed_with_two_attempts(console)
    before = console.path.read_bytes()
    plan = console.run("deploy", "--dry-run")
    assert plan.code == 0, plan.output
    assert "an earlier run sent it or was about to; it would be finished first" in plan.output
    assert f"ethereum:local: {TRANSACTIONS - 1} transactions" in plan.output
    assert (console.transactions, console.path.read_bytes()) == (0, before)


def test_patient__node_that_stays_away__says_so_once_and_gives_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_node, "PATIENCE_S", 1.0)
    web3 = Web3(HTTPProvider(f"http://127.0.0.1:{free_port()}", exception_retry_configuration=None))
    _node.be_patient(web3)
    _node.be_patient(web3)
    with pytest.raises(NoConnection):
        _ = web3.eth.chain_id
    assert capsys.readouterr().out == "! the node does not answer eth_chainId; trying again for 1 s\n"


def test_patient__node_that_comes_back__is_asked_again(tmp_path: Path) -> None:
    port = free_port()
    web3 = Web3(HTTPProvider(f"http://127.0.0.1:{port}", exception_retry_configuration=None))
    _node.be_patient(web3)
    with Anvil(port=port, chain_id=4_711, state_file=tmp_path / "state.json"):
        assert web3.eth.chain_id == 4_711


@pytest.mark.parametrize(
    ("market", "cap", "offer"),
    [
        (Market(10 * GWEI, 2 * GWEI), 500 * GWEI, Fees(22 * GWEI, 2 * GWEI)),
        (Market(10 * GWEI, 2 * GWEI), 15 * GWEI, Fees(15 * GWEI, 2 * GWEI)),
        (Market(10 * GWEI, 2 * GWEI), 12 * GWEI, Fees(12 * GWEI, 2 * GWEI)),
    ],
)
def test_offer__any_cap__lasts_for_a_doubled_base_fee_or_to_the_cap(market: Market, cap: int, offer: Fees) -> None:
    assert market.offer(cap) == offer


def test_offer__cap_below_the_price__names_both() -> None:
    with pytest.raises(ChainError, match=r"gas costs 12 gwei \(base fee 10, tip 2\); --max-fee-gwei is 11\.9"):
        Market(10 * GWEI, 2 * GWEI).offer(int(11.9 * GWEI))


@pytest.mark.parametrize(
    ("market", "cap", "offer"),
    [
        (Market(30 * GWEI, GWEI), 500 * GWEI, Fees(61 * GWEI, 1_130_000_000)),
        (Market(30 * GWEI, GWEI), 40 * GWEI, Fees(40 * GWEI, 1_130_000_000)),  # the cap, as it suffices
        (Market(30 * GWEI, GWEI), 30 * GWEI, None),  # the cap does not suffice
        (Market(9 * GWEI, GWEI), 11 * GWEI, None),  # nodes want 13 % more than 10, and the cap forbids it
    ],
)
def test_outbid__an_offer_of_10_gwei__raises_both_fees_enough_or_not_at_all(
    market: Market, cap: int, offer: Fees | None
) -> None:
    assert market.outbid(Fees(10 * GWEI, GWEI), cap) == offer


def test_amounts__for_people__have_few_digits() -> None:
    assert [gwei(1), gwei(1_234_567_890), gwei(12_345 * GWEI)] == ["1e-09", "1.235", "12,345"]
    assert [coins(0, "ETH"), coins(123_456_789_012_345_678, "ETH")] == ["0 ETH", "0.12346 ETH"]
    assert coins(1_234_567 * 10**18, "POL") == "1,234,567 POL"
