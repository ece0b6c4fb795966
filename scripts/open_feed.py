"""Open one feed of a network's parameters: a FeedAdapter for one metric of one device."""

from __future__ import annotations

import click

from scripts._command import SessionCommand, transaction_options
from scripts._contracts import ensure_feed
from scripts._session import Session


@click.command(cls=SessionCommand)
@click.argument("name")
@transaction_options
def cli(session: Session, name: str) -> None:
    """Deploy the feed NAME as the parameters have it; its stream must be open. Nobody owns a feed.

    \b
    ape run open_feed townhall --network ethereum:sepolia:node --account deployer

    In the parameters: `feeds: {townhall: {attestation: $DataAttestation, streamId: $readings, deviceId: "0x…",
    metric: "1-0:16.29.0", decimals: 3, intervalSeconds: 900, maxScoreBps: 9_900, description: "town hall / kWh"}}`
    """
    ensure_feed(session, name)
