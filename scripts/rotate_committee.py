"""Replace the committee of a stream."""

from __future__ import annotations

import click

from scripts._command import SessionCommand, urgent_transaction_options
from scripts._committee import rotate, wanted_committee
from scripts._session import Session


@click.command(cls=SessionCommand)
@click.argument("stream")
@click.option("--member", "members", metavar="ADDRESS", multiple=True, help="Each member [default: the parameters'].")
@click.option("--threshold", type=int, help="How many must sign [default: the parameters'].")
@urgent_transaction_options
def cli(session: Session, stream: str, members: tuple[str, ...], threshold: int | None) -> None:
    """Have STREAM signed by another committee from its next batch on; for the stream's owner.

    \b
    ape run rotate_committee readings --network ethereum:sepolia:node --account owner
    ape run rotate_committee readings --member 0x… --member 0x… --member 0x… --threshold 2 --network …

    Shows what changes and what follows from it, and asks. Change the parameters too, or `ape run verify` names the
    difference. Safe to repeat.
    """
    rotate(session, stream, wanted_committee(session, stream, members, threshold))
