"""The demo from start to end: a community's day on an embedded chain, with three oracles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.attestation import StreamView
from gridwitness.chain.client import Chain
from gridwitness.chain.manifest import Manifest
from gridwitness.domain.slots import SLOTS_PER_DAY, day_of, slot_end, slot_start, slots_of_day
from gridwitness.encoding.eip712 import registry_domain
from gridwitness.service.demo.actors import Actors, make_actors
from gridwitness.service.demo.delivery import Delivery
from gridwitness.service.demo.evidence import Evidence, collect
from gridwitness.service.demo.ledger import Ledger
from gridwitness.service.demo.meters import MeterBank, choose_faults, make_meters
from gridwitness.service.demo.plant import choose_plant
from gridwitness.service.demo.provision import HOME_DEPOSIT, Provision
from gridwitness.service.demo.report import write_report
from gridwitness.service.demo.result import DemoResult
from gridwitness.service.demo.shared_plant import SharedPlant
from gridwitness.service.demo.site_file import write_site
from gridwitness.service.demo.trade import Trading
from gridwitness.service.demo.world import CHAIN_ID, OutDir, Ports, World, pick_ports
from gridwitness.sources.community import load_community
from gridwitness.sources.community_data import ChosenDays, Community

HISTORY_DAYS = 3
# Agents trade a day two hours before it begins, an hour before its first gate closes.
TRADE_SLOTS_AHEAD = 8
# Blocks come a few seconds after the slot they belong to has ended.
SETTLE_IN_S = 5


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What `gridwitness demo` was asked for. `port` is the chain's; oracles take the three after it."""

    community: Path
    out: Path
    days: int = 1
    seed: int = 1
    start: date | None = None
    port: int | None = None
    time_zone: str = "Europe/Berlin"  # the bundled community, and simbench as a whole, is of German grids


