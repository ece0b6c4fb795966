"""The contracts of one manifest on one node: checked on arrival, called, and sent transactions to."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import cache
from typing import Any

from eth_abi.abi import decode
from eth_abi.exceptions import DecodingError
from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.exceptions import ContractLogicError, Web3Exception

from gridwitness.chain.abi import abi_of, canonical_type
from gridwitness.chain.endpoint import RpcLimits
from gridwitness.chain.events import Receipt, read_receipt
from gridwitness.chain.manifest import Manifest
from gridwitness.chain.node import Block, Json, Node
from gridwitness.chain.reverts import decode_revert
from gridwitness.errors import ChainError, GridwitnessError, Reverted

MAX_TRANSACTION_GAS = 16_777_216  # EIP-7825
_SEND_CHUNK = 100
_RECEIPT_POLL_S = 0.02
_RECEIPT_TIMEOUT_S = 60


class Chain:
    """A node that follows the manifest's chain and has its contracts.

    Raises ChainError if the node is not there, follows another chain, or a contract of the manifest has no code.
    """

    def __init__(self, rpc_urls: str | Sequence[str], manifest: Manifest, *, limits: RpcLimits | None = None) -> None:
        """Connect and check; `rpc_urls` in the order of preference."""
        # One that is alone is asked for its chain below, where the manifest can be named.
        several = not isinstance(rpc_urls, str) and len(rpc_urls) > 1
        self.node = Node(rpc_urls, limits=limits, chain_id=manifest.chain_id if several else None)
        self.manifest = manifest
        # No middleware: it would ask for the chain id before every request and copy every answer.
        self.web3 = Web3(self.node.provider, middleware=[])
        self._nonces: dict[str, int] = {}
        self._nonce_lock = threading.Lock()
        self.contract = cache(self._contract)
        self._check()

    def _check(self) -> None:
        chain_id = self.node.chain_id()
        if chain_id != self.manifest.chain_id:
            raise ChainError(
                f"node at {self.node.name} is chain {chain_id}, {self.manifest.source} is for {self.manifest.chain_id}",
                hint="correct the RPC URL, or use the manifest of this chain",
            )
        contracts = self.manifest.contracts
        codes = self.node.rpc_batch([("eth_getCode", (entry.address, "latest")) for entry in contracts.values()])
        for (name, entry), code in zip(contracts.items(), codes, strict=True):
            if isinstance(code, GridwitnessError):
                raise code
            if len(code) <= 2:
                raise ChainError(
                    f"no contract at {entry.address}, where {self.manifest.source} has {name}",
                    hint="the chain was reset: deploy again",
                )

    @property
    def chain_id(self) -> int:
        """Id of the chain, as checked."""
        return self.manifest.chain_id

    def head(self) -> Block:
        """The newest block."""
        return self.node.head()

    def head_time(self) -> int:
        """Unix seconds of the newest block."""
        return self.head().time

    def head_number(self) -> int:
        """Number of the newest block."""
        return self.head().number

    def _contract(self, name: str) -> Contract:
        """Contract of the manifest, ready to call. Raises ConfigError if the manifest has none of that name."""
        address = self.web3.to_checksum_address(self.manifest.address(name))
        return self.web3.eth.contract(address=address, abi=abi_of(name))

    def rpc(self, method: str, params: Sequence[Json] = ()) -> Json:
        """Result of any JSON-RPC request. Raises Reverted with the decoded error if a contract refused."""
        return self.node.rpc(method, *params)

    def call(self, function: ContractFunction) -> Json:
        """Value of a view at the newest block. Raises Reverted with the decoded error."""
        try:
            return function.call()
        except ContractLogicError as error:
            raise _reverted(error) from error
        except Web3Exception as error:
            raise ChainError(f"{function.fn_name}: {error}") from error

    def call_many(self, functions: Sequence[ContractFunction], *, block_hash: bytes | None = None) -> list[Json]:
        """Values of many views, asked in few exchanges; structs are tuples. Raises the first error.

        At the newest block, or at the one of a hash (EIP-1898), so that all are of one state.
        """
        block = "latest" if block_hash is None else {"blockHash": "0x" + block_hash.hex()}
        values: list[Json] = []
        for start in range(0, len(functions), _SEND_CHUNK):
            batch = functions[start : start + _SEND_CHUNK]
            requests = [("eth_call", ({"to": f.address, "data": "0x" + calldata(f).hex()}, block)) for f in batch]
            answers = _raise_first(self.node.rpc_batch(requests))
            values += (_decode_output(f, bytes.fromhex(raw[2:])) for f, raw in zip(batch, answers, strict=True))
        return values

    def transact(self, account: LocalAccount, function: ContractFunction, *, gas: int | None = None) -> Receipt:
        """Send one transaction and wait for its receipt; gas is estimated unless given.

        For actors that live as long as this process; what must survive a crash goes through the Outbox.
        Raises Reverted with the decoded error, before sending where the estimate already shows it.
        """
        return self.wait(self.send([(account, function)], gas=gas))[0]

    def send(self, calls: Sequence[tuple[LocalAccount, ContractFunction]], *, gas: int | None = None) -> list[bytes]:
        """Send many transactions without waiting; hashes in order. `gas` per transaction is estimated unless given.

        Estimates do not see the calls before in the same list: give `gas` where one depends on another.
        """
        limits = [gas] * len(calls) if gas is not None else self._estimate(calls)
        max_fee_wei, tip_wei = self.fees()
        signed: list[tuple[bytes, bytes]] = []
        with self._nonce_lock:
            for (account, function), limit in zip(calls, limits, strict=True):
                nonce = self._next_nonce(account.address)
                transaction: dict[str, Any] = {
                    "type": 2,
                    "chainId": self.chain_id,
                    "nonce": nonce,
                    "to": function.address,
                    "data": "0x" + calldata(function).hex(),
                    "gas": limit,
                    "maxFeePerGas": max_fee_wei,
                    "maxPriorityFeePerGas": tip_wei,
                    "value": 0,
                }
                envelope = account.sign_transaction(transaction)
                signed.append((bytes(envelope.hash), bytes(envelope.raw_transaction)))
            self._broadcast([raw for _, raw in signed], {account.address for account, _ in calls})
        return [digest for digest, _ in signed]

    def _estimate(self, calls: Sequence[tuple[LocalAccount, ContractFunction]]) -> list[int]:
        requests = [("eth_estimateGas", (_call(a.address, f), "pending")) for a, f in calls]
        return [gas_limit(int(raw, 16)) for raw in _raise_first(self.node.rpc_batch(requests))]

    def fees(self) -> tuple[int, int]:
        """Maximum fee and tip per gas (wei) that outlast a few full blocks."""
        head, tip = self.node.rpc_batch([("eth_getBlockByNumber", ("latest", False)), ("eth_maxPriorityFeePerGas", ())])
        if isinstance(head, GridwitnessError):
            raise head
        # Some nodes do not know the second method: one gwei is what clients suggest by default.
        tip_wei = 10**9 if isinstance(tip, GridwitnessError) else int(tip, 16)
        return 2 * int(head.get("baseFeePerGas") or "0x0", 16) + tip_wei, tip_wei

    def _next_nonce(self, address: str) -> int:
        if address not in self._nonces:
            self._nonces[address] = self.node.transaction_count(address, "pending")
        nonce = self._nonces[address]
        self._nonces[address] = nonce + 1
        return nonce

    def _broadcast(self, raws: Sequence[bytes], senders: set[str]) -> None:
        try:
            for start in range(0, len(raws), _SEND_CHUNK):
                chunk = raws[start : start + _SEND_CHUNK]
                _raise_first(self.node.rpc_batch([("eth_sendRawTransaction", ("0x" + raw.hex(),)) for raw in chunk]))
        except ChainError:
            for sender in senders:  # what was taken and what was not is for the node to say
                self._nonces.pop(sender, None)
            raise

    def wait(self, hashes: Sequence[bytes], *, timeout_s: float = _RECEIPT_TIMEOUT_S) -> list[Receipt]:
        """Receipts of transactions, in order, once all are mined. Raises Reverted for the first that failed."""
        receipts: dict[bytes, Any] = {}
        deadline = time.monotonic() + timeout_s
        while missing := [digest for digest in dict.fromkeys(hashes) if digest not in receipts]:
            for start in range(0, len(missing), _SEND_CHUNK):
                chunk = missing[start : start + _SEND_CHUNK]
                found = self.node.rpc_batch([("eth_getTransactionReceipt", ("0x" + d.hex(),)) for d in chunk])
                receipts |= {d: raw for d, raw in zip(chunk, _raise_first(found), strict=True) if raw is not None}
            if len(receipts) < len(set(hashes)):
                if time.monotonic() > deadline:
                    raise ChainError(f"transaction 0x{missing[0].hex()} was not mined within {timeout_s:g} s")
                time.sleep(_RECEIPT_POLL_S)
        for digest in hashes:
            if int(receipts[digest]["status"], 16) == 0:
                raise self.failure_of(digest, int(receipts[digest]["blockNumber"], 16))
        return [read_receipt(receipts[digest]) for digest in hashes]

    def failure_of(self, transaction: bytes, block_number: int) -> ChainError:
        """Why a mined transaction failed, found by replaying it after its block, and else before."""
        raw = self.node.rpc("eth_getTransactionByHash", "0x" + transaction.hex())
        if raw is None:  # another node than gave the receipt, or a reorganisation since
            return ChainError(
                f"transaction 0x{transaction.hex()} failed in block {block_number}; the node does not know it (yet)"
            )
        replay = {"from": raw["from"], "to": raw["to"], "data": raw["input"], "gas": raw["gas"], "value": raw["value"]}
        states = [hex(block_number), hex(max(block_number - 1, 0))]
        for error in self.node.rpc_batch([("eth_call", (replay, state)) for state in states]):
            if isinstance(error, Reverted):
                return error
        return ChainError(
            f"transaction 0x{transaction.hex()} failed in block {block_number}; a replay does not say why"
        )


def gas_limit(estimate: int, most: int = MAX_TRANSACTION_GAS) -> int:
    """A quarter above the estimate, for state that changes until the transaction runs; `most` at most.

    Raises ChainError if the estimate itself is above that: by default EIP-7825's limit.
    """
    if estimate > most:
        raise ChainError(f"transaction would need {estimate} gas; the limit is {most}", hint="send fewer rows at once")
    return min(estimate * 5 // 4, most)


def calldata(function: ContractFunction) -> bytes:
    """ABI-encoded call: selector and arguments."""
    return bytes.fromhex(function._encode_transaction_data()[2:])


def _call(sender: str, function: ContractFunction) -> dict[str, str]:
    return {"from": sender, "to": str(function.address), "data": "0x" + calldata(function).hex()}


def _decode_output(function: ContractFunction, data: bytes) -> Json:
    outputs: Any = function.abi["outputs"]
    try:
        values = decode([canonical_type(output) for output in outputs], data)
    except (DecodingError, ValueError) as error:  # no contract there, or another
        raise ChainError(f"{function.address} does not answer {function.fn_name} as its ABI has it") from error
    return values[0] if len(values) == 1 else values


def _raise_first(results: list[Any]) -> list[Any]:
    for result in results:
        if isinstance(result, GridwitnessError):
            raise result
    return results


def _reverted(error: ContractLogicError) -> Reverted:
    data = error.data if isinstance(error.data, str) and error.data.startswith("0x") else "0x"
    return decode_revert(bytes.fromhex(data[2:]))
