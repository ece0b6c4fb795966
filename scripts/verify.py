"""Hold what stands on a chain against the sources, the parameters and the manifest."""

from __future__ import annotations

import click

from scripts._command import SessionCommand, session_options
from scripts._session import Session
from scripts._verify_contracts import begin, check_contracts
from scripts._verify_explorers import EXPLORERS, publish
from scripts._verify_state import check_state


@click.command(cls=SessionCommand)
@click.option(
    "--explorer",
    type=click.Choice(["auto", "none", *EXPLORERS]),
    default="auto",
    show_default=True,
    help="Where to publish the sources; auto is everywhere but for local chains.",
)
@click.option("--explorer-url", metavar="URL", help="Its server, in place of the public one.")
@click.option("--quick", is_flag=True, help="Take the compile that Ape keeps, not a clean one; publishes nothing.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@session_options
@click.pass_context
def cli(
    context: click.Context, session: Session, explorer: str, explorer_url: str | None, quick: bool, as_json: bool
) -> None:
    """Compare bytecode, arguments, roles, governance, streams, feeds, zones, token and precompile.

    \b
    ape run verify --network ethereum:sepolia:https://rpc.example.org
    ape run verify --network base:sepolia:https://rpc.example.org --explorer blockscout
    ape run verify --network ethereum:local:http://127.0.0.1:8545 --json

    Needs no account and changes nothing. Everything that differs is listed; then the exit code is 1.
    """
    run = begin(session, quick=quick)
    check_contracts(run)
    check_state(run)
    if not quick:
        publish(run, explorer, explorer_url)
    about = f"chain {session.params.chain_id}, {session.params.source}, {session.manifest.path}"
    run.report.echo(about, as_json=as_json)
    if run.report.differences:
        context.exit(1)
