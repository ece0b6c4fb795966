"""Bills with and without the market, and the shares reports state."""

from dataclasses import replace

from gridwitness.domain.market import Settlement
from gridwitness.market.bills import grid_only_bill, market_bill, saving_bps, self_sufficiency_bps, shared_wh
from gridwitness.market.settlement import settle

from .orders import ZONE, schedule_of


def test_grid_only_bill__import_and_export__retail_minus_feed_in() -> None:
    assert grid_only_bill([1000, -2000, 0, 500], ZONE) == 480_000 - 160_000


def test_grid_only_bill__fractions_of_a_unit__rounded_up_once() -> None:
    cheap = replace(ZONE, short_price_per_kwh=320, long_price_per_kwh=80)
    assert grid_only_bill([1, 1], cheap) == 1
    assert grid_only_bill([-1] * 13, cheap) == -1
    assert grid_only_bill([], cheap) == 0


def test_market_bill__settlement_with_residual__grid_tariff_for_what_the_market_leaves() -> None:
    settlement = Settlement(-500_000, -20_000, 80_000, -3_000, 0, 0, residual_short_wh=1_000, residual_long_wh=500)
    assert market_bill(settlement, ZONE) == 443_000 + 320_000 - 40_000


def test_market_bill__no_order__is_the_grids_whatever_the_limit() -> None:
    energies_wh = [700, -300] + [0] * 94
    for limit_wh in (0, 350, 10_000):
        unsold = schedule_of({}, imbalance_limit_wh=limit_wh)
        settlement = settle(unsold, [None] * 96, energies_wh, ZONE, green=False)
        assert market_bill(settlement, ZONE) == grid_only_bill(energies_wh, ZONE)


def test_saving_bps__exporting_village_with_negative_bill__measured_on_import_cost() -> None:
    profiles_wh = [[1000, 0], [-9000, 0]]
    assert saving_bps(profiles_wh, grid_only=-400_000, market=-432_000, params=ZONE) == 1_000
    assert saving_bps([[-5]], grid_only=-1, market=-2, params=ZONE) == 0


def test_self_sufficiency_bps__simultaneous_export_only__counts() -> None:
    profiles_wh = {b"buyer": [1000, 1000], b"seller": [-400, 0], b"later": [0, -300]}
    assert shared_wh(profiles_wh) == 700
    assert self_sufficiency_bps(profiles_wh) == 3_500
    assert self_sufficiency_bps({b"plant": [-10]}) == 10_000
