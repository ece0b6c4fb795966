"""The energy market: calls to send, views, and results from its events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from web3.contract.contract import ContractFunction

from gridwitness.chain.attestation import proof_tuple
from gridwitness.chain.client import Chain
from gridwitness.chain.events import Receipt, decode_logs
from gridwitness.chain.followers import LogFollower
from gridwitness.chain.reverts import decode_revert
from gridwitness.domain.batches import Proof
from gridwitness.domain.market import Clearing, Schedule, Settlement, SignedSchedule, ZoneParams
from gridwitness.domain.readings import Profile
from gridwitness.encoding.packing import pack_energy_wh, pack_orders


class SettledSchedule(NamedTuple):
    """A settled schedule; `on_proof` false: settled without data, as if nothing was delivered."""

    device_id: bytes
    day: int
    account: str
    settlement: Settlement
    on_proof: bool


class HeldSchedule(NamedTuple):
    """A schedule whose profile was scored above the zone's limit."""

    device_id: bytes
    day: int
    score_bps: int
    hold_score_bps: int


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
        self._results = LogFollower(chain, "EnergyMarket", ("ScheduleSettled", "SettlementHeld"))

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

    def submit(self, rows: Sequence[SignedSchedule]) -> ContractFunction:
        """Submit signed schedules; see {skipped} for those refused."""
        return self._contract.functions.submit([(schedule_tuple(row.schedule), row.signature) for row in rows])

    def clear(self, zone: int, slots: Sequence[int]) -> ContractFunction:
        """Clear slots whose gate has closed."""
        return self._contract.functions.clear(zone, list(slots))

    def settle(self, rows: Sequence[tuple[Schedule, Profile, Proof]]) -> ContractFunction:
        """Settle schedules on proven profiles of their day."""
        schedules = [schedule_tuple(schedule) for schedule, _, _ in rows]
        metered = [
            (list(pack_energy_wh(profile.energy_wh)), profile.score_bps, proof_tuple(proof))
            for _, profile, proof in rows
        ]
        return self._contract.functions.settle(schedules, metered)

    def settle_missing(self, schedule: Schedule) -> ContractFunction:
        """Settle a schedule whose data never came or stayed held."""
        return self._contract.functions.settleMissing(schedule_tuple(schedule))

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

    def zone_params(self, zone: int) -> ZoneParams:
        """Rules of a zone; all zero if it is not open."""
        return ZoneParams(*self._chain.call(self._contract.functions.zoneParams(zone)))

    def clearings(self, zone: int, slots: Sequence[int]) -> list[Clearing | None]:
        """Results of slots in order; None for one not cleared, or so long ago that the ring reused it."""
        answers = self._chain.call_many([self._contract.functions.clearing(zone, slot) for slot in slots])
        return [Clearing(*values) if is_cleared else None for is_cleared, *values in answers]

    def book(self, zone: int, slot: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Sums of bids and of offers (Wh) per tick of a slot."""
        bids_wh, offers_wh = self._chain.call(self._contract.functions.book(zone, slot))
        return tuple(bids_wh), tuple(offers_wh)

    def settled(self) -> list[SettledSchedule]:
        """All settlements so far, in chain order."""
        self._results.sync()
        return [
            SettledSchedule(
                e.args["deviceId"],
                e.args["day"],
                e.args["account"],
                Settlement(*e.args["settlement"]),
                e.args["onProof"],
            )
            for e in self._results.events
            if e.name == "ScheduleSettled"
        ]

    def held(self) -> list[HeldSchedule]:
        """All settlements held so far, in chain order."""
        self._results.sync()
        return [
            HeldSchedule(e.args["deviceId"], e.args["day"], e.args["scoreBps"], e.args["holdScoreBps"])
            for e in self._results.events
            if e.name == "SettlementHeld"
        ]

    def balance_of(self, account: str) -> tuple[int, int]:
        """Token units of an account: free to withdraw, and reserved for schedules."""
        free, reserved = self._chain.call(self._contract.functions.balanceOf(account))
        return free, reserved

    def balances(self, accounts: Sequence[str]) -> list[tuple[int, int]]:
        """{balance_of} for many accounts."""
        return self._chain.call_many([self._contract.functions.balanceOf(account) for account in accounts])

    def backstop(self, zone: int) -> tuple[int, int]:
        """Token units in a zone's backstop, and the number of its schedules not yet settled."""
        balance, outstanding = self._chain.call(self._contract.functions.backstop(zone))
        return balance, outstanding


def schedule_tuple(schedule: Schedule) -> tuple[bytes, str, int, int, int, list[int]]:
    """A schedule as the contract takes it (IEnergyMarket.Schedule)."""
    return (
        schedule.device_id,
        schedule.account,
        schedule.zone,
        schedule.day,
        schedule.version,
        list(pack_orders(schedule.orders)),
    )
