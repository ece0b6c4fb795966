"""Schedules as the calls that bring them to the chain say them."""

from __future__ import annotations

from typing import Any

import pytest
from web3 import Web3

from gridwitness.chain.abi import abi_of
from gridwitness.chain.market import schedule_tuple
from gridwitness.domain.market import Order, Schedule, Side
from gridwitness.service.portal.calls import submitted_schedules
from tests.oracle.signers import OWNER

ORDERS = tuple(Order(Side.OFFER, 9, 100 + slot) for slot in range(96))
SCHEDULE = Schedule(b"d" * 32, OWNER, 1, 17_026, 2, 1_471_046_400, 5_000, ORDERS)
TERMS = schedule_tuple(SCHEDULE)


def calldata(function: str, *arguments: Any) -> bytes:
    encoded: str = Web3().eth.contract(abi=abi_of("EnergyMarket")).encode_abi(function, arguments)
    return bytes.fromhex(encoded[2:])


@pytest.mark.parametrize(
    ("function", "arguments"),
    [("submit", [[(TERMS, b"s" * 65)]]), ("replace", [(TERMS, b"s" * 65), TERMS]), ("submitOwn", [TERMS])],
)
def test_read__call_that_submits__its_schedule(function: str, arguments: list[Any]) -> None:
    assert submitted_schedules(calldata(function, *arguments)) == [SCHEDULE]


def test_read__another_call__no_schedule() -> None:
    assert submitted_schedules(calldata("withdraw", 5, OWNER)) == []
