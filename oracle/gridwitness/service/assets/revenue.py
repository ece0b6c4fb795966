"""What an asset's plants have earned and its shares were not paid for: final schedules, with proofs from an oracle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

from eth_utils.address import to_checksum_address

from gridwitness.chain.abi import abi_of
from gridwitness.chain.assets import Asset
from gridwitness.chain.client import Chain
from gridwitness.chain.events import Event
from gridwitness.chain.market import metered_tuple, schedule_tuple
from gridwitness.chain.node import Block
from gridwitness.domain.batches import Proof
from gridwitness.domain.market import Schedule
from gridwitness.domain.readings import Profile
from gridwitness.domain.slots import SECONDS_PER_DAY
from gridwitness.encoding.eip712 import schedule_struct_hash
from gridwitness.encoding.packing import unpack_orders
from gridwitness.errors import InputError, NothingAttested, Reverted
from gridwitness.service.assets.reading import Logs, arguments_of, created_block, inputs_of, read_logs
from gridwitness.service.proof_requests import request_profile_proof
from gridwitness.sources.community_data import date_of

# Days for which the market remembers whether a schedule stood; see AssetRevenue.sol. None of them may be passed over.
_DAYS_REMEMBERED = 15
_KEPT_HASH_BYTES = 24  # of a schedule's struct hash; see IEnergyMarket.scheduleOf


class RevenueRow(NamedTuple):
    """A plant's final schedule of a day, and what it was metered to have delivered."""

    schedule: Schedule
    profile: Profile
    proof: Proof


class LeftOut(NamedTuple):
    """A day (since the epoch) of a plant that is not paid now, and why.

    With `waits`, no later day of the plant is paid either until this one can be. Without, the market has forgotten the
    day, and paying a later one passes it over for good.
    """

    device_id: bytes
    day: int
    reason: str
    waits: bool


class Revenue(NamedTuple):
    """Rows for {Asset.fund_revenue}, by plant and day as the contract wants them, and what is not among them."""

    rows: list[RevenueRow]
    left_out: list[LeftOut]


class _Stage(IntEnum):
    """IMarketSettlement.ScheduleStatus."""

    NONE = 0
    OPEN = 1
    HELD = 2
    PROVISIONAL = 3
    DISPUTED = 4
    FINAL = 5


def unpaid_revenue(
    chain: Chain, asset: Asset, oracle_url: str, *, through_day: int | None = None, key: str = ""
) -> Revenue:
    """What final schedules on the asset's account earned and its shares were not paid for, up to a day (since epoch).

    No day of a plant may be left out while the market remembers it, so a plant waits at the first that cannot be paid;
    other plants do not. `key` is an API key, where the oracle asks for one. Raises InputError if nothing can be paid,
    ProofError and GridwitnessError if the oracle refuses or does not answer: a day that it has no proof of is left out.
    """
    until = chain.head()
    first_block = created_block(chain, asset.address, until)
    market = asset.terms().market
    submitted, ended = _submissions(chain, asset, market, first_block, until.number)
    oracle = _Oracle(oracle_url, key)
    rows: list[RevenueRow] = []
    left_out: list[LeftOut] = []
    for device_id in sorted(_plants(chain, asset, first_block, until.number)):
        plant = asset.plant_of(device_id)
        of_plant = {
            day: event
            for (device, day), event in submitted.items()
            if device == device_id and (through_day is None or day <= through_day) and _is_unpaid(day, *plant)
        }
        if of_plant:
            walk = _Walk(chain, market, until, oracle, ended)
            paid, left = walk.go(device_id, of_plant, plant[0] + 1)
            rows += paid
            left_out += left
    if not rows:
        raise _nothing(asset, "" if through_day is None else f" up to {date_of(through_day).isoformat()}", left_out)
    return Revenue(rows, left_out)


def told(left_out: Sequence[LeftOut]) -> list[str]:
    """A line for each plant of what is left out."""
    said: dict[bytes, list[str]] = {}
    for device_id, day, reason, waits in left_out:
        words = "waits from {} on" if waits else "{} is passed over for good"
        said.setdefault(device_id, []).append(f"{words.format(date_of(day).isoformat())}: {reason}")
    return [f"plant 0x{device_id.hex()} {'; '.join(parts)}" for device_id, parts in said.items()]


def _nothing(asset: Asset, through: str, left_out: Sequence[LeftOut]) -> InputError:
    if not left_out:
        return InputError(
            f"no schedule of the plants of {asset.address} is unpaid{through}",
            hint="the days that were paid for: `gridwitness asset holders --json`, proof, funded_through",
        )
    first, *others = told(left_out)
    more = f"; nor can what {len(others)} other plants earned" if others else ""
    return InputError(
        f"nothing that {asset.address} earned{through} can be paid: {first}{more}",
        hint="schedules are final some time after their day, and a plant's days are paid in their order",
    )


class _Oracle(NamedTuple):
    url: str
    key: str


