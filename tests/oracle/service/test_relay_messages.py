"""Schedules as JSON: there and back, and each fault named."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from gridwitness.domain.market import MAX_ORDER_ENERGY_WH, Order, Schedule, Side, SignedSchedule
from gridwitness.encoding.eip712 import schedule_struct_hash
from gridwitness.errors import InputError
from gridwitness.service.relay.messages import (
    MAX_ROWS,
    MAX_SIGNATURE_BYTES,
    RowMessage,
    decode_rows,
    encode_row,
    to_row,
    to_schedule,
    to_signed,
)
from tests.oracle.service.relay_parts import ACCOUNT, signed

orders = st.lists(
    st.builds(Order, st.sampled_from(Side), st.integers(0, 127), st.integers(0, MAX_ORDER_ENERGY_WH)),
    min_size=96,
    max_size=96,
).map(tuple)
schedules = st.builds(
    Schedule,
    st.binary(min_size=32, max_size=32),
    st.just(ACCOUNT),
    st.integers(0, (1 << 24) - 1),
    st.integers(0, (1 << 24) - 1),
    st.integers(0, (1 << 32) - 1),
    st.integers(0, (1 << 40) - 1),
    st.integers(0, (1 << 32) - 1),
    orders,
)


@given(schedules, st.binary(max_size=MAX_SIGNATURE_BYTES), st.one_of(st.none(), schedules))
def test_row__any_schedule__comes_back_from_its_json(
    schedule: Schedule, signature: bytes, previous: Schedule | None
) -> None:
    (row,) = decode_rows(encode_row(to_row(SignedSchedule(schedule, signature), previous)))
    assert isinstance(row, RowMessage)
    assert to_signed(row) == SignedSchedule(schedule, signature)
    assert (None if row.previous is None else to_schedule(row.previous)) == previous


def test_message__as_wallets_sign_it__has_the_schedules_struct_hash() -> None:
    schedule = signed(7).schedule
    fields = (
        "bytes32 deviceId,address account,uint24 zone,uint24 day,uint32 version,uint40 deadline,"
        "uint32 imbalanceLimitWh,uint256[12] orders"
    )
    named = [dict(zip(("type", "name"), field.split(" "), strict=True)) for field in fields.split(",")]
    types = {"EIP712Domain": [{"name": "name", "type": "string"}], "Schedule": named}
    message = msgspec.to_builtins(to_row(signed(7)).schedule)
    typed = {"types": types, "primaryType": "Schedule", "domain": {"name": "any"}, "message": message}
    assert bytes(encode_typed_data(full_message=typed).body) == schedule_struct_hash(schedule)


def changed(**fields: Any) -> bytes:
    row = msgspec.to_builtins(to_row(signed(7)))
    row["schedule"] |= {name: value for name, value in fields.items() if name != "signature"}
    row["signature"] = fields.get("signature", row["signature"])
    return msgspec.json.encode(row)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (changed(deviceId="0x12"), "deviceId '0x12' is not 0x and 32 bytes in hexadecimal"),
        (changed(deviceId="12" * 33), "deviceId '1212121212"),
        (changed(account="0x" + "zz" * 20), "account '0xzzzz"),
        (changed(zone=1 << 24), "zone 16777216 is outside 0 to 16777215"),
        (changed(deadline=-1), "deadline -1 is outside 0 to 1099511627775"),
        (changed(orders=["0x00"] * 12), "orders[0] '0x00' is not 0x and 32 bytes"),
        (changed(orders=["0x" + "00" * 32] * 11), "orders has 11 words; it must have 12"),
        (changed(signature="0x123"), "signature '0x123' is not 0x and"),
        (changed(signature="0x" + "00" * 1_025), "signature has 1025 bytes; at most 1024 are taken"),
    ],
)
def test_to_signed__field_that_cannot_be__names_it_and_its_limit(body: bytes, message: str) -> None:
    (row,) = decode_rows(body)
    assert isinstance(row, RowMessage)
    with pytest.raises(InputError) as raised:
        to_signed(row)
    assert message in raised.value.message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not a signed schedule"),
        (b"{", "not a signed schedule"),
        (b"3", "not a signed schedule"),
        (changed(ordres=[]), "unknown field `ordres`"),
        (b"[1", "not an array of signed schedules"),
        (b"[]", f"the body holds 0 schedules; it must hold 1 to {MAX_ROWS}"),
        (b"[" + b",".join([b"1"] * 501) + b"]", "the body holds 501 schedules"),
    ],
)
def test_decode__no_schedules__says_what_is_wrong(body: bytes, message: str) -> None:
    with pytest.raises(InputError) as raised:
        decode_rows(body)
    assert message in raised.value.message


def test_decode__one_bad_row_among_good_ones__is_its_own_error() -> None:
    good = changed()
    rows = decode_rows(b"[" + good + b', {"schedule": 3}, {"signature": "\xff"},' + good + b"]")
    assert [type(row) for row in rows] == [RowMessage, InputError, InputError, RowMessage]
