"""One thing changed on a chain where all is as it should be; `ape run verify` must name it, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from web3 import Web3

from scripts._artefacts import Artefacts
from scripts._create2 import created_address
from scripts._params import zone_fields
from tests.rehearsal.nodes import Chain

STRANGER = "0x90F79bf6EB2c4f870365E785982E1f101E93b906"  # account 3 of the development mnemonic
ROLE = {
    name: Web3.keccak(text=name) for name in ("STEWARD_ROLE", "ZONE_OPERATOR_ROLE", "PROPOSER_ROLE", "REGISTRAR_ROLE")
}
ADMIN = bytes(32)
DAY_S = 86_400


@dataclass(frozen=True)
class Scene:
    """A chain where a deployment stands, and what is known of it."""

    chain: Chain
    manifest: dict[str, Any]
    artefacts: Artefacts

    def address(self, name: str) -> str:
        """Address of a contract, or of a feed."""
        place = "contracts" if name in self.manifest["contracts"] else "feeds"
        return str(self.manifest[place][name]["address"])

    @property
    def admin(self) -> str:
        """Who governs: the timelock."""
        return str(self.manifest["governance"]["admin"])

    @property
    def deployer(self) -> str:
        """Who deployed, who operates the zones and owns the streams."""
        return str(self.manifest["contracts"]["EnergyMarket"]["deployer"])

    def call(self, sender: str, name: str, function: str, *arguments: Any) -> None:
        """A transaction to a contract."""
        contract = Web3().eth.contract(abi=self.artefacts[name].abi)
        self.chain.act_as(sender, self.address(name), contract.encode_abi(function, list(arguments)))

    def flip(self, address: str, offset: int) -> None:
        """Change one byte of a contract's code; `offset` from its end if negative."""
        code = bytearray(bytes.fromhex(self.chain.rpc("eth_getCode", address, "latest")[2:]))
        code[offset] ^= 0xFF
        self.chain.set_code(address, bytes(code))

    def stream(self, name: str) -> bytes:
        """Id of a stream."""
        return bytes.fromhex(self.manifest["streams"][name]["id"][2:])

    def rules(self, **changed: int) -> tuple[Any, ...]:
        """Rules of zone 1 with others in place of some."""
        params = self.manifest["zones"]["1"]["params"] | changed
        values = (params[rule["name"]] for rule in zone_fields(self.artefacts))
        return tuple(bytes.fromhex(one[2:]) if isinstance(one, str) else one for one in values)

    def today(self) -> int:
        """Delivery day of the newest block."""
        return int(self.chain.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16) // DAY_S


@dataclass(frozen=True)
class Change:
    """What is done, and how the one difference begins that verify must name."""

    name: str
    named: str
    act: Callable[[Scene], None]


def _announce(scene: Scene) -> None:
    first = scene.today() + 8
    scene.call(scene.deployer, "EnergyMarket", "announceParams", 1, first, scene.rules(minOrderWh=20))


def _set_committee(scene: Scene) -> None:
    members = scene.manifest["streams"]["profiles"]["members"][:2]
    scene.call(scene.deployer, "DataAttestation", "setCommittee", scene.stream("profiles"), (1, members))


def _swap_immutable(scene: Scene) -> None:
    """Put another registry where the market's code has its own."""
    address = scene.address("EnergyMarket")
    code = scene.chain.rpc("eth_getCode", address, "latest")
    registry = scene.address("DeviceRegistry")[2:].lower()
    assert registry in code
    scene.chain.set_code(address, bytes.fromhex(code[2:].replace(registry, STRANGER[2:].lower())))


def _grant(contract: str, role: bytes, account: Callable[[Scene], str]) -> Callable[[Scene], None]:
    return lambda scene: scene.call(scene.admin, contract, "grantRole", role, account(scene))


CHANGES = (
    Change(
        "a stranger operates zones",
        "ZONE_OPERATOR_ROLE of EnergyMarket",
        _grant("EnergyMarket", ROLE["ZONE_OPERATOR_ROLE"], lambda _: STRANGER),
    ),
    Change(
        "a stranger gives passports",
        "REGISTRAR_ROLE of Passports",
        _grant("Passports", ROLE["REGISTRAR_ROLE"], lambda _: STRANGER),
    ),
    Change(
        "the steward is dismissed",
        "STEWARD_ROLE of DeviceRegistry",
        lambda scene: scene.call(scene.admin, "DeviceRegistry", "revokeRole", ROLE["STEWARD_ROLE"], scene.deployer),
    ),
    Change(
        "the deployer is admin again", "handover of EnergyMarket", _grant("EnergyMarket", ADMIN, lambda s: s.deployer)
    ),
    Change(
        "a stranger is admin",
        "DEFAULT_ADMIN_ROLE of DeviceRegistry",
        _grant("DeviceRegistry", ADMIN, lambda _: STRANGER),
    ),
    Change("another committee", "committee of stream profiles", _set_committee),
    Change(
        "a committee is disowned",
        "committee of stream readings",
        lambda scene: scene.call(scene.deployer, "DataAttestation", "markCompromised", scene.stream("readings"), 1, 1),
    ),
    Change(
        "one byte of code", "code of DataAttestation", lambda scene: scene.flip(scene.address("DataAttestation"), 1_000)
    ),
    Change(
        "one byte of metadata", "code of DeviceRegistry", lambda scene: scene.flip(scene.address("DeviceRegistry"), -20)
    ),
    Change("an immutable", "code of EnergyMarket", _swap_immutable),
    Change(
        "one byte of the extension",
        "code of MarketExtension",
        lambda scene: scene.flip(created_address(scene.address("EnergyMarket"), 1), 500),
    ),
    Change(
        "one byte of the assets' governance",
        "code of AssetGovernance",
        lambda scene: scene.flip(created_address(scene.address("AssetFactory"), 1), 500),
    ),
    Change(
        "a feed's code is gone",
        "code of feed townhall",
        lambda scene: scene.chain.set_code(scene.address("townhall"), b""),
    ),
    Change("other rules are announced", "minOrderWh of zone 1 from", _announce),
    Change(
        "another zone is open",
        "zone 7",
        lambda scene: scene.call(scene.deployer, "EnergyMarket", "openZone", 7, scene.rules()),
    ),
    Change(
        "the timelock waits less",
        "delay of the timelock",
        lambda scene: scene.call(scene.admin, "TimelockController", "updateDelay", 1),
    ),
    Change(
        "a stranger proposes",
        "PROPOSER_ROLE of the timelock",
        _grant("TimelockController", ROLE["PROPOSER_ROLE"], lambda _: STRANGER),
    ),
)
