"""Patience with a node that does not answer."""

from __future__ import annotations

import time
from typing import Any

import click
from requests.exceptions import HTTPError
from web3 import Web3
from web3.exceptions import CannotHandleRequest
from web3.middleware import Web3Middleware
from web3.types import MakeRequestFn, RPCEndpoint, RPCResponse

PATIENCE_S = 60.0
# What requests and sockets raise are OSErrors; the other is Ape's connection, which finds no way to the node any more.
NO_ANSWER = (OSError, CannotHandleRequest)
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 8.0
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500


class Patient(Web3Middleware):
    """Asks again for a minute. Safe for all that scripts send, as a chain takes signed bytes once only."""

    def wrap_make_request(self, make_request: MakeRequestFn) -> MakeRequestFn:
        """The same request, with patience."""

        def ask(method: RPCEndpoint, params: Any) -> RPCResponse:
            deadline, pause = time.monotonic() + PATIENCE_S, _FIRST_PAUSE_S
            while True:
                try:
                    return make_request(method, params)
                except NO_ANSWER as error:
                    if not _may_pass(error) or time.monotonic() + pause > deadline:
                        raise
                    if pause == _FIRST_PAUSE_S:
                        click.echo(f"! the node does not answer {method}; trying again for {PATIENCE_S:.0f} s")
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)

        return ask


def be_patient(web3: Web3) -> None:
    """Have this connection ask again, once for all."""
    if "patient" not in web3.middleware_onion:
        web3.middleware_onion.inject(Patient, name="patient", layer=0)


def _may_pass(error: Exception) -> bool:
    """Whether waiting may help: no answer at all, too many requests, or trouble of the server's own."""
    if not isinstance(error, HTTPError) or error.response is None:
        return True
    return error.response.status_code == _TOO_MANY_REQUESTS or error.response.status_code >= _SERVER_ERROR
