"""What members send each other is read within limits, or refused as malformed."""

from __future__ import annotations

import msgspec
import pytest

from gridwitness.errors import InputError
from gridwitness.service.batching import ProfileKeys, decode_keys, encode_keys
from gridwitness.service.messages import BatchContent, Refusal, SignAnswer, SignRequest, decode_message, encode_message
from tests.nesting import DEEP_JSON, usual_recursion_limit

HUGE = 10**30
CONTENT = BatchContent("0x", "profiles", 1, "{}", [], "0x")


@pytest.mark.parametrize("kind", [SignRequest, SignAnswer, Refusal, BatchContent])
def test_decode_message__nested_too_deeply__is_refused(kind: type[SignAnswer]) -> None:
    with (
        usual_recursion_limit(),
        pytest.raises(InputError, match=f"the body is not a {kind.__name__}: maximum recursion depth"),
    ):
        decode_message(DEEP_JSON, kind)


@pytest.mark.parametrize("name", ["seq", "config", "valid_from", "valid_until"])
@pytest.mark.parametrize("number", [-1, 1 << 40, HUGE])
def test_decode_message__number_no_contract_has__is_refused(name: str, number: int) -> None:
    body = encode_message({**msgspec.to_builtins(CONTENT), name: 0}).replace(b'"%s":0' % name.encode(), b'"%s":N')
    with pytest.raises(InputError, match=name):
        decode_message(body.replace(b'"%s":N', b'"%s":%d' % (name.encode(), number)), BatchContent)


def test_decode_message__refusal_in_other_words__is_refused() -> None:
    with pytest.raises(InputError, match="problem"):
        decode_message(b'{"problem": "made up", "detail": ""}', Refusal)


@pytest.mark.parametrize("keys", [{"day": HUGE}, {"day": 1 << 24}, {"day": -1}, {"readings_seq": HUGE}])
def test_decode_keys__number_the_log_cannot_hold__is_refused(keys: dict[str, int]) -> None:
    day, readings_seq = keys.get("day", 0), keys.get("readings_seq", 0)
    with pytest.raises(InputError, match="the batch's keys are malformed"):
        decode_keys(f'{{"day":{day},"readings_seq":{readings_seq}}}', ProfileKeys)


def test_decode_keys__largest_numbers__are_taken() -> None:
    keys = ProfileKeys((1 << 24) - 1, (1 << 32) - 1)
    assert decode_keys(encode_keys(keys), ProfileKeys) == keys
