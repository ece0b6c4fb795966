"""Dead letters of an oracle's log: looked at, and posted again once what kept them out is mended."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import httpx
import msgspec

from gridwitness.errors import GridwitnessError
from gridwitness.store.database import beside
from gridwitness.store.deadletters import DeadLetter, dead_letters, remove_dead_letters

_JSON = "application/json"
_POST_SIZE = 100
_TIMEOUT_S = 60.0
# Bodies that the oracle refuses as a whole, and will again.
_UNREADABLE = {400: "malformed", 413: "too_large", 415: "unsupported_type"}


class _Result(msgspec.Struct):
    status: str
    reason: str = ""


class _Results(msgspec.Struct):
    results: list[_Result]


def list_dead_letters(log: Path, reason: str | None) -> list[DeadLetter]:
    """Dead letters of one reason or of all, oldest first. Raises StoreError."""
    with beside(log, is_read_only=True) as connection:
        return dead_letters(connection, reason)


def replay_dead_letters(log: Path, reason: str | None, url: str, client: httpx.Client | None = None) -> Counter[str]:
    """Post what is kept whole to an oracle; what it accepts (or has) is removed, the rest stays. Returns the verdicts.

    Raises GridwitnessError if the oracle does not answer: what was accepted until then is removed.
    """
    tally: Counter[str] = Counter()
    client = client or httpx.Client(timeout=_TIMEOUT_S)
    letters = list_dead_letters(log, reason)
    tally["cut_short"] = sum(not letter.is_whole for letter in letters)
    whole = [letter for letter in letters if letter.is_whole]
    native = [letter for letter in whole if _is_one_reading(letter)]
    posts = [native[start : start + _POST_SIZE] for start in range(0, len(native), _POST_SIZE)]
    posts += [[letter] for letter in whole if not _is_one_reading(letter)]
    for post in posts:
        results = _post(client, url, post)
        tally.update(result.reason or result.status for result in results)
        _remove_accepted(log, post, results)
    return +tally


def _is_one_reading(letter: DeadLetter) -> bool:
    return letter.content_type == _JSON and letter.body.startswith(b"{")


def _post(client: httpx.Client, url: str, post: list[DeadLetter]) -> list[_Result]:
    """Verdicts in the order of the post, or one for a body that holds no readings."""
    together = b"[" + b",".join(letter.body for letter in post) + b"]" if len(post) > 1 else post[0].body
    headers = {"content-type": post[0].content_type}
    try:
        response = client.post(url.rstrip("/") + "/v1/readings", content=together, headers=headers)
        if response.status_code in _UNREADABLE:
            if len(post) == 1:
                return [_Result("rejected", _UNREADABLE[response.status_code])]
            return [result for letter in post for result in _post(client, url, [letter])]
        response.raise_for_status()
        return msgspec.json.decode(response.content, type=_Results).results
    except httpx.HTTPStatusError as error:
        raise GridwitnessError(
            f"the oracle at {url} answered {error.response.status_code}: {error.response.text[:200]}"
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL, msgspec.MsgspecError) as error:
        raise GridwitnessError(f"no oracle answers at {url} ({error})", hint="check --to") from error


def _remove_accepted(log: Path, post: list[DeadLetter], results: list[_Result]) -> None:
    """A letter with several readings, a document, goes when all of them are in."""
    if len(post) == 1:
        done = post if all(result.status != "rejected" for result in results) else []
    else:
        done = [letter for letter, result in zip(post, results, strict=True) if result.status != "rejected"]
    if done:
        with beside(log, is_read_only=False) as connection:
            remove_dead_letters(connection, [letter.id for letter in done])
