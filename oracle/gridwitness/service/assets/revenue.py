"""What an asset's plants have earned and its shares were not paid for: final schedules, with proofs from an oracle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from eth_utils.address import to_checksum_address

from gridwitness.chain.assets import Asset
from gridwitness.chain.client import Chain
from gridwitness.chain.events import Event
from gridwitness.domain.batches import Proof
from gridwitness.domain.market import Schedule
from gridwitness.domain.readings import Profile
from gridwitness.domain.slots import SECONDS_PER_DAY
from gridwitness.encoding.eip712 import schedule_struct_hash
from gridwitness.encoding.packing import unpack_orders
from gridwitness.errors import ChainError, InputError
from gridwitness.service.assets.reading import Logs, arguments_of, created_block, inputs_of, read_logs
from gridwitness.service.proof_requests import request_profile_proof


class RevenueRow(NamedTuple):
    """A plant's final schedule of a day, and what it was metered to have delivered."""

    schedule: Schedule
    profile: Profile
    proof: Proof


def unpaid_rows(chain: Chain, asset: Asset, oracle_url: str, *, through_day: int, key: str = "") -> list[RevenueRow]:
    """Rows for {Asset.fund_revenue}: every final schedule on the asset's account that its shares were not paid for.

    Up to `through_day` (since the epoch), by plant and day as the contract wants them. `key` is an API key, where the
    oracle asks for one. Raises InputError if there are none, ChainError for a schedule whose transaction does not show
    it, ProofError and GridwitnessError as the oracle answers.
    """
    until = chain.head()
    first_block = created_block(chain, asset.address, until)
    plants = _plants(chain, asset, first_block, until.number)
    schedules = [
        schedule
        for schedule in _final_schedules(chain, asset, plants, first_block, until.number)
        if schedule.day <= through_day and _is_unpaid(schedule.day, *asset.plant_of(schedule.device_id))
    ]
    if not schedules:
        raise InputError(
            f"no final schedule of the plants of {asset.address} is unpaid up to day {through_day}",
            hint="schedules are final some time after their day; see `gridwitness asset holders --json`, proof",
        )
    rows = []
    for schedule in sorted(schedules, key=lambda one: (one.device_id, one.day)):
        file = request_profile_proof(oracle_url, schedule.device_id, schedule.day * SECONDS_PER_DAY, key=key)
        rows.append(RevenueRow(schedule, file.profile(), file.proof))
    return rows


def _is_unpaid(day: int, funded_through: int, last_day: int) -> bool:
    return day > funded_through and (last_day == 0 or day <= last_day)


def _plants(chain: Chain, asset: Asset, first_block: int, last_block: int) -> list[bytes]:
    """Devices that ever earned for the asset."""
    logs = Logs(asset.address, "AssetShares", ("PlantAdded",), first_block)
    return list(dict.fromkeys(event.args["deviceId"] for event in read_logs(chain, logs, last_block)))


def _final_schedules(
    chain: Chain, asset: Asset, plants: list[bytes], first_block: int, last_block: int
) -> Iterator[Schedule]:
    """Final schedules of plants on the asset's account, each as it was last submitted."""
    if not plants:
        return
    market = asset.terms().market
    account = "0x" + asset.address[2:].lower().rjust(64, "0")
    events = ("ScheduleSubmitted", "ScheduleFinal")
    logs = Logs(market, "EnergyMarket", events, first_block, (None, None, account))
    submitted: dict[tuple[bytes, int], Event] = {}
    final: list[Event] = []
    for event in read_logs(chain, logs, last_block):
        key = (event.args["deviceId"], event.args["day"])
        if event.args["deviceId"] in plants and event.name == "ScheduleSubmitted":
            submitted[key] = event
        elif key in submitted:
            final.append(submitted[key])
    inputs = inputs_of(chain, final, {"ScheduleSubmitted": market})
    for event in final:
        yield _schedule(event, inputs.get(event.transaction, b""))


def _schedule(event: Event, data: bytes) -> Schedule:
    """The schedule that an event names by its hash, from the transaction that brought it."""
    rows = arguments_of("EnergyMarket", "submit", data)
    replaced = arguments_of("EnergyMarket", "replace", data)
    own = arguments_of("EnergyMarket", "submitOwn", data)
    brought = [row for row, _ in rows[0]] if rows else [replaced[0][0]] if replaced else list(own)
    for values in brought:
        schedule = _schedule_of(values)
        if schedule_struct_hash(schedule) == event.args["scheduleHash"]:
            return schedule
    raise ChainError(
        f"transaction 0x{event.transaction.hex()} does not show the schedule of day {event.args['day']}",
        hint="it was brought through another contract: whoever has it calls fundRevenue",
    )


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
