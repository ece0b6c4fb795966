"""`make chaos MINUTES=60 SEED=1`: a committee under fire, and the verdict; exit code 1 if anything was violated."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.live import Live
from rich.text import Text

from gridwitness.chain.attestation import StreamView
from gridwitness.encoding.eip712 import registry_domain
from gridwitness.errors import GridwitnessError
from gridwitness.service.proofs import parse_proof
from tests.chaos import picture, report
from tests.chaos.devices import make_fleet, make_keys
from tests.chaos.evidence import gather, sample_of
from tests.chaos.faults import Chaos
from tests.chaos.judge import judge
from tests.chaos.ledger import Ledger
from tests.chaos.schedule import Schedule, Targets, draw
from tests.chaos.traffic import Traffic
from tests.chaos.watcher import Sample, Watcher, until
from tests.chaos.world import VALIDITY_S, build

OUT = Path(__file__).resolve().parents[2] / "out"
_DEVICES = 24
_PROOFS = 300
# Split votes may have to run out before the committee agrees again.
_CALM_S = 2 * VALIDITY_S + 30
_SAMPLE_EVERY_S = 0.5
_TELL_EVERY_S = 20


class Run:
    """One run from start to verdict."""

    def __init__(self, minutes: float, seed: int, patience: float, pace: float, *, is_timed: bool) -> None:
        self.minutes, self.seed, self.is_timed = minutes, seed, is_timed
        self.folder = OUT / "chaos"
        self.ledger = Ledger()
        self.problems: list[str] = []
        self.state = "setting up"
        keys = make_keys(_DEVICES)
        self.world = build(self.folder, seed, keys, patience)
        registry = self.world.chain.manifest.address("DeviceRegistry")
        self.fleet = make_fleet(keys, registry_domain(self.world.chain.chain_id, registry))
        self.schedule: Schedule = draw(
            seed, minutes, Targets(oracles=3, brokers=2, workers=len(self.world.workers)), pace
        )
        (self.folder / "schedule.json").write_text(json.dumps(self.schedule.document(), indent=1))

    def run(self) -> report.Result:
        """Everything; the processes are stopped whatever happens."""
        try:
            self.world.start()
            self.watcher = Watcher(self.world)
            self.chaos = Chaos(self.world, self.watcher, self.ledger, time.monotonic())
            asyncio.run(self._storm())
            self.state = "judging"
            verdict = judge(gather(self.world, self.ledger))
        finally:
            self.problems += self.world.stop()
        verdict.violations += self.problems + self.watcher.violations + self.chaos.violations
        verdict.violations += self.ledger.surprises
        return report.Result(
            self.seed, self.minutes, self.world, self.ledger, self.watcher, self.chaos, verdict, self.is_timed
        )

    async def _storm(self) -> None:
        traffic = Traffic(self.world, self.ledger, self.fleet, self.seed, lambda: self.watcher.chain_time)
        background = [asyncio.create_task(one) for one in (*self.watcher.tasks(), self._sample(), self._show())]
        await until(lambda: self.watcher.head is not None, 10)
        sending = asyncio.create_task(traffic.run())
        self.state = "striking"
        try:
            await self.chaos.run(self.schedule)
            await asyncio.sleep(max(60 * self.minutes - self.chaos.now_s, 0))
        finally:
            traffic.stop()  # else threads of its own would outlive a run that broke off
        self.state = "calming down"
        try:
            await asyncio.wait_for(sending, _CALM_S)
        except TimeoutError:
            self.problems.append(f"senders still wait for acknowledgements after {_CALM_S} s of calm")
        await self._calm_down()
        await self._prove()
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await asyncio.to_thread(self._stop_honest)

    def _stop_honest(self) -> None:
        for member in self.world.honest:
            if (code := member.stop()) != 0:
                self.problems.append(f"{member.name} ended with exit code {code}")

    async def _calm_down(self) -> None:
        """Wait until all that is in the logs is attested, and every transaction is settled."""
        begun = time.monotonic()
        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            while time.monotonic() - begun < _CALM_S:
                with contextlib.suppress(httpx.HTTPError, ValueError, KeyError):
                    asked = [client.get(f"{member.url}/v1/status") for member in self.world.honest]
                    waiting = [_waits_for(one.json()) for one in await asyncio.gather(*asked)]
                    if not any(waiting):
                        return
                await asyncio.sleep(0.5)
        self.problems.append(f"after {_CALM_S} s of calm: {'; '.join(filter(None, waiting))}")

    async def _prove(self) -> None:
        """Have the contract check proofs of some readings, as each oracle serves them."""
        keys = sample_of(list(self.ledger.acknowledged), _PROOFS)
        view = StreamView(self.world.chain, self.world.readings_stream)
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            for index, member in enumerate(self.world.honest):
                files = []
                for device_id, counter in keys[index :: len(self.world.honest)]:
                    answer = await client.get(f"{member.url}/v1/proofs/readings/0x{device_id.hex()}/{counter}")
                    if answer.is_success:
                        files.append(parse_proof(answer.json()))
                    else:
                        self.problems.append(f"{member.name} has no proof of reading {counter}: {answer.text[:200]}")
                proven = await asyncio.to_thread(view.verify_readings, [(one.fields, one.proof) for one in files])
                self.watcher.proven += sum(proven)
                if not all(proven):
                    self.problems.append(f"{member.name}: {proven.count(False)} of {len(proven)} proofs are refused")

    async def _sample(self) -> None:
        while True:
            attested = self.watcher.attested
            count = sum(batch.meta.count for batch in attested)
            self.watcher.samples.append(Sample(self.chaos.now_s, len(attested), count, len(self.ledger.acknowledged)))
            await asyncio.sleep(_SAMPLE_EVERY_S)

    async def _show(self) -> None:
        """A line of what is going on."""
        console, told = Console(), 0.0
        with Live(console=console, refresh_per_second=2, transient=True) as live:
            while True:
                live.update(Text(self._line()))
                if not console.is_terminal and time.monotonic() - told >= _TELL_EVERY_S:
                    told = time.monotonic()
                    console.print(self._line(), soft_wrap=True)
                await asyncio.sleep(1)

    def _line(self) -> str:
        attested = self.watcher.samples[-1].attested if self.watcher.samples else 0
        faults = sum(self.chaos.counts.values())
        return (
            f"{self.state} {self.chaos.now_s:.0f}/{60 * self.minutes:.0f} s:"
            f" {faults}/{len(self.schedule.events)} faults, {len(self.ledger.acknowledged)} acknowledged,"
            f" {attested} attested in {self.watcher.seq} batches,"
            f" {self.ledger.retries} retries"
        )


def _waits_for(status: dict[str, object]) -> str:
    """What an oracle still has to do, in words; empty if nothing."""
    readings, outbox, streams = status["readings"], status["outbox"], status["streams"]
    assert isinstance(readings, dict)
    assert isinstance(outbox, dict)
    assert isinstance(streams, dict)
    open_intents = {state: count for state, count in outbox.items() if state not in ("final", "failed") and count}
    left = {"unattested": readings["unattested"], **open_intents}
    problems = [stream["problem"] for stream in streams.values() if stream["problem"]]
    return f"{status['name']}: {left} {problems}" if any(left.values()) or problems else ""


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Run from the repository's root, so that processes find this package."""
    os.chdir(OUT.parent)
    yield


