"""Who takes part in the demo, with keys drawn from its seed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from eth_account import Account
from eth_account.signers.local import LocalAccount

from gridwitness.domain.devices import DeviceKind
from gridwitness.encoding.keys import SECP256K1_ORDER
from gridwitness.service.demo.investors import Investor, make_investors
from gridwitness.service.demo.meters import Meter, secret_of

ORACLES = 3


class TradeSigner(Enum):
    """Who signs a home's schedules: each of the ways the market accepts is used by some homes."""

    DEVICE = "device"
    OWNER = "owner"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Home:
    """A household or plant: its meter, the account that pays and is paid, and who signs its schedules."""

    meter: Meter
    owner: LocalAccount
    signer: TradeSigner


@dataclass(frozen=True, slots=True)
class Actors:
    """Everyone with a key, beside the deployer (Ape's first test account)."""

    homes: tuple[Home, ...]
    feeder: Meter
    grid_operator: LocalAccount
    manufacturer: LocalAccount
    agent: LocalAccount
    relayer: LocalAccount
    oracles: tuple[LocalAccount, ...]
    registrar: LocalAccount
    investors: tuple[Investor, ...]
    outsider: Investor

    @property
    def meters(self) -> list[Meter]:
        """All meters, the feeder's last."""
        return [*(home.meter for home in self.homes), self.feeder]

    def funded(self) -> list[LocalAccount]:
        """Accounts that send transactions and so need gas."""
        return [
            self.grid_operator,
            self.manufacturer,
            self.relayer,
            *self.oracles,
            *(home.owner for home in self.homes),
            self.registrar,
            *(investor.account for investor in self.investors),
            self.outsider.account,
        ]


def make_actors(meters: list[Meter], seed: int) -> Actors:
    """Give every meter a home and every role an account. The feeder's meter is the one of kind FEEDER."""

    def account(role: str, index: int = 0) -> LocalAccount:
        created: LocalAccount = Account.from_key(secret_of(seed, role, index, SECP256K1_ORDER).to_bytes(32, "big"))
        return created

    signers = list(TradeSigner)
    homes = tuple(
        Home(meter, account("home", index), signers[index % len(signers)])
        for index, meter in enumerate(meter for meter in meters if meter.kind is not DeviceKind.FEEDER)
    )
    feeder = next(meter for meter in meters if meter.kind is DeviceKind.FEEDER)
    investors, outsider = make_investors(account)
    return Actors(
        homes=homes,
        feeder=feeder,
        grid_operator=account("grid operator"),
        manufacturer=account("manufacturer"),
        agent=account("agent"),
        relayer=account("relayer"),
        oracles=tuple(sorted((account("oracle", i) for i in range(ORACLES)), key=lambda a: int(a.address, 16))),
        registrar=account("registrar"),
        investors=investors,
        outsider=outsider,
    )
