"""What was refused: counted by reason for ever, and kept in a bounded table to be looked at or sent again."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

# Of a body that could not be read, what somebody who looks for the mistake needs at most.
MAX_BODY_BYTES = 4_096
# Whoever sends a body also says of what type it is, at any length.
MAX_CONTENT_TYPE = 200
DEADLETTERS_KEPT = 100_000
_LAST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Rejection:
    """A reading (or body) that was refused: the reason it is counted under and a line naming value and limit.

    `body` is what was sent, as JSON if it was a reading; `source` is http, mqtt, file or nats. `is_kept` is False for
    what the sender was told to send again.
    """

    reason: str
    message: str
    body: bytes = b""
    source: str = ""
    content_type: str = "application/json"
    is_kept: bool = True


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A refused reading in the table. `body` holds the first MAX_BODY_BYTES of it; `is_whole` if that is all.

    `content_type` is cut to MAX_CONTENT_TYPE characters.
    """

    id: int
    reason: str
    message: str
    at: int
    source: str
    content_type: str
    body: bytes
    is_whole: bool


def record_rejections(connection: sqlite3.Connection, rejections: Sequence[Rejection], at: int, kept: int) -> None:
    """Count rejections and keep the newest `kept`, within a transaction of the caller; `at` in unix seconds."""
    if not rejections:
        return
    connection.executemany(
        "INSERT INTO rejections VALUES (?, ?) ON CONFLICT (reason) DO UPDATE SET count = count + excluded.count",
        list(Counter(rejection.reason for rejection in rejections).items()),
    )
    letters = [one for one in rejections if one.is_kept]
    if not letters:
        return
    connection.executemany(
        "INSERT INTO dead_letters (reason, message, at, source, content_type, body, is_whole)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [
            (
                one.reason,
                one.message,
                at,
                one.source,
                one.content_type[:MAX_CONTENT_TYPE],
                one.body[:MAX_BODY_BYTES],
                0 < len(one.body) <= MAX_BODY_BYTES,
            )
            for one in letters[-kept:]
        ],
    )
    connection.execute("DELETE FROM dead_letters WHERE id <= (SELECT MAX(id) FROM dead_letters) - ?", (kept,))


def rejection_report(connection: sqlite3.Connection) -> dict[str, dict[str, object]]:
    """Per reason: how many were refused, and the last messages, newest first."""
    report: dict[str, dict[str, object]] = {}
    for reason, count in connection.execute("SELECT reason, count FROM rejections ORDER BY reason").fetchall():
        messages = connection.execute(
            "SELECT message FROM dead_letters WHERE reason = ? ORDER BY id DESC LIMIT ?", (reason, _LAST_SHOWN)
        ).fetchall()
        report[reason] = {"count": count, "last": [message for (message,) in messages]}
    return report


def dead_letters(
    connection: sqlite3.Connection, reason: str | None = None, after: int = 0, limit: int = DEADLETTERS_KEPT
) -> list[DeadLetter]:
    """Dead letters with an id > `after`, of one reason or of all, oldest first, at most `limit`."""
    clause = "" if reason is None else "AND reason = ?3"
    rows = connection.execute(
        "SELECT id, reason, message, at, source, content_type, body, is_whole FROM dead_letters"  # noqa: S608
        f" WHERE id > ?1 {clause} ORDER BY id LIMIT ?2",
        (after, limit) if reason is None else (after, limit, reason),
    )
    return [
        DeadLetter(number, name, message, at, source, content_type, body, bool(is_whole))
        for number, name, message, at, source, content_type, body, is_whole in rows.fetchall()
    ]


def remove_dead_letters(connection: sqlite3.Connection, ids: Sequence[int]) -> None:
    """Remove dead letters; their counts stay."""
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("DELETE FROM dead_letters WHERE id = ?", [(one,) for one in ids])
    connection.execute("COMMIT")
