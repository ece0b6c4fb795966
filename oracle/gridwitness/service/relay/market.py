"""What a relay asks the market: what it would refuse, what stands, what a transaction would cost, how it ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from eth_abi.abi import decode
from web3.contract.contract import ContractFunction

from gridwitness.api.relay import RowProblem
from gridwitness.chain.client import MAX_TRANSACTION_GAS, Chain, calldata
from gridwitness.chain.events import decode_logs
from gridwitness.chain.market import Market, schedule_tuple
from gridwitness.chain.reverts import decode_revert
from gridwitness.domain.market import Schedule, SignedSchedule, ZoneParams
from gridwitness.encoding.eip712 import schedule_struct_hash
from gridwitness.errors import GridwitnessError, Reverted

_CALL_CHUNK = 50
_KEPT_HASH_BYTES = 24  # of a standing schedule's struct hash; see IEnergyMarket.scheduleOf
PreviousOf = Callable[[Schedule, int], Schedule | None]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the market says of a row now: a `problem`, or else what it replaces (None for a first version)."""

    problem: RowProblem | None = None
    previous: Schedule | None = None


class RelayMarket:
    """The market as a relay's account sees it. Methods raise ChainError if the node does not answer."""

    def __init__(self, chain: Chain, account: str) -> None:
        """`account` (checksummed) sends the transactions. Raises ConfigError if the manifest has no EnergyMarket."""
        self._chain = chain
        self._account = account
        self._market = Market(chain)
        self.address = self._market.address
        self._views = chain.contract("EnergyMarket").functions
        # Rules of a day do not change any more once it can be ordered in.
        self.zone_params: Callable[[int, int], ZoneParams] = lru_cache(1_024)(self._market.zone_params)

    def judge(self, rows: Sequence[SignedSchedule], previous_of: PreviousOf) -> list[Judgement]:
        """What the market says of each row now; `previous_of` finds a version of a schedule's device and day."""
        chunks = (rows[start : start + _CALL_CHUNK] for start in range(0, len(rows), _CALL_CHUNK))
        return [judgement for chunk in chunks for judgement in self._judge(chunk, previous_of)]

    def _judge(self, rows: Sequence[SignedSchedule], previous_of: PreviousOf) -> list[Judgement]:
        records = self._call([self._views.scheduleOf(row.schedule.device_id, row.schedule.day) for row in rows])
        places = [_place(row.schedule, record, previous_of) for row, record in zip(rows, records, strict=True)]
        askable = [(row, place) for row, place in zip(rows, places, strict=True) if place.problem is None]
        answers = iter(self._call([self._trial(row, place.previous) for row, place in askable]))
        return [place if place.problem is not None else _answered(place, next(answers)) for place in places]

    def _trial(self, row: SignedSchedule, previous: Schedule | None) -> ContractFunction:
        if previous is not None:
            return self._market.replace(row, previous)
        return self._views.refusal((schedule_tuple(row.schedule), row.signature))

    def submission(self, rows: Sequence[SignedSchedule]) -> bytes:
        """Calldata that submits first versions."""
        return calldata(self._market.submit(rows))

    def replacement(self, row: SignedSchedule, previous: Schedule) -> bytes:
        """Calldata that replaces a schedule."""
        return calldata(self._market.replace(row, previous))

    def estimate(self, data: bytes) -> int | RowProblem:
        """Gas of a transaction on top of those under way; or why it cannot be mined within EIP-7825's limit."""
        call = self._transaction(data)
        answer = self._chain.node.rpc_batch([("eth_estimateGas", (call, "pending"))])[0]
        return _problem(answer) if isinstance(answer, GridwitnessError) else int(answer, 16)

    def refused(self, transaction: bytes) -> dict[int, RowProblem]:
        """Rows that a final transaction skipped, by their place in it."""
        (receipt,) = self._chain.wait([transaction])
        events = decode_logs("EnergyMarket", self.address, receipt)
        skipped = (event.args for event in events if event.name == "ScheduleSkipped")
        return {args["row"]: _problem(decode_revert(args["refusal"])) for args in skipped}

    def _call(self, functions: Sequence[ContractFunction]) -> list[bytes | RowProblem]:
        """Return data of calls, each on its own: what one row does wrong is told of that row alone."""
        calls = [("eth_call", (self._transaction(calldata(function)), "latest")) for function in functions]
        return [
            _problem(answer) if isinstance(answer, GridwitnessError) else bytes.fromhex(answer[2:])
            for answer in self._chain.node.rpc_batch(calls)
        ]

    def _transaction(self, data: bytes) -> dict[str, str]:
        return {"from": self._account, "to": self.address, "data": "0x" + data.hex(), "gas": hex(MAX_TRANSACTION_GAS)}


def _place(schedule: Schedule, record: bytes | RowProblem, previous_of: PreviousOf) -> Judgement:
    """What a schedule would replace, by what `scheduleOf` answered."""
    if isinstance(record, RowProblem):
        return Judgement(record)
    status, version, kept_hash = decode(["uint8", "uint32", "bytes32"], record)
    if status == 0 or version >= schedule.version:
        return Judgement()
    previous = previous_of(schedule, version)
    if previous is None or schedule_struct_hash(previous)[:_KEPT_HASH_BYTES] != kept_hash[:_KEPT_HASH_BYTES]:
        detail = f"version {version} stands, which this relay did not submit"
        return Judgement(RowProblem("ScheduleStands", detail, "send the schedule that stands as `previous`"))
    return Judgement(previous=previous)


def _answered(place: Judgement, answer: bytes | RowProblem) -> Judgement:
    """A judgement after the market was asked: a replacement that did not revert, or a first version's `refusal`."""
    if isinstance(answer, RowProblem):
        return Judgement(answer)
    if place.previous is not None:
        return place
    (refusal,) = decode(["bytes"], answer)
    return Judgement(_problem(decode_revert(refusal))) if refusal else place


def _problem(error: GridwitnessError) -> RowProblem:
    title = error.error_name if isinstance(error, Reverted) else "CallFailed"
    return RowProblem(title, error.message, error.hint)
