"""The energy market: calls to send, views, and runs, disputes and ends from its events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, replace
from typing import Any, NamedTuple

from eth_utils.address import to_checksum_address
from web3.contract.contract import ContractFunction

from gridwitness.chain.attestation import proof_tuple
from gridwitness.chain.client import MAX_TRANSACTION_GAS, Chain, calldata
from gridwitness.chain.events import Event, Receipt, decode_logs
from gridwitness.chain.followers import LogFollower
from gridwitness.chain.reverts import decode_revert
from gridwitness.domain.batches import Proof
from gridwitness.domain.market import Clearing, Schedule, Settlement, SettlementRun, SignedSchedule, ZoneParams
from gridwitness.domain.readings import Profile
from gridwitness.encoding.packing import pack_energy_wh, pack_orders
from gridwitness.errors import ChainError

_NOBODY = "0x" + "00" * 20
_NO_RUN = SettlementRun(bytes(32), _NOBODY, 0, 0, bytes(32), 0, 0, 0, 0, 0, 0, _NOBODY, 0)
_RESULTS = ("RunMade", "RunDisputed", "RunRevoked", "DisputeEnded", "ScheduleFinal", "SettlementHeld")


class MadeRun(NamedTuple):
    """A run as it was made, with the money and energy behind it."""

    run: SettlementRun
    settlement: Settlement


class FinalSchedule(NamedTuple):
    """A schedule that ended: `cash` (token units) is what its account received (> 0) or paid (< 0)."""

    device_id: bytes
    day: int
    account: str
    cash: int


class EndedDispute(NamedTuple):
    """A dispute that ended: the bond (token units) went back to the disputer if `upheld`, else to the account."""

    device_id: bytes
    day: int
    disputer: str
    bond: int
    upheld: bool


class HeldSchedule(NamedTuple):
    """A schedule whose profile was scored above the zone's limit."""

    device_id: bytes
    day: int
    score_bps: int
    hold_score_bps: int


class Backstop(NamedTuple):
    """Money of a zone in token units, and whether new orders are refused; see IMarketZones.Backstop."""

    balance: int
    exposure: int
    in_transit: int
    paused: bool


class SkippedRow(NamedTuple):
    """A row of {submit} that was refused; `refusal` is the decoded custom error."""

    device_id: bytes
    day: int
    row: int
    refusal: str


