"""What every script has at hand: node, account, checked parameters, compiled contracts and the manifest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ape
import click
from ape.api import AccountAPI, ProviderAPI
from ape.cli import ConnectedProviderCommand, account_option
from ape.exceptions import Abort, ApeException
from ape_node.provider import NodeSoftwareNotInstalledError
from eth_utils.address import to_checksum_address
from web3 import Web3
from web3.contract import Contract

from gridwitness.errors import ChainError, ConfigError, GridwitnessError
from scripts._artefacts import Abi, Artefacts, load_artefacts
from scripts._manifest import ManifestFile
from scripts._params import TEST_TOKEN, Params, check_params, params_path, read_params
from scripts._sender import Sender


@dataclass(frozen=True, slots=True)
class Session:
    """One run of a script."""

    provider: ProviderAPI
    account: AccountAPI
    params: Params
    artefacts: Artefacts
    manifest: ManifestFile
    sender: Sender

    @property
    def web3(self) -> Web3:
        """The node."""
        web3: Web3 = self.provider.web3
        return web3

    def contract(self, name: str, place: tuple[str, str] | None = None) -> Contract:
        """A contract that stands, at its own place in the manifest or at `place`.

        Raises ConfigError if the manifest has none and ChainError if there is no code any more.
        """
        keys = place or ("contracts", name)
        address = self.manifest.get(*keys, "address")
        if address is None:
            raise ConfigError(f"{self.manifest.path}: {'.'.join(keys)} is missing", hint="ape run deploy comes first")
        if not self.web3.eth.get_code(address):
            hint = "; after a restart of the node use `ape run deploy --fresh`" if self.provider.network.is_dev else ""
            raise ChainError(
                f"{self.manifest.path} has {name} at {address}, where chain {self.params.chain_id} has no code",
                hint=f"is this the node the manifest was written for?{hint}",
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


class SessionCommand(ConnectedProviderCommand):
    """A command on a network. Errors meant for a person, Ape's included, become one line with exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GridwitnessError as error:
            raise Abort(f"{error.message} ({error.hint})" if error.hint else error.message) from error
        except NodeSoftwareNotInstalledError as error:
            raise Abort("no node answers there (start one: anvil --hardfork osaka --port PORT)") from error
        except ApeException as error:
            raise Abort(" ".join(str(error).split())) from error
        except (ConnectionError, TimeoutError) as error:
            raise Abort(f"the node went away: {error} (run the same command again)") from error


def contract_at(web3: Web3, address: str, abi: Abi) -> Contract:
    """A contract at an address."""
    contract: Contract = web3.eth.contract(address=to_checksum_address(address), abi=abi)
    return contract


def session_options(function: Callable[..., None]) -> Callable[..., None]:
    """Options every script shares; `function` gets a Session."""

    def run(
        account: AccountAPI | None, params: Path | None, manifest: Path | None, settings: tuple[str, ...], **own: Any
    ) -> None:
        session = open_session(ape.networks.provider, account, params, manifest, settings)
        with session.manifest.locked():
            session.sender.resume()
            function(session, **own)

    run.__name__, run.__doc__ = function.__name__, function.__doc__
    run = click.option(
        "--set",
        "settings",
        metavar="KEY=VALUE",
        multiple=True,
        help="Set a parameter, e.g. streams.readings.threshold=3.",
    )(run)
    run = click.option(
        "--manifest", type=click.Path(path_type=Path), help="Manifest to write [default: deployments/<chain-id>.json]."
    )(run)
    run = click.option(
        "--params", type=click.Path(path_type=Path), help="Parameters [default: deployments/params/<network>.yaml]."
    )(run)
    return account_option(prompt=False)(run)  # type: ignore[no-any-return]


def open_session(
    provider: ProviderAPI,
    account: AccountAPI | None,
    params: Path | None,
    manifest: Path | None,
    settings: tuple[str, ...],
) -> Session:
    """Check parameters, chain and manifest. Sends nothing. Raises ConfigError and ChainError."""
    project = ape.project
    account = account or _dev_account(provider)
    path = params or params_path(Path(), provider.network.name)
    data = read_params(path, settings)
    artefacts = load_artefacts(project)
    is_mainnet = provider.network.is_mainnet
    checked = check_params(data, str(path), artefacts, deployer=account.address, is_mainnet=is_mainnet)
    chain_id = provider.web3.eth.chain_id
    if chain_id != checked.chain_id:
        raise ChainError(
            f"the node is chain {chain_id}, {path} is for chain {checked.chain_id}",
            hint="choose another --network or other --params",
        )
    file = ManifestFile.open(
        manifest or Path("deployments") / f"{chain_id}.json",
        chain_id,
        f"{provider.network.ecosystem.name}:{provider.network.name}",
    )
    return Session(provider, account, checked, artefacts, file, Sender(provider, account, file))


def _dev_account(provider: ProviderAPI) -> AccountAPI:
    """First account of a development chain; elsewhere an account has to be named."""
    if not provider.network.is_dev:
        raise ConfigError(
            f"network {provider.network.name} needs --account ALIAS",
            hint="`ape accounts generate ALIAS` makes one, `ape accounts list` shows those you have",
        )
    return ape.accounts.test_accounts[0]
