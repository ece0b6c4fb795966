"""Logs of services: one JSON object a line on standard error, without secrets and without endless repetition.

Every line has `time` (UTC, ISO 8601), `level` and `event`; lines about a request its `request_id`, lines about a batch
its `batch`, `<stream>:<seq>`. What other libraries log comes in the same form, warnings and worse.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import structlog
from structlog.typing import Processor

LogLevel = Literal["debug", "info", "warning", "error"]
_REPEAT_AFTER_S = 60.0
_REMEMBERED = 1_000
_SHORTEST_SECRET = 6
_CREDENTIALS = re.compile(r"(?<=://)[^/\s\"'@]+@")
# Numbers and hashes; not the digits of addresses.
_WHAT_VARIES = re.compile(r"0x[0-9a-fA-F]{64,}|(?<![0-9a-zA-Z])\d+")
# What tells a line from another about the same trouble.
_PASSING = ("request_id", "batch", "exc_info")

Event = MutableMapping[str, Any]


class Repetition:
    """Lets one warning or error pass a minute of those that differ in numbers only; the next says how many did not."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._seen: dict[str, tuple[float, int]] = {}

    def __call__(self, _: object, method: str, event: Event) -> Event:
        """The event, with `repeated` if others were held back. Raises DropEvent for one that is."""
        if method in ("debug", "info"):
            return event
        now = self._monotonic()
        values = (f"{name}={event[name]}" for name in sorted(event) if name not in _PASSING)
        key = _WHAT_VARIES.sub("#", f"{method} {_kind_of(event)} {' '.join(values)}")
        since, held_back = self._seen.get(key, (now - _REPEAT_AFTER_S, 0))
        if now - since < _REPEAT_AFTER_S:
            self._seen[key] = since, held_back + 1
            raise structlog.DropEvent
        self._seen.pop(key, None)  # to its end, in the order of time
        self._seen[key] = now, 0
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return {**event, "repeated": held_back} if held_back else event


def _kind_of(event: Event) -> str:
    """The exception's type: one trouble is not another because both came to the same place."""
    error = event.get("exc_info")
    if error is True:
        return str(sys.exc_info()[0])
    return str(error[0] if isinstance(error, tuple) else type(error)) if error else ""


class Redaction:
    """Takes known secrets out of finished lines, and whatever stands before an @ in a URL."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Secrets shorter than six characters stay: they would take words apart."""
        long = {secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}
        patterns = [re.escape(secret) for secret in sorted(long, key=len, reverse=True)]
        self._known = re.compile("|".join(patterns) or r"(?!)")

    def __call__(self, _: object, __: str, line: Any) -> str:
        """The line without them."""
        return self._known.sub("***", _CREDENTIALS.sub("***@", line))


def secrets_of(urls: Iterable[str]) -> list[str]:
    """What may be secret in URLs of nodes: credentials, and path and query, in which providers put keys."""
    found: list[str] = []
    for url in urls:
        parts = urlsplit(url)
        words = [parts.username, parts.password, parts.query, *parts.path.split("/")]
        found += [form for word in words if word for form in (word, unquote(word))]
    return found


def log_json(level: LogLevel = "info", secrets: Iterable[str] = ()) -> None:
    """Log JSON lines on standard error from `level` on, without `secrets`."""
    least = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    finishing: list[Processor] = [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
        Redaction(secrets),
    ]
    structlog.configure(
        processors=[*shared, Repetition(), *finishing],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared], processors=[remove_meta, *finishing]
        )
    )
    logging.basicConfig(level=max(least, logging.WARNING), handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