class Market:
    """The EnergyMarket of the manifest. What changes state is returned as a call, for `Chain.transact` or `send`."""

    def __init__(self, chain: Chain) -> None:
        """Raises ConfigError if the manifest has no EnergyMarket."""
        self._chain = chain
        self._contract = chain.contract("EnergyMarket")
        self._results = LogFollower(chain, "EnergyMarket", _RESULTS)

    @property
    def address(self) -> str:
        """Checksummed address."""
        return str(self._contract.address)

    def deposit(self, account: str, amount: int) -> ContractFunction:
        """Put token units (1e-6 EUR) into an account; the sender must have approved the market for them."""
        return self._contract.functions.deposit(account, amount)

    def deposit_with_permit(self, amount: int, deadline: int, v: int, r: int, s: int) -> ContractFunction:
        """{deposit} for the sender with its EIP-2612 permit."""
        return self._contract.functions.depositWithPermit(
            amount, deadline, v, r.to_bytes(32, "big"), s.to_bytes(32, "big")
        )

    def withdraw(self, amount: int, to: str) -> ContractFunction:
        """Take out token units of the sender that are not reserved."""
        return self._contract.functions.withdraw(amount, to)

    def fund_backstop(self, zone: int, amount: int) -> ContractFunction:
        """Add token units to a zone's backstop."""
        return self._contract.functions.fundBackstop(zone, amount)

    def announce_params(self, zone: int, from_day: int, params: ZoneParams) -> ContractFunction:
        """Announce other rules for delivery days from `from_day` on; zone operators only."""
        return self._contract.functions.announceParams(zone, from_day, astuple(params))

    def pause(self, zone: int, *, paused: bool) -> ContractFunction:
        """Refuse new orders of a zone, or take them again; zone operators only."""
        return self._contract.functions.pauseOrders(zone, paused)

    def set_feeder_cap(self, zone: int, slots: Sequence[int], cap_wh: int) -> ContractFunction:
        """Cap the energy matched in slots whose gate is open; zone operators only."""
        return self._contract.functions.setFeederCap(zone, list(slots), cap_wh)

    def submit(self, rows: Sequence[SignedSchedule]) -> ContractFunction:
        """Submit signed schedules; see {skipped} for those refused, {accepted} for how many fit."""
        return self._contract.functions.submit([(schedule_tuple(row.schedule), row.signature) for row in rows])

    def replace(self, row: SignedSchedule, previous: Schedule) -> ContractFunction:
        """Replace a schedule by a higher version; the signature may be empty if the account sends it itself."""
        return self._contract.functions.replace((schedule_tuple(row.schedule), row.signature), schedule_tuple(previous))

    def clear(self, zone: int, slots: Sequence[int]) -> ContractFunction:
        """Clear slots whose gate has closed."""
        return self._contract.functions.clear(zone, list(slots))

    def settle(self, rows: Sequence[tuple[Schedule, Profile, Proof]]) -> ContractFunction:
        """Make provisional runs on proven profiles of the schedules' day."""
        schedules = [schedule_tuple(schedule) for schedule, _, _ in rows]
        return self._contract.functions.settle(schedules, [metered_tuple(profile, proof) for _, profile, proof in rows])

    def settle_missing(self, schedule: Schedule, previous: SettlementRun | None = None) -> ContractFunction:
        """Run a schedule whose data did not come or stayed held; `previous` is the estimate that stands, if any."""
        return self._contract.functions.settleMissing(schedule_tuple(schedule), astuple(previous or _NO_RUN))

    def correct(self, schedule: Schedule, profile: Profile, proof: Proof, previous: SettlementRun) -> ContractFunction:
        """Make a run anew on a profile of a later batch than that of `previous`, which stands."""
        return self._contract.functions.correct(
            schedule_tuple(schedule), metered_tuple(profile, proof), astuple(previous)
        )

    def dispute(self, run: SettlementRun) -> ContractFunction:
        """Dispute the run that stands, at the stake of the zone's bond."""
        return self._contract.functions.dispute(astuple(run))

    def revoke(self, run: SettlementRun) -> ContractFunction:
        """Undo a run whose profile's batch no longer stands."""
        return self._contract.functions.revoke(astuple(run))

    def finalize(self, runs: Sequence[SettlementRun]) -> ContractFunction:
        """End schedules whose runs that stand were open to dispute for long enough."""
        return self._contract.functions.finalize([astuple(run) for run in runs])

    def skipped(self, receipt: Receipt) -> list[SkippedRow]:
        """Rows that a {submit} refused."""
        return [
            SkippedRow(e.args["deviceId"], e.args["day"], e.args["row"], decode_revert(e.args["refusal"]).message)
            for e in decode_logs("EnergyMarket", self.address, receipt)
            if e.name == "ScheduleSkipped"
        ]

    def refusals(self, rows: Sequence[SignedSchedule]) -> list[str]:
        """What {submit} would refuse each row for at this moment; empty for a row it would take."""
        refusal = self._contract.functions.refusal
        answers = self._chain.call_many([refusal((schedule_tuple(row.schedule), row.signature)) for row in rows])
        return [decode_revert(answer).message if answer else "" for answer in answers]

    def accepted(self, rows: Sequence[SignedSchedule], sender: str) -> int:
        """How many rows a {submit} by `sender` with all the gas of a transaction would take at this moment.

        0 if it would run out of gas. A few may be refused for the same reason: gas runs short while they are checked.
        """
        call = {
            "from": sender,
            "to": self.address,
            "data": "0x" + calldata(self.submit(rows)).hex(),
            "gas": hex(MAX_TRANSACTION_GAS),
        }
        (answer,) = self._chain.node.rpc_batch([("eth_call", (call, "latest"))])
        return 0 if isinstance(answer, ChainError) else int(answer, 16)

    def zone_params(self, zone: int, day: int) -> ZoneParams:
        """Rules of a zone for a delivery day; all zero if it is not open."""
        return ZoneParams(*self._chain.call(self._contract.functions.zoneParams(zone, day)))

    def clearings(self, zone: int, slots: Sequence[int]) -> list[Clearing | None]:
        """Results of slots in order; None for one not cleared, or so long ago that the ring reused it."""
        answers = self._chain.call_many([self._contract.functions.clearing(zone, slot) for slot in slots])
        return [Clearing(*values) if is_cleared else None for is_cleared, *values in answers]

    def book(self, zone: int, slot: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Sums of bids and of offers (Wh) per tick of a slot."""
        bids_wh, offers_wh = self._chain.call(self._contract.functions.book(zone, slot))
        return tuple(bids_wh), tuple(offers_wh)

    def books(self, zone: int, slots: Sequence[int]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
        """{book} for many slots."""
        answers = self._chain.call_many([self._contract.functions.book(zone, slot) for slot in slots])
        return [(tuple(bids_wh), tuple(offers_wh)) for bids_wh, offers_wh in answers]

    def made_runs(self) -> list[MadeRun]:
        """All runs so far, in chain order."""
        return [MadeRun(_run(event), Settlement(*event.args["settlement"])) for event in self._events("RunMade")]

    def standing_runs(self) -> dict[tuple[bytes, int], SettlementRun]:
        """Runs that are neither final nor revoked, each as whoever goes on from it must pass it, by device and day."""
        standing: dict[tuple[bytes, int], SettlementRun] = {}
        for event in self._events("RunMade", "RunDisputed", "RunRevoked", "ScheduleFinal"):
            key = (event.args["deviceId"], event.args["day"])
            if "run" in event.args:
                standing[key] = _run(event)
            else:
                del standing[key]
        return standing

    def finals(self) -> list[FinalSchedule]:
        """All schedules that ended so far, in chain order."""
        return [
            FinalSchedule(e.args["deviceId"], e.args["day"], e.args["account"], e.args["cash"])
            for e in self._events("ScheduleFinal")
        ]

    def ended_disputes(self) -> list[EndedDispute]:
        """All disputes that ended so far, in chain order."""
        return [
            EndedDispute(e.args["deviceId"], e.args["day"], e.args["disputer"], e.args["bond"], e.args["upheld"])
            for e in self._events("DisputeEnded")
        ]

    def held(self) -> list[HeldSchedule]:
        """All settlements held so far, in chain order."""
        return [
            HeldSchedule(e.args["deviceId"], e.args["day"], e.args["scoreBps"], e.args["holdScoreBps"])
            for e in self._events("SettlementHeld")
        ]

    def _events(self, *names: str) -> list[Event]:
        self._results.sync()
        return [event for event in self._results.events if event.name in names]

    def balance_of(self, account: str) -> tuple[int, int]:
        """Token units of an account: free to withdraw, and reserved for schedules."""
        free, reserved = self._chain.call(self._contract.functions.balanceOf(account))
        return free, reserved

    def balances(self, accounts: Sequence[str]) -> list[tuple[int, int]]:
        """{balance_of} for many accounts."""
        return self._chain.call_many([self._contract.functions.balanceOf(account) for account in accounts])

    def backstop(self, zone: int) -> Backstop:
        """Money of a zone, and whether new orders are refused."""
        return Backstop(*self._chain.call(self._contract.functions.backstop(zone)))

    def exposure_of(self, schedule: Schedule, *, green: bool) -> int:
        """Most token units that the backstop may have to pay to a schedule; `green` as its device's kind is."""
        return int(self._chain.call(self._contract.functions.exposureOf(schedule_tuple(schedule), green)))


def schedule_tuple(schedule: Schedule) -> tuple[bytes, str, int, int, int, int, int, list[int]]:
    """A schedule as the contract takes it (IMarketSettlement.Schedule)."""
    return (
        schedule.device_id,
        schedule.account,
        schedule.zone,
        schedule.day,
        schedule.version,
        schedule.deadline,
        schedule.imbalance_limit_wh,
        list(pack_orders(schedule.orders)),
    )


def metered_tuple(profile: Profile, proof: Proof) -> tuple[list[int], int, Any]:
    """A proven profile as IMarketSettlement.Metered."""
    return list(pack_energy_wh(profile.energy_wh)), profile.score_bps, proof_tuple(proof)


def _run(event: Event) -> SettlementRun:
    """The run an event carries; its fields stand in the contract's order."""
    run = SettlementRun(*event.args["run"])
    return replace(run, account=to_checksum_address(run.account), disputer=to_checksum_address(run.disputer))
