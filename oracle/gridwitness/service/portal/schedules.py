"""What became of a device's schedule of a day: its events on the chain, folded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gridwitness.domain.market import Order, Settlement
from gridwitness.encoding.packing import unpack_orders
from gridwitness.store.site_index import ChainLog, SiteIndex

_WORD_BYTES = 32


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """A schedule and its newest run. `status`: open (submitted, not settled), held, provisional, disputed, final, or
    missing: final without data. `log` is the event that made it so."""

    submitted: ChainLog
    log: ChainLog
    status: str = "open"
    reason: str = ""
    settlement: Settlement | None = None

    @property
    def account(self) -> str:
        """Account that pays and is paid, checksummed."""
        return str(self.submitted.args["account"])

    @property
    def schedule_hash(self) -> bytes:
        """Name of its content."""
        return bytes.fromhex(self.submitted.args["scheduleHash"][2:])


@dataclass(frozen=True, slots=True)
class Submission:
    """What a submitted schedule says."""

    zone: int
    imbalance_limit_wh: int
    orders: tuple[Order, ...]


def schedule_state(index: SiteIndex, device_id: bytes, day: int) -> ScheduleState | None:
    """State of a device's schedule of a day; None without one, or if it was cancelled: by one without energy."""
    state = fold(index.logs("WHERE device = ? AND day = ? ORDER BY block, log_index", (device_id, day)))
    said = submission(index, state.schedule_hash) if state is not None and state.status == "open" else None
    is_cancelled = said is not None and not any(order.energy_wh for order in said.orders)
    return None if is_cancelled else state


def submission(index: SiteIndex, schedule_hash: bytes) -> Submission | None:
    """Content of a schedule; None where the transaction that brought it does not show it."""
    rows = index.rows("SELECT zone, imbalance_limit_wh, orders FROM schedules WHERE hash = ?", (schedule_hash,))
    if not rows:
        return None
    zone, imbalance_limit_wh, packed = rows[0]
    words = [int.from_bytes(packed[at : at + _WORD_BYTES], "big") for at in range(0, len(packed), _WORD_BYTES)]
    return Submission(zone, imbalance_limit_wh, unpack_orders(words))


def fold(logs: Sequence[ChainLog]) -> ScheduleState | None:
    """State after events of one device's day, in chain order."""
    state: ScheduleState | None = None
    for log in logs:
        if log.name == "ScheduleSubmitted":
            state = ScheduleState(log, log)
        elif state is not None:
            state = _after(state, log)
    return state


def _after(state: ScheduleState, log: ChainLog) -> ScheduleState:
    match log.name:
        case "RunMade":
            reason = "" if log.args["run"][5] else "no data had come: an estimate"
            settlement = Settlement(*log.args["settlement"])
            return replace(state, log=log, status="provisional", reason=reason, settlement=settlement)
        case "RunDisputed":
            return replace(state, log=log, status="disputed", reason=f"doubted by {log.args['disputer']}")
        case "RunRevoked":
            return ScheduleState(state.submitted, log, reason="its batch no longer counts: it is settled again")
        case "DisputeEnded":
            return replace(state, reason=f"dispute {'upheld' if log.args['upheld'] else 'rejected'}")
        case "ScheduleFinal":
            return replace(state, log=log, status="missing" if state.reason.startswith("no data") else "final")
        case "SettlementHeld":
            score, limit = log.args["scoreBps"], log.args["holdScoreBps"]
            reason = f"the day's score of {score} is above {limit}"
            return replace(state, log=log, status="held", reason=reason, settlement=None)
        case _:
            return state