@dataclass(frozen=True, slots=True)
class _Walk:
    """Goes from day to day of plants as {AssetRevenue.fundRevenue} does, at one block."""

    chain: Chain
    market: str
    until: Block
    oracle: _Oracle
    ended: set[tuple[bytes, int]]

    def go(
        self, device_id: bytes, submitted: Mapping[int, Event], first_day: int
    ) -> tuple[list[RevenueRow], list[LeftOut]]:
        """Rows of a plant's days, from the first unpaid on until one makes it wait, and the days left out."""
        oldest = self.until.time // SECONDS_PER_DAY - _DAYS_REMEMBERED
        # Also days on other accounts: they stand in the way of those after them.
        days = sorted({*submitted, *range(max(first_day, oldest), max(submitted))})
        functions = self._functions()
        views = [functions.scheduleOf(device_id, day) for day in days]
        stages = self.chain.call_many(views, block_hash=self.until.hash)
        inputs = inputs_of(self.chain, submitted.values(), {"ScheduleSubmitted": self.market})
        rows: list[RevenueRow] = []
        left_out: list[LeftOut] = []
        for day, (stage, _, kept) in zip(days, stages, strict=True):
            event = submitted.get(day)
            if stage == _Stage.NONE:
                # Withdrawn, if it did not end.
                if event is not None and (device_id, day) in self.ended:
                    left_out.append(LeftOut(device_id, day, "the market has forgotten its schedule", waits=False))
                continue
            answer = self._row(_Stage(stage), kept[:_KEPT_HASH_BYTES], event, inputs)
            if isinstance(answer, RevenueRow):
                rows.append(answer)
                continue
            left_out.append(LeftOut(device_id, day, answer, waits=day >= oldest))
            if day >= oldest:
                break
        return rows, left_out

    def _row(
        self, stage: _Stage, kept_hash: bytes, event: Event | None, inputs: Mapping[bytes, bytes]
    ) -> RevenueRow | str:
        """The row of a day, or why there is none."""
        is_final = stage is _Stage.FINAL
        if event is None or (is_final and event.args["scheduleHash"][:_KEPT_HASH_BYTES] != kept_hash):
            return "its schedule is on another account"
        if not is_final:
            return f"its schedule is {stage.name.lower()}"
        schedule = _schedule(event, inputs.get(event.transaction, b""))
        if schedule is None:
            return f"transaction 0x{event.transaction.hex()} does not show its schedule"
        at = schedule.day * SECONDS_PER_DAY
        try:
            file = request_profile_proof(self.oracle.url, schedule.device_id, at, key=self.oracle.key)
        except NothingAttested as error:
            return f"no proof of what was delivered ({error.message})"
        row = RevenueRow(schedule, file.profile(), file.proof)
        metered = metered_tuple(row.profile, row.proof)
        try:
            # What the market would refuse fails the payment of all plants.
            self.chain.call(self._functions().settlementOf(schedule_tuple(schedule), metered))
        except Reverted as error:
            return error.message
        return row

    def _functions(self) -> Any:
        address = to_checksum_address(self.market)
        return self.chain.web3.eth.contract(address=address, abi=abi_of("EnergyMarket")).functions


def _is_unpaid(day: int, funded_through: int, last_day: int) -> bool:
    return day > funded_through and (last_day == 0 or day <= last_day)


def _plants(chain: Chain, asset: Asset, first_block: int, last_block: int) -> list[bytes]:
    """Devices that ever earned for the asset."""
    logs = Logs(asset.address, "AssetShares", ("PlantAdded",), first_block)
    return list(dict.fromkeys(event.args["deviceId"] for event in read_logs(chain, logs, last_block)))


def _submissions(
    chain: Chain, asset: Asset, market: str, first_block: int, last_block: int
) -> tuple[dict[tuple[bytes, int], Event], set[tuple[bytes, int]]]:
    """Schedules on the asset's account by device and day, each as it was last submitted, and which of them ended."""
    account = "0x" + asset.address[2:].lower().rjust(64, "0")
    events = ("ScheduleSubmitted", "ScheduleFinal")
    logs = Logs(market, "EnergyMarket", events, first_block, (None, None, account))
    submitted: dict[tuple[bytes, int], Event] = {}
    ended: set[tuple[bytes, int]] = set()
    for event in read_logs(chain, logs, last_block):
        key = (event.args["deviceId"], event.args["day"])
        if event.name == "ScheduleSubmitted":
            submitted[key] = event
        else:
            ended.add(key)
    return submitted, ended


def _schedule(event: Event, data: bytes) -> Schedule | None:
    """The schedule that an event names by its hash, from the transaction that brought it, if that shows it."""
    rows = arguments_of("EnergyMarket", "submit", data)
    replaced = arguments_of("EnergyMarket", "replace", data)
    own = arguments_of("EnergyMarket", "submitOwn", data)
    brought = [row for row, _ in rows[0]] if rows else [replaced[0][0]] if replaced else list(own)
    for values in brought:
        schedule = _schedule_of(values)
        if schedule_struct_hash(schedule) == event.args["scheduleHash"]:
            return schedule
    return None


def _schedule_of(values: tuple[Any, ...]) -> Schedule:
    device_id, account, zone, day, version, deadline, imbalance_limit_wh, orders = values
    return Schedule(
        device_id,
        to_checksum_address(account),
        zone,
        day,
        version,
        deadline,
        imbalance_limit_wh,
        unpack_orders(list(orders)),
    )
