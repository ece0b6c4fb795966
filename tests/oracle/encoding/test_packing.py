"""Packed words: nothing is lost, nothing out of range gets in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwitness.domain.batches import BatchMeta
from gridwitness.domain.market import NO_ORDER, Order, Side
from gridwitness.encoding.packing import (
    energy_bytes,
    metric_bytes,
    pack_energy_wh,
    pack_meta,
    pack_orders,
    unpack_meta,
    unpack_orders,
)
from gridwitness.errors import InputError
from tests.oracle.encoding.references import packed
from tests.oracle.encoding.strategies import integers, metas, orders

META = BatchMeta(1, 0, 0, 0, 0, bytes(12))


@given(st.lists(orders, min_size=96, max_size=96))
def test_pack_orders__any_96__come_back_and_stand_slot_0_first(day: list[Order]) -> None:
    packed_words = pack_orders(day)
    assert unpack_orders(packed_words) == tuple(day)
    flat = packed([order.side << 31 | order.tick << 24 | order.energy_wh for order in day], 32)
    assert b"".join(word.to_bytes(32, "big") for word in packed_words) == flat.to_bytes(384, "big")


@given(st.lists(integers("int32"), min_size=96, max_size=96))
def test_pack_energies__any_96__are_the_bytes_hashed(energy_wh: list[int]) -> None:
    raw = b"".join(word.to_bytes(32, "big") for word in pack_energy_wh(energy_wh))
    assert raw == energy_bytes(energy_wh) == packed(energy_wh, 32).to_bytes(384, "big")


@given(metas)
def test_pack_meta__any__comes_back(meta: BatchMeta) -> None:
    assert unpack_meta(pack_meta(meta)) == meta


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (Order(Side.BID, 128, 1), "order 95: tick 128 is outside 0 to 127"),
        (Order(Side.BID, -1, 1), "order 95: tick -1 is outside 0 to 127"),
        (Order(Side.OFFER, 0, 1 << 24), "order 95: energy 16777216 Wh is outside 0 to 16777215"),
        (Order(Side.OFFER, 0, -1), "order 95: energy -1 Wh is outside 0 to 16777215"),
    ],
)
def test_pack_orders__one_out_of_range__is_named(order: Order, message: str) -> None:
    with pytest.raises(InputError, match=message):
        pack_orders([NO_ORDER] * 95 + [order])


@pytest.mark.parametrize("count", [0, 95, 97])
def test_pack_orders__wrong_number__is_named(count: int) -> None:
    with pytest.raises(InputError, match=f"a schedule has {count} orders; it must have 96"):
        pack_orders([NO_ORDER] * count)


@pytest.mark.parametrize("value", [1 << 31, -(1 << 31) - 1])
def test_pack_energies__beyond_32_bits__is_named(value: int) -> None:
    with pytest.raises(InputError, match=f"energy 3: {value} Wh is outside"):
        pack_energy_wh([0] * 3 + [value] + [0] * 92)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 1 << 32}, "count 4294967296 does not fit 32 bits"),
        ({"time_to": 1 << 40}, "time_to 1099511627776 does not fit 40 bits"),
        ({"time_from": -1}, "time_from -1 does not fit 40 bits"),
        ({"max_score_bps": 10_001}, "max_score_bps 10001 is outside 0 to 10000"),
        ({"model_hash": bytes(32)}, "model_hash has 32 bytes; it must have 12"),
    ],
)
def test_pack_meta__field_too_wide__is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        pack_meta(replace(META, **change))


@pytest.mark.parametrize("metric", ["", "x" * 33, "Wärme", "a\nb"])
def test_encode_metric__not_printable_ascii_of_32__is_named(metric: str) -> None:
    with pytest.raises(InputError, match="is not 1 to 32 printable ASCII characters"):
        metric_bytes(metric)
