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
    """Show how an oracle is doing: what waits, what was refused or challenged, how its committee behaves.

    Exit code 1 if the oracle says it is not ready, or that it cannot answer a challenge.

    Example: gridwitness status --url http://127.0.0.1:8101
    """
    report = _fetch(url)
    if json:
        typer.echo(httpx.Response(200, json=report).text)
    else:
        _print(report, Console())
    if not report["ready"] or report["challenges"].get("alarms"):
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
    for problem in [*report["problems"], *report["challenges"].get("alarms", [])]:
        console.print(f"  [red]✗[/red] {problem}", highlight=False, soft_wrap=True)
    for warning in report.get("warnings", []):
        console.print(f"  [yellow]![/yellow] {warning}", highlight=False, soft_wrap=True)
    chain, clock, readings = report["chain"], report["clock"], report["readings"]
    console.print(
        f"chain {chain['id']} at block {chain['block']}, {_time(chain['time'])} · "
        f"clock ({clock['kind']}) {_time(clock['now'])} · {report['devices_active']} active devices",
        highlight=False,
    )
    age = readings["oldest_unattested_age_s"]
    waiting = "none waits" if age is None else f"{readings['unattested']} wait, the oldest since {age} s"
    console.print(f"{readings['stored']} readings, {readings['attested']} attested, {waiting}", highlight=False)
    _print_nodes(report.get("rpc", []), console)
    console.print(_streams(report["streams"]), _rejections(report["rejections"]), _members(report["members"]))
    _print_challenges(report["challenges"], console)


def _print_nodes(nodes: list[dict[str, Any]], console: Console) -> None:
    """The nodes, if there are several or something is wrong with one."""
    if len(nodes) < 2 and not any(node["problem"] for node in nodes):
        return
    table = Table("node", "in use", "head", "behind", "ms", "failures", "problem", title="Nodes", title_justify="left")
    for node in nodes:
        failures = ", ".join(f"{kind} {count}" for kind, count in node["failures"].items())
        figures = ("" if node[name] is None else str(node[name]) for name in ("head", "lag", "latency_ms"))
        table.add_row(node["url"], "yes" if node["in_use"] else "", *figures, failures, node["problem"])
    console.print(table)


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
        table.add_row(reason, str(entry["count"]), next(iter(entry["last"]), ""))
    return table


def _members(members: list[dict[str, Any]]) -> Table:
    table = Table("member", "signed", "failures", "last failure", title="Other members", title_justify="left")
    for member in members:
        failures = ", ".join(f"{name} {count}" for name, count in member["failures"].items())
        table.add_row(member["address"], str(member["signed"]), failures, member["last_failure"])
    return table


def _print_challenges(challenges: dict[str, Any], console: Console) -> None:
    if not challenges:  # the chain was not read yet
        return
    console.print(
        f"challenges: {len(challenges['open'])} open, {challenges['answered']} answered, of which "
        f"{challenges['answered_here']} here, {challenges['convicted']} lost, "
        f"{challenges['unanswerable']} unanswerable here",
        highlight=False,
    )
    if challenges["open"]:
        table = Table("challenge", "device", "reading", "batch", "time left", "what the oracle does")
        for one in challenges["open"]:
            left = f"{one['left_s'] // 3600}:{one['left_s'] // 60 % 60:02}:{one['left_s'] % 60:02}"
            short = (one["id"][:10] + "…", one["device_id"][:10] + "…")
            table.add_row(*short, str(one["counter"]), str(one["batch"]), left, one["action"])
        console.print(table)


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
