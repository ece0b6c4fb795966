"""Replaying a file: in pieces, resumable, with verdicts counted."""

from __future__ import annotations

from pathlib import Path

import httpx
import msgspec
import pytest

from gridwitness.errors import GridwitnessError, InputError
from gridwitness.service.replay import POST_SIZE, Replay, Tally, watch
from gridwitness.sources.payloads import decode_body, to_payload
from tests.oracle.signers import FIRST_SLOT, home_key, net_energy
from tests.oracle.sources.documents import KEBA

URL = "http://oracle"
COUNT = 2 * POST_SIZE + 7


class Endpoint:
    """Accepts readings and remembers counters; fails from post number `fail_at` on."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.fail_at = fail_at
        self.posts: list[list[int]] = []

    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self.answer))

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.fail_at is not None and len(self.posts) >= self.fail_at:
            return httpx.Response(503, text="the disk is full")
        counters = [payload.counter for payload in decode_body(request.content)]
        self.posts.append(counters)
        results = [
            {"device_id": "", "counter": counter, "status": "accepted", "reason": "", "message": ""}
            if counter
            else {"device_id": "", "counter": 0, "status": "rejected", "reason": "future_time", "message": "too early"}
            for counter in counters
        ]
        return httpx.Response(200, content=msgspec.json.encode({"results": results}))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "meters.ndjson"
    signature = net_energy(home_key(), 0, FIRST_SLOT, 0)
    payload = to_payload(signature)
    path.write_bytes(
        b"".join(msgspec.json.encode(msgspec.structs.replace(payload, counter=n)) + b"\n" for n in range(COUNT))
    )
    return path


def test_replay__whole_file__posts_in_order_and_counts_verdicts(file: Path) -> None:
    endpoint, tally = Endpoint(), Tally()
    assert list(Replay(file, URL, endpoint.client()).post_all(tally)) == [POST_SIZE, 2 * POST_SIZE, COUNT]
    assert [counter for post in endpoint.posts for counter in post] == list(range(COUNT))
    assert tally.verdicts == {"accepted": COUNT - 1, "future_time": 1}
    assert tally.examples == {"future_time": "too early"}


def test_replay__oracle_fails_in_between__goes_on_where_it_was_acknowledged(file: Path) -> None:
    failing = Endpoint(fail_at=1)
    waits: list[float] = []
    with pytest.raises(GridwitnessError, match="answered 503: the disk is full") as caught:
        list(Replay(file, URL, failing.client(), waits.append).post_all(Tally()))
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30, 30]
    assert caught.value.hint == f"{POST_SIZE} of {COUNT} of meters.ndjson are in; run it again to go on"
    endpoint = Endpoint()
    again = Replay(file, URL, endpoint.client())
    assert again.position == POST_SIZE
    list(again.post_all(Tally()))
    assert [counter for post in endpoint.posts for counter in post] == list(range(POST_SIZE, COUNT))


def test_replay__finished_file__posts_nothing_again(file: Path) -> None:
    list(Replay(file, URL, Endpoint().client()).post_all(Tally()))
    endpoint = Endpoint()
    assert list(Replay(file, URL, endpoint.client()).post_all(Tally())) == []
    assert endpoint.posts == []


def test_replay__bookmark_beyond_the_file__says_so(file: Path) -> None:
    list(Replay(file, URL, Endpoint().client()).post_all(Tally()))
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:5]))
    with pytest.raises(InputError, match=f"stands at {COUNT}; the file has 5 readings"):
        Replay(file, URL)


def test_replay__oracle_is_busy_for_a_while__waits_as_long_as_it_is_told(file: Path) -> None:
    endpoint, waits = Endpoint(), []
    answers = iter([httpx.Response(429, headers={"retry-after": "3"}), httpx.Response(503)])

    def answer(request: httpx.Request) -> httpx.Response:
        return next(answers, None) or endpoint.answer(request)

    client = httpx.Client(transport=httpx.MockTransport(answer))
    assert list(Replay(file, URL, client, waits.append).post_all(Tally()))[-1] == COUNT
    assert waits == [3, 2]


def test_replay__document_that_says_nothing__is_counted_and_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "sessions.ocmf"
    path.write_bytes(b"OCMF|{}|{}\n" + KEBA)
    posts: list[tuple[str, bytes]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        posts.append((request.headers["content-type"], request.content))
        if len(posts) == 1:
            return httpx.Response(400, json={"detail": "no such device", "reason": "unknown_device"})
        return httpx.Response(200, json={"results": [{"status": "accepted"}, {"status": "accepted"}]})

    tally = Tally()
    client = httpx.Client(transport=httpx.MockTransport(answer))
    assert list(Replay(path, URL, client).post_all(tally)) == [1, 2]
    assert posts == [("application/x-ocmf", b"OCMF|{}|{}"), ("application/x-ocmf", KEBA)]
    assert tally.verdicts == {"unknown_device": 1, "accepted": 2}


def test_watch__files_dropped_in__come_once_they_stand_still_and_again_when_they_grow(tmp_path: Path) -> None:
    first, second = tmp_path / "a.ndjson", tmp_path / "b.csv"
    first.write_text("1")
    (tmp_path / ".hidden.csv").write_text("1")
    (tmp_path / "notes.txt").write_text("1")
    # What happens to the folder while the watcher sleeps.
    events = iter([lambda: first.write_text("12"), lambda: None, lambda: second.write_text("1")])

    def sleep(_: float) -> None:
        next(events, lambda: None)()

    files = watch(tmp_path, sleep)
    assert [next(files), next(files)] == [first, second]
    events = iter([lambda: first.write_text("123")])
    assert next(files) == first


def test_watch__not_a_folder__is_refused(file: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        next(watch(file))
