"""The trading side of the demo: agents forecast and sign, the relayer submits, anyone clears and settles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from eth_account.signers.local import LocalAccount
from eth_typing import Hash32

from gridwitness.chain.attestation import proof_tuple
from gridwitness.chain.client import Chain
from gridwitness.chain.events import Event, decode_logs
from gridwitness.domain.market import Clearing, Schedule, Settlement, SignedSchedule, ZoneParams
from gridwitness.domain.slots import SLOTS_PER_DAY, slot_start
from gridwitness.encoding.eip712 import market_domain, schedule_digest
from gridwitness.encoding.packing import pack_energy_wh, pack_orders
from gridwitness.errors import ChainError
from gridwitness.market.agents import make_orders
from gridwitness.market.forecast import forecast_day
from gridwitness.service.demo.actors import Actors, Home, TradeSigner
from gridwitness.service.demo.ledger import Ledger
from gridwitness.service.demo.meters import MeterBank
from gridwitness.service.demo.world import ZONE
from gridwitness.service.proofs import ProofFile

# In a fresh ring every order may write a new storage slot: four schedules of 96 orders stay within EIP-7825.
SUBMIT_ROWS = 4
SETTLE_ROWS = 32

Row = TypeVar("Row")


class Trading:
    """Everything that touches EnergyMarket after provisioning."""

    def __init__(self, chain: Chain, actors: Actors, ledger: Ledger) -> None:
        self._chain = chain
        self._actors = actors
        self._ledger = ledger
        self._market = chain.contract("EnergyMarket")
        self._domain = market_domain(chain.chain_id, self._market.address)
        self.params = ZoneParams(*chain.call(self._market.functions.zoneParams(ZONE)))
        self.schedules: dict[int, list[Schedule]] = {}
        self.settlements: dict[tuple[bytes, int], Settlement] = {}
        self.held: set[tuple[bytes, int]] = set()
        self.clearings: dict[int, Clearing] = {}

    def _send(self, kind: str, account: LocalAccount, function: Any) -> list[Event]:
        receipt = self._chain.transact(account, function)
        self._ledger.spent(f"EnergyMarket.{kind}", receipt.gas_used)
        return decode_logs("EnergyMarket", self._market.address, receipt)

    def day_ahead(self, bank: MeterBank, day: int, before_slot: int) -> None:
        """Forecast `day` from what meters reported before `before_slot`, sign schedules and submit them.

        Raises ChainError if the market skips a row: nobody here sends bad ones.
        """
        signed = [self._schedule(home, bank, day, before_slot) for home in self._actors.homes]
        for rows in _chunks(signed, SUBMIT_ROWS):
            function = self._market.functions.submit([(schedule_tuple(r.schedule), r.signature) for r in rows])
            for event in self._send("submit", self._actors.relayer, function):
                if event.name == "ScheduleSkipped":
                    raise ChainError(f"the market skipped the schedule of 0x{event.args['deviceId'].hex()}")
        self.schedules[day] = [row.schedule for row in signed]

    def _schedule(self, home: Home, bank: MeterBank, day: int, before_slot: int) -> SignedSchedule:
        history = _whole_days(bank.history(home.meter.name, before_slot))
        orders = make_orders(forecast_day(history), self.params)
        schedule = Schedule(home.meter.key.device_id, home.owner.address, ZONE, day, 1, orders)
        return SignedSchedule(schedule, self._sign(home, schedule_digest(self._domain, schedule)))

    def _sign(self, home: Home, digest: bytes) -> bytes:
        """The device's own signature, or `signer || signature` of the owner or the agent."""
        if home.signer is TradeSigner.DEVICE:
            return home.meter.key.sign(digest)
        account = home.owner if home.signer is TradeSigner.OWNER else self._actors.agent
        return bytes.fromhex(account.address[2:]) + bytes(account.unsafe_sign_hash(Hash32(digest)).signature)

    def clear_due(self, head_time: int) -> int:
        """Clear all slots of submitted days whose gate has closed; returns how many that were."""
        lead = self.params.gate_lead_slots
        due = [
            slot
            for day in self.schedules
            for slot in range(day * SLOTS_PER_DAY, (day + 1) * SLOTS_PER_DAY)
            if slot not in self.clearings and slot_start(slot - lead) <= head_time
        ]
        if due:
            self._send("clear", self._actors.relayer, self._market.functions.clear(ZONE, due))
        for slot in due:
            _, *values = self._chain.call(self._market.functions.clearing(ZONE, slot))
            self.clearings[slot] = Clearing(*values)
        return len(due)

    def settle(self, day: int, profiles: Sequence[ProofFile]) -> None:
        """Settle a day's schedules on proven profiles, given in the order of the schedules."""
        rows = list(zip(self.schedules[day], profiles, strict=True))
        for chunk in _chunks(rows, SETTLE_ROWS):
            schedules = [schedule_tuple(schedule) for schedule, _ in chunk]
            metered = [_metered_tuple(profile) for _, profile in chunk]
            for event in self._send("settle", self._actors.relayer, self._market.functions.settle(schedules, metered)):
                key = (event.args["deviceId"], day)
                if event.name == "ScheduleSettled":
                    self.settlements[key] = Settlement(*event.args["settlement"])
                elif event.name == "SettlementHeld":
                    self.held.add(key)

    def withdraw_all(self) -> int:
        """Every home takes out what is free; returns the sum (1e-6 EUR)."""
        total = 0
        for home in self._actors.homes:
            free, _ = self.balance_of(home.owner.address)
            if free:
                self._send("withdraw", home.owner, self._market.functions.withdraw(free, home.owner.address))
                total += free
        return total

    def balance_of(self, account: str) -> tuple[int, int]:
        """Free and reserved money of an account."""
        free, reserved = self._chain.call(self._market.functions.balanceOf(account))
        return int(free), int(reserved)

    def backstop(self) -> int:
        """Money in the zone's backstop."""
        return int(self._chain.call(self._market.functions.backstop(ZONE))[0])

    def book(self, slot: int) -> tuple[list[int], list[int]]:
        """Sums of bids and offers per tick of a slot, as the contract has them."""
        bids, offers = self._chain.call(self._market.functions.book(ZONE, slot))
        return list(bids), list(offers)

    def held_in_market(self) -> int:
        """Tokens the market contract holds."""
        token = self._chain.contract("EuroToken")
        return int(self._chain.call(token.functions.balanceOf(self._market.address)))


def _chunks(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _whole_days(known: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Known slots as whole days, oldest first; what is left of today is taken to be as yesterday, or as the mean."""
    missing = -len(known) % SLOTS_PER_DAY
    if missing:
        yesterday = known[len(known) - SLOTS_PER_DAY :][:missing]
        rest = yesterday if len(known) >= SLOTS_PER_DAY else np.full(missing, round(float(known.mean())))
        known = np.concatenate([known, rest])
    return known.reshape(-1, SLOTS_PER_DAY)


def schedule_tuple(schedule: Schedule) -> tuple[bytes, str, int, int, int, tuple[int, ...]]:
    """A schedule as the contract takes it (IEnergyMarket.Schedule)."""
    return (
        schedule.device_id,
        schedule.account,
        schedule.zone,
        schedule.day,
        schedule.version,
        pack_orders(schedule.orders),
    )


def _metered_tuple(profile: ProofFile) -> tuple[tuple[int, ...], int, tuple[bytes, int, int, list[bytes], list[bytes]]]:
    score_bps = profile.fields[-1]
    assert isinstance(score_bps, int)
    return pack_energy_wh(profile.energy_wh), score_bps, proof_tuple(profile.proof)
