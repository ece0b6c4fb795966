"""Transactions of issuers and holders, one after the other, each shown before it is signed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from web3.contract.contract import ContractFunction

from gridwitness.chain.abi import abi_of
from gridwitness.chain.client import Chain, calldata, gas_limit
from gridwitness.chain.events import Receipt
from gridwitness.chain.signing_key import SigningKey, Transaction, sign_transaction
from gridwitness.errors import InputError


@dataclass(frozen=True, slots=True)
class Step:
    """A transaction to send: what it does in words, and the call."""

    words: str
    function: ContractFunction

    @property
    def to(self) -> str:
        """Checksummed address of the contract."""
        return str(self.function.address)

    @property
    def data(self) -> bytes:
        """Calldata, for whoever sends it by other means: a Safe, another wallet."""
        return calldata(self.function)


def estimate(chain: Chain, sender: str, step: Step) -> int:
    """Gas of a step at this moment. Raises Reverted with the contract's error if it would fail."""
    call = {"from": sender, "to": step.to, "data": "0x" + step.data.hex()}
    return int(chain.rpc("eth_estimateGas", [call, "pending"]), 16)


def send(chain: Chain, key: SigningKey, step: Step) -> Receipt:
    """Send a step and wait until it is mined. Raises Reverted, before sending where the estimate shows it."""
    gas = gas_limit(estimate(chain, key.address, step))
    max_fee_wei, tip_wei = chain.fees()
    nonce = chain.node.transaction_count(key.address, "pending")
    transaction = Transaction(chain.chain_id, nonce, step.to, step.data, gas, max_fee_wei, tip_wei)
    digest, raw = sign_transaction(key, transaction)
    chain.rpc("eth_sendRawTransaction", ["0x" + raw.hex()])
    return chain.wait([digest])[0]


def payment(chain: Chain, payer: str, token: str, spender: str, cash: int, then: Sequence[Step]) -> list[Step]:
    """Steps that pay `cash` of a token to a contract which takes it: the allowance first, if it is too small.

    Raises InputError if the payer has less: no allowance is to be left behind by a payment that cannot be.
    """
    functions = chain.web3.eth.contract(chain.web3.to_checksum_address(token), abi=abi_of("Token")).functions
    held = int(chain.call(functions.balanceOf(payer)))
    if held < cash:
        raise InputError(f"{payer} has {held} units of {token}, and is to pay {cash}")
    if int(chain.call(functions.allowance(payer, spender))) >= cash:
        return list(then)
    return [Step(f"let {spender} take {cash} of {token}", functions.approve(spender, cash)), *then]
