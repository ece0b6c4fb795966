"""The trading side of the demo: agents forecast and sign, the relayer submits, anyone clears and settles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from eth_account.signers.local import LocalAccount
from eth_typing import Hash32
from web3.contract.contract import ContractFunction

from gridwitness.chain.client import Chain
from gridwitness.chain.events import Receipt
from gridwitness.chain.market import Market
from gridwitness.domain.market import Clearing, Schedule, Settlement, SignedSchedule
from gridwitness.domain.slots import slot_start, slots_of_day
from gridwitness.encoding.eip712 import market_domain, schedule_digest
from gridwitness.errors import ChainError
from gridwitness.market.agents import make_orders
from gridwitness.market.forecast import forecast_day, whole_days
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
    """Everything that touches EnergyMarket after provisioning, and what came of it."""

    def __init__(self, chain: Chain, actors: Actors, ledger: Ledger) -> None:
        self._chain = chain
        self._actors = actors
        self._ledger = ledger
        self.market = Market(chain)
        self._domain = market_domain(chain.chain_id, self.market.address)
        self.params = self.market.zone_params(ZONE)
        self.schedules: dict[int, list[Schedule]] = {}
        self.clearings: dict[int, Clearing] = {}
        self.settlements: dict[tuple[bytes, int], Settlement] = {}
        self.held: set[tuple[bytes, int]] = set()

    def _send(self, kind: str, account: LocalAccount, function: ContractFunction) -> Receipt:
        receipt = self._chain.transact(account, function)
        self._ledger.spent(f"EnergyMarket.{kind}", receipt.gas_used)
        return receipt

    def day_ahead(self, bank: MeterBank, day: int, before_slot: int) -> None:
        """Forecast `day` from what meters reported before `before_slot`, sign schedules and submit them.

        Raises ChainError if the market skips a row: nobody here sends bad ones.
        """
        signed = [self._schedule(home, bank, day, before_slot) for home in self._actors.homes]
        for rows in _chunks(signed, SUBMIT_ROWS):
            receipt = self._send("submit", self._actors.relayer, self.market.submit(rows))
            for skipped in self.market.skipped(receipt):
                raise ChainError(f"the market skipped the schedule of 0x{skipped.device_id.hex()}: {skipped.refusal}")
        # A schedule without energy stands for nothing, so there is nothing to settle either.
        self.schedules[day] = [row.schedule for row in signed if any(order.energy_wh for order in row.schedule.orders)]

    def _schedule(self, home: Home, bank: MeterBank, day: int, before_slot: int) -> SignedSchedule:
        history = whole_days(bank.history(home.meter.name, before_slot))
        orders = make_orders(forecast_day(history), self.params)
        schedule = Schedule(home.meter.key.device_id, home.owner.address, ZONE, day, 1, orders)
        return SignedSchedule(schedule, self._sign(home, schedule_digest(self._domain, schedule)))

    def _sign(self, home: Home, digest: bytes) -> bytes:
        """The device's own signature, or `signer || signature` of the owner or the agent."""
        if home.signer is TradeSigner.DEVICE:
            return home.meter.key.sign(digest)
        account = home.owner if home.signer is TradeSigner.OWNER else self._actors.agent
        return bytes.fromhex(account.address[2:]) + bytes(account.unsafe_sign_hash(Hash32(digest)).signature)

    def clear_due(self, head_time: int) -> None:
        """Clear all slots of submitted days whose gate has closed by `head_time`."""
        lead = self.params.gate_lead_slots
        due = [
            slot
            for day in self.schedules
            for slot in slots_of_day(day)
            if slot not in self.clearings and slot_start(slot - lead) <= head_time
        ]
        if due:
            self._send("clear", self._actors.relayer, self.market.clear(ZONE, due))
        for slot, clearing in zip(due, self.market.clearings(ZONE, due), strict=True):
            if clearing is None:
                raise ChainError(f"slot {slot} is not cleared, though its gate has closed")
            self.clearings[slot] = clearing

    def settle(self, day: int, profiles: Sequence[ProofFile]) -> None:
        """Settle a day's schedules on the proven profiles of their devices."""
        by_device = {proof.fields[0]: proof for proof in profiles}
        rows = [(schedule, by_device[schedule.device_id]) for schedule in self.schedules[day]]
        for chunk in _chunks(rows, SETTLE_ROWS):
            call = self.market.settle([(schedule, proof.profile(), proof.proof) for schedule, proof in chunk])
            self._send("settle", self._actors.relayer, call)
        self.settlements = {(row.device_id, row.day): row.settlement for row in self.market.settled()}
        self.held = {(row.device_id, row.day) for row in self.market.held()}

    def withdraw_all(self) -> int:
        """Every home takes out what is free; returns the sum (1e-6 EUR)."""
        total = 0
        for home in self._actors.homes:
            free, _ = self.market.balance_of(home.owner.address)
            if free:
                self._send("withdraw", home.owner, self.market.withdraw(free, home.owner.address))
                total += free
        return total

    def held_in_market(self) -> int:
        """Tokens the market contract holds."""
        token = self._chain.contract("EuroToken")
        return int(self._chain.call(token.functions.balanceOf(self.market.address)))


def _chunks(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    return (rows[start : start + size] for start in range(0, len(rows), size))
