"""Posting files of signed readings to an oracle, from where it was left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import httpx
import msgspec

from gridwitness.errors import GridwitnessError, InputError
from gridwitness.sources.files import Bookmark, count_readings, read_readings
from gridwitness.sources.payloads import ReadingPayload

POST_SIZE = 500
_TIMEOUT_S = 60.0


class _Result(msgspec.Struct):
    status: str
    reason: str = ""
    message: str = ""


class _Results(msgspec.Struct):
    results: list[_Result]


@dataclass(slots=True)
class Tally:
    """Readings by verdict (accepted, duplicate, or the reason of rejection), and the first message per reason."""

    verdicts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)


class Replay:
    """One file on its way to one oracle. Its bookmark moves only after the oracle has acknowledged."""

    def __init__(self, path: Path, url: str, client: httpx.Client | None = None) -> None:
        """Raises InputError if the file is not there, not of a known format, or its bookmark does not fit it."""
        self.total = count_readings(path)
        self._path = path
        self._url = url.rstrip("/")
        self._bookmark = Bookmark(path, self._url)
        self._client = client or httpx.Client(timeout=_TIMEOUT_S)
        self.position = self._bookmark.position()
        if not 0 <= self.position <= self.total:
            raise InputError(
                f"the bookmark of {path} stands at {self.position}; the file has {self.total} readings",
                hint="delete the bookmark to replay from the start",
            )

    def post_all(self, tally: Tally) -> Iterator[int]:
        """Post the rest of the file, 500 at a time; yields the position after each acknowledgement.

        Raises GridwitnessError if the oracle does not answer or cannot take readings now: run it again, it goes on.
        """
        rows = read_readings(self._path, skip=self.position)
        while chunk := list(islice(rows, POST_SIZE)):
            self._post(chunk, tally)
            self.position += len(chunk)
            self._bookmark.move(self.position)
            yield self.position

    def _post(self, chunk: list[ReadingPayload], tally: Tally) -> None:
        headers = {"content-type": "application/json"}
        try:
            response = self._client.post(
                self._url + "/v1/readings", content=msgspec.json.encode(chunk), headers=headers
            )
            response.raise_for_status()
            answer = msgspec.json.decode(response.content, type=_Results)
        except httpx.HTTPStatusError as error:
            raise GridwitnessError(
                f"the oracle at {self._url} answered {error.response.status_code}: {error.response.text[:200]}",
                hint=f"{self.position} of {self.total} readings are in; run it again to go on",
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL, msgspec.MsgspecError) as error:
            raise GridwitnessError(
                f"no oracle answers at {self._url} ({error})",
                hint=f"{self.position} of {self.total} readings are in; run it again to go on",
            ) from error
        for result in answer.results:
            name = result.reason or result.status
            tally.verdicts[name] += 1
            if result.message:
                tally.examples.setdefault(name, result.message)
