"""Trading agents: a day's orders from a forecast, one order per delivery slot, and how much imbalance to reserve for.

A limit is all-in: a bid's holds what is paid with the network fee, an offer's what is received with the green premium.

`TRUTHFUL` trades the median forecast: it bids for expected import at the short price (what the grid would charge) and
offers expected export at the long price (what the grid would pay).

`HEDGED` knows that a deviation costs. Contracting c (import positive) instead of nothing changes the expected imbalance
cash and penalty by a sum v(c) over the forecast's scenarios; v(c) / c is the price per Wh at which the contract is just
worth having, a newsvendor's reservation price: for the first Wh of a sure import it is short, and it falls towards
long − penalty as the Wh becomes less likely to be used. An order may fill in part, and a part of a contract is kept
less well than the whole, so the limit r is the worst reservation price of any fill: no order loses in expectation,
however much of it fills. Among the quantities the scenarios suggest it takes the one with the greatest expected gain
under a prudent belief: the all-in price lies between what suits the agent best and what suits it least, with a density
that falls linearly to zero at the price that suits it best. Integrated, the gain is proportional to |c| × margin³, the
margin being how far r lies from that best price (see `_best_prices`).

`BATTERY` shifts every scenario by its battery's plan, then hedges. An order that is mostly the battery's buys for no
more and sells for no less than the energy is worth to it later; what then does not fill is not to be charged or given.
"""

from __future__ import annotations

import math
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from gridwitness.domain.market import MAX_ORDER_ENERGY_WH, NO_ORDER, Order, Side, ZoneParams
from gridwitness.errors import InputError
from gridwitness.market.battery import BatteryPlan
from gridwitness.market.forecast import Forecast
from gridwitness.market.settlement import BPS

MAX_IMBALANCE_LIMIT_WH = (1 << 32) - 1
# Above the day's total at the scenarios' ends; see `imbalance_limit_wh`.
IMBALANCE_MARGIN = 1.25


class Strategy(Enum):
    """How an agent turns a forecast into orders."""

    TRUTHFUL = "truthful"
    HEDGED = "hedged"
    BATTERY = "battery"


def make_orders(
    forecast: Forecast,
    params: ZoneParams,
    strategy: Strategy = Strategy.HEDGED,
    plan: BatteryPlan | None = None,
    *,
    green: bool = False,
) -> tuple[Order, ...]:
    """The 96 orders of a day; `NO_ORDER` where trading is not worth it or the zone's rules allow no such order.

    `green` says whether the device is of a green kind (`ZoneParams.is_green`). `plan` is for `BATTERY`, and for it
    alone. Raises InputError otherwise.
    """
    if (strategy is Strategy.BATTERY) is (plan is None):
        raise InputError(f"strategy {strategy.value} {'needs a' if plan is None else 'takes no'} battery plan")
    if plan is not None:
        forecast = forecast.shifted(plan.meter_wh)
    if strategy is Strategy.TRUTHFUL:
        return tuple(_truthful_order(median_wh, params) for median_wh in forecast.median_wh())
    orders = _hedged_orders(forecast.scenarios_wh, params, green=green)
    if plan is None:
        return orders
    slots = zip(orders, plan.meter_wh, plan.limit_per_kwh, strict=True)
    return tuple(_limited(order, own_wh, limit_per_kwh, params) for order, own_wh, limit_per_kwh in slots)


def imbalance_limit_wh(forecast: Forecast, plan: BatteryPlan | None = None) -> int:
    """Imbalance limit (Wh, at most a u32) with which an ordinary day has no residual, whatever fills.

    With c contracted and m metered, a slot is short by max(0, m − c), of which the market settles what was sold, and
    the limit. Neither a bid that fills nor an offer that does adds to the rest, which is at most max(0, m): so a day's
    imports bound what is short beyond the contract, and its exports what is long. The limit is the larger sum of the
    two at the ends of the scenarios, all slots at their worst together, and a quarter more: on the bundled weeks 311
    of 312 days stay within it. A battery may follow its plan or not: the worse of the two counts.
    """
    days = [forecast] if plan is None else [forecast, forecast.shifted(plan.meter_wh)]
    total_wh = max(total for day in days for total in day.extreme_totals_wh())
    return min(math.ceil(total_wh * IMBALANCE_MARGIN), MAX_IMBALANCE_LIMIT_WH)


def _limited(order: Order, own_wh: int, limit_per_kwh: int, params: ZoneParams) -> Order:
    """An order that is mostly a battery's energy, at no worse a price than that energy is worth.

    An order has one limit: a load should not go without for a little charging, nor a plant for a little giving.
    """
    if 2 * abs(own_wh) < order.energy_wh:
        return order
    price_per_kwh = params.price_of(order.tick)
    if order.side is Side.BID and own_wh > 0:
        return _order(order.energy_wh, min(price_per_kwh, limit_per_kwh), params)
    if order.side is Side.OFFER and own_wh < 0:
        return _order(-order.energy_wh, max(price_per_kwh, limit_per_kwh), params)
    return order


def _truthful_order(net_wh: int, params: ZoneParams) -> Order:
    if net_wh > 0:
        return _order(net_wh, params.short_price_per_kwh, params)
    return _order(net_wh, params.long_price_per_kwh, params)


