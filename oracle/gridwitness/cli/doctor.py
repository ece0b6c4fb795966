"""`gridwitness doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from gridwitness.cli.settings import load_settings
from gridwitness.service.doctor import Examination, Setup


def doctor(config: Annotated[Path, typer.Option(help="TOML file with the oracle's settings")]) -> None:
    """Check everything an oracle needs before it runs; exit code 1 if anything is wrong.

    Looks at cryptography, keystore, data folder, disk space, port, node, clock, contracts, committee and balance.
    Nothing is changed and nothing is sent.

    \b
    Example: gridwitness doctor --config oracle.toml
    """
    settings = load_settings(config)
    setup = Setup(
        data_dir=settings.data_dir,
        rpc_url=settings.nodes[0],
        manifest=settings.manifest,
        streams=(settings.readings_stream, settings.profiles_stream),
        keystore=settings.keystore or Path(),
        password_file=settings.password_file or Path(),
        listen=settings.listen,
        clock=settings.clock,
    )
    findings = Examination(setup).run()
    console, width = Console(), max(len(finding.check) for finding in findings)
    for finding in findings:
        mark = ("✓", "green") if finding.passed else ("✗", "red")
        console.print(Text.assemble(mark, f" {finding.check:{width}}  {finding.detail}"), soft_wrap=True)
        if finding.hint:
            console.print(Text(f"  {'':{width}}  {finding.hint}"), soft_wrap=True)
    failed = sum(not finding.passed for finding in findings)
    if failed:
        typer.echo(f"{failed} of {len(findings)} checks failed")
        raise typer.Exit(1)
    typer.echo(f"all {len(findings)} checks passed")
