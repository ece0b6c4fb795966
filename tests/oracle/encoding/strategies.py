"""Hypothesis strategies for what the encodings take."""

from __future__ import annotations

from hypothesis import strategies as st

from gridwitness.domain.batches import BatchMeta
from gridwitness.domain.market import MAX_ORDER_ENERGY_WH, TICKS, Order, Side
from gridwitness.domain.readings import MAX_SCORE_BPS


def integers(solidity_type: str) -> st.SearchStrategy[int]:
    """All values of a Solidity integer type."""
    bits = int(solidity_type.removeprefix("u").removeprefix("int"))
    if solidity_type.startswith("u"):
        return st.integers(0, (1 << bits) - 1)
    return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1)


words = st.binary(min_size=32, max_size=32)
metrics = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=32)
orders = st.builds(
    Order, side=st.sampled_from(Side), tick=st.integers(0, TICKS - 1), energy_wh=st.integers(0, MAX_ORDER_ENERGY_WH)
)
metas = st.builds(
    BatchMeta,
    count=integers("uint32"),
    flagged_count=integers("uint32"),
    max_score_bps=st.integers(0, MAX_SCORE_BPS),
    time_from=integers("uint40"),
    time_to=integers("uint40"),
    model_hash=st.binary(min_size=12, max_size=12),
)
