"""Keys that sign: one in memory, opened from a keystore, or one that a remote signer keeps.

Both sign what keccak-256 makes of a preimage: Web3Signer hashes what it is given, so it must be given what was hashed.
"""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx
import msgspec
import rlp
from eth_account.signers.local import LocalAccount
from eth_typing import Hash32
from eth_utils.address import to_checksum_address

from gridwitness.chain.deadline import keep_deadlines
from gridwitness.chain.endpoint import name_of
from gridwitness.chain.keystore import read_password
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import recover_signer
from gridwitness.errors import ChainError, ConfigError

_DYNAMIC_FEE_TYPE = b"\x02"  # EIP-1559
_LOWEST_V = 27
_SIGNATURE_BYTES = 65
_PUBLIC_KEY_BYTES = 64
_SIGNER_TIMEOUT_S = 5.0


class SigningKey(Protocol):
    """A key of an account."""

    @property
    def address(self) -> str:
        """Checksummed address."""
        ...

    def sign(self, preimage: bytes) -> bytes:
        """Signature of keccak-256 of `preimage`: r, s and v (27 or 28), 65 bytes. Raises ChainError."""
        ...


class LocalKey:
    """A key in this process's memory."""

    def __init__(self, account: LocalAccount) -> None:
        self._account = account
        self.address = str(account.address)

    def sign(self, preimage: bytes) -> bytes:
        """Signature of keccak-256 of `preimage`."""
        return bytes(self._account.unsafe_sign_hash(Hash32(keccak(preimage))).signature)


@dataclass(frozen=True, slots=True)
class RemoteSigner:
    """Where a Web3Signer answers (mode eth1), and how it knows us: a client certificate, a bearer token, or both."""

    url: str
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    token_file: Path | None = None


class RemoteKey:
    """A key that a Web3Signer keeps; it is found there by its address.

    Raises ConfigError if a file cannot be used or the signer has no such key, ChainError if it does not answer.
    """

    def __init__(self, signer: RemoteSigner, address: str) -> None:
        """Ask the signer for its keys (GET /api/v1/eth1/publicKeys)."""
        self.address = address
        self._url = signer.url.rstrip("/")
        self._name = name_of(self._url)
        headers = {}
        if signer.token_file is not None:
            headers["authorization"] = f"Bearer {read_password(signer.token_file)}"
        # No proxy and no certificates from the environment: this connection is nobody else's business.
        self._client = httpx.Client(headers=headers, verify=_tls(signer), timeout=_SIGNER_TIMEOUT_S, trust_env=False)
        self._deadline = keep_deadlines(self._client)
        self._identifier = self._find()

    def sign(self, preimage: bytes) -> bytes:
        """Signature of keccak-256 of `preimage`, checked against the address. Raises ChainError if there is none."""
        path = f"/api/v1/eth1/sign/{self._identifier}"
        text = self._ask("POST", path, {"data": "0x" + preimage.hex()})
        try:
            signature = bytes.fromhex(text.strip().strip('"').removeprefix("0x"))
        except ValueError:
            signature = b""
        if len(signature) != _SIGNATURE_BYTES:
            raise ChainError(f"signer at {self._name} answered no signature: {text[:80]!r}")
        v = signature[-1] if signature[-1] >= _LOWEST_V else signature[-1] + _LOWEST_V
        signature = signature[:-1] + bytes([v])
        signer = recover_signer(keccak(preimage), signature)
        if signer is None or to_checksum_address(signer) != self.address:
            raise ChainError(f"signer at {self._name} signed with another key than that of {self.address}")
        return signature

    def _find(self) -> str:
        try:
            text = self._ask("GET", "/api/v1/eth1/publicKeys", refused=ConfigError)
            keys = msgspec.json.decode(text, type=list[str])
        except msgspec.DecodeError as error:
            raise ConfigError(f"what answers at {self._name} is no Web3Signer: {error}") from error
        for key in keys:
            public = bytes.fromhex(key.removeprefix("0x"))[-_PUBLIC_KEY_BYTES:]
            if to_checksum_address(keccak(public)[12:]) == self.address:
                return key
        raise ConfigError(
            f"signer at {self._name} has no key of {self.address}; it has {len(keys)} others",
            hint="load the key there, or correct signer_address",
        )

    def _ask(
        self, method: str, path: str, body: object = None, *, refused: type[ChainError | ConfigError] = ChainError
    ) -> str:
        """What the signer answers. Raises ChainError, or `refused` where it does not let us in.

        At the start that is a wrong setting; later it is one of the signer's, and all else must go on meanwhile.
        """
        self._deadline.at = time.monotonic() + _SIGNER_TIMEOUT_S
        try:
            response = self._client.request(method, self._url + path, json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise ChainError(f"no signer answers at {self._name}: {reason}", hint="correct signer_url") from error
        if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            hint = "check the token; its file is read at the start"
            raise refused(f"signer at {self._name} refuses us: HTTP {response.status_code}", hint=hint)
        if not response.is_success:
            raise ChainError(f"signer at {self._name} answered HTTP {response.status_code}: {response.text[:80]}")
        return response.text


def _tls(signer: RemoteSigner) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=None if signer.ca_file is None else str(signer.ca_file))
        if signer.certificate_file is not None:
            context.load_cert_chain(signer.certificate_file, signer.key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"signer's certificates cannot be used: {error}") from error
    return context


@dataclass(frozen=True, slots=True)
class Transaction:
    """An EIP-1559 transaction without ether or access list; fees in wei per gas."""

    chain_id: int
    nonce: int
    to: str
    data: bytes
    gas: int
    max_fee_wei: int
    tip_wei: int


def sign_transaction(key: SigningKey, transaction: Transaction) -> tuple[bytes, bytes]:
    """Hash and bytes of a signed transaction. Raises ChainError if the signer does not answer."""
    to = bytes.fromhex(transaction.to.removeprefix("0x"))
    fees = [transaction.tip_wei, transaction.max_fee_wei]
    fields = [transaction.chain_id, transaction.nonce, *fees, transaction.gas, to, 0, transaction.data, []]
    signature = key.sign(_DYNAMIC_FEE_TYPE + rlp.encode(fields))
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big")
    raw = _DYNAMIC_FEE_TYPE + rlp.encode([*fields, signature[64] - _LOWEST_V, r, s])
    return keccak(raw), raw
