"""What is offered for gas."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gridwitness.chain.fees import GWEI, Fees, first_fees, raised_fees

CAP_WEI = 200 * GWEI
WEI = st.integers(0, 10**13)


@st.composite
def fees(draw: st.DrawFn) -> Fees:
    max_fee_wei = draw(WEI)
    return Fees(max_fee_wei, draw(st.integers(0, max_fee_wei)))


@given(current=fees(), cap_wei=st.integers(1, 10**12))
def test_offer__any_market__never_above_the_cap_and_never_tips_more_than_the_fee(current: Fees, cap_wei: int) -> None:
    offered = first_fees(current, cap_wei)
    if isinstance(offered, str):
        assert current.max_fee_wei > 2 * cap_wei
    else:
        assert offered.tip_wei <= offered.max_fee_wei <= cap_wei


@given(stuck=fees(), current=fees(), cap_wei=st.integers(1, 10**12))
def test_raise__any_market__both_fees_grow_by_an_eighth_within_the_cap(
    stuck: Fees, current: Fees, cap_wei: int
) -> None:
    raised = raised_fees(stuck, current, cap_wei)
    if isinstance(raised, str):
        assert str(cap_wei) in raised
    else:
        assert raised.max_fee_wei * 8 >= stuck.max_fee_wei * 9
        assert raised.tip_wei * 8 >= stuck.tip_wei * 9
        assert raised.tip_wei <= raised.max_fee_wei <= cap_wei


def test_raise__base_fee_far_above_the_cap__waits() -> None:
    assert raised_fees(Fees(GWEI, GWEI), Fees(2 * CAP_WEI + 2, 1), CAP_WEI) == (
        f"the fee is about {CAP_WEI + 1} wei per gas; the cap is {CAP_WEI}"
    )
