"""Commands on a network: options that scripts share, what they ask before they send, errors of one line."""

from __future__ import annotations

import dataclasses
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import ape
import click
from ape.api import AccountAPI, ProviderAPI
from ape.cli import ConnectedProviderCommand, account_option
from ape.exceptions import Abort, ApeException
from ape.logging import logger
from ape_node.provider import NodeSoftwareNotInstalledError
from web3.exceptions import Web3Exception, Web3RPCError

from gridwitness.errors import ChainError, ConfigError, GridwitnessError
from scripts._chain_check import check_chain
from scripts._fees import GWEI
from scripts._node import NO_ANSWER, without_keys
from scripts._params import TEST_TOKEN
from scripts._rehearsal import Plan, rehearse
from scripts._sender import Reorganised, Sender, Terms
from scripts._session import Options, Session, open_session
from scripts._transactions import words_of

_DEV_POLL_S = 0.05
_POLL_S = 2.0
_MAX_REORGANISATIONS = 10


class SessionCommand(ConnectedProviderCommand):
    """A command on a network. Errors meant for a person, Ape's included, become one line with exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (GridwitnessError, ApeException, Web3Exception, OSError) as error:
            logger.debug("%s", traceback.format_exc())
            raise Abort(_in_one_line(error)) from error


def _in_one_line(error: Exception) -> str:
    """What a person is told, without the key that a provider's URL may have."""
    if isinstance(error, GridwitnessError):
        return f"{without_keys(error.message)} ({error.hint})" if error.hint else without_keys(error.message)
    if isinstance(error, NodeSoftwareNotInstalledError):
        return "no node answers there (start one: anvil --hardfork osaka --port PORT)"
    if isinstance(error, NO_ANSWER):
        return f"the node went away: {without_keys(str(error))} (run the same command again)"
    if isinstance(error, Web3RPCError):
        return f"the node refuses: {without_keys(words_of(error))}"
    return without_keys(str(error))


def session_options(function: Callable[..., None]) -> Callable[..., None]:
    """Options of a script that reads; `function` gets a Session without an account of need."""

    def run(
        account: AccountAPI | None, params: Path | None, manifest: Path | None, settings: tuple[str, ...], **own: Any
    ) -> None:
        provider = ape.networks.provider
        account = account or _dev_account(provider)
        function(open_session(provider, Options(account, params, manifest, settings)), **own)

    return _shared_options(_named_as(function, run))


def transaction_options(function: Callable[..., None]) -> Callable[..., None]:
    """Options of a script that sends; `function` gets a Session and sends only by `session.sender`.

    It runs on a throw-away fork first where money may be real or --dry-run was given, and shows what it would send.
    A command that has `--fresh` begins a new manifest with it; one that has `--safe-batch` writes that file and sends
    nothing.
    """
    return _transaction_options(function, is_urgent=False)


def urgent_transaction_options(function: Callable[..., None]) -> Callable[..., None]:
    """The same for a script that goes past what another account has under way, however long that takes."""
    return _transaction_options(function, is_urgent=True)


def _transaction_options(function: Callable[..., None], *, is_urgent: bool) -> Callable[..., None]:
    def run(
        account: AccountAPI | None, params: Path | None, manifest: Path | None, settings: tuple[str, ...], **given: Any
    ) -> None:
        provider = ape.networks.provider
        account = account or _dev_account(provider)
        options = Options(account, params, manifest, settings)
        sending = _Sending(**{name: given.pop(name) for name in _Sending._fields})
        fresh = given.pop("fresh", False)
        if given.get("safe_batch") is not None:
            function(open_session(provider, options), **given)
            return
        if account is None:
            raise ConfigError(
                f"network {provider.network.name} needs --account ALIAS",
                hint="`ape accounts generate ALIAS` makes one, `ape accounts list` shows those you have",
            )
        if fresh and not provider.network.is_dev:
            raise ConfigError(f"--fresh is for development chains, not for {provider.network.name}")
        session = open_session(provider, options, fresh=fresh)
        session = dataclasses.replace(session, assume_yes=sending.assume_yes)
        _send(session, account, sending, lambda acting: function(acting, **given), is_urgent=is_urgent)

    return _shared_options(_sending_options(_named_as(function, run)))


class _Sending(NamedTuple):
    """What scripts that send are told at the command line."""

    dry_run: bool
    assume_yes: bool
    max_fee_gwei: float
    confirmations: int | None


