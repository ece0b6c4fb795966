"""`gridwitness status`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from gridwitness.errors import GridwitnessError, InputError

_TIMEOUT_S = 10.0


def status(
    url: Annotated[str, typer.Option(help="HTTP address of an oracle")] = "http://127.0.0.1:8101",
    json: Annotated[bool, typer.Option("--json", help="Print the document as it is")] = False,
) -> None:
    """Show how an oracle is doing: what waits, what was refused, how its committee behaves.

    Exit code 1 if the oracle says it is not ready.

    Example: gridwitness status --url http://127.0.0.1:8101
    """
    report = _fetch(url)
    if json:
        typer.echo(httpx.Response(200, json=report).text)
    else:
        _print(report, Console())
    if not report["ready"]:
        raise typer.Exit(1)


def _fetch(url: str) -> dict[str, Any]:
    try:
        response = httpx.get(url.rstrip("/") + "/v1/status", timeout=_TIMEOUT_S).raise_for_status()
        report = response.json()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise GridwitnessError(f"no oracle answers at {url} ({error})", hint="check --url") from error
    except ValueError as error:
        raise InputError(f"what answers at {url} is no oracle") from error
    if not isinstance(report, dict) or "streams" not in report:
        raise InputError(f"what answers at {url} is no oracle")
    return report


def _print(report: dict[str, Any], console: Console) -> None:
    mode = "dry run" if report["dry_run"] else "live"
    ready = "[green]ready[/green]" if report["ready"] else "[red]not ready[/red]"
    console.print(f"{report['name']} {report['address']} · zone {report['zone']} · {mode} · {ready}", highlight=False)
    for problem in report["problems"]:
        console.print(f"  [red]✗[/red] {problem}", highlight=False, soft_wrap=True)
    chain, clock, readings = report["chain"], report["clock"], report["readings"]
    console.print(
        f"chain {chain['id']} at block {chain['block']}, {_time(chain['time'])} · "
        f"clock ({clock['kind']}) {_time(clock['now'])} · {report['devices_active']} active devices",
        highlight=False,
    )
    age = readings["oldest_unattested_age_s"]
    waiting = "none waits" if age is None else f"{readings['unattested']} wait, the oldest since {age} s"
    console.print(f"{readings['stored']} readings, {readings['attested']} attested, {waiting}", highlight=False)
    console.print(_streams(report["streams"]), _rejections(report["rejections"]), _members(report["members"]))


def _streams(streams: dict[str, Any]) -> Table:
    table = Table("stream", "batches", "state", "up to", "committee", title="Streams", title_justify="left")
    for name, stream in streams.items():
        latest = "" if stream["latest_time"] is None else _time(stream["latest_time"])
        committee = f"{stream['threshold']} of {len(stream['members'])}"
        table.add_row(name, str(stream["seq"]), stream["status"] or "", latest, committee)
    return table


def _rejections(rejections: dict[str, Any]) -> Table:
    table = Table("reason", "readings", "last", title="Rejections", title_justify="left")
    for reason, entry in rejections.items():
        table.add_row(reason, str(entry["count"]), entry["last"][0])
    return table


def _members(members: list[dict[str, Any]]) -> Table:
    table = Table("member", "signed", "failures", "last failure", title="Other members", title_justify="left")
    for member in members:
        failures = ", ".join(f"{name} {count}" for name, count in member["failures"].items())
        table.add_row(member["address"], str(member["signed"]), failures, member["last_failure"])
    return table


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
