"""What is offered for a transaction's gas: enough for a few full blocks, dearer when stuck, never above a cap."""

from __future__ import annotations

from dataclasses import dataclass

GWEI = 10**9
DEFAULT_CAP_WEI = 200 * GWEI


@dataclass(frozen=True, slots=True)
class Fees:
    """Maximum fee and tip per gas (EIP-1559), wei."""

    max_fee_wei: int
    tip_wei: int


def first_fees(current: Fees, cap_wei: int) -> Fees | str:
    """Fees of a new transaction, or why none should be sent now. `current` allows for the base fee to double."""
    if _is_too_dear(current, cap_wei):
        return _too_dear(current, cap_wei)
    max_fee_wei = min(current.max_fee_wei, cap_wei)
    return Fees(max_fee_wei, min(current.tip_wei, max_fee_wei))


def raised_fees(stuck: Fees, current: Fees, cap_wei: int) -> Fees | str:
    """Fees that replace a stuck transaction, or why there are none: both an eighth more at least, as nodes ask for."""
    if _is_too_dear(current, cap_wei):
        return _too_dear(current, cap_wei)
    least = Fees(_an_eighth_more(stuck.max_fee_wei), _an_eighth_more(stuck.tip_wei))
    if least.max_fee_wei > cap_wei:
        return f"stuck at {stuck.max_fee_wei} wei per gas; an eighth more is above the cap of {cap_wei}"
    max_fee_wei = min(max(current.max_fee_wei, least.max_fee_wei), cap_wei)
    # A tip of more than the whole fee is refused by nodes; the least one never is, as it was raised alike.
    return Fees(max_fee_wei, min(max(current.tip_wei, least.tip_wei), max_fee_wei))


def _is_too_dear(current: Fees, cap_wei: int) -> bool:
    """Whether a transaction at the cap would not be mined now."""
    return current.max_fee_wei > 2 * cap_wei


def _too_dear(current: Fees, cap_wei: int) -> str:
    return f"the fee is about {current.max_fee_wei // 2} wei per gas; the cap is {cap_wei}"


def _an_eighth_more(fee_wei: int) -> int:
    return -(-fee_wei * 9 // 8)
