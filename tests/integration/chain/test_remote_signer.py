"""Keys kept by a remote signer: a real HTTP server that does as Web3Signer's documentation says for mode eth1.

GET /api/v1/eth1/publicKeys lists uncompressed public keys of 64 bytes; POST /api/v1/eth1/sign/{key} with {"data": hex}
hashes the data with keccak-256 and answers r, s and v as text; 404 for a key that is not there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from gridwitness.chain import signing_key
from gridwitness.chain.anvil import Anvil, free_port
from gridwitness.chain.client import Chain
from gridwitness.chain.outbox_store import OutboxState
from gridwitness.chain.signing_key import LocalKey, RemoteKey, RemoteSigner, Transaction, sign_transaction
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import recover_signer
from gridwitness.errors import ChainError, ConfigError
from tests.dribbling import HEAD, PATIENCE_S, dribbling
from tests.integration.chain.outbox_scene import PromptOutbox, state_of
from tests.integration.chain.parties import supply
from tests.serving import Answering, serving

TOKEN = "a token"


@dataclass
class SignerServer:
    """The signer's keys, and what it may be told to do wrong."""

    accounts: list[LocalAccount]
    url: str = ""
    answer: str | None = None
    token: str = TOKEN
    signed: list[bytes] = field(default_factory=list)

    def public_keys(self) -> list[str]:
        return ["0x" + account._key_obj.public_key.to_bytes().hex() for account in self.accounts]

    def sign(self, identifier: str, data: bytes) -> str | None:
        self.signed.append(data)
        if self.answer is not None:
            return self.answer
        for account, key in zip(self.accounts, self.public_keys(), strict=True):
            if key == identifier:
                return "0x" + account.unsafe_sign_hash(keccak(data)).signature.hex()
        return None


@pytest.fixture
def server(transmitter: LocalAccount, outsider: LocalAccount) -> Iterator[SignerServer]:
    signer = SignerServer([outsider, transmitter])

    class Handler(Answering):
        def respond(self) -> None:
            if self.command == "GET":
                self._reply(200, json.dumps(signer.public_keys()))
                return
            body = json.loads(self.body())
            signature = signer.sign(self.path.rpartition("/")[2], bytes.fromhex(body["data"][2:]))
            self._reply(404 if signature is None else 200, signature or "")

        def _reply(self, status: int, text: str) -> None:
            if self.headers["authorization"] != f"Bearer {signer.token}":
                status, text = 401, ""
            self.answer(text.encode(), status)

    with serving(Handler) as signer.url:
        yield signer


@pytest.fixture
def remote(server: SignerServer, tmp_path: Path) -> RemoteSigner:
    (tmp_path / "token").write_text(TOKEN + "\n")
    return RemoteSigner(server.url, token_file=tmp_path / "token")


def test_send__key_at_a_signer__is_mined(
    chain: Chain, anvil: Anvil, remote: RemoteSigner, transmitter: LocalAccount, mint: Any, tmp_path: Path
) -> None:
    outbox = PromptOutbox(anvil, chain, RemoteKey(remote, transmitter.address), tmp_path / "outbox.sqlite")
    outbox.enqueue("a", *mint(5))
    outbox.step()
    outbox.step()
    assert (state_of(outbox, "a"), supply(chain)) == (OutboxState.FINAL, 5)
    assert chain.node.transaction_count(transmitter.address) == 1
    outbox.close()


def test_sign_batch__key_at_a_signer__is_what_the_key_itself_signs(
    remote: RemoteSigner, server: SignerServer, transmitter: LocalAccount
) -> None:
    preimage = b"\x19\x01" + b"\x22" * 32 + b"\x33" * 32
    signature = RemoteKey(remote, transmitter.address).sign(preimage)
    assert signature == LocalKey(transmitter).sign(preimage)
    assert recover_signer(keccak(preimage), signature) == bytes.fromhex(transmitter.address[2:])
    assert server.signed == [preimage]


@pytest.mark.parametrize(
    ("trouble", "value", "error"),
    [("answer", "0x", "answered no signature"), ("token", "another", "refuses us: HTTP 401")],
    ids=["away", "token changed"],
)
def test_sign__signer_of_no_use_for_a_while__intent_waits_and_is_sent_once(
    chain: Chain,
    anvil: Anvil,
    remote: RemoteSigner,
    server: SignerServer,
    transmitter: LocalAccount,
    mint: Any,
    tmp_path: Path,
    trouble: str,
    value: str,
    error: str,
) -> None:
    outbox = PromptOutbox(anvil, chain, RemoteKey(remote, transmitter.address), tmp_path / "outbox.sqlite")
    outbox.enqueue("a", *mint(5))
    usual = getattr(server, trouble)
    setattr(server, trouble, value)
    with pytest.raises(ChainError, match=error):
        outbox.step()
    assert outbox.counts() == {"queued": 1}
    setattr(server, trouble, usual)
    outbox.step()
    outbox.step()
    assert (state_of(outbox, "a"), supply(chain)) == (OutboxState.FINAL, 5)
    outbox.close()


def test_sign__signer_uses_another_key__is_refused(
    remote: RemoteSigner, server: SignerServer, transmitter: LocalAccount, outsider: LocalAccount
) -> None:
    key = RemoteKey(remote, transmitter.address)
    server.answer = "0x" + outsider.unsafe_sign_hash(keccak(b"preimage")).signature.hex()
    with pytest.raises(ChainError, match="signed with another key"):
        key.sign(b"preimage")


def test_open_remote_key__not_there_or_not_allowed__is_said_in_one_line(
    remote: RemoteSigner, server: SignerServer, deployer: LocalAccount, transmitter: LocalAccount, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=f"has no key of {deployer.address}; it has 2 others"):
        RemoteKey(remote, deployer.address)
    (tmp_path / "token").write_text("another\n")
    with pytest.raises(ConfigError, match="refuses us: HTTP 401"):
        RemoteKey(remote, transmitter.address)
    nowhere = RemoteSigner(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ChainError, match="no signer answers at"):
        RemoteKey(nowhere, transmitter.address)


def test_open_remote_key__answer_dribbles__is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing_key, "_SIGNER_TIMEOUT_S", 0.5)
    with dribbling(HEAD) as signer:
        with pytest.raises(ChainError, match="no signer answers at"):
            RemoteKey(RemoteSigner(signer.url), Account.from_key(b"\x09" * 32).address)
        assert signer.left.wait(PATIENCE_S)


def test_sign_transaction__local_key__gives_the_bytes_that_eth_account_gives(transmitter: LocalAccount) -> None:
    to = Account.from_key(b"\x09" * 32).address
    transaction = Transaction(31_337, 200, to, b"\x01\x02" * 40, 1_000_000, 3 * 10**10, 10**9)
    fields = {
        "type": 2,
        "chainId": 31_337,
        "nonce": 200,
        "to": to,
        "data": transaction.data,
        "gas": transaction.gas,
        "maxFeePerGas": transaction.max_fee_wei,
        "maxPriorityFeePerGas": transaction.tip_wei,
        "value": 0,
    }
    expected = transmitter.sign_transaction(fields)
    assert sign_transaction(LocalKey(transmitter), transaction) == (expected.hash, expected.raw_transaction)
