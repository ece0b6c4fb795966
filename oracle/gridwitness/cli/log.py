"""`gridwitness log`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from gridwitness.chain.manifest import Manifest
from gridwitness.cli.settings import load_settings
from gridwitness.errors import InputError
from gridwitness.service.archive import export, prune_all, prune_exported

log = typer.Typer(no_args_is_help=True, help="An oracle's log of readings: export it, and prune what is long final.")
_Config = Annotated[Path, typer.Option(help="TOML file with the oracle's settings")]
_DAYS = ["%Y-%m-%d"]


@log.command("export")
def export_readings(
    config: _Config,
    out: Annotated[Path, typer.Option(help="Parquet file to write")],
    time_from: Annotated[datetime, typer.Option("--from", formats=_DAYS, help="First UTC day")],
    time_to: Annotated[datetime, typer.Option("--to", formats=_DAYS, help="UTC day after the last")],
) -> None:
    """Write readings with their signatures, documents, batches and scores to a Parquet file.

    The columns are those that `gridwitness replay` reads (device_id, counter, time, metric, value, signature, document,
    gateway_signature; bytes as 0x-hex) and received_at, batch, score_bps, channel, reason. The oracle may be running.

    Example: gridwitness log export --config oracle.toml --from 2026-01-01 --to 2026-02-01 --out january.parquet
    """
    settings = load_settings(config)
    work = export(settings.data_dir / "oracle.sqlite", _seconds(time_from), _seconds(time_to), out)
    typer.echo(f"{_last(work)} readings in {out}")


@log.command("prune")
def prune_readings(
    config: _Config,
    before: Annotated[datetime, typer.Option(formats=_DAYS, help="UTC day; what is older goes")],
    bond_over: Annotated[
        bool, typer.Option("--bond-over", help="The stream's bond is withdrawn, and no challenge is open")
    ] = False,
    exported: Annotated[list[Path] | None, typer.Option(help="Export that has them all; may be repeated")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Prune without an export")] = False,
) -> None:
    """Delete old readings for good, and give their space back to the disk. The oracle may be running.

    Refused while one of them is not attested, not final or not in a profile that is due. A bonded stream can be
    challenged for every reading it ever attested, and without the signature the bond is lost: so say --bond-over.

    Example: gridwitness log prune --config oracle.toml --before 2026-01-01 --exported 2025.parquet --bond-over
    """
    if not bond_over:
        raise InputError(
            "a stream that is bonded can be challenged for every reading it attested",
            hint="once the bond is withdrawn and no challenge is open (see gridwitness doctor), say --bond-over",
        )
    if not exported and not yes:
        raise InputError("nothing says that these readings were exported", hint="give --exported FILE, or say --yes")
    settings = load_settings(config)
    path, until = settings.data_dir / "oracle.sqlite", _seconds(before)
    stream = Manifest.load(settings.manifest).stream(settings.readings_stream)
    work = prune_exported(path, stream, until, exported) if exported else prune_all(path, stream, until)
    typer.echo(f"{_last(work)} readings of before {before:%Y-%m-%d} are gone from {path}")


def _seconds(day: datetime) -> int:
    return int(day.replace(tzinfo=UTC).timestamp())


def _last(progress: Iterator[int]) -> int:
    return next(iter(deque(progress, maxlen=1)), 0)