def _send(
    session: Session, account: AccountAPI, sending: _Sending, script: Callable[[Session], None], *, is_urgent: bool
) -> None:
    """Check the chain, rehearse and ask where that is called for, and carry the script out."""
    network = session.provider.network
    _check(session)
    if sending.dry_run:
        rehearse(session, script, is_urgent=is_urgent).show_funds()
        return
    if not network.is_dev:
        _ask(session, rehearse(session, script, is_urgent=is_urgent))
    needed = network.required_confirmations if sending.confirmations is None else sending.confirmations
    terms = Terms(int(sending.max_fee_gwei * GWEI), needed, _DEV_POLL_S if network.is_dev else _POLL_S, is_urgent)
    with session.manifest.locked():
        sender = Sender(session.provider, account, session.manifest, terms)
        sender.resume()
        acting = dataclasses.replace(session, actor=sender)
        _carry_out(sender, lambda: script(acting))


def _carry_out(sender: Sender, script: Callable[[], None]) -> None:
    """Run a script to its end, and anew if blocks were taken back meanwhile: it skips what stands.

    Raises what the script raises for other reasons.
    """
    for _ in range(_MAX_REORGANISATIONS):
        try:
            script()
            sender.settle()
        except Reorganised as error:
            click.echo(f"… {error.message}; looking anew at what stands")
        except (GridwitnessError, Web3Exception):
            # A contract that stood a moment ago may be gone.
            if not sender.restore():
                raise
        else:
            return
    raise ChainError(
        f"the chain took back blocks {_MAX_REORGANISATIONS} times", hint="run the same command again later"
    )


def safe_batch_option(function: Callable[..., None]) -> Callable[..., None]:
    """A file for the Safe Transaction Builder, in place of sending."""
    return click.option(
        "--safe-batch",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Write a file for the admin's Safe (Transaction Builder) instead of sending.",
    )(function)


def role_arguments(function: Callable[..., None]) -> Callable[..., None]:
    """A role, who is to have it, and of which contract."""
    function = click.option("--contract", metavar="NAME", help="Where more than one has the role.")(function)
    return click.argument("role")(click.argument("account_address", metavar="ACCOUNT")(safe_batch_option(function)))


def _check(session: Session) -> None:
    """See whether the chain can run the contracts that do not stand yet."""
    names = [*session.params.contracts, *([] if session.params.token else [TEST_TOKEN])]
    new = [session.artefacts[name] for name in names if session.manifest.get("contracts", name) is None]
    check_chain(session.web3, str(session.artefacts.compiler["evm_version"]), new)


def _ask(session: Session, plan: Plan) -> None:
    """Show the plan's cost and ask. Raises ChainError if the account cannot pay, ConfigError without a terminal."""
    if not plan.steps:
        return
    plan.show_funds()
    plan.require_funds()
    if session.artefacts.source_dirty:
        click.echo(
            "! contracts/ has changes that are in no commit: nobody can make this bytecode again from the repository"
        )
    session.confirm(f"Send {plan.count} on {session.network}?")
    # Ape would ask for each transaction and each passphrase; they were shown and agreed to.
    if (set_autosign := getattr(session.account, "set_autosign", None)) is not None:
        set_autosign(True)


def _dev_account(provider: ProviderAPI) -> AccountAPI | None:
    """First account of a development chain; elsewhere an account has to be named."""
    return ape.accounts.test_accounts[0] if provider.network.is_dev else None


def _named_as(function: Callable[..., None], run: Callable[..., None]) -> Callable[..., None]:
    """Hand on name, documentation, and the options that were declared below ours."""
    run.__name__, run.__doc__ = function.__name__, function.__doc__
    run.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    return run


def _shared_options(run: Callable[..., None]) -> Callable[..., None]:
    run = click.option(
        "--set",
        "settings",
        metavar="KEY=VALUE",
        multiple=True,
        help="Set a parameter, e.g. streams.readings.threshold=3.",
    )(run)
    run = click.option(
        "--manifest", type=click.Path(path_type=Path), help="Manifest [default: deployments/<chain-id>.json]."
    )(run)
    run = click.option(
        "--params",
        type=click.Path(path_type=Path),
        help="Parameters [default: deployments/params/<ecosystem>-<network>.yaml].",
    )(run)
    return account_option(prompt=False)(run)  # type: ignore[no-any-return]


def _sending_options(run: Callable[..., None]) -> Callable[..., None]:
    run = click.option(
        "--confirmations",
        type=click.IntRange(0, 1_000),
        help="Blocks that must stand on a transaction's [default: as Ape has it for the network].",
    )(run)
    run = click.option(
        "--max-fee-gwei",
        type=click.FloatRange(0, min_open=True),
        default=500.0,
        show_default=True,
        help="Most to offer for gas, however high the base fee rises.",
    )(run)
    run = click.option("--yes", "assume_yes", is_flag=True, help="Do not ask.")(run)
    return click.option("--dry-run", is_flag=True, help="Show what would be sent and what it costs; send nothing.")(run)
