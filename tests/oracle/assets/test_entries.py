"""Entries that events stand for."""

from __future__ import annotations

from typing import Any

from eth_abi.abi import encode

from gridwitness.chain.abi import abi_of, canonical_type
from gridwitness.chain.events import Event
from gridwitness.domain.assets import NOBODY, AssetRules, Dividend, Movement, MovementKind, RulesChange, WalletChange
from gridwitness.encoding.hashing import keccak
from gridwitness.service.assets.ledger import as_rows
from gridwitness.service.assets.reading import entries_of
from tests.oracle.assets.shares_story import ANNA, ASSET, BERT, CARLA, CASH, START

TRANSACTION, OTHER = b"\x01" * 32, b"\x02" * 32


def events(*named: tuple[str, dict[str, Any]], transaction: bytes = TRANSACTION, first: int = 0) -> list[Event]:
    return [Event(name, args, 7, b"\x07" * 32, first + index, transaction) for index, (name, args) in enumerate(named)]


def transfer(sender: str, receiver: str, shares: int) -> tuple[str, dict[str, Any]]:
    return "Transfer", {"from": sender, "to": receiver, "value": shares}


def fill(seller: str, buyer: str, number: int, amount: int, cash: int) -> tuple[str, dict[str, Any]]:
    args = {"seller": seller, "buyer": buyer, "shares": ASSET, "number": number, "amount": amount, "cash": cash}
    return "AskFilled", args


def entries(made: list[Event], inputs: dict[bytes, bytes] | None = None) -> list[Any]:
    return entries_of(made, {7: START}, inputs or {})


def call_of_fill(cash: str) -> bytes:
    (entry,) = (one for one in abi_of("ShareMarket") if one.get("name") == "fill")
    types = [canonical_type(part) for part in entry["inputs"]]
    ask = (ASSET, ANNA, NOBODY, cash, 10, 3, 0, START)
    return keccak(f"fill({','.join(types)})".encode())[:4] + encode(types, [ask, b"\x00" * 65, 10, 30])


def test_entries_of__a_fill__is_a_trade_with_price_and_token() -> None:
    made = events(fill(ANNA, BERT, 4, 10, 30), transfer(ANNA, BERT, 10))
    (trade,) = entries(made, {TRANSACTION: call_of_fill(CASH)})
    assert (trade.kind, trade.shares, trade.cash, trade.ask_number) == (MovementKind.TRADE, 10, 30, 4)
    assert trade.cash_token.lower() == CASH


def test_entries_of__a_fill_through_another_contract__does_not_say_its_token() -> None:
    made = events(fill(ANNA, BERT, 4, 10, 30), transfer(ANNA, BERT, 10))
    for data in (b"", b"\x12\x34\x56\x78", call_of_fill(CASH)[:40]):
        (trade,) = entries(made, {TRANSACTION: data} if data else {})
        assert (trade.kind, trade.cash, trade.cash_token) == (MovementKind.TRADE, 30, "")


def test_entries_of__several_fills_in_one_transaction__keep_apart() -> None:
    made = events(
        fill(ANNA, BERT, 0, 10, 30),
        transfer(ANNA, BERT, 10),
        fill(ANNA, BERT, 1, 10, 50),
        transfer(ANNA, BERT, 10),
        transfer(ANNA, BERT, 10),
    )
    found = entries(made)
    assert [(one.kind, one.cash) for one in found] == [
        (MovementKind.TRADE, 30),
        (MovementKind.TRADE, 50),
        (MovementKind.TRANSFER, 0),
    ]


def test_entries_of__transfer_of_another_transaction__is_no_trade() -> None:
    made = events(fill(ANNA, BERT, 0, 10, 30)) + events(transfer(ANNA, BERT, 10), transaction=OTHER, first=5)
    assert [one.kind for one in entries(made)] == [MovementKind.TRANSFER]


def test_entries_of__recovery_that_freezes_in_between__has_what_was_owed() -> None:
    made = events(
        ("Frozen", {"account": ANNA, "amount": 0}),
        transfer(ANNA, BERT, 10),
        ("Frozen", {"account": BERT, "amount": 4}),
        ("Recovered", {"from": ANNA, "to": BERT, "shares": 10, "cash": 77}),
    )
    (moved,) = (one for one in entries(made) if isinstance(one, Movement))
    assert (moved.kind, moved.cash) == (MovementKind.RECOVERY, 77)


def test_entries_of__what_says_more_of_another_transfer__is_not_taken() -> None:
    made = events(
        transfer(ANNA, NOBODY, 5),
        ("Retired", {"account": ANNA, "shares": 5, "purpose": b"x" * 32}),
        transfer(ANNA, CARLA, 6),
        transfer(BERT, NOBODY, 5),
        ("Redeemed", {"account": BERT, "shares": 5, "cash": 500}),
        transfer(ANNA, CARLA, 7),
        ("ForcedTransfer", {"from": ANNA, "to": CARLA, "amount": 7}),
    )
    assert [(one.kind, one.cash) for one in entries(made)] == [
        (MovementKind.RETIREMENT, 0),
        (MovementKind.TRANSFER, 0),
        (MovementKind.REDEMPTION, 500),
        (MovementKind.FORCED, 0),
    ]


def call_of_revenue(*paid: tuple[bytes, int]) -> bytes:
    (entry,) = (one for one in abi_of("AssetShares") if one.get("name") == "fundRevenue")
    types = [canonical_type(part) for part in entry["inputs"]]
    schedules = [(device_id, ASSET, 1, day, 1, START, 0, [0] * 12) for device_id, day in paid]
    return keccak(f"fundRevenue({','.join(types)})".encode())[:4] + encode(types, [schedules, []])


def test_entries_of__revenue__names_the_plants_and_days_of_its_transaction() -> None:
    paid = ((b"\x02" * 32, 17_004), (b"\x01" * 32, 17_003))
    figures = {"rows": 2, "soldWh": 5, "attestedWh": 6, "cash": 7, "index": 8}

    (named,) = entries(events(("RevenueFunded", figures)), {TRANSACTION: call_of_revenue(*paid)})
    (unnamed,) = entries(events(("RevenueFunded", figures)))

    assert (named.paid_days, named.first_day, named.last_day) == (paid, 17_003, 17_004)
    assert (unnamed.paid_days, unnamed.first_day, unnamed.last_day) == ((), None, None)
    (row,) = as_rows([named])
    assert (row["first_day"], row["last_day"], row["sold_wh"]) == (17_003, 17_004, 5)
    assert "paid_days" not in row


def test_entries_of__rules_revenue_and_wallets__are_entries() -> None:
    words = (1 << 20, 1 << 20, 0, 0)
    made = events(
        ("RulesSet", {"rules": (words, 3, 60, 9, 10_000, 0)}),
        ("RevenueFunded", {"rows": 2, "soldWh": 5, "attestedWh": 6, "cash": 7, "index": 8}),
        ("WalletAdded", {"investor": ANNA, "wallet": BERT}),
        ("WalletRetired", {"investor": ANNA, "wallet": BERT}),
    )
    rules, dividend, added, retired = entries(made)
    assert isinstance(rules, RulesChange)
    assert rules.rules == AssetRules(frozenset({20, 276}), frozenset({0, 1}), 60, 9, 10_000, 0)
    assert isinstance(dividend, Dividend)
    assert (dividend.is_attested, dividend.sold_wh, dividend.first_day) == (True, 5, None)
    assert isinstance(added, WalletChange) and isinstance(retired, WalletChange)
    assert (added.is_retired, retired.is_retired) == (False, True)
