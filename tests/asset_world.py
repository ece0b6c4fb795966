"""A chain of its own with all contracts, an oracle's committee, and who acts there: for assets in shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.contract.contract import ContractFunction

from gridwitness.chain.anvil import Anvil
from gridwitness.chain.assets import Asset
from gridwitness.chain.client import Chain
from gridwitness.chain.manifest import Manifest
from gridwitness.domain.market import EUR
from gridwitness.domain.slots import SECONDS_PER_DAY, day_of, slot_of, slots_of_day
from gridwitness.encoding.hashing import keccak
from gridwitness.encoding.keys import P256Key, Secp256k1Key
from gridwitness.encoding.leaves import PROFILE_TYPES, READING_TYPES, schema_of
from gridwitness.service.portal import SitePortal
from tests.deployed import ACCESS_CONTROL, ASSET_CONTRACTS, deploy_all, dev_account
from tests.integration.chain.parties import GENESIS_TIME

ZONE = 7
DAY = day_of(slot_of(GENESIS_TIME)) + 1
SLOTS = list(slots_of_day(DAY))
END = (DAY + 1) * SECONDS_PER_DAY
PLANT, HOME = Secp256k1Key(42), P256Key(41)
DEPOSIT = 1_000 * EUR
SHARES = 10_000
GERMANY, FRANCE, AUSTRIA = 276, 250, 40
_STREAMS = {"readings": READING_TYPES, "profiles": PROFILE_TYPES}


def wallet(number: int) -> str:
    """Address of an investor that only holds."""
    return to_checksum_address(f"0x{number:040x}")


@dataclass
class AssetWorld:
    """Who acts, what was made, and the oracle's files. `investors`: five Germans, four of France, one of Austria."""

    chain: Chain
    anvil: Anvil
    folder: Path
    admin: LocalAccount = field(default_factory=lambda: dev_account(0))
    carrier: LocalAccount = field(default_factory=lambda: dev_account(1))
    transmitter: LocalAccount = field(default_factory=lambda: dev_account(9))
    owner: LocalAccount = field(default_factory=lambda: dev_account(2))
    first: LocalAccount = field(default_factory=lambda: dev_account(3))
    second: LocalAccount = field(default_factory=lambda: dev_account(4))
    oracles: list[LocalAccount] = field(
        default_factory=lambda: sorted((dev_account(i) for i in (5, 6, 7)), key=lambda one: int(one.address, 16))
    )
    plant: Asset = field(init=False)
    thief: Asset = field(init=False)
    bond: Asset = field(init=False)
    broken: Asset = field(init=False)
    garbled: str = field(init=False)
    portal: SitePortal = field(init=False)

    @property
    def now(self) -> int:
        return self.chain.head_time()

    @property
    def investors(self) -> list[tuple[str, int]]:
        countries = [GERMANY] * 5 + [FRANCE] * 4 + [AUSTRIA]
        wallets = [self.first.address, *(wallet(0xA0 + one) for one in range(4)), self.second.address]
        wallets += [wallet(0xB0 + one) for one in range(4)]
        return list(zip(wallets, countries, strict=True))

    def send(self, function: ContractFunction, sender: LocalAccount | None = None) -> Any:
        return self.chain.transact(sender or self.admin, function)

    def pay_into(self, account: LocalAccount, spender: str, cash: int) -> None:
        """Give an account cash that the spender may take."""
        token = self.chain.contract("EuroToken").functions
        self.send(token.mint(account.address, cash), account)
        self.send(token.approve(spender, cash), account)

    def grant(self, contract: str, role: bytes) -> None:
        """Give the admin a role of a contract."""
        access = self.chain.web3.eth.contract(address=self.chain.contract(contract).address, abi=ACCESS_CONTROL)
        self.send(access.functions.grantRole(keccak(role), self.admin.address))

    def wait_until(self, time: int) -> None:
        self.anvil.set_next_time(time)
        self.anvil.mine()

    def fund_bond(self, cash: int) -> None:
        """Pay interest on the bond."""
        self.pay_into(self.admin, self.bond.address, cash)
        self.send(self.bond.fund(cash))


def begun(anvil: Anvil, folder: Path) -> AssetWorld:
    """A world with contracts and streams, and nothing in it."""
    # The deployer does nothing else: a Chain counts nonces of its senders itself.
    admin = dev_account(0)
    deployed = deploy_all(Web3(Web3.HTTPProvider(anvil.url)), dev_account(8), ASSET_CONTRACTS, admin)
    names = {name: keccak(bytes.fromhex(admin.address[2:]).rjust(32, b"\0") + _name(name)) for name in _STREAMS}
    world = AssetWorld(Chain(anvil.url, Manifest(anvil.chain_id, deployed, names)), anvil, folder)
    members = [oracle.address for oracle in world.oracles]
    for name, types in _STREAMS.items():
        world.send(
            world.chain.contract("DataAttestation").functions.openStream(_name(name), schema_of(types), (2, members))
        )
    return world


def _name(text: str) -> bytes:
    return text.encode().ljust(32, b"\0")
