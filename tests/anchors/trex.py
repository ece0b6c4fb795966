"""T-REX (ERC-3643): a suite with two claim topics and three modules, deployed by its factory from its own artefacts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eth_abi import encode
from eth_account.messages import encode_defunct
from eth_utils import keccak

from tests.anchors.artefacts import artefact
from toolchain.install_anchors import ONCHAIN_ID, T_REX

NOBODY = "0x" + "00" * 20
TOPICS = (1, 2)
COUNTRY = 276
MOST_SHARES = 10**9
CLAIM_KEY, ECDSA = 3, 1
MODULES = {
    "CountryAllowModule": ("addAllowedCountry", COUNTRY),
    "MaxBalanceModule": ("setMaxBalance", MOST_SHARES),
    "SupplyLimitModule": ("setSupplyLimit", MOST_SHARES),
}


@dataclass
class Suite:
    """A token of the suite and whom it asks. `owner` is its issuer, agent and everything else; `created` made it."""

    token: Any
    identities: Any
    registry: Any
    claim_issuer: Any
    owner: Any
    created: Any

    def onboard(self, investor: Any) -> int:
        """Give an investor an identity with a claim of each topic, and register it; returns the gas of it all."""
        receipts = [self.identities.createIdentity(investor, str(investor), sender=self.owner)]
        identity = artefact(ONCHAIN_ID, "Identity").at(self.identities.getIdentity(investor))
        for topic in TOPICS:
            claim = (topic, ECDSA, self.claim_issuer, self._signature(identity, topic), b"accepted", "")
            receipts.append(identity.addClaim(*claim, sender=investor))
        receipts.append(self.registry.registerIdentity(investor, identity, COUNTRY, sender=self.owner))
        return sum(int(receipt.gas_used) for receipt in receipts)

    def _signature(self, identity: Any, topic: int) -> bytes:
        content = encode(["address", "uint256", "bytes"], [identity.address, topic, b"accepted"])
        signature = self.owner.sign_message(encode_defunct(keccak(content)))
        return bytes(signature.encode_rsv())


def deploy_identities(owner: Any) -> tuple[Any, Any]:
    """A factory of identities and an issuer of claims who signs with the owner's key."""
    library = owner.deploy(artefact(ONCHAIN_ID, "Identity"), owner, True)
    authority = owner.deploy(artefact(ONCHAIN_ID, "ImplementationAuthority"), library)
    identities = owner.deploy(artefact(ONCHAIN_ID, "IdFactory"), authority)
    claim_issuer = owner.deploy(artefact(ONCHAIN_ID, "ClaimIssuer"), owner)
    claim_issuer.addKey(keccak(encode(["address"], [str(owner)])), CLAIM_KEY, ECDSA, sender=owner)
    return identities, claim_issuer


def deploy_factory(owner: Any, identities: Any) -> Any:
    """The factory of suites, with one version of each part behind proxies."""
    names = (
        "Token",
        "ClaimTopicsRegistry",
        "IdentityRegistry",
        "IdentityRegistryStorage",
        "TrustedIssuersRegistry",
        "ModularCompliance",
    )
    parts = tuple(owner.deploy(artefact(T_REX, name)) for name in names)
    authority = owner.deploy(artefact(T_REX, "TREXImplementationAuthority"), True, NOBODY, NOBODY)
    authority.addAndUseTREXVersion((4, 1, 6), parts, sender=owner)
    factory = owner.deploy(artefact(T_REX, "TREXFactory"), authority, identities)
    authority.setTREXFactory(factory, sender=owner)
    identities.addTokenFactory(factory, sender=owner)
    return factory


def deploy_modules(owner: Any) -> tuple[list[Any], list[bytes]]:
    """Modules behind their proxies, and the call that sets each."""
    modules, settings = [], []
    for name, (function, value) in MODULES.items():
        module = owner.deploy(artefact(T_REX, name))
        start = bytes(module.initialize.encode_input())
        modules.append(owner.deploy(artefact(T_REX, "ModuleProxy"), module, start))
        settings.append(bytes(getattr(module, function).encode_input(value)))
    return modules, settings


def deploy_suite(owner: Any, holders: Sequence[Any], shares: int) -> Suite:
    """A suite whose holders have `shares` each, ready to trade."""
    identities, claim_issuer = deploy_identities(owner)
    factory = deploy_factory(owner, identities)
    modules, settings = deploy_modules(owner)
    token = (owner, "Solar One", "SUN1", 0, NOBODY, NOBODY, [owner], [owner], modules, settings)
    claims = (list(TOPICS), [claim_issuer], [list(TOPICS)])
    created = factory.deployTREXSuite("solar", token, claims, sender=owner)
    (event,) = created.decode_logs(factory.TREXSuiteDeployed.abi)
    # Parts are proxies: they answer what their implementations do.
    token_at, registry_at = artefact(T_REX, "Token").at(event._token), artefact(T_REX, "IdentityRegistry").at(event._ir)
    suite = Suite(token_at, identities, registry_at, claim_issuer, owner, created)
    for holder in holders:
        suite.onboard(holder)
        suite.token.mint(holder, shares, sender=owner)
    suite.token.unpause(sender=owner)
    return suite