class Demo:
    """One demo; {play} runs it, after which its chain and oracles stay up until the context ends."""

    def __init__(self, options: DemoOptions, progress: Progress) -> None:
        """Reads and checks the community. Raises CommunityError."""
        self._options = options
        self._progress = progress
        self.ledger = Ledger()
        community = load_community(options.community)
        self.community = community.name
        self.days = community.choose_days(options.days, HISTORY_DAYS, options.start)
        self.actors: Actors = make_actors(make_meters(community, options.seed), options.seed)
        self.bank = _meter_bank(community, self.days, options.seed)
        self.bank.faults = choose_faults(
            self.bank.true_wh, community.meters, self.days.trade.start * SLOTS_PER_DAY, options.seed
        )
        self.out = OutDir(options.out)

    @contextmanager
    def world(self) -> Iterator[World]:
        """Chain, deployment and oracles, up for as long as the context lasts."""
        self.out.claim(fresh=True)
        ports: Ports = pick_ports(self._options.port)
        anvil = Anvil(
            port=ports.chain,
            chain_id=CHAIN_ID,
            genesis_time=slot_start(self.bank.first_slot),
            state_file=self.out / "chain.json",
            log_file=self.out / "anvil.log",
        )
        with World(self.out, ports, anvil) as world:
            with self._phase("deploy", "deploying contracts"):
                oracles = [account.address for account in self.actors.oracles]
                world.deploy(oracles, self.actors.registrar.address)
            yield world

    @contextmanager
    def _phase(self, name: str, description: str, total: int | None = None) -> Iterator[Step]:
        task = self._progress.add_task(description, total=total)
        with self.ledger.phase(name):
            yield Step(self._progress, task)
        self._progress.update(task, total=total or 1, completed=total or 1)

    def play(self, world: World) -> DemoResult:
        """Live through the days; returns what came of them and leaves the report in the demo's folder."""
        manifest = Manifest.load(world.manifest_path)
        chain = Chain(world.ports.rpc_url, manifest)
        with self._phase("register", "registering meters, depositing"):
            cash_in = Provision(chain, self.actors, self.ledger).run(len(self.days.trade))
        with self._phase("oracles", "starting three oracles"):
            meters = self.actors.meters
            name = f"{self.community}: {len(meters) - 1} homes"
            write_site(self.out.path, name, self._options.time_zone, meters, world.ports.rpc_url)
            world.configure_oracles(self.actors)
            world.start_oracles()
        domain = registry_domain(CHAIN_ID, manifest.address("DeviceRegistry"))
        with Delivery(meters, self.bank, domain, world.ports.oracle_urls, world.check_alive) as delivery:
            trading = Trading(chain, self.actors, self.ledger, self.days.trade.start)
            readings = StreamView(chain, manifest.stream("readings"))
            profiles = StreamView(chain, manifest.stream("profiles"))
            self._replay(world, delivery, readings)
            plant = self._share_plant(chain, trading)
            self._live(world, delivery, trading, readings, profiles)
            self._end(world, chain, trading)
            if plant is not None:
                with self._phase("pay", "paying the plant's revenue to its holders"):
                    plant.pay(trading.trades, delivery, self.days.trade)
            evidence = Evidence(
                chain=chain,
                actors=self.actors,
                bank=self.bank,
                days=self.days.trade,
                delivery=delivery,
                trading=trading,
                plant=plant,
                readings=readings,
                profiles=profiles,
                ledger=self.ledger,
                cash_in=cash_in,
                seed=self._options.seed,
            )
            with self._phase("prove", "proving readings, checking every slot"):
                result = collect(evidence, self.out / "proof.json")
        result.summary["wall_s"] = self.ledger.wall_s()  # now that proving is over; writing the report comes on top
        with self._phase("report", "writing the report"):
            write_report(result, self.out.path)
        return result

    @property
    def _paced_from(self) -> int:
        """The slot from which on the chain goes slot by slot: in it the first day is traded ahead."""
        return self.days.trade.start * SLOTS_PER_DAY - TRADE_SLOTS_AHEAD

    def _replay(self, world: World, delivery: Delivery, readings: StreamView) -> None:
        """Deliver and attest the days of history at once."""
        history = range(self.bank.first_slot, self._paced_from)
        with self._phase("history", "replaying days of history"):
            world.advance(slot_end(history[-1]) + SETTLE_IN_S)
            delivery.post_together([signed for slot in history for signed in delivery.sign_slot(slot)])
            delivery.await_attested(readings, history[-1])

    def _share_plant(self, chain: Chain, trading: Trading) -> SharedPlant | None:
        """Issue and trade shares of a plant, which earns for them from the first day on; None if no home feeds in."""
        home = choose_plant(self.bank, self.actors.homes, self._paced_from)
        if home is None:
            return None
        with self._phase("shares", "issuing and trading shares of a plant"):
            plant = SharedPlant(chain, self.actors, self.ledger, home)
            plant.issue(HOME_DEPOSIT * len(self.days.trade))
            plant.trade()
        trading.trades.payees[home.meter.key.device_id] = plant.asset.address
        return plant

    def _live(
        self, world: World, delivery: Delivery, trading: Trading, readings: StreamView, profiles: StreamView
    ) -> None:
        """Slot by slot: deliver, attest, trade the next day, clear; and settle days."""
        first, paced_from = self.days.trade.start * SLOTS_PER_DAY, self._paced_from
        with self._phase("trade", "trading the first day ahead"):
            trading.day_ahead(self.bank, self.days.trade.start, paced_from)
        last = self.days.trade.stop * SLOTS_PER_DAY
        with self._phase("deliver", "delivering, attesting, clearing, settling", last - paced_from) as step:
            for slot in range(paced_from, last):
                head_time = slot_end(slot) + SETTLE_IN_S
                world.advance(head_time)
                delivery.post_slot(delivery.sign_slot(slot))
                trading.clear_due(head_time)
                trading.finalize_due(head_time)
                delivery.await_attested(readings, slot)
                if slot + 1 > first and (slot + 1) % SLOTS_PER_DAY == 0:
                    self._settle(delivery, trading, profiles, day_of(slot))
                ahead = slot + 1 + TRADE_SLOTS_AHEAD
                if ahead % SLOTS_PER_DAY == 0 and day_of(ahead) in self.days.trade and ahead != first:
                    trading.day_ahead(self.bank, day_of(ahead), slot + 1)
                step.advance()

    def _settle(self, delivery: Delivery, trading: Trading, profiles: StreamView, day: int) -> None:
        """Settle a day that is over, once its profiles are attested."""
        delivery.await_attested(profiles, slots_of_day(day)[-1])
        homes = [home.meter.key.device_id for home in self.actors.homes]
        trading.settle(day, delivery.profile_proofs(homes, day))

    def _end(self, world: World, chain: Chain, trading: Trading) -> None:
        """Let one home dispute, leap over the time for disputes, and end all runs. Meanwhile no meter is read."""
        with self._phase("end", "disputing one bill, ending all others"):
            trading.dispute_best_paid(self.days.trade[-1])
            world.advance(chain.head_time() + trading.trades.params.dispute_seconds + SETTLE_IN_S)
            trading.finalize_due(chain.head_time())


@dataclass(frozen=True, slots=True)
class Step:
    """Advances the bar of a phase."""

    progress: Progress
    task: TaskID

    def advance(self) -> None:
        """One step further."""
        self.progress.advance(self.task)


def make_progress() -> Progress:
    """Bars for a terminal; plain lines elsewhere are rich's business."""
    return Progress(TextColumn("{task.description:44}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())


def _meter_bank(community: Community, days: ChosenDays, seed: int) -> MeterBank:
    span = range(days.history.start, days.trade.stop)
    net_wh = {name: community.days_wh(name, span).reshape(-1) for name in community.meters}
    return MeterBank(net_wh, span.start * SLOTS_PER_DAY, seed)
