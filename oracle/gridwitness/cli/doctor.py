"""`gridwitness doctor`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from gridwitness.cli.settings import OracleSettings, load_settings
from gridwitness.service.doctor import Examination, Finding, Setup


def doctor(
    config: Annotated[Path, typer.Option(help="TOML file with the oracle's settings")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON")] = False,
) -> None:
    """Check everything an oracle needs before it runs; exit code 1 if anything is wrong.

    Looks at cryptography, secret files, key, data folder, disk, port, manifest, every node, clock, contracts and their
    version, confirmations, committees, bond, whether anything else sends from the key, balance and how long it lasts,
    the other members and the broker. Nothing is changed and nothing is sent.

    \b
    Example: gridwitness doctor --config oracle.toml
    """
    findings = Examination(_setup(load_settings(config))).run()
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False, indent=2))
    else:
        _print(findings)
    if not all(finding.passed for finding in findings):
        raise typer.Exit(1)


def _setup(settings: OracleSettings) -> Setup:
    return Setup(
        data_dir=settings.data_dir,
        nodes=settings.nodes,
        limits=settings.rpc_limits,
        manifest=settings.manifest,
        streams=(settings.readings_stream, settings.profiles_stream),
        open_key=settings.open_key,
        secret_files=settings.secret_files,
        listen=settings.listen,
        clock=settings.clock,
        confirmations=settings.confirmations,
        runway_alarm_days=settings.runway_alarm_days,
        peers={peer.address: peer.url for peer in settings.peers},
        broker=settings.mqtt_url,
        nats=settings.nats_config if settings.nats_url else None,
    )


def _print(findings: Sequence[Finding]) -> None:
    console, width = Console(), max(len(finding.check) for finding in findings)
    for finding in findings:
        mark = ("✓", "green") if finding.passed else ("✗", "red")
        console.print(Text.assemble(mark, f" {finding.check:{width}}  {finding.detail}"), soft_wrap=True)
        if finding.hint:
            console.print(Text(f"  {'':{width}}  {finding.hint}"), soft_wrap=True)
    failed = sum(not finding.passed for finding in findings)
    typer.echo(f"{failed} of {len(findings)} checks failed" if failed else f"all {len(findings)} checks passed")
