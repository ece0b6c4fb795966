"""The trading side of the demo: agents forecast and sign, the relayer submits, anyone clears, settles and ends runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from eth_account.signers.local import LocalAccount
from eth_typing import Hash32
from web3.contract.contract import ContractFunction

from gridwitness.chain.client import MAX_TRANSACTION_GAS, Chain
from gridwitness.chain.events import Receipt
from gridwitness.chain.market import Market
from gridwitness.domain.market import Schedule, SettlementRun, SignedSchedule
from gridwitness.domain.slots import slot_start, slots_of_day
from gridwitness.encoding.eip712 import market_domain, schedule_digest
from gridwitness.errors import ChainError
from gridwitness.market.agents import Strategy
from gridwitness.market.clearing import Book
from gridwitness.market.forecast import forecast_day, whole_days
from gridwitness.market.settlement import net_cash
from gridwitness.service.agent import propose
from gridwitness.service.demo.actors import Actors, Home, TradeSigner
from gridwitness.service.demo.ledger import Ledger
from gridwitness.service.demo.meters import MeterBank
from gridwitness.service.demo.trades import Key, Trades
from gridwitness.service.demo.world import ZONE
from gridwitness.service.proofs import ProofFile

# Rows of a transaction, at about 150,000 and 50,000 gas each.
SETTLE_ROWS = 64
FINALIZE_ROWS = 128

Row = TypeVar("Row")


class Trading:
    """Everything that touches EnergyMarket after provisioning; `trades` has what came of it."""

    def __init__(self, chain: Chain, actors: Actors, ledger: Ledger, first_day: int) -> None:
        """`first_day` is the first delivery day to trade; the rules of the zone stay those of that day."""
        self._chain = chain
        self._actors = actors
        self._ledger = ledger
        self.market = Market(chain)
        self._domain = market_domain(chain.chain_id, self.market.address)
        params = self.market.zone_params(ZONE, first_day)
        green = (home.meter.key.device_id for home in actors.homes if params.is_green(home.meter.kind))
        self.trades = Trades(params, frozenset(green))
        self._standing: dict[tuple[bytes, int], SettlementRun] = {}

    def _send(self, kind: str, account: LocalAccount, function: ContractFunction) -> Receipt:
        # Without an estimate, for which the node would run a large batch some twenty times.
        receipt = self._chain.transact(account, function, gas=MAX_TRANSACTION_GAS)
        self._ledger.spent(f"EnergyMarket.{kind}", receipt.gas_used)
        self.trades.backstops.append(self.market.backstop(ZONE))
        return receipt

    def day_ahead(self, bank: MeterBank, day: int, before_slot: int) -> None:
        """Forecast `day` from what meters reported before `before_slot`, sign schedules and submit them.

        Raises ChainError if the market refuses a row: nobody here sends bad ones.
        """
        signed = [self._schedule(home, bank, day, before_slot) for home in self._actors.homes]
        # A schedule without energy stands for nothing, so there is nothing to settle either.
        waiting = [row for row in signed if any(order.energy_wh for order in row.schedule.orders)]
        self.trades.schedules[day] = [row.schedule for row in waiting]
        while waiting:
            rows = self._fitting(waiting)
            receipt = self._send("submit", self._actors.relayer, self.market.submit(rows))
            for skipped in self.market.skipped(receipt):
                raise ChainError(f"the market skipped the schedule of 0x{skipped.device_id.hex()}: {skipped.refusal}")
            waiting = waiting[len(rows) :]

    def _fitting(self, rows: Sequence[SignedSchedule]) -> Sequence[SignedSchedule]:
        """The first rows, as many as one transaction takes within EIP-7825's limit, found by trying.

        How many that are depends on the ring: the first order at a price in a place of it costs 22,100 gas, a later
        one 5,000 or, in the same transaction, next to nothing.
        """
        while self.market.accepted(rows, self._actors.relayer.address) < len(rows):
            if len(rows) == 1:
                refusal = self.market.refusals(rows)[0]
                raise ChainError(f"the market refuses the schedule of 0x{rows[0].schedule.device_id.hex()}: {refusal}")
            rows = rows[: len(rows) * 3 // 4]
        return rows

    def _schedule(self, home: Home, bank: MeterBank, day: int, before_slot: int) -> SignedSchedule:
        params, device_id = self.trades.params, home.meter.key.device_id
        forecast = forecast_day(whole_days(bank.history(home.meter.name, before_slot)))
        unfilled = Schedule(device_id, self.trades.account_of(home), ZONE, day, 1, 0, 0, ())
        green = device_id in self.trades.green
        schedule = propose(unfilled, forecast, params, Strategy.HEDGED, None, green=green).schedule
        return SignedSchedule(schedule, self._sign(home, schedule_digest(self._domain, schedule)))

    def _sign(self, home: Home, digest: bytes) -> bytes:
        """The device's own signature, or `signer || signature` of the owner or the agent."""
        if home.signer is TradeSigner.DEVICE:
            return home.meter.key.sign(digest)
        account = home.owner if home.signer is TradeSigner.OWNER else self._actors.agent
        return bytes.fromhex(account.address[2:]) + bytes(account.unsafe_sign_hash(Hash32(digest)).signature)

    def clear_due(self, head_time: int) -> None:
        """Clear all slots of submitted days whose gate has closed by `head_time`."""
        lead = self.trades.params.gate_lead_slots
        due = [
            slot
            for day in self.trades.schedules
            for slot in slots_of_day(day)
            if slot not in self.trades.clearings and slot_start(slot - lead) <= head_time
        ]
        if due:
            self._send("clear", self._actors.relayer, self.market.clear(ZONE, due))
        for slot, clearing in zip(due, self.market.clearings(ZONE, due), strict=True):
            if clearing is None:
                raise ChainError(f"slot {slot} is not cleared, though its gate has closed")
            self.trades.clearings[slot] = clearing
            self.trades.books[slot] = Book(*self.market.book(ZONE, slot))

    def settle(self, day: int, proofs: Sequence[ProofFile]) -> None:
        """Make provisional runs of a day's schedules on the proven profiles of their devices."""
        proven = {(profile := proof.profile()).device_id: (profile, proof.proof) for proof in proofs}
        self.trades.profiles_wh |= {Key(device, day): profile.energy_wh for device, (profile, _) in proven.items()}
        rows = [(schedule, *proven[schedule.device_id]) for schedule in self.trades.schedules[day]]
        for chunk in _chunks(rows, SETTLE_ROWS):
            self._send("settle", self._actors.relayer, self.market.settle(chunk))
        self._read_results()

    def dispute_best_paid(self, day: int) -> None:
        """The home that pays most for a day doubts the run of the one that is paid most.

        A plant in shares has no account to doubt from. The meters are as honest as the oracles found them, so no
        correction follows: the dispute costs the bond.
        """
        runs = [made for key, made in self.trades.runs.items() if key.day == day]
        if len(runs) < 2:
            return
        ranked = sorted(runs, key=lambda made: (net_cash(made.settlement), made.run.device_id))
        owners = {str(home.owner.address): home.owner for home in self._actors.homes}
        doubter = next(owners[made.run.account] for made in ranked if made.run.account in owners)
        self._send("dispute", doubter, self.market.dispute(ranked[-1].run))
        self._read_results()

    def finalize_due(self, head_time: int) -> None:
        """End every run that was open to dispute for long enough by `head_time`."""
        window_s = self.trades.params.dispute_seconds
        due = [run for run in self._standing.values() if max(run.ran_at, run.disputed_at) + window_s <= head_time]
        for chunk in _chunks(due, FINALIZE_ROWS):
            self._send("finalize", self._actors.relayer, self.market.finalize(chunk))
        if due:
            self._read_results()

    def _read_results(self) -> None:
        self._standing = self.market.standing_runs()
        self.trades.runs = {Key(made.run.device_id, made.run.day): made for made in self.market.made_runs()}
        self.trades.final_cash = {Key(row.device_id, row.day): row.cash for row in self.market.finals()}
        self.trades.held = {Key(row.device_id, row.day) for row in self.market.held()}
        self.trades.disputes = self.market.ended_disputes()

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