def _hedged_orders(scenarios_wh: NDArray[np.float64], params: ZoneParams, *, green: bool) -> tuple[Order, ...]:
    """Per slot, the contract among its scenarios' energies with the greatest expected gain, at its reservation price.

    Arrays are slots × candidates (× scenarios): all slots at once, since numpy's calls cost more than its arithmetic.
    """
    candidates_wh = np.rint(scenarios_wh)
    limits = _reservation_prices(scenarios_wh, candidates_wh, params)
    best_to_buy, best_to_sell = _best_prices(params, green=green)
    margins = np.maximum(0, np.where(candidates_wh > 0, limits - best_to_buy, best_to_sell - limits))
    gains = np.abs(candidates_wh) * margins**3
    return tuple(
        _order(int(candidates_wh[slot, best]), float(limits[slot, best]), params) if gains[slot, best] > 0 else NO_ORDER
        for slot, best in enumerate(np.argmax(gains, axis=1))
    )


def _best_prices(params: ZoneParams, *, green: bool) -> tuple[int, int]:
    """All-in prices (per kWh) that suit a buyer and a seller best, if nobody sells below long nor buys above short."""
    fee, premium = params.network_fee_per_kwh, params.green_premium_per_kwh
    lowest = max(params.long_price_per_kwh - (premium if params.green_kinds else 0), params.floor_price_per_kwh)
    highest = min(params.short_price_per_kwh, params.price_of(params.cap_tick)) - fee
    return lowest + fee, highest + (premium if green else 0)


def _reservation_prices(
    scenarios_wh: NDArray[np.float64], candidates_wh: NDArray[np.float64], params: ZoneParams
) -> NDArray[np.float64]:
    """Per slot and candidate, the price per kWh at which no fill up to it loses in expectation.

    Between the kinks of penalty and imbalance cash, v(c) / c is linear in 1 / c, and constant below the first: so the
    worst of all fills is at a kink, or the whole.
    """
    tolerated = params.tolerance_bps / BPS
    shares = [0.5, 1 / (1 + tolerated), 1, *([1 / (1 - tolerated)] if tolerated < 1 else [])]
    kinks_wh = np.concatenate([scenarios_wh * share for share in shares], axis=1)
    at_kinks, at_whole = (_value_per_kwh(scenarios_wh, fills, params) for fills in (kinks_wh, candidates_wh))
    reached = kinks_wh[:, None, :] / np.where(candidates_wh == 0, np.inf, candidates_wh)[:, :, None]
    filled = (reached > 0) & (reached <= 1)
    lowest = np.min(np.where(filled, at_kinks[:, None, :], np.inf), axis=2)
    highest = np.max(np.where(filled, at_kinks[:, None, :], -np.inf), axis=2)
    worst: NDArray[np.float64] = np.where(
        candidates_wh > 0, np.minimum(at_whole, lowest), np.maximum(at_whole, highest)
    )
    return worst


def _value_per_kwh(
    scenarios_wh: NDArray[np.float64], contracts_wh: NDArray[np.float64], params: ZoneParams
) -> NDArray[np.float64]:
    """v(c) / c of each slot's contracts; 0 where nothing is contracted."""
    idle_cash = _expected_cash(scenarios_wh, np.zeros((len(scenarios_wh), 1)), params)
    value = _expected_cash(scenarios_wh, contracts_wh, params) - idle_cash
    return np.divide(value, contracts_wh, out=np.zeros_like(value), where=contracts_wh != 0)


def _expected_cash(
    scenarios_wh: NDArray[np.float64], contracts_wh: NDArray[np.float64], params: ZoneParams
) -> NDArray[np.float64]:
    """Expected imbalance cash and penalty (milli-units) of each slot's contracts, as settlement computes them."""
    deviations_wh = scenarios_wh[:, None, :] - contracts_wh[:, :, None]
    price = np.where(deviations_wh > 0, params.short_price_per_kwh, params.long_price_per_kwh)
    promised_wh = np.abs(contracts_wh)[:, :, None]
    broken_wh = np.minimum(np.abs(deviations_wh), promised_wh)
    beyond_wh = np.maximum(0, broken_wh - promised_wh * params.tolerance_bps / BPS)
    cash: NDArray[np.float64] = np.mean(-deviations_wh * price - beyond_wh * params.penalty_per_kwh, axis=2)
    return cash


def _order(net_wh: int, limit_price_per_kwh: float, params: ZoneParams) -> Order:
    """An order for a net contract (import positive) whose tick's price is no worse than the limit.

    None where the zone would refuse it: below the least energy, a bid that does not cover the network fee, an offer
    above the price cap.
    """
    energy_wh = min(abs(net_wh), MAX_ORDER_ENERGY_WH)
    position = (limit_price_per_kwh - params.floor_price_per_kwh) / params.tick_size_per_kwh
    tick = min(math.floor(position), params.cap_tick) if net_wh > 0 else max(math.ceil(position), 0)
    least_tick = params.network_fee_ticks if net_wh > 0 else 0
    if energy_wh < max(params.min_order_wh, 1) or not least_tick <= tick <= params.cap_tick:
        return NO_ORDER
    return Order(Side.BID if net_wh > 0 else Side.OFFER, tick, energy_wh)
