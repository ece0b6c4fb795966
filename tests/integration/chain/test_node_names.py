"""What is said of a node or signer that does wrong, which anybody may be shown: nothing secret of its URL."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest

from gridwitness.chain.client import Chain
from gridwitness.chain.manifest import Manifest
from gridwitness.chain.node import Node
from gridwitness.chain.signing_key import RemoteKey, RemoteSigner
from gridwitness.errors import GridwitnessError
from tests.serving import Answering, serving

ANSWERS = {"eth_chainId": "0x5", "eth_getBlockByNumber": None}
ACCOUNT = "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f"


@pytest.fixture
def secret_url() -> Iterator[str]:
    """URL, with secrets in all its parts, of a node that has no block and takes no batches, nor signs anything."""

    class Poor(Answering):
        def respond(self) -> None:
            asked = json.loads(self.body() or b"[]")
            result = {"error": "no batches"} if isinstance(asked, list) else {"result": ANSWERS[asked["method"]]}
            self.answer(json.dumps({"jsonrpc": "2.0", "id": 1} | result).encode())

    with serving(Poor) as url:
        yield url.replace("://", "://me:secret@") + "/v3/secret?key=secret"


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda url: Node(url).rpc_batch([("eth_chainId", ())]), "node at {} refuses batched requests: no batches"),
        (lambda url: Node(url).head(), "node at {} has no blocks yet"),
        (lambda url: Chain(url, Manifest(1, {})), "node at {} is chain 5, manifest is for 1"),
        (lambda url: RemoteKey(RemoteSigner(url), ACCOUNT), "what answers at {} is no Web3Signer"),
    ],
)
def test_ask__one_that_does_wrong__is_named_without_its_secrets(
    secret_url: str, ask: Callable[[str], object], said: str
) -> None:
    with pytest.raises(GridwitnessError) as raised:
        ask(secret_url)
    assert re.match(said.format(r"http://127\.0\.0\.1:\d+"), raised.value.message)
    assert "secret" not in raised.value.message
