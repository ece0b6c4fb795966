"""What every script has at hand: node, account, checked parameters, compiled contracts and the manifest."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ape
import click
from ape.api import AccountAPI, ProviderAPI
from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import Web3Exception

from gridwitness.errors import ChainError, ConfigError
from scripts._artefacts import Abi, Artefacts, load_artefacts
from scripts._manifest import ManifestFile
from scripts._node import be_patient
from scripts._params import REGISTRY, TEST_TOKEN, Params, check_params, params_path, read_params
from scripts._sender import Sends


@dataclass(frozen=True, slots=True)
class Session:
    """One run of a script.

    `deployer` is whom `$deployer` means: the manifest's, or the account given if it has none yet. `actor` sends; None
    if the script only reads. `is_rehearsal`: all of it happens on a throw-away fork. `assume_yes`: do not ask.
    """

    provider: ProviderAPI
    web3: Web3
    deployer: str
    params: Params
    artefacts: Artefacts
    manifest: ManifestFile
    account: AccountAPI | None = None
    actor: Sends | None = None
    is_rehearsal: bool = False
    assume_yes: bool = False

    @property
    def sender(self) -> Sends:
        """Who carries out what the script decides. Raises ConfigError if it only reads."""
        if self.actor is None:
            raise ConfigError("this script sends nothing")
        return self.actor

    def confirm(self, question: str) -> None:
        """Ask, unless --yes was given. Raises ConfigError without a terminal, Abort after a no."""
        if self.assume_yes or self.is_rehearsal:
            return
        if not sys.stdin.isatty():
            raise ConfigError("there is no terminal to ask on", hint="--yes goes ahead without")
        click.confirm(question, abort=True)

    def contract(self, name: str, place: tuple[str, ...] | None = None) -> Contract:
        """A contract that stands, at its own place in the manifest or at `place`.

        Raises ConfigError if the manifest has none and ChainError if there is no code any more.
        """
        keys = place or ("contracts", name)
        address = self.manifest.get(*keys, "address")
        if address is None:
            raise ConfigError(f"{self.manifest.path}: {'.'.join(keys)} is missing", hint="ape run deploy comes first")
        if not self.web3.eth.get_code(address):
            raise ChainError(
                f"{self.manifest.path} has {name} at {address}, where chain {self.params.chain_id} has no code",
                hint="if a reorganisation took it, `ape run deploy` makes it again; or is the node behind?",
            )
        return contract_at(self.web3, address, self.artefacts[name].abi)

    def resolve(self, value: Any) -> Any:
        """A parameter with its `$reference` replaced by the address or id that stands."""
        if not isinstance(value, str) or not value.startswith("$"):
            return value
        name = value[1:]
        if name == "token":
            return self.params.token or self.contract(TEST_TOKEN).address
        if name in self.params.streams:
            if (identity := self.manifest.get("streams", name, "id")) is None:
                raise ConfigError(
                    f"{self.manifest.path}: streams.{name} is missing", hint=f"`ape run open_stream {name}` comes first"
                )
            return identity
        return self.contract(name).address

    @property
    def network(self) -> str:
        """The network as `--network` names it."""
        return network_name(self.provider)


@dataclass(frozen=True, slots=True)
class Options:
    """What all scripts are told at the command line."""

    account: AccountAPI | None
    params: Path | None
    manifest: Path | None
    settings: tuple[str, ...]


def open_session(provider: ProviderAPI, options: Options, *, fresh: bool = False) -> Session:
    """Check parameters, chain and manifest, which `fresh` begins anew. Sends nothing.

    Raises ConfigError and ChainError.
    """
    web3: Web3 = provider.web3
    be_patient(web3)
    path = options.params or params_path(Path(), provider.network)
    data = read_params(path, options.settings)
    chain_id = web3.eth.chain_id
    if isinstance(data.get("chain_id"), int) and chain_id != data["chain_id"]:
        raise ChainError(
            f"the node is chain {chain_id}, {path} is for chain {data['chain_id']}",
            hint="choose another --network or other --params",
        )
    genesis_hash = _genesis_hash(web3)
    target = options.manifest or Path("deployments") / f"{chain_id}.json"
    manifest = ManifestFile.open(target, chain_id, network_name(provider), genesis_hash, fresh=fresh)
    deployer = recorded_deployer(manifest) or (options.account and options.account.address)
    if deployer is None:
        raise ConfigError(
            f"$deployer is unknown: {target} has no contract, and --account was not given",
            hint="`ape accounts generate ALIAS` makes one, `ape accounts list` shows those you have",
        )
    artefacts = load_artefacts(ape.project)
    is_mainnet = provider.network.is_mainnet
    params = check_params(data, str(path), artefacts, deployer=str(deployer), is_mainnet=is_mainnet)
    _require_genesis(manifest, genesis_hash, provider)
    return Session(provider, web3, str(deployer), params, artefacts, manifest, options.account)


def network_name(provider: ProviderAPI) -> str:
    """The network as `--network` names it."""
    return f"{provider.network.ecosystem.name}:{provider.network.name}"


def contract_at(web3: Web3, address: str, abi: Abi) -> Contract:
    """A contract at an address."""
    contract: Contract = web3.eth.contract(address=to_checksum_address(address), abi=abi)
    return contract


def recorded_deployer(manifest: ManifestFile) -> str | None:
    """Who deploys into this manifest. Older ones say it of contracts only, and of most anybody may have made them."""
    deployer: str | None = manifest.get("deployer") or manifest.get("contracts", REGISTRY, "deployer")
    return deployer


def _genesis_hash(web3: Web3) -> str:
    """Hash of the chain's first block; empty where nodes have dropped it."""
    try:
        return "0x" + bytes(web3.eth.get_block(0)["hash"]).hex()
    except (Web3Exception, KeyError):
        return ""


def _require_genesis(manifest: ManifestFile, genesis_hash: str, provider: ProviderAPI) -> None:
    """Tell chains of the same id apart. Raises ChainError."""
    if genesis_hash and manifest.genesis_hash and manifest.genesis_hash != genesis_hash:
        raise ChainError(
            f"{manifest.path} is of a chain that began with {manifest.genesis_hash}, the node's with {genesis_hash}",
            hint="the node was started anew: use `ape run deploy --fresh`"
            if provider.network.is_dev
            else "choose another --network or another --manifest",
        )
