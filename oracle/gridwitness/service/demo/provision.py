"""Before the first day: money, identities and deposits, each through the real contract call."""

from __future__ import annotations

from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3.contract.contract import ContractFunction

from gridwitness.chain.client import Chain
from gridwitness.chain.events import Receipt
from gridwitness.chain.market import Market
from gridwitness.chain.registry import BY_ITSELF
from gridwitness.domain.devices import DeviceKind, KeyType, Registration, Scope
from gridwitness.domain.market import EUR
from gridwitness.domain.slots import SECONDS_PER_DAY
from gridwitness.encoding.eip712 import activate_digest, fleet_id, register_digest, registry_domain
from gridwitness.encoding.leaves import leaf_hash
from gridwitness.encoding.merkle import StandardMerkleTree
from gridwitness.service.demo.actors import Actors, Home, TradeSigner
from gridwitness.service.demo.ledger import Ledger
from gridwitness.service.demo.meters import Meter
from gridwitness.service.demo.world import ZONE

GAS_MONEY_WEI = 10**20
# For each day. A farm's schedule alone reserves 300 EUR: what it would owe if its plant delivered nothing.
HOME_DEPOSIT = 500 * EUR
BACKSTOP_FUNDS = 5_000 * EUR


class Provision:
    """Sets the community up on chain and counts the gas it took."""

    def __init__(self, chain: Chain, actors: Actors, ledger: Ledger) -> None:
        self._chain = chain
        self._actors = actors
        self._ledger = ledger
        self._registry = chain.contract("DeviceRegistry")
        self._market = Market(chain)
        self._token = chain.contract("EuroToken")
        self._domain = registry_domain(chain.chain_id, chain.manifest.address("DeviceRegistry"))

    def run(self, days: int) -> int:
        """Fund, register and deposit for `days` of trading; returns the money brought in (1e-6 EUR)."""
        for account in self._actors.funded():
            self._chain.rpc("anvil_setBalance", [account.address, hex(GAS_MONEY_WEI)])
        self._register()
        self._accept()
        self._delegate(self._chain.head_time() + (days + 30) * SECONDS_PER_DAY)
        cash_in = sum(self._deposit(home.owner, HOME_DEPOSIT * days) for home in self._actors.homes)
        return cash_in + self._fund_backstop(BACKSTOP_FUNDS * days)

    def _send(self, kind: str, account: LocalAccount, function: ContractFunction) -> Receipt:
        receipt = self._chain.transact(account, function)
        self._ledger.spent(kind, receipt.gas_used)
        return receipt

    def _register(self) -> None:
        """Every other home's meter comes from a fleet its manufacturer enrolled; the rest register one by one."""
        fleet = [home for index, home in enumerate(self._actors.homes) if index % 2 == 0]
        singles = [home for index, home in enumerate(self._actors.homes) if index % 2 == 1]
        tree = StandardMerkleTree([leaf_hash((home.meter.key.device_id, home.meter.kind)) for home in fleet])
        self._send(
            "DeviceRegistry.enrolFleet",
            self._actors.manufacturer,
            self._registry.functions.enrolFleet(tree.root, len(fleet)),
        )
        for index, home in enumerate(fleet):
            self._activate(home, tree, index)
        for home in singles:
            self._register_one(home.meter, home.owner)
        self._register_one(self._actors.feeder, self._actors.grid_operator)

    def _registration(self, meter: Meter, owner: LocalAccount) -> Registration:
        deadline = self._chain.head_time() + SECONDS_PER_DAY
        return Registration(meter.key.device_id, owner.address, meter.kind, ZONE, deadline)

    def _activate(self, home: Home, tree: StandardMerkleTree, index: int) -> None:
        registration = self._registration(home.meter, home.owner)
        manufacturer = self._actors.manufacturer.address
        fleet = fleet_id(manufacturer, tree.root)
        signature = home.meter.key.sign(activate_digest(self._domain, registration, fleet))
        function = self._registry.functions.activate(
            _as_tuple(registration), manufacturer, list(tree.proof(index)), signature
        )
        self._send(f"DeviceRegistry.activate/{_curve(home.meter)}", self._actors.relayer, function)

    def _register_one(self, meter: Meter, owner: LocalAccount) -> None:
        registration = self._registration(meter, owner)
        signature = meter.key.sign(register_digest(self._domain, registration))
        function = self._registry.functions.register(_as_tuple(registration), signature)
        self._send(f"DeviceRegistry.register/{_curve(meter)}", self._actors.relayer, function)

    def _accept(self) -> None:
        """The relayer entered the meters; those that sign trades by themselves need their owner's word for it."""
        for home in self._actors.homes:
            if home.signer is TradeSigner.DEVICE:
                function = self._registry.functions.acceptDevices([home.meter.key.device_id])
                self._send("DeviceRegistry.acceptDevices", home.owner, function)

    def _delegate(self, expires_at: int) -> None:
        for home in self._actors.homes:
            if home.signer is TradeSigner.AGENT:
                function = self._registry.functions.setDelegate(
                    home.meter.key.device_id, self._actors.agent.address, int(Scope.TRADE), expires_at, BY_ITSELF
                )
                self._send("DeviceRegistry.setDelegate", home.owner, function)

    def _deposit(self, owner: LocalAccount, amount: int) -> int:
        """Mint test euros to an owner, who deposits them with a permit (EIP-2612) instead of an approval."""
        self._chain.transact(self._actors.relayer, self._token.functions.mint(owner.address, amount))
        deadline = self._chain.head_time() + SECONDS_PER_DAY
        permit = Account.sign_typed_data(
            owner.key,
            domain_data={
                "name": self._token.functions.name().call(),
                "version": "1",
                "chainId": self._chain.chain_id,
                "verifyingContract": self._token.address,
            },
            message_types={
                "Permit": [
                    {"name": "owner", "type": "address"},
                    {"name": "spender", "type": "address"},
                    {"name": "value", "type": "uint256"},
                    {"name": "nonce", "type": "uint256"},
                    {"name": "deadline", "type": "uint256"},
                ]
            },
            message_data={
                "owner": owner.address,
                "spender": self._market.address,
                "value": amount,
                "nonce": self._token.functions.nonces(owner.address).call(),
                "deadline": deadline,
            },
        )
        function = self._market.deposit_with_permit(amount, deadline, permit.v, permit.r, permit.s)
        self._send("EnergyMarket.depositWithPermit", owner, function)
        return amount

    def _fund_backstop(self, amount: int) -> int:
        operator = self._actors.grid_operator
        self._chain.transact(self._actors.relayer, self._token.functions.mint(operator.address, amount))
        self._chain.transact(operator, self._token.functions.approve(self._market.address, amount))
        self._send("EnergyMarket.fundBackstop", operator, self._market.fund_backstop(ZONE, amount))
        return amount


def _as_tuple(registration: Registration) -> tuple[bytes, str, DeviceKind, int, int]:
    return (
        registration.device_id,
        registration.owner,
        registration.kind,
        registration.zone,
        registration.deadline,
    )


def _curve(meter: Meter) -> str:
    return "p256" if meter.key.key_type is KeyType.P256 else "secp256k1"
