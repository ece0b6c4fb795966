"""Patience with a node that does not answer, and what its refusals mean."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

import click
from requests.exceptions import HTTPError
from web3 import HTTPProvider, Web3
from web3.exceptions import CannotHandleRequest, ContractLogicError
from web3.middleware import ExtraDataToPOAMiddleware, Web3Middleware
from web3.types import MakeRequestFn, RPCEndpoint, RPCResponse

PATIENCE_S = 60.0
# Long enough for an estimate of the largest contract and for a range of events: only a node that hangs takes longer.
ANSWER_S = 20.0
# What requests and sockets raise are OSErrors; the other is Ape's connection, which finds no way to the node any more.
NO_ANSWER = (OSError, CannotHandleRequest)
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 8.0
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500
_LIMIT_EXCEEDED = -32005  # EIP-1474; of eth_getLogs it is as often said of a range that is too long
_RATE_CODES = (_TOO_MANY_REQUESTS, -32007, -32029)
_RATE_WORDS = ("rate limit", "ratelimit", "too many requests", "request limit")
# What nodes say of code that failed, each in words of its own.
_EVM_WORDS = ("revert", "opcode", "instruction", "evm error", "vm exception", "notactivated")
_URL = re.compile(r"(\w+://)(?:[^\s/@]*@)?([^\s/?#'\")]+)[^\s'\")]*")
_URL_PATH = re.compile(r"(?<=with url: )/[^\s)]*")


class Patient(Web3Middleware):
    """Asks again for a minute. Safe for all that scripts send, as a chain takes signed bytes once only."""

    def wrap_make_request(self, make_request: MakeRequestFn) -> MakeRequestFn:
        """The same request, with patience."""

        def ask(method: RPCEndpoint, params: Any) -> RPCResponse:
            deadline, pause = time.monotonic() + PATIENCE_S, _FIRST_PAUSE_S
            while True:
                try:
                    response = make_request(method, params)
                except NO_ANSWER as error:
                    if not may_pass(error) or time.monotonic() + pause > deadline:
                        raise
                else:
                    if not asks_to_wait(method, response) or time.monotonic() + pause > deadline:
                        return response
                if pause == _FIRST_PAUSE_S:
                    click.echo(f"! the node does not answer {method}; trying again for {PATIENCE_S:.0f} s")
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)

        return ask


def be_patient(web3: Web3) -> None:
    """Have this connection ask again, once for all, wait for no answer longer than `ANSWER_S`, and take any block."""
    if "patient" in web3.middleware_onion:
        return
    web3.middleware_onion.inject(Patient, name="patient", layer=0)
    take_long_extra_data(web3)
    # Ape's connection waits half an hour for an answer, and asks again by itself.
    active = getattr(web3.provider, "_active_provider", web3.provider)
    if isinstance(active, HTTPProvider):
        kept = {**active.get_request_kwargs(), "timeout": ANSWER_S}
        web3.provider = HTTPProvider(active.endpoint_uri, kept, exception_retry_configuration=None)


def take_long_extra_data(web3: Web3) -> None:
    """Have this connection take blocks of chains whose validators sign in `extraData`, such as Polygon's."""
    if ExtraDataToPOAMiddleware not in web3.middleware_onion:
        web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)


def may_pass(error: Exception) -> bool:
    """Whether waiting may help: no answer at all, too many requests, or trouble of the server's own."""
    if not isinstance(error, HTTPError) or error.response is None:
        return True
    return error.response.status_code == _TOO_MANY_REQUESTS or error.response.status_code >= _SERVER_ERROR


def asks_to_wait(method: str, response: Mapping[str, Any] | None) -> bool:
    """Whether a node's answer is that there were too many requests."""
    error = (response or {}).get("error")
    if not isinstance(error, Mapping):
        return False
    if error.get("code") in _RATE_CODES or (error.get("code") == _LIMIT_EXCEEDED and method != "eth_getLogs"):
        return True
    return any(word in str(error.get("message")).lower() for word in _RATE_WORDS)


def is_of_evm(error: Exception) -> bool:
    """Whether code failed, and not the node that should have run it."""
    return isinstance(error, ContractLogicError) or any(word in str(error).lower() for word in _EVM_WORDS)


def without_keys(text: str) -> str:
    """Text of one line in which URLs have scheme and host only: the rest may be a provider's key."""
    return _URL_PATH.sub("/…", _URL.sub(r"\1\2", " ".join(text.split())))
