"""`gridwitness status`."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from gridwitness.cli.status_tables import (
    account_line,
    broker_lines,
    challenges,
    members,
    nodes,
    rejections,
    streams,
    transactions_line,
)
from gridwitness.errors import GridwitnessError, InputError

_TIMEOUT_S = 10.0
# As the alert GridwitnessReadingsNotAttested has it.
TOO_OLD_S = 1_800
# What to do about a problem, by what it says; the first that fits.
_ADVICE = (
    (r"^starting|^stopping", "wait some seconds"),
    (r"following batch", "it fetches what it missed by itself; if the number stands still, see docs/operator.md"),
    (r"outbox resume", "stop whoever else sends from the key before anything else"),
    (r"not in the committee", "have the streams' owner add this address, or correct keystore or signer_address"),
    (r"signatures for|second proposal|voted", "too few members sign: see their last failures below"),
    (r"content gives its root|behind|scorer", "compare version and model_hash with the other members'"),
    (r"^mqtt|^nats|broker", "look at the broker and its address; what was published waits there"),
    (r"worker .* lied", "stop that worker, and give its broker account another password"),
    (r"node|answer in time|RPC", "see the nodes below; `gridwitness doctor` says more"),
    (r"disk|full|log|sqlite|No space", "free room on the disk of data_dir; senders come again by themselves"),
    (r"gas|fee|cap|money|balance", "send money to the account, or raise max_fee_per_gas_gwei"),
)


def status(
    url: Annotated[str, typer.Option(help="HTTP address of an oracle")] = "http://127.0.0.1:8101",
    json: Annotated[bool, typer.Option("--json", help="Print the document as it is")] = False,
    watch: Annotated[float, typer.Option(help="Show it again every so many seconds, until Ctrl-C; 0 for once")] = 0,
) -> None:
    """Show how an oracle is doing: what waits, what is wrong and what to do about it, how its committee behaves.

    Exit code 1 if somebody should look: it is not ready, cannot answer a challenge, or the oldest reading has waited
    for more than half an hour.

    Examples: gridwitness status --url http://127.0.0.1:8101
              gridwitness status --watch 2
    """
    if watch and not json:
        _watch(url, watch)
        return
    report = _fetch(url)
    if json:
        typer.echo(httpx.Response(200, json=report).text)
    else:
        console = Console()
        for part in screen(report):
            console.print(part, soft_wrap=isinstance(part, Text))
    if needs_somebody(report):
        raise typer.Exit(1)


def needs_somebody(report: dict[str, Any]) -> bool:
    """Whether an operator should be woken."""
    age_s = report["readings"]["oldest_unattested_age_s"] or 0
    return not report["ready"] or bool(report["challenges"].get("alarms")) or age_s > TOO_OLD_S


def _watch(url: str, every_s: float) -> None:
    """Until Ctrl-C; an oracle that does not answer is shown as such, and asked again."""
    with Live(console=Console(), screen=True, auto_refresh=False) as live:
        try:
            while True:
                try:
                    shown: RenderableType = Group(*screen(_fetch(url)))
                except GridwitnessError as error:
                    shown = Text(f"{_time(int(time.time()))}: {error.message}", style="red")
                live.update(shown, refresh=True)
                time.sleep(every_s)
        except KeyboardInterrupt:
            return


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


def screen(report: dict[str, Any]) -> list[RenderableType]:
    """All of a status document, the most urgent on top; lines as Text."""
    return [
        _oldest(report["readings"]),
        *_troubles(report),
        *_facts(report),
        *([nodes(report["rpc"])] if len(report["rpc"]) > 1 or any(node["problem"] for node in report["rpc"]) else []),
        streams(report["streams"]),
        members(report["members"], time.time()),
        *([rejections(report["rejections"])] if report["rejections"] else []),
        *challenges(report["challenges"]),
    ]


def _oldest(readings: dict[str, Any]) -> Text:
    age_s = readings["oldest_unattested_age_s"]
    if age_s is None:
        return Text("oldest unattested reading: none waits", style="bold green")
    style = "bold red" if age_s > TOO_OLD_S else "bold green"
    age = timedelta(seconds=int(age_s))
    return Text(f"oldest unattested reading: {age} old, {readings['unattested']} wait", style=style)


def _troubles(report: dict[str, Any]) -> list[Text]:
    """What is wrong, with what to do."""
    lines: list[Text] = []
    for problem in [*report["problems"], *report["challenges"].get("alarms", [])]:
        lines.append(Text(f"  ✗ {problem}", style="red"))
        lines.append(Text(f"    → {advice(problem)}"))
    lines += [Text(f"  ! {warning}", style="yellow") for warning in report["warnings"]]
    return lines


def advice(problem: str) -> str:
    """What to do about a problem of the status."""
    found = (do for pattern, do in _ADVICE if re.search(pattern, problem))
    return next(found, "see docs/operator.md, When things go wrong")


def _facts(report: dict[str, Any]) -> list[Text]:
    chain, clock, readings = report["chain"], report["clock"], report["readings"]
    mode = "dry run" if report["dry_run"] else "live"
    ready = "ready" if report["ready"] else "not ready"
    return [
        Text(f"{report['name']} {report['address']} · zone {report['zone']} · {mode} · {ready} · {report['version']}"),
        Text(
            f"chain {chain['id']} at block {chain['block']}, {_time(chain['time'])} · "
            f"clock ({clock['kind']}) {_time(clock['now'])} · {report['devices_active']} active devices"
        ),
        Text(
            f"readings: {readings['stored']} stored, {readings['attested']} attested, "
            f"{report['ingest']['readings']} under way, {readings['deadletters']} dead letters"
        ),
        *(Text(line) for line in (transactions_line(report), account_line(report)) if line),
        *(Text(line) for line in broker_lines(report)),
    ]


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
