"""The other members of the committee: asking them, and remembering how each behaves."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from gridwitness.errors import CommitteeError, InputError
from gridwitness.service.messages import BatchContent, Refusal, SignAnswer, SignRequest, decode_message, encode_message

_HTTP_CONFLICT = 409
_MAX_ANSWER_BYTES = 8 << 20  # as much as a member takes
_DETAIL_CHARS = 1_000
# Failures that say something about a member; others are refusals in the protocol's own words.
FAILURES = ("no_answer", "malformed", "refused", "wrong_digest", "wrong_signature", "wrong_content")


@dataclass(slots=True)
class Behaviour:
    """What a member did: answers that were good, failures by kind, and the last failure in words."""

    signed: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    last_failure: str = ""
    last_failure_at: float = 0.0
    last_signed_at: float = 0.0


class Peers:
    """HTTP access to the members with an address and a URL in the settings."""

    def __init__(
        self,
        urls: Mapping[str, str],
        timeout_s: float,
        client: httpx.AsyncClient | None = None,
        keys: Mapping[str, str] | None = None,
    ) -> None:
        """`urls` by checksummed address, and the API keys of those who want one; `timeout_s` is for a whole exchange.
        A client may be given whose transport needs no network.
        """
        self.urls = dict(urls)
        self._keys = dict(keys or {})
        self.behaviour = {address: Behaviour() for address in urls}
        self._timeout_s = timeout_s
        self._client = client or httpx.AsyncClient(timeout=timeout_s)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(self, address: str, request: SignRequest) -> SignAnswer | Refusal:
        """Ask a member to sign. Raises CommitteeError if it does not answer, or not in the protocol's words."""
        response = await self._exchange(address, "POST", "/v1/committee/sign", encode_message(request))
        try:
            if response.status_code == _HTTP_CONFLICT:
                return decode_message(response.content, Refusal)
            if response.is_success:
                return decode_message(response.content, SignAnswer)
        except InputError as error:
            raise self.failed(address, "malformed", error.message) from error
        raise self.failed(address, "refused", f"answered {response.status_code}: {response.text[:200]}")

    async def voted_content(self, address: str, stream: str, seq: int) -> BatchContent | None:
        """What a member voted for. Raises CommitteeError if it does not answer."""
        return await self._content(address, f"/v1/committee/votes/{stream}/{seq}")

    async def attested_content(self, address: str, stream: str, seq: int) -> BatchContent | None:
        """Content of an attested batch; None if the member does not have it. Raises CommitteeError."""
        return await self._content(address, f"/v1/committee/batches/{stream}/{seq}")

    def signed(self, address: str) -> None:
        """Note a good signature."""
        behaviour = self.behaviour[address]
        behaviour.signed += 1
        behaviour.last_signed_at = time.time()

    def failed(self, address: str, kind: str, detail: str) -> CommitteeError:
        """Note a failure; returns it as an error that names the member."""
        behaviour, detail = self.behaviour[address], detail[:_DETAIL_CHARS]
        behaviour.failures[kind] += 1
        behaviour.last_failure = f"{kind}: {detail}"
        behaviour.last_failure_at = time.time()
        return CommitteeError(f"member {address} at {self.urls[address]}: {kind}: {detail}")

    def report(self) -> list[dict[str, object]]:
        """Behaviour of every member, for the status page."""
        return [
            {
                "address": address,
                "url": self.urls[address],
                "signed": behaviour.signed,
                "failures": dict(behaviour.failures),
                "last_failure": behaviour.last_failure,
                "last_failure_at": behaviour.last_failure_at,
                "last_signed_at": behaviour.last_signed_at,
            }
            for address, behaviour in self.behaviour.items()
        ]

    async def _content(self, address: str, path: str) -> BatchContent | None:
        response = await self._exchange(address, "GET", path)
        if not response.is_success:
            return None
        try:
            return decode_message(response.content, BatchContent)
        except InputError as error:
            raise self.failed(address, "malformed", error.message) from error

    async def _exchange(self, address: str, method: str, path: str, body: bytes | None = None) -> httpx.Response:
        headers = {"content-type": "application/json"} if body is not None else {}
        if address in self._keys:
            headers["authorization"] = f"Bearer {self._keys[address]}"
        asked = self._client.stream(method, self.urls[address] + path, content=body, headers=headers)
        try:
            # httpx's own timeouts are for one read each: a byte a second would go on for ever.
            async with asyncio.timeout(self._timeout_s), asked as response:
                return httpx.Response(response.status_code, content=await self._read(address, response))
        except (httpx.HTTPError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
            raise self.failed(address, "no_answer", reason) from error

    async def _read(self, address: str, response: httpx.Response) -> bytes:
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > _MAX_ANSWER_BYTES:
                raise self.failed(address, "malformed", f"answered more than {_MAX_ANSWER_BYTES} bytes")
        return bytes(body)
