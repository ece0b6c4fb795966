"""`gridwitness replay`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gridwitness.errors import GridwitnessError, InputError
from gridwitness.service.replay import Replay, Tally, files_of, watch

_AGAIN_AFTER_S = 5.0


def replay(
    path: Annotated[Path, typer.Argument(help="File of readings, or a folder of such files")],
    to: Annotated[str, typer.Option(help="HTTP address of an oracle, such as http://127.0.0.1:8101")],
    watched: Annotated[bool, typer.Option("--watch", help="Go on with files that are dropped into the folder")] = False,
) -> None:
    """Post files of signed readings to an oracle, 500 at a time.

    Each line of an .ndjson file is what a device would post; .csv and .parquet files have the same fields as columns
    (device_id, counter, time, metric, value, signature; bytes as 0x-hex); .cbor files are CBOR sequences of readings or
    COSE messages; .ocmf files hold OCMF records. How far it came is kept beside each file in <name>.replayed: run it
    again after an interruption and it goes on; readings that arrive twice are stored once. Files being written should
    have a name that begins with a dot until they are complete.

    Example: gridwitness replay meters-july.ndjson --to http://127.0.0.1:8101
    """
    console = Console()
    files = watch(path) if watched else iter(files_of(path))
    tally = Tally()
    try:
        for file in files:
            if watched:
                _replay_until_done(file, to, tally, console)
            else:
                _replay_file(file, to, tally, console)
    finally:
        for verdict, count in sorted(tally.verdicts.items()):
            example = f" — {tally.examples[verdict]}" if verdict in tally.examples else ""
            console.print(f"{count:>8} {verdict}{example}", highlight=False, markup=False, soft_wrap=True)


def _replay_until_done(path: Path, to: str, tally: Tally, console: Console) -> None:
    """Wait for an oracle that does not answer; say of a file that holds no readings that it does not, and go on."""
    while True:
        try:
            return _replay_file(path, to, tally, console)
        except GridwitnessError as error:
            console.print(f"{path.name}: {error.message}", highlight=False, markup=False, soft_wrap=True)
            if isinstance(error, InputError):
                return None
            time.sleep(_AGAIN_AFTER_S)


def _replay_file(path: Path, to: str, tally: Tally, console: Console) -> None:
    work = Replay(path, to)
    if work.position == work.total:
        return
    if work.position:
        console.print(f"{path.name}: going on after reading {work.position}", highlight=False)
    bar = Progress(
        TextColumn(path.name), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True)
    )
    with bar:
        task = bar.add_task("", total=work.total, completed=work.position)
        for position in work.post_all(tally):
            bar.update(task, completed=position)
