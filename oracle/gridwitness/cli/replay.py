"""`gridwitness replay`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gridwitness.service.replay import Replay, Tally


def replay(
    path: Annotated[Path, typer.Argument(help="File of signed readings: .ndjson, .jsonl or .parquet")],
    to: Annotated[str, typer.Option(help="HTTP address of an oracle, such as http://127.0.0.1:8101")],
) -> None:
    """Post a file of signed readings to an oracle, 500 at a time.

    Each line of an NDJSON file is what a device would post; a Parquet file has the same fields as columns (device_id,
    counter, time, metric, value, signature; bytes as 0x-hex). How far it came is kept beside the file in
    <name>.replayed: run it again after an interruption and it goes on; readings that arrive twice are stored once.

    Example: gridwitness replay meters-july.ndjson --to http://127.0.0.1:8101
    """
    console = Console()
    work, tally = Replay(path, to), Tally()
    if work.position:
        console.print(f"going on after reading {work.position}")
    bar = Progress(
        TextColumn(path.name), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True)
    )
    with bar:
        task = bar.add_task("", total=work.total, completed=work.position)
        for position in work.post_all(tally):
            bar.update(task, completed=position)
    for verdict, count in sorted(tally.verdicts.items()):
        example = f" — {tally.examples[verdict]}" if verdict in tally.examples else ""
        console.print(f"{count:>8} {verdict}{example}", highlight=False, markup=False, soft_wrap=True)
