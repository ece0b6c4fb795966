"""Trading agents: a day's orders from a forecast, one order per delivery slot.

`TRUTHFUL` trades the median forecast: it bids for expected import at the short price (what the grid would charge) and
offers expected export at the long price (what the grid would pay).

`HEDGED` knows that a deviation costs. Contracting c (import positive) instead of nothing changes the expected imbalance
cash and penalty by a sum v(c) over the forecast's scenarios; v(c) / c is the price per Wh at which the contract is just
worth having, a newsvendor's reservation price: for the first Wh of a sure import it is short, and it falls towards
long − penalty as the Wh becomes less likely to be used. So no order is made that loses in expectation if it
fills. The limit is the reservation price r. Among the quantities the scenarios suggest it takes the one with the
greatest expected gain under a prudent belief: the clearing price lies between long and short, more likely on the side
that suits the agent less, with a density that falls linearly to zero at the price that suits it best. Integrated, the
gain is proportional to |c| × (r − long)³ for a bid and to |c| × (short − r)³ for an offer.

`BATTERY` shifts every scenario by its battery's plan, then hedges. An order that is mostly the battery's buys for no
more and sells for no less than the energy is worth to it later; what then does not fill is not to be charged or given.
"""

from __future__ import annotations

import math
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from gridwitness.domain.market import MAX_ORDER_ENERGY_WH, NO_ORDER, TICKS, Order, Side, ZoneParams
from gridwitness.errors import InputError
from gridwitness.market.battery import BatteryPlan
from gridwitness.market.forecast import Forecast
from gridwitness.market.settlement import BPS


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
) -> tuple[Order, ...]:
    """The 96 orders of a day; `NO_ORDER` where trading is not worth it.

    `plan` is for `BATTERY`, and for it alone. Raises InputError otherwise.
    """
    if (strategy is Strategy.BATTERY) is (plan is None):
        raise InputError(f"strategy {strategy.value} {'needs a' if plan is None else 'takes no'} battery plan")
    if plan is not None:
        forecast = forecast.shifted(plan.meter_wh)
    if strategy is Strategy.TRUTHFUL:
        return tuple(_truthful_order(median_wh, params) for median_wh in forecast.median_wh())
    orders = _hedged_orders(forecast.scenarios_wh, params)
    if plan is None:
        return orders
    slots = zip(orders, plan.meter_wh, plan.limit_per_kwh, strict=True)
    return tuple(_limited(order, own_wh, limit_per_kwh, params) for order, own_wh, limit_per_kwh in slots)


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


def _hedged_orders(scenarios_wh: NDArray[np.float64], params: ZoneParams) -> tuple[Order, ...]:
    """Per slot, the contract among its scenarios' energies with the greatest expected gain, at its reservation price.

    Arrays are slots × candidates (× scenarios): all slots at once, since numpy's calls cost more than its arithmetic.
    """
    candidates_wh = np.rint(scenarios_wh)
    idle_cash = _expected_cash(scenarios_wh, np.zeros((len(scenarios_wh), 1)), params)
    value = _expected_cash(scenarios_wh, candidates_wh, params) - idle_cash
    limits = np.divide(value, candidates_wh, out=np.zeros_like(value), where=candidates_wh != 0)
    low, high = params.long_price_per_kwh, params.short_price_per_kwh
    margins = np.clip(np.where(candidates_wh > 0, limits - low, high - limits), 0, high - low)
    gains = np.abs(candidates_wh) * margins**3
    return tuple(
        _order(int(candidates_wh[slot, best]), float(limits[slot, best]), params) if gains[slot, best] > 0 else NO_ORDER
        for slot, best in enumerate(np.argmax(gains, axis=1))
    )


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
    """An order for a net contract (import positive) whose tick's price is no worse than the limit."""
    energy_wh = min(abs(net_wh), MAX_ORDER_ENERGY_WH)
    position = (limit_price_per_kwh - params.floor_price_per_kwh) / params.tick_size_per_kwh
    tick = min(math.floor(position), TICKS - 1) if net_wh > 0 else max(math.ceil(position), 0)
    if energy_wh == 0 or not 0 <= tick < TICKS:
        return NO_ORDER
    return Order(Side.BID if net_wh > 0 else Side.OFFER, tick, energy_wh)