def main(
    minutes: Annotated[float, typer.Option(min=1, help="How long faults are struck")] = 60,
    seed: Annotated[int, typer.Option(help="Seed of faults and senders")] = 1,
    timed: Annotated[bool, typer.Option(help="Whether a goal of time that is missed is a violation")] = True,
    patience: Annotated[float, typer.Option(min=1, help="How much longer oracles wait, on a busy machine")] = 1,
    pace: Annotated[float, typer.Option(min=0.1, max=2, help="How much denser faults come than usual")] = 1,
) -> None:
    """Strike a committee of five oracles for some minutes, and judge what became of every reading."""
    OUT.mkdir(exist_ok=True)
    with _alone():
        try:
            result = Run(minutes, seed, patience, pace, is_timed=timed).run()
        except GridwitnessError as error:
            typer.echo(f"the run broke off: {error.message}", err=True)
            raise typer.Exit(1) from error
    document = result.document()
    (OUT / "chaos.json").write_text(json.dumps(document, indent=1) + "\n")
    (OUT / "chaos" / "events.json").write_text(json.dumps(result.events(), indent=1) + "\n")
    picture.draw(OUT / "chaos.png", result)
    typer.echo(result.summary())
    raise typer.Exit(0 if document["passed"] else 1)


if __name__ == "__main__":
    typer.run(main)
