"""Posting files of readings to an oracle, from where it was left: one file, a folder, or whatever is dropped in one."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import httpx
import msgspec

from gridwitness.errors import GridwitnessError, InputError
from gridwitness.sources.files import Bookmark, Piece, count_items, is_replayable, read_pieces

POST_SIZE = 500
_TIMEOUT_S = 60.0
_BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
# An oracle that is busy or restarting is waited for this often; then the bookmark waits for the next run.
_ATTEMPTS = 10
_LONGEST_WAIT_S = 30.0
_LOOK_EVERY_S = 1.0


class _Result(msgspec.Struct):
    status: str
    reason: str = ""
    message: str = ""


class _Results(msgspec.Struct):
    results: list[_Result]


class _Problem(msgspec.Struct):
    detail: str = ""
    reason: str = "malformed"


@dataclass(slots=True)
class Tally:
    """Readings by verdict (accepted, duplicate, or the reason of rejection), and the first message per reason."""

    verdicts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, message: str) -> None:
        """Count one reading."""
        self.verdicts[name] += 1
        if message:
            self.examples.setdefault(name, message)


class Replay:
    """One file on its way to one oracle. Its bookmark moves only after the oracle has acknowledged."""

    def __init__(
        self,
        path: Path,
        url: str,
        client: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Raises InputError if the file is not there, not of a known format, or its bookmark does not fit it."""
        self.total = count_items(path)
        self.path = path
        self._url = url.rstrip("/")
        self._bookmark = Bookmark(path, self._url)
        self._client = client or httpx.Client(timeout=_TIMEOUT_S)
        self._sleep = sleep
        self.position = self._bookmark.position()
        if not 0 <= self.position <= self.total:
            raise InputError(
                f"the bookmark of {path} stands at {self.position}; the file has {self.total} readings",
                hint="delete the bookmark to replay from the start",
            )

    def post_all(self, tally: Tally) -> Iterator[int]:
        """Post the rest of the file, 500 at a time; yields the position after each acknowledgement.

        Raises GridwitnessError if the oracle does not answer or cannot take readings: run it again, it goes on.
        """
        for piece in read_pieces(self.path, self.position, POST_SIZE):
            self._post(piece, tally)
            self.position += piece.count
            self._bookmark.move(self.position)
            yield self.position

    def _post(self, piece: Piece, tally: Tally) -> None:
        response = self._answer(piece)
        try:
            if response.status_code == HTTPStatus.BAD_REQUEST and piece.count == 1:  # a document that says nothing
                problem = msgspec.json.decode(response.content, type=_Problem)
                tally.add(problem.reason, problem.detail)
                return
            response.raise_for_status()
            for result in msgspec.json.decode(response.content, type=_Results).results:
                tally.add(result.reason or result.status, result.message)
        except httpx.HTTPStatusError as error:
            raise self._broken_off(
                f"the oracle at {self._url} answered {response.status_code}: {response.text[:200]}"
            ) from error
        except msgspec.MsgspecError as error:
            raise self._broken_off(f"no oracle answers at {self._url} ({error})") from error

    def _answer(self, piece: Piece) -> httpx.Response:
        """The answer to a post, asked again while the oracle says that it is busy."""
        headers = {"content-type": piece.content_type}
        for attempt in range(_ATTEMPTS):
            try:
                response = self._client.post(self._url + "/v1/readings", content=piece.body, headers=headers)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise self._broken_off(f"no oracle answers at {self._url} ({error})") from error
            if response.status_code not in _BUSY or attempt == _ATTEMPTS - 1:
                break
            asked = response.headers.get("retry-after", "")
            wait_s = float(asked) if asked.isdecimal() else float(2**attempt)
            self._sleep(min(wait_s, _LONGEST_WAIT_S))
        return response

    def _broken_off(self, message: str) -> GridwitnessError:
        return GridwitnessError(
            message, hint=f"{self.position} of {self.total} of {self.path.name} are in; run it again to go on"
        )


def files_of(path: Path) -> list[Path]:
    """The files to replay: the one named, or those of a folder that hold readings, by name. Raises InputError."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.is_file() and is_replayable(file))


def watch(folder: Path, sleep: Callable[[float], None] = time.sleep) -> Iterator[Path]:
    """Files of a folder as they are dropped in, each once it stood unchanged for a second, and again if it grew.

    Never ends. Raises InputError if it is no folder.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; only folders can be watched")
    seen: dict[Path, tuple[int, int]] = {}
    done: dict[Path, tuple[int, int]] = {}
    while True:
        for path in files_of(folder):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue  # taken away meanwhile
            state = (stat.st_size, stat.st_mtime_ns)
            if seen.get(path) == state != done.get(path):
                done[path] = state
                yield path
            seen[path] = state
        sleep(_LOOK_EVERY_S)
