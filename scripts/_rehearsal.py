"""A script run to its end on a throw-away fork of the chain, to know what it sends and what that costs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes
from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint, TxReceipt

from gridwitness.chain.anvil import Anvil
from gridwitness.errors import ChainError, ConfigError
from scripts._fees import Market, coins, gwei
from scripts._manifest import Entry, ManifestFile
from scripts._node import take_long_extra_data
from scripts._transactions import estimate_gas, find_receipt, gas_limit, mined

if TYPE_CHECKING:
    from scripts._session import Session

_PLENTY = 2**100


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """A transaction that would be sent: what it does, its gas limit, and the gas it used on the fork."""

    what: str
    limit: int
    gas: int


@dataclasses.dataclass
class Plan:
    """All transactions of a script, and what the chain asks for gas now. Money is in wei of the chain's coin."""

    network: str
    account: str
    balance: int
    symbol: str
    market: Market
    steps: list[Step] = dataclasses.field(default_factory=list)

    def add(self, step: Step) -> None:
        """One more transaction, shown at once."""
        self.steps.append(step)
        cost = coins(step.gas * self.market.price, self.symbol)
        click.echo(f"{len(self.steps):3}. {step.what}: {step.gas:,} gas, {cost}")

    @property
    def count(self) -> str:
        """How many transactions, in words for people."""
        return "1 transaction" if len(self.steps) == 1 else f"{len(self.steps)} transactions"

    @property
    def gas(self) -> int:
        """Gas of all."""
        return sum(step.gas for step in self.steps)

    @property
    def cost(self) -> int:
        """Cost of all at what the chain asks now."""
        return self.gas * self.market.price

    @property
    def needed(self) -> int:
        """Balance with which every transaction is taken at the fee it offers, though it pays less (Market.offer)."""
        offer = 2 * self.market.base_fee + self.market.tip
        spent, most = 0, 0
        for step in self.steps:
            most = max(most, spent + step.limit * offer)
            spent += step.gas * self.market.price
        return most

    def show_funds(self) -> None:
        """Print the total and whether the account can pay it."""
        market = self.market
        click.echo(
            f"{self.network}: {self.count}, {self.gas:,} gas, {coins(self.cost, self.symbol)} at {gwei(market.price)} "
            f"gwei (base fee {gwei(market.base_fee)}, tip {gwei(market.tip)})"
        )
        click.echo(
            f"{self.account} has {coins(self.balance, self.symbol)}; {coins(self.needed, self.symbol)} must be there, "
            "as a transaction may cost more than it does now"
        )
        if self.balance < self.needed:
            click.echo(f"! it cannot pay: {self._missing} are missing")

    def require_funds(self) -> None:
        """Raise ChainError if the account cannot pay."""
        if self.balance < self.needed:
            raise ChainError(
                f"{self.account} has {coins(self.balance, self.symbol)}; {self._missing} are missing for {self.count}",
                hint="nothing was sent",
            )

    @property
    def _missing(self) -> str:
        return coins(self.needed - self.balance, self.symbol)


class Rehearsal:
    """Sends in the account's name on a fork, without its key and with more money than it has."""

    def __init__(self, fork: Web3, manifest: ManifestFile, plan: Plan) -> None:
        self.address = plan.account
        self._fork = fork
        self._manifest = manifest
        self._plan = plan

    def send(
        self, keys: tuple[str, ...], entry: Any, data: str, to: str | None = None, *, what: str, probe: str = ""
    ) -> TxReceipt:
        """See Sends; the manifest is a draft."""
        request: dict[str, Any] = {"from": self.address, "data": data} | ({"to": to} if to is not None else {})
        if probe:
            estimate_gas(self._fork, {"from": self.address, "data": probe})
        limit = gas_limit(estimate_gas(self._fork, request))
        sent = self._fork.eth.send_transaction({**request, "gas": limit})  # type: ignore[typeddict-item]
        receipt = self._fork.eth.wait_for_transaction_receipt(sent, poll_latency=0.01)
        if receipt["status"] != 1:
            raise ChainError(f"{what}: the transaction would revert")
        if entry is not None:
            self._manifest.record(keys, mined(entry, receipt))
        self._plan.add(Step(what, limit, int(receipt["gasUsed"])))
        return receipt

    def resume(self) -> None:
        """See Sends; what is under way, or was dropped by a reorganisation, is finished on the fork."""
        for sent in self._manifest.sent:
            self._finish(sent)
        pending = self._manifest.pending
        if pending is None:
            return
        click.echo(f"… {pending['what']}: an earlier run sent it or was about to; it would be finished first")
        self._finish({**pending, **pending["attempts"][-1]})
        if (receipt := find_receipt(self._fork, pending["attempts"])) is None:
            self._manifest.drop_pending()
        else:
            self._manifest.finish({}, tuple(pending["keys"]), mined(pending["entry"], receipt))

    def _finish(self, sent: Entry) -> None:
        if self._fork.eth.get_transaction_count(to_checksum_address(sent["from"])) <= sent["nonce"]:
            self._fork.provider.make_request(RPCEndpoint("anvil_setNextBlockBaseFeePerGas"), ["0x0"])
            raw = self._fork.eth.send_raw_transaction(HexBytes(sent["raw"]))
            self._fork.eth.wait_for_transaction_receipt(raw, poll_latency=0.01)

    def settle(self) -> None:
        """See Sends; a fork keeps nothing."""


def rehearse(session: Session, script: Callable[[Session], None], *, is_urgent: bool = False) -> Plan:
    """Run a script on a fork of the session's chain, past what other accounts have under way if it is urgent.

    Sends and writes nothing. Raises what the script raises.
    """
    account = str(session.account.address) if session.account is not None else session.deployer
    ecosystem = session.provider.network.ecosystem
    plan = Plan(
        session.network,
        account,
        int(session.web3.eth.get_balance(to_checksum_address(account))),
        ecosystem.fee_token_symbol,
        Market.of(session.web3),
    )
    with Anvil(chain_id=session.params.chain_id, fork_url=_url(session), accounts=1) as anvil:
        fork = Web3(HTTPProvider(anvil.url))
        take_long_extra_data(fork)
        click.echo(f"rehearsing on a fork of {session.network} at block {fork.eth.block_number}; nothing is sent")
        anvil.node.rpc("anvil_impersonateAccount", account)
        anvil.node.rpc("anvil_setBalance", account, hex(_PLENTY))
        draft = session.manifest.draft()
        if is_urgent:
            draft.put_aside(account)
        else:
            draft.take_up()
        actor = Rehearsal(fork, draft, plan)
        actor.resume()
        script(dataclasses.replace(session, web3=fork, manifest=draft, actor=actor, is_rehearsal=True))
    return plan


def _url(session: Session) -> str:
    """Where the node is, for another node to ask. Raises ConfigError if that is no URL."""
    url = str(getattr(session.provider, "http_uri", None) or getattr(session.provider, "ws_uri", None) or "")
    if not url:
        raise ConfigError("the node is not reached by a URL", hint="give --network ECOSYSTEM:NETWORK:URL")
    return url
