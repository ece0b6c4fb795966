"""The demo's meters: what flows, what is reported, and who misbehaves."""

from __future__ import annotations

import numpy as np
import pytest
import uvicorn

from gridwitness.domain.devices import DeviceKind, KeyType
from gridwitness.errors import CommunityError, InputError
from gridwitness.service.demo.delivery import LIMITS
from gridwitness.service.demo.meters import FEEDER, MeterBank, choose_faults, make_meters
from gridwitness.sources.community_data import Block, Community

FIRST = 17_000 * 96
NAMES = ("attic", "barn", "cellar")


def net_wh() -> dict[str, np.ndarray]:
    """Two days: the second is the traded one. The barn feeds in by day; the others only take."""
    day = np.arange(96)
    sun = np.where((day >= 32) & (day < 64), 700, 0)
    today = {"attic": 300 + day % 5, "barn": 120 + day % 3 - sun, "cellar": 200 + day % 7}
    return {name: np.concatenate([values, values + 1]) for name, values in today.items()}


@pytest.fixture
def bank() -> MeterBank:
    return MeterBank(net_wh(), FIRST, seed=3)


def community(*names: str) -> Community:
    return Community("here", names, (Block(FIRST, 96),), np.ones((len(names), 96), dtype=np.int64))


def test_make_meters__community__ends_with_the_feeder_and_has_both_curves() -> None:
    meters = make_meters(community("a", "b", "c", "d", "e"), seed=1)
    assert [meter.name for meter in meters] == ["a", "b", "c", "d", "e", FEEDER]
    assert meters[-1].kind is DeviceKind.FEEDER
    assert {meter.key.key_type for meter in meters} == {KeyType.P256, KeyType.SECP256K1}
    assert len({meter.key.device_id for meter in meters}) == len(meters)


def test_make_meters__another_seed__gives_other_keys() -> None:
    first, second = (make_meters(community("a"), seed)[0].key.device_id for seed in (1, 2))
    assert first != second


def test_make_meters__meter_named_as_the_feeder__is_refused() -> None:
    with pytest.raises(CommunityError, match="'feeder'"):
        make_meters(community("a", FEEDER), seed=1)


def test_true_wh__feeder__is_the_sum_plus_losses(bank: MeterBank) -> None:
    for slot in range(FIRST, FIRST + 192):
        flows = sum(bank.true_wh(name, slot) for name in NAMES)
        assert bank.true_wh(FEEDER, slot) == flows + int(bank.losses_wh[slot - FIRST])


def test_choose_faults__any_seed__draws_two_meters_that_matter(bank: MeterBank) -> None:
    for seed in range(20):
        faults = choose_faults(bank.true_wh, NAMES, FIRST + 96, seed)
        assert faults == choose_faults(bank.true_wh, NAMES, FIRST + 96, seed)
        assert faults.underreporting != faults.frozen
        assert faults.underreporting_from == FIRST + 96 + 48
        assert FIRST + 96 <= faults.frozen_from < FIRST + 192


def test_reported_wh__faults__scale_imports_and_freeze(bank: MeterBank) -> None:
    faults = choose_faults(bank.true_wh, NAMES, FIRST + 96, seed=1)
    bank.faults = faults
    for slot in range(FIRST, FIRST + 192):
        for name in NAMES:
            true, reported = bank.true_wh(name, slot), bank.reported_wh(name, slot)
            if name == faults.underreporting and slot >= faults.underreporting_from:
                assert reported == (true * 60 // 100 if true > 0 else true)
            elif name == faults.frozen and slot >= faults.frozen_from:
                assert reported == bank.true_wh(name, faults.frozen_from - 1)
            else:
                assert reported == true


def test_choose_faults__nobody_takes_energy__is_refused() -> None:
    exporting = MeterBank({name: np.full(192, -100) for name in NAMES}, FIRST, seed=1)
    with pytest.raises(InputError, match="takes energy after noon"):
        choose_faults(exporting.true_wh, NAMES, FIRST + 96, seed=1)


def test_delivery__idle_connection__is_dropped_before_an_oracle_drops_it() -> None:
    assert LIMITS.keepalive_expiry is not None
    assert LIMITS.keepalive_expiry < uvicorn.Config("").timeout_keep_alive
