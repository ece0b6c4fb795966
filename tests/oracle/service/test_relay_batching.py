"""When a relay submits, until when it may, and how many rows fit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwitness.chain.client import MAX_TRANSACTION_GAS, gas_limit
from gridwitness.domain.market import NO_ORDER, Order, Side
from gridwitness.service.relay.batching import TARGET_GAS, RelayRules, closes_at, fitting_rows, is_due
from gridwitness.service.relay.log import Waiting
from tests.oracle.market.orders import ZONE
from tests.oracle.service.relay_parts import BID, DAY_START, signed

RULES = RelayRules(enough_rows=10, max_age_s=60, gate_margin_s=180)
FIRST_GATE = DAY_START - ZONE.gate_lead_slots * 900


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [
        (Waiting(0, None, None), False),
        (Waiting(1, 1_000, 9_000), False),
        (Waiting(10, 1_000, 9_000), True),
        (Waiting(1, 950, 9_000), False),
        (Waiting(1, 949, 9_000), True),
        (Waiting(1, 1_000, 5_181), False),
        (Waiting(1, 1_000, 5_180), True),
    ],
)
def test_is_due__count_age_or_closing__any_is_enough(waiting: Waiting, expected: bool) -> None:
    assert is_due(waiting, RULES, 1_009, 5_000) is expected


def test_closes_at__first_version__when_the_gate_of_its_first_order_closes_or_after_its_deadline() -> None:
    assert closes_at(signed(1).schedule, None, ZONE) == FIRST_GATE
    assert closes_at(signed(1, [NO_ORDER, NO_ORDER, BID]).schedule, None, ZONE) == FIRST_GATE + 2 * 900
    assert closes_at(signed(1, deadline=FIRST_GATE - 5).schedule, None, ZONE) == FIRST_GATE - 4


def test_closes_at__replacement__counts_only_what_changes() -> None:
    before = signed(1, [BID, BID, BID]).schedule
    other = Order(Side.BID, 61, 100)
    assert closes_at(signed(1, [BID, BID, other]).schedule, before, ZONE) == FIRST_GATE + 2 * 900
    assert closes_at(signed(1, [BID, BID]).schedule, before, ZONE) == FIRST_GATE + 2 * 900
    assert closes_at(before, before, ZONE) == before.deadline + 1
    limit = replace(signed(1, [BID, BID, other]).schedule, imbalance_limit_wh=1)
    assert closes_at(limit, before, ZONE) == FIRST_GATE


def test_target__what_the_outbox_adds__stays_within_eip_7825() -> None:
    assert gas_limit(TARGET_GAS) <= MAX_TRANSACTION_GAS < gas_limit(TARGET_GAS) + 3


@given(st.lists(st.integers(1, 2_000_000), min_size=1, max_size=300), st.integers(1, 400), st.integers(0, 5_000_000))
def test_fitting_rows__any_costs__fit_and_leave_less_than_a_tenth(gas: list[int], guess: int, fixed: int) -> None:
    """Costs fall, as in a ring that is first used and then reused; beyond the limit nodes answer nothing."""
    gas.sort(reverse=True)
    asked: list[int] = []

    def gas_of(count: int) -> int | None:
        assert 1 <= count <= len(gas)
        asked.append(count)
        total = fixed + sum(gas[:count])
        return total if total <= MAX_TRANSACTION_GAS else None

    fits = fitting_rows(len(gas), guess, gas_of)
    assert fixed + sum(gas[:fits]) <= TARGET_GAS
    most = max(count for count in range(len(gas) + 1) if count == 0 or fixed + sum(gas[:count]) <= TARGET_GAS)
    assert fits == most or fits >= 0.9 * (most + 1) - 1 or fixed + sum(gas[:fits]) >= 0.9 * TARGET_GAS
    assert len(set(asked)) == len(asked) <= 20


def test_fitting_rows__guess_as_good_as_the_last_time__is_measured_once() -> None:
    asked: list[int] = []

    def gas_of(count: int) -> int:
        asked.append(count)
        return count * TARGET_GAS // 100

    assert fitting_rows(1_000, 7, gas_of) == 95
    assert asked == [7, 95]
    assert fitting_rows(1_000, 95, gas_of) == 95
    assert asked == [7, 95, 95]


def test_fitting_rows__nothing_can_be_measured__is_none() -> None:
    assert fitting_rows(40, 32, lambda count: None) == 0
