"""Requests to the node under test. A transaction of Ape's takes some fifteen, so what they cost the tests cost."""

from __future__ import annotations

import time
from typing import Any

from urllib3 import HTTPConnectionPool
from urllib3.util import parse_url
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

TIMEOUT_S = 60
MISSED_AFTER_S = 5
MINED_WITHIN_S = 0.05


class LeanProvider(JSONBaseProvider):
    """JSON-RPC over one kept connection to a node on this machine.

    Web3's own provider looks for proxies in the environment and in files at each request, and builds a session's worth
    of headers and cookies around it: a third of the processor's time here.
    """

    def __init__(self, url: str) -> None:
        """`url` is of a node that speaks HTTP."""
        super().__init__()
        address = parse_url(url)
        assert address.scheme == "http" and address.host, url
        self._pool = HTTPConnectionPool(address.host, address.port, timeout=TIMEOUT_S, retries=False)
        self.endpoint_uri = url
        self._asked_since: dict[str, float] = {}

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """The node's answer, which may be an error of its own; raises urllib3's errors if there is none."""
        answer = self._ask(method, params)
        if method == "eth_getTransactionReceipt":
            # anvil answers a moment before it mines, and web3 would ask again after a tenth of a second.
            until = time.monotonic() + MINED_WITHIN_S
            while answer.get("result") is None and time.monotonic() < until:
                time.sleep(0.002)
                answer = self._ask(method, params)
            self._mine_if_missed(str(params[0]), isinstance(answer.get("result"), dict))
        return answer

    def _mine_if_missed(self, transaction: str, is_mined: bool) -> None:
        """anvil, under load, at times leaves a ready transaction until the next block (foundry-rs/foundry#10122)."""
        since = self._asked_since.setdefault(transaction, time.monotonic())
        if is_mined or time.monotonic() - since > MISSED_AFTER_S:
            del self._asked_since[transaction]
            if not is_mined:
                self._ask(RPCEndpoint("evm_mine"), [])

    def _ask(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        body = self.encode_rpc_request(method, params)
        answer = self._pool.request("POST", "/", body=body, headers={"Content-Type": "application/json"})
        assert answer.status == 200, f"{method}: HTTP status {answer.status}: {answer.data[:200]!r}"
        return self.decode_rpc_response(answer.data)
