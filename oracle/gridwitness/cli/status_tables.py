"""Parts of the screen that `gridwitness status` shows, each of its part of the status document."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

_WEI_PER_ETH = 10**18
_GWEI = 10**9


def transactions_line(report: dict[str, Any]) -> str:
    """What is in the outbox and how long the oldest has been under way; empty in a dry run."""
    account = report["account"]
    if not account:
        return ""
    states = ", ".join(f"{count} {state}" for state, count in sorted(report["outbox"].items())) or "none yet"
    age_s = account["oldest_in_flight_age_s"]
    return f"transactions: {states}" + ("" if age_s is None else f"; the oldest under way for {age_s:.0f} s")


def account_line(report: dict[str, Any]) -> str:
    """Money, how long it lasts, and what gas costs; empty before the chain was asked and in a dry run."""
    account, fees = report["account"], report["fees"]
    if "balance_wei" not in account:
        return ""
    days = account["runway_days"]
    lasts = "nothing spent yet" if days is None else f"lasts {days:g} days"
    gas = f"base fee {fees['base_fee_wei'] / _GWEI:.3g} of at most {fees['cap_wei'] / _GWEI:g} gwei"
    return f"money: {account['balance_wei'] / _WEI_PER_ETH:.4g} ETH, {lasts} · {gas}"


def broker_lines(report: dict[str, Any]) -> list[str]:
    """MQTT and NATS, those there are."""
    lines = []
    if mqtt := report["mqtt"]:
        waiting = mqtt["received"] - mqtt["acknowledged"] - mqtt["dropped"]
        lines.append(f"mqtt {mqtt['url']}: {mqtt['problem'] or 'connected'}, {waiting} messages not acknowledged")
    if nats := report["nats"]:
        waiting = sum(stream["messages"] for stream in nats["streams"].values())
        lines.append(
            f"nats {nats['url']}: {nats['problem'] or 'connected'}, {waiting} messages, {len(nats['workers'])} workers"
        )
    return lines


def nodes(rows: list[dict[str, Any]]) -> Table:
    """The nodes of the chain."""
    table = Table("node", "in use", "head", "behind", "ms", "failures", "problem", title="Nodes", title_justify="left")
    for node in rows:
        figures = ("" if node[name] is None else str(node[name]) for name in ("head", "lag", "latency_ms"))
        use = "yes" if node["in_use"] else ""
        table.add_row(node["url"], use, *figures, _counts(node["failures"]), Text(node["problem"], style="red"))
    return table


def streams(rows: dict[str, Any]) -> Table:
    """The streams and their committees."""
    table = Table("stream", "batches", "final", "up to", "committee", title="Streams", title_justify="left")
    for name, stream in rows.items():
        latest = "" if stream["latest_time"] is None else _time(stream["latest_time"])
        committee = f"{stream['threshold']} of {len(stream['members'])}"
        table.add_row(name, str(stream["seq"]), str(stream["final_seq"]), latest, committee)
    return table


def members(rows: list[dict[str, Any]], now: float) -> Table:
    """The other members; `now` in unix seconds."""
    columns = ("member", "signed", "last", "failures", "last failure")
    table = Table(*columns, title="Other members", title_justify="left")
    for member in rows:
        at = member["last_signed_at"]
        last = f"{timedelta(seconds=int(now - at))} ago" if at else "never"
        table.add_row(
            member["address"], str(member["signed"]), last, _counts(member["failures"]), Text(member["last_failure"])
        )
    return table


def rejections(rows: dict[str, Any]) -> Table:
    """What was refused, by reason."""
    table = Table("reason", "readings", "last", title="Rejections", title_justify="left")
    for reason, entry in rows.items():
        table.add_row(reason, str(entry["count"]), Text(next(iter(entry["last"]), "")))
    return table


def challenges(report: dict[str, Any]) -> list[RenderableType]:
    """Challenges, those that are open one by one; nothing before the chain was read."""
    if not report:
        return []
    line = Text(
        f"challenges: {len(report['open'])} open, {report['answered']} answered, of which "
        f"{report['answered_here']} here, {report['convicted']} lost, {report['unanswerable']} unanswerable here"
    )
    if not report["open"]:
        return [line]
    table = Table("challenge", "device", "reading", "batch", "time left", "what the oracle does")
    for one in report["open"]:
        short = (one["id"][:10] + "…", one["device_id"][:10] + "…")
        left = str(timedelta(seconds=one["left_s"]))
        table.add_row(*short, str(one["counter"]), str(one["batch"]), left, Text(one["action"]))
    return [line, table]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def _time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
