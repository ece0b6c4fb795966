"""What one asks a node about transactions: their receipts, the gas they need, and why it refuses one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3RPCError
from web3.types import TxReceipt

from gridwitness.chain.reverts import decode_revert
from gridwitness.errors import ChainError

MAX_TRANSACTION_GAS = 16_777_216  # EIP-7825


def find_receipt(web3: Web3, attempts: Iterable[Mapping[str, Any]]) -> TxReceipt | None:
    """Receipt of the one attempt that was mined, if any was."""
    for attempt in attempts:
        try:
            return web3.eth.get_transaction_receipt(attempt["transaction"])
        except TransactionNotFound:
            continue
    return None


def mined(entry: Any, receipt: TxReceipt) -> Any:
    """An entry of the manifest with what the receipt tells, if it is a table."""
    if not isinstance(entry, dict):
        return entry
    transaction = "0x" + bytes(receipt["transactionHash"]).hex()
    entry = {**entry, "transaction": transaction, "block": receipt["blockNumber"]}
    if address := receipt.get("contractAddress"):
        entry["address"] = to_checksum_address(address)
    return entry


def estimate_gas(web3: Web3, request: Mapping[str, Any]) -> int:
    """Gas that a transaction uses. Raises Reverted, or ChainError if the node or EIP-7825 does not allow it."""
    try:
        gas = web3.eth.estimate_gas(request)  # type: ignore[arg-type]
    except ContractLogicError as error:
        raise _reverted(error) from error
    except Web3RPCError as error:
        raise ChainError(f"the node does not take the transaction: {words_of(error)}") from error
    if gas > MAX_TRANSACTION_GAS:
        raise ChainError(f"the transaction needs {gas} gas; one may use {MAX_TRANSACTION_GAS} (EIP-7825)")
    return int(gas)


def gas_limit(estimate: int) -> int:
    """A limit with a fifth to spare, within EIP-7825."""
    return min(estimate + estimate // 5, MAX_TRANSACTION_GAS)


def words_of(error: Web3RPCError) -> str:
    """What the node says, without what it says around it."""
    response = error.rpc_response or {}
    details = response.get("error")
    return str(details.get("message") if isinstance(details, dict) else error.message)


def _reverted(error: ContractLogicError) -> ChainError:
    data = error.data
    if isinstance(data, str) and data.startswith("0x"):
        return decode_revert(bytes.fromhex(data[2:]))
    return ChainError(f"the contract refuses: {error.message}")
