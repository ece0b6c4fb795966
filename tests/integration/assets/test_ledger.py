"""An asset's ledger, read from a chain; and from nodes that do not tell the truth about it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from gridwitness.chain.client import Chain
from gridwitness.chain.events import topic_of
from gridwitness.domain.assets import AssetRule, MovementKind, Passport
from gridwitness.errors import ChainError, InputError, Reverted
from gridwitness.service.assets.ledger import as_rows, read_ledger
from gridwitness.service.assets.statement import LineKind, Period, make_statement
from tests.integration.assets.lying_node import Lie, Refusal, lying
from tests.integration.assets.scene import AMERICA, DAY_SECONDS, EUR, FRANCE, GERMANY, RETAIL, YEAR_SECONDS, Scene


def day_of(time: int) -> date:
    return datetime.fromtimestamp(time, UTC).date()


def test_read_ledger__a_life_of_shares__has_all_of_it_and_agrees_with_the_asset(scene: Scene) -> None:
    first, second, third, _ = scene.investors[:4]
    scene.fund(100 * EUR + 7)
    scene.send(first, scene.asset.transfer(second.address, 1_000))
    scene.fill(third, scene.ask(first, 500, 12 * EUR), 200)
    scene.fund(33 * EUR)
    scene.send(second, scene.asset.claim())
    scene.send(scene.issuer, scene.asset.freeze(third.address, 50))
    scene.send(third, scene.asset.retire(10, b"flight"))
    scene.send(scene.issuer, scene.asset.force_transfer(third.address, first.address, 160))
    ledger = scene.ledger()
    assert [(holder.wallet, holder.shares, holder.frozen) for holder in ledger.holders] == [
        (second.address, 5_000, 0),
        (first.address, 4_960, 0),
        (third.address, 30, 30),
    ]
    assert [movement.kind for movement in ledger.movements] == [
        MovementKind.MINT,
        MovementKind.MINT,
        MovementKind.TRANSFER,
        MovementKind.TRADE,
        MovementKind.RETIREMENT,
        MovementKind.FORCED,
    ]
    assert [(trade.cash, trade.cash_token, trade.ask_number) for trade in ledger.trades] == [
        (2_400 * EUR, scene.euro.address, 0)
    ]
    assert ledger.movements[4].purpose.rstrip(b"\0") == b"flight"
    assert [dividend.cash for dividend in ledger.dividends] == [100 * EUR + 7, 33 * EUR]
    assert [(claim.account, claim.cash) for claim in ledger.claims] == [
        (second.address, 4_000 * (100 * EUR + 7) // 10_000 + 5_000 * 33 * EUR // 10_000)
    ]
    assert ledger.holders[2].withheld == "all shares frozen"
    assert ledger.holders[0].verdict.rule is AssetRule.NONE
    assert (ledger.cash.symbol, ledger.cash.decimals) == ("tEUR", 6)


def test_read_ledger__lost_wallet_recovered__moves_what_it_was_owed(scene: Scene) -> None:
    lost, other = scene.investors[1], scene.investors[4]
    scene.fund(10 * EUR)
    scene.send(scene.registrar, scene.passports.add_wallet(lost.address, other.address))
    scene.send(scene.issuer, scene.asset.freeze(lost.address, 100))
    scene.send(scene.registrar, scene.passports.retire_wallet(lost.address, [scene.asset.address]))
    scene.send(scene.issuer, scene.asset.recover(lost.address, other.address))
    ledger = scene.ledger()
    (moved,) = (one for one in ledger.movements if one.kind is MovementKind.RECOVERY)
    assert (moved.sender, moved.receiver, moved.shares, moved.cash) == (lost.address, other.address, 4_000, 4 * EUR)
    found = next(holder for holder in ledger.holders if holder.wallet == other.address)
    assert (found.investor, found.shares, found.frozen, found.claimable) == (lost.address, 4_000, 100, 4 * EUR)


def test_read_ledger__passports_expire_and_are_revoked__says_who_waits(scene: Scene) -> None:
    first, second, third, american = scene.investors[:4]
    scene.send(first, scene.asset.transfer(third.address, 1_000))
    brief = Passport(scene.now + 3_600, GERMANY, RETAIL)
    scene.send(scene.registrar, scene.passports.renew(first.address, brief, [scene.asset.address]))
    scene.send(scene.registrar, scene.passports.revoke(second.address, [scene.asset.address]))
    moved = Passport(scene.now + YEAR_SECONDS, AMERICA, RETAIL)
    scene.send(scene.registrar, scene.passports.renew(third.address, moved, [scene.asset.address]))
    scene.fund(10 * EUR)
    scene.wait(DAY_SECONDS)
    ledger = scene.ledger()
    assert {holder.wallet: holder.withheld for holder in ledger.holders} == {
        first.address: "passport",
        second.address: "passport",
        third.address: "country",
    }
    for account, rule in ((first, 2), (second, 2), (third, 3), (american, 3)):
        with pytest.raises(Reverted, match=f"RuleBroken\\(rule={rule}, account={account.address.lower()}"):
            scene.send(scene.issuer, scene.asset.claim_for(account.address))
    assert sum(holder.claimable for holder in ledger.holders) == 10 * EUR


def test_transfer__to_the_wrong_jurisdiction__names_rule_and_country(scene: Scene) -> None:
    with pytest.raises(Reverted) as info:
        scene.send(scene.investors[0], scene.asset.transfer(scene.investors[3].address, 1))
    assert info.value.arguments == {
        "rule": 3,
        "account": scene.investors[3].address.lower(),
        "value": AMERICA,
        "limit": 0,
    }
    assert scene.asset.verdict_of(scene.investors[3].address).rule is AssetRule.COUNTRY


def test_fill__ask_replayed__names_what_is_left(scene: Scene) -> None:
    seller, buyer = scene.investors[0], scene.investors[2]
    signed = scene.ask(seller, 100, EUR)
    scene.fill(buyer, signed, 100)
    with pytest.raises(Reverted, match="AskExhausted") as info:
        scene.fill(buyer, signed, 100)
    assert {name: info.value.arguments[name] for name in ("wanted", "left")} == {"wanted": 100, "left": 0}
    (trade,) = scene.ledger().trades
    assert (trade.shares, trade.cash) == (100, 100 * EUR)


def test_read_ledger__at_an_earlier_block__is_what_it_was_then(scene: Scene) -> None:
    before = scene.ledger()
    scene.fund(5 * EUR)
    scene.send(scene.investors[0], scene.asset.transfer(scene.investors[2].address, 10))
    assert scene.ledger(block=before.block.number) == before
    depth = scene.chain.head_number() - before.block.number
    assert scene.ledger(confirmations=depth) == before
    assert scene.ledger(block_range=3) == scene.ledger()


def test_read_ledger__block_that_is_none__is_refused(scene: Scene) -> None:
    with pytest.raises(InputError, match="there is no block 10000: the newest is"):
        scene.ledger(block=10_000)
    with pytest.raises(InputError, match="is no asset of the factory"):
        read_ledger(scene.chain, scene.euro.address)


def test_read_ledger__taken_back_by_a_reorganisation__is_read_anew(scene: Scene) -> None:
    first, third = scene.investors[0], scene.investors[2]
    snapshot = scene.anvil.node.rpc("evm_snapshot")
    scene.send(first, scene.asset.transfer(third.address, 10))
    assert len(scene.ledger().holders) == 3
    scene.anvil.node.rpc("evm_revert", snapshot)
    scene.anvil.mine(3)
    ledger = scene.ledger()
    assert [holder.shares for holder in ledger.holders] == [6_000, 4_000]


def test_as_rows__holders_and_dividends__are_tables_of_pandas(scene: Scene) -> None:
    scene.fund(10 * EUR)
    ledger = scene.ledger()
    holders = pd.DataFrame(as_rows(ledger.holders))
    assert holders["shares"].sum() == ledger.proof.supply
    assert list(holders["passport_country"]) == [GERMANY, FRANCE]
    dividends = pd.DataFrame(as_rows(ledger.dividends))
    assert dividends.loc[0, "cash"] == 10 * EUR and dividends.loc[0, "transaction"].startswith("0x")


def without(contract: str, event: str) -> Lie:
    """Leaves out the first log of a kind."""
    topic = "0x" + topic_of(contract, event).hex()

    def lie(method: str, params: list[Any], result: Any) -> Any:
        if method != "eth_getLogs":
            return result
        found = next((log for log in result if log["topics"][0] == topic), None)
        return [log for log in result if log is not found]

    return lie


def twice(method: str, params: list[Any], result: Any) -> Any:
    return result * 2 if method == "eth_getLogs" else result


def foreign(method: str, params: list[Any], result: Any) -> Any:
    return [log | {"address": "0x" + "77" * 20} for log in result] if method == "eth_getLogs" else result


def beyond(method: str, params: list[Any], result: Any) -> Any:
    return [log | {"blockNumber": "0xffff"} for log in result] if method == "eth_getLogs" else result


def of_another_block(method: str, params: list[Any], result: Any) -> Any:
    return [log | {"blockHash": "0x" + "77" * 32} for log in result] if method == "eth_getLogs" else result


def no_list(method: str, params: list[Any], result: Any) -> Any:
    return {"logs": result} if method == "eth_getLogs" else result


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        (without("AssetShares", "Transfer"), "shares more than it had|by the asset|dividend index"),
        (without("AssetShares", "Funded"), "was claimed|dividend index"),
        (without("AssetShares", "Claimed"), "by the asset's events: "),
        (without("AssetShares", "Frozen"), "by the asset's events: .* 0 frozen"),
        (without("AssetShares", "RulesSet"), "by the asset's events: .*rule country"),
        (without("Passports", "PassportGiven"), "by the asset's events: .*rule registration"),
        (twice, "shares more than it had|dividend index|by the asset's events"),
        (foreign, "answered another log"),
        (beyond, "answered another log"),
        (of_another_block, "are of another block than the node has there"),
        (no_list, "answered no list"),
    ],
)
def test_read_ledger__node_that_lies__is_found_out(scene: Scene, lie: Lie, said: str) -> None:
    first, second, third = scene.investors[:3]
    scene.fund(10 * EUR)
    scene.send(first, scene.asset.transfer(third.address, 1_000))
    scene.send(first, scene.asset.claim())
    scene.send(scene.issuer, scene.asset.freeze(second.address, 10))
    with lying(scene.anvil.url, lie) as url:
        chain = Chain(url, scene.chain.manifest)
        with pytest.raises(ChainError, match=said):
            read_ledger(chain, scene.asset.address)


def test_read_ledger__balance_made_up__names_wallet_and_both(scene: Scene) -> None:
    wallet = scene.investors[0].address

    def lie(method: str, params: list[Any], result: Any) -> Any:
        is_balance = method == "eth_call" and params[0]["data"].startswith("0x70a08231")
        return "0x" + f"{7:064x}" if is_balance else result

    with lying(scene.anvil.url, lie) as url, pytest.raises(ChainError) as info:
        read_ledger(Chain(url, scene.chain.manifest), scene.asset.address)
    assert info.value.message.startswith(f"{wallet} by the asset's events: 6000 shares, ")
    assert "by the asset: 7 shares, " in info.value.message


@pytest.mark.parametrize(
    ("selector", "answer", "said"),
    [
        ("0x70a08231", "0x", "answered 0 bytes in place of 32"),
        ("0x70a08231", "0x" + "00" * 64, "answered 64 bytes in place of 32"),
        ("0x371ad2ae", "0x" + "00" * 31 + "4d" + "00" * 64, "answered rule 77, which there is not"),
        ("0x95d89b41", "0x", "does not answer symbol as its ABI has it"),
    ],
)
def test_read_ledger__answer_that_is_none__is_named(scene: Scene, selector: str, answer: str, said: str) -> None:
    def lie(method: str, params: list[Any], result: Any) -> Any:
        return answer if method == "eth_call" and params[0]["data"].startswith(selector) else result

    with lying(scene.anvil.url, lie) as url, pytest.raises(ChainError, match=said):
        read_ledger(Chain(url, scene.chain.manifest), scene.asset.address)


def test_read_ledger__replaced_while_it_is_read__is_refused(scene: Scene) -> None:
    asked = []

    def lie(method: str, params: list[Any], result: Any) -> Any:
        if method == "eth_getBlockByNumber" and params[0] == hex(scene.chain.head_number()):
            asked.append(params)
            return result | {"hash": "0x" + "77" * 32} if len(asked) > 2 else result
        return result

    with lying(scene.anvil.url, lie) as url, pytest.raises(ChainError, match="was replaced while events were read"):
        read_ledger(Chain(url, scene.chain.manifest), scene.asset.address)


def test_read_ledger__node_that_takes_few_blocks__is_asked_in_smaller_parts(scene: Scene) -> None:
    scene.anvil.mine(40)

    def lie(method: str, params: list[Any], result: Any) -> Any:
        if method == "eth_getLogs" and int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) >= 10:
            raise Refusal("query exceeds max block range 10")
        return result

    with lying(scene.anvil.url, lie) as url:
        assert read_ledger(Chain(url, scene.chain.manifest), scene.asset.address) == scene.ledger()


def test_make_statement__from_a_chain__is_the_same_a_week_later(scene: Scene) -> None:
    first, third = scene.investors[0], scene.investors[2]
    scene.fund(10 * EUR)
    scene.fill(third, scene.ask(first, 500, 12 * EUR), 500)
    scene.send(first, scene.asset.claim())
    day = day_of(scene.now)
    scene.wait(2 * DAY_SECONDS)
    period = Period(day, day + timedelta(days=1))
    made = make_statement(scene.ledger(), first.address, period)
    assert [line.kind for line in made.lines] == [
        LineKind.MINTED,
        LineKind.DIVIDEND,
        LineKind.SOLD,
        LineKind.CLAIMED,
    ]
    assert (made.lines[2].cash, made.lines[2].price_per_share) == (6_000 * EUR, 12 * EUR)
    scene.wait(7 * DAY_SECONDS)
    scene.send(first, scene.asset.transfer(third.address, 500))
    again = make_statement(scene.ledger(), first.address, period)
    assert (again.lines, again.opening, again.closing) == (made.lines, made.opening, made.closing)
