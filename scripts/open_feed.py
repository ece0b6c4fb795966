"""Open one feed of a network's parameters: a FeedAdapter for one metric of one device."""

from __future__ import annotations

import click

from gridwitness.errors import ConfigError
from scripts._params import FEED
from scripts._session import Session, SessionCommand, session_options
from scripts._steps import ensure_contract


@click.command(cls=SessionCommand)
@click.argument("name")
@session_options
def cli(session: Session, name: str) -> None:
    """Deploy the feed NAME as the parameters have it; its stream must be open. Nobody owns a feed.

    \b
    ape run open_feed townhall --network ethereum:sepolia:node --account deployer

    In the parameters: `feeds: {townhall: {attestation: $DataAttestation, streamId: $readings, deviceId: "0x…",
    metric: "1-0:16.29.0", decimals: 3, intervalSeconds: 900, maxScoreBps: 9_900, description: "town hall / kWh"}}`
    """
    if name not in session.params.feeds:
        known = ", ".join(session.params.feeds) or "none"
        raise ConfigError(f"{session.params.source}: feeds.{name} is missing; there are {known}")
    ensure_contract(session, FEED, session.params.feeds[name], ("feeds", name))
