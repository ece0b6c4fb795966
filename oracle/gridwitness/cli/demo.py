"""`gridwitness demo`."""

from __future__ import annotations

import contextlib
import signal
from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import available_timezones

import typer
from rich.console import Console

from gridwitness.errors import ConfigError

# A held schedule takes the place of those of its device that come 16 days later.
MAX_DAYS = 16
COMMUNITY = Path(__file__).resolve().parents[3] / "data" / "simbench-rural1"


def _known_time_zone(name: str) -> str:
    if name not in available_timezones():
        raise ConfigError(f"{name!r} is no IANA time zone", hint="such as Europe/Berlin")
    return name


def demo(
    days: Annotated[int, typer.Option(min=1, max=MAX_DAYS, help="Days to trade")] = 1,
    community: Annotated[
        Path, typer.Option(help="Folder of CSV or Parquet with slot_start, meter, import_wh, export_wh")
    ] = COMMUNITY,
    seed: Annotated[int, typer.Option(min=0, help="Draws keys, the misbehaving meters and the sample of proofs")] = 1,
    start: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First day to trade (UTC); else the sunniest stretch")
    ] = None,
    time_zone: Annotated[
        str, typer.Option(help="IANA time zone of the community, for the web page", callback=_known_time_zone)
    ] = "Europe/Berlin",
    out: Annotated[Path, typer.Option(help="Folder for the report, the tables and all state")] = Path("out/demo"),
    port: Annotated[
        int | None,
        typer.Option(min=1024, max=65532, help="Port of the chain, oracles on the three after; else free ones"),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave chain and oracles up until Ctrl-C")] = False,
) -> None:
    """Trade a real community's day on an embedded chain, with every part the real one.

    Starts anvil in the data's own time, deploys the contracts, registers every meter, lets agents trade the next
    day, and has each meter sign its readings for three oracles, who score, co-sign and attest them. Slots are
    cleared and settled on what was proven. Twelve holders own a home's plant in shares: they trade them, and are
    paid what it earned. Two meters misbehave; nobody is told which.

    Example: gridwitness demo --days 2 --seed 7
    Example: gridwitness demo --community my-street/ --keep
    """
    # Imported here because pandas and matplotlib would slow the start of every other command.
    from gridwitness.service.demo.report import print_summary
    from gridwitness.service.demo.run import Demo, DemoOptions, make_progress

    signal.signal(signal.SIGTERM, _interrupt)
    console = Console()
    with make_progress() as progress:
        run = Demo(DemoOptions(community, out, days, seed, start.date() if start else None, port, time_zone), progress)
        with run.world() as world:
            result = run.play(world)
            progress.stop()
            print_summary(result, console)
            console.print(f"report: {out / 'report.html'}")
            if not keep:
                console.print(f"web page: gridwitness serve --data {out}", soft_wrap=True)
            else:
                _keep(console, world.ports.rpc_url, world.ports.oracle_urls[0], world.manifest_path, out)


def _interrupt(*_: object) -> None:
    """Treat being told to end as Ctrl-C: processes stop in order, and the chain writes its state."""
    raise KeyboardInterrupt


def _keep(console: Console, rpc_url: str, oracle_url: str, manifest: Path, out: Path) -> None:
    console.print(f"web page: {oracle_url}/", soft_wrap=True)
    console.print(f"chain at {rpc_url}, first oracle at {oracle_url}; try, in another terminal:")
    console.print(f"  gridwitness verify {out / 'proof.json'} --rpc {rpc_url} --manifest {manifest}", soft_wrap=True)
    console.print(f"  gridwitness status --url {oracle_url}", soft_wrap=True)
    with contextlib.suppress(KeyboardInterrupt):  # may come as soon as the line below is read
        console.print("Ctrl-C ends the demo.")
        signal.pause()
