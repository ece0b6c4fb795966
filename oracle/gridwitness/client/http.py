"""One connection to an API: requests, problems as errors, and pages one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Protocol, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from gridwitness.errors import GridwitnessError, TryLater

PAGE_SIZE = 500
_TIMEOUT_S = 30.0
_MAX_KEPT = 1_000
T = TypeVar("T")
Item = TypeVar("Item")


class ApiProblem(GridwitnessError):
    """The API answered with a problem (RFC 9457); `status` is that of HTTP, `request_id` what its log calls it."""

    def __init__(self, message: str, status: int, request_id: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.request_id = request_id


class _Page(Protocol[Item]):
    @property
    def items(self) -> list[Item]:
        """Items of this page."""

    @property
    def next_cursor(self) -> str:
        """Cursor of the next."""


class Connection:
    """Keeps connections open, and what it was given with an ETag, so that what is unchanged is not sent again."""

    page_size = PAGE_SIZE

    def __init__(self, url: str, *, key: str = "", client: httpx.Client | None = None) -> None:
        """`url` is the API's address without /v1, `key` an API key. A client may be given with settings of its own."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._client = client or httpx.Client(timeout=_TIMEOUT_S)
        self._headers = headers
        self._url = url.rstrip("/")
        self._kept: dict[str, tuple[str, bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str, query: Mapping[str, object], answer: type[T]) -> T:
        """A document. Raises ApiProblem, TryLater if it is asked too often, GridwitnessError if nobody answers."""
        values = {name: _text(value) for name, value in query.items() if value is not None and value != ""}
        url = str(httpx.URL(self._url + path, params=values))
        tag, body = self._kept.get(url, ("", b""))
        response = self._request("GET", url, headers={"if-none-match": tag} if tag else {})
        if response.status_code != httpx.codes.NOT_MODIFIED:
            body = response.content
            self._keep(url, response.headers.get("etag", ""), body)
        return _decoded(body, answer)

    def post(self, path: str, body: bytes, content_type: str, answer: type[T]) -> T:
        """Send a body; errors as above."""
        response = self._request("POST", self._url + path, headers={"content-type": content_type}, content=body)
        return _decoded(response.content, answer)

    def every(self, fetch: Callable[[str], _Page[T]]) -> Iterator[T]:
        """Items of all pages that `fetch` gets by their cursor."""
        cursor = ""
        while True:
            page = fetch(cursor)
            yield from page.items
            cursor = page.next_cursor
            if not cursor:
                return

    def _keep(self, url: str, tag: str, body: bytes) -> None:
        self._kept.pop(url, None)
        if tag:
            self._kept[url] = (tag, body)
            if len(self._kept) > _MAX_KEPT:
                del self._kept[next(iter(self._kept))]

    def _request(
        self, method: str, url: str, headers: Mapping[str, str], content: bytes | None = None
    ) -> httpx.Response:
        try:
            response = self._client.request(method, url, headers={**self._headers, **headers}, content=content)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise GridwitnessError(f"nothing answers at {self._url} ({error})") from error
        if response.is_success or response.status_code == httpx.codes.NOT_MODIFIED:
            return response
        raise _problem_of(response)


def segment(value: object) -> str:
    """A value as a part of a path."""
    return quote(str(value), safe="")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _decoded(body: bytes, answer: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=answer)
    except msgspec.DecodeError as error:
        raise GridwitnessError(f"the answer is not as this client knows it: {error}") from error


def _problem_of(response: httpx.Response) -> GridwitnessError:
    status = response.status_code
    try:
        said = response.json()
        detail, hint = str(said["detail"]), str(said.get("hint", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        detail, hint = f"HTTP {status} without a problem: is this the API?", ""
    wait = response.headers.get("retry-after", "")
    if wait.isdecimal():
        return TryLater(detail, int(wait), hint=hint)
    return ApiProblem(detail, status, response.headers.get("x-request-id", ""), hint=hint)
